"""Whether a few words, as a reader types them, name a question's outcome."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from tracker.article import Article, ArticleKey, Pmid, Text
from tracker.reading.brief import Brief
from tracker.reading.outcomes import Matcher
from tracker.reading.text import RecordText


def names(texts: Iterable[str], brief: Brief, *, exceptions: bool) -> bool:
    """Whether any of the texts names one side of the outcome, by its words as in a record's title.

    With ``exceptions``, not by words that mean something else where they stand, as the question's file says.
    """
    read = [_as_title(text) for text in texts]
    return any(matcher.named_in(text, exceptions=exceptions) for matcher in _matchers(brief) for text in read)


@lru_cache(maxsize=64)
def _matchers(brief: Brief) -> tuple[Matcher, ...]:
    """One for each side of the outcome. What readers type has no headings."""
    return tuple(Matcher(outcome, None) for outcome in brief.outcomes)


def _as_title(text: str) -> RecordText:
    return RecordText(Article(pmid=Pmid(ArticleKey(0)), title=Text(text, "")))
