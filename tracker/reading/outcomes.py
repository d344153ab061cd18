"""Where a record's sentences name a question's outcome: by the terms of a line of its search, and by further words.

Words are compared as ``tracker.query`` compares them: case, accents and what parts words make no difference.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice, permutations
from typing import NamedTuple

from tracker.article import Article
from tracker.query.errors import QueryError
from tracker.query.syntax import Node, Operation, Term, parse, terms
from tracker.query.vocabulary import MeshTree, fold_value, fold_words
from tracker.reading.brief import Outcome
from tracker.reading.sections import Part
from tracker.reading.text import RecordText

# The fields of a search whose words stand in title or abstract, and the part that they may stand in.
_FIELDS: dict[str, tuple[Part, ...]] = {
    "ti": ("title",),
    "ab": ("abstract",),
    "tiab": ("title", "abstract"),
    "tw": ("title", "abstract"),
    "all": ("title", "abstract"),
}
_BOTH: tuple[Part, ...] = ("title", "abstract")
_HEADINGS = ("mh", "majr")
# Between two words of a phrase; bounded, as records are hostile input.
_BETWEEN = r"[\W_]{1,9}"
_FEW_WORDS = rf"(?:{_BETWEEN}[^\W_]{{1,40}}){{0,3}}?{_BETWEEN}"
# Each further word of a proximity search multiplies the orders that are tried.
MAX_NEAR = 4
_LETTERS = 4
# Records are hostile input: what comes more often in one of them says nothing more.
MOST_PLACES = 200
MOST_SHORTS = 5
# More headings than MeSH has would be names that somebody made up.
MOST_HEADINGS = 40_000

# A place: the number of its sentence, and where in ``RecordText.lower`` it starts and ends.
Places = list[tuple[int, tuple[int, int]]]
Spans = dict[int, list[tuple[int, int]]]


class Phrase:
    """Words to be found in a record's text, each one of several ways to write it.

    ``keys`` holds for each word the first letters of its ways: a text that lacks any of them needs no other look.
    """

    __slots__ = ("firsts", "keys", "parts", "pattern", "rarest")

    def __init__(self, words: Sequence[Sequence[str] | None], parts: tuple[Part, ...] = _BOTH) -> None:
        """``words``: the folded ways of each, ``*`` at the end for any ending; None for up to three other words."""
        self.parts = parts
        solid = [ways for ways in words if ways is not None]
        self.firsts = tuple({way.rstrip("*").split()[0] for way in solid[0]})
        self.keys = tuple(key for ways in solid if (key := _key_set(ways)))
        # The word by which a text is told to be worth a look: its shortest way is the longest.
        self.rarest = _key_set(max(solid, key=lambda ways: min(map(len, ways))))
        self.pattern = re.compile(_joined(words))

    def spans(self, text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
        """Where it stands in a folded text, or in a piece of one."""
        end = len(text) if end is None else end
        if len(self.firsts) == 1:
            # A pattern that begins with letters is looked for faster than it is tried place by place.
            for found in self.pattern.finditer(text, start, end):
                at = found.start()
                if not at or not text[at - 1].isalnum():
                    yield found.span()
            return
        for first in self.firsts:
            at = text.find(first, start, end)
            while at >= 0:
                if (not at or not text[at - 1].isalnum()) and (match := self.pattern.match(text, at, end)):
                    yield match.span()
                at = text.find(first, at + 1, end)

    def may_stand_in(self, beginnings: frozenset[str]) -> bool:
        return not any(map(beginnings.isdisjoint, self.keys))


def phrases(texts: Iterable[str]) -> tuple[Phrase, ...]:
    """Phrases as a question's file has them: ``a|b`` is either, ``*`` any ending, ``...`` up to three words."""
    return tuple(phrase for text in texts if (phrase := _phrase(text)))


@cache
def _phrase(text: str) -> Phrase | None:
    pieces = text.split()
    words: list[list[str] | None] = []
    for piece in pieces:
        if piece == "...":
            words += [None] if words and words[-1] is not None else []
        else:
            ways = [fold_words(way) + "*" * way.endswith("*") for way in piece.split("|")]
            words.append([way for way in ways if way.strip("*")])
    # What stands beside nothing is no gap.
    while words and words[-1] is None:
        words.pop()
    while words and words[0] is None:
        words.pop(0)
    return Phrase(words) if words and all(ways or ways is None for ways in words) else None


def _joined(words: Sequence[Sequence[str] | None]) -> str:
    """One pattern of all words; what parts them is not matched again behind a gap."""
    pattern, before = "", ""
    for ways in words:
        if ways is None:
            before = _FEW_WORDS
            continue
        pattern += before + (_way(ways[0]) if len(ways) == 1 else f"(?:{'|'.join(map(_way, ways))})")
        before = _BETWEEN
    return pattern


def _way(way: str) -> str:
    bare = way.rstrip("*")
    ending = r"[^\W_]{0,40}" if way.endswith("*") else r"(?![^\W_])"
    return _BETWEEN.join(map(re.escape, bare.split())) + ending


def _key(way: str) -> str:
    """The first letters of its longest word that is not cut short of them; empty where any beginning will do."""
    words = way.rstrip("*").split()
    if way.endswith("*") and len(words[-1]) < _LETTERS:
        words.pop()
    return max(words, key=len)[:_LETTERS] if words else ""


def _key_set(ways: Sequence[str]) -> frozenset[str]:
    """The first letters of each way; empty where one of them may begin with any."""
    keys = frozenset(map(_key, ways))
    return frozenset() if "" in keys else keys


class Mentions(NamedTuple):
    """Where a record names an outcome: spans of ``RecordText.lower`` by the number of the sentence, and a heading."""

    spans: Mapping[int, Sequence[tuple[int, int]]]
    heading: str | None

    def __bool__(self) -> bool:
        return bool(self.spans) or self.heading is not None


Hits = dict[Phrase, Places]
_NOWHERE = Mentions({}, None)


class Matcher:
    """One side of an outcome, compiled once: what ``mentions`` of a record name it."""

    def __init__(self, outcome: Outcome, tree: MeshTree | None) -> None:
        """Without a tree no heading of a record names the outcome, only its words do."""
        self.outcome = outcome
        self._lines = [node for query in outcome.queries if (node := _parsed(query))]
        # By the place of the term in its line: a node of a query is slow to look up.
        self._of_terms = {
            id(term): _of_term(term) for term in self._terms() if term.field.key in _FIELDS and term.text
        }
        self._words = phrases(outcome.words)
        self._exceptions = phrases(outcome.exceptions)
        self._headings = self._exploded(tree) if tree else frozenset()
        self._named_by: dict[str, bool] = {}
        self._only_or = all(map(_is_only_or, self._lines))
        self._index: dict[str, list[Phrase]] = defaultdict(list)
        # A phrase without any beginning to look up has to be looked for in every text.
        self._blind = []
        for phrase in (*self._words, *(each for found in self._of_terms.values() for each in found)):
            for key in phrase.rarest:
                self._index[key].append(phrase)
            if not phrase.rarest:
                self._blind.append(phrase)
        self._beginnings = frozenset(self._index)

    def mentions(self, text: RecordText, article: Article) -> Mentions:
        """Where the record names the outcome. A record that has none of the first letters is left at once."""
        heading = self._heading(article)
        hits = self._hits(text)
        if not hits:
            return _NOWHERE if heading is None else Mentions({}, heading)
        found = self._without_exceptions(self._fitting(hits), text)
        _add(found, list(_abbreviated(found, text)))
        # Words were looked for in no particular order.
        return Mentions({number: sorted(found[number]) for number in sorted(found)}, heading)

    def named_in(self, text: RecordText, *, exceptions: bool) -> bool:
        """Whether a text's words name the outcome; without ``exceptions`` also where they mean something else."""
        found = self._fitting(self._hits(text))
        return bool(self._without_exceptions(found, text) if exceptions else found)

    def _fitting(self, hits: Hits) -> Spans:
        """Where words stand that fit a line or are further words, whatever they mean there."""
        found: Spans = defaultdict(list)
        if self._only_or:
            _add(found, (hit for each in hits.values() for hit in each))
        else:
            for line in self._lines:
                _add(found, _flat(self._evaluated(line, hits) or {}))
            _add(found, (hit for phrase in self._words for hit in hits.get(phrase, ())))
        return found

    def _hits(self, text: RecordText) -> Hits:
        """Each phrase that stands in the text, with where it stands."""
        beginnings = text.folded_beginnings
        near = [phrase for key in self._beginnings & beginnings for phrase in self._index[key]]
        hits: Hits = {}
        for phrase in (*near, *self._blind):
            if phrase in hits or not phrase.may_stand_in(beginnings):
                continue
            if places := list(islice(_in_sentences(phrase, text), MOST_PLACES)):
                hits[phrase] = places
        return hits

    def _terms(self) -> Iterator[Term]:
        for line in self._lines:
            yield from (term for term in terms(line) if isinstance(term, Term))

    def _exploded(self, tree: MeshTree) -> frozenset[str]:
        """Every heading that the lines ask for, folded, but those that an exception names."""
        asked = [term for term in self._terms() if term.field.key in _HEADINGS and not term.truncated]
        names = {
            name
            for term in asked
            for name in (tree.explode(term.text) if term.explode else {fold_value(term.text)})
            if "/" not in name
        }
        return frozenset(
            name for name in names if not any(any(phrase.spans(name)) for phrase in self._exceptions)
        )

    def _heading(self, article: Article) -> str | None:
        """The first of the record's headings that a line asks for; headings are few, and come again and again."""
        known = self._named_by
        for heading in article.mesh_headings:
            name = heading.descriptor
            named = known.get(name)
            if named is None and len(known) < MOST_HEADINGS:
                named = known[name] = fold_value(name) in self._headings
            if named:
                return name
        return None

    def _evaluated(self, node: Node, hits: Hits) -> Spans | None:
        """The sentences that fit a line, with the words that do; None for what no sentence can be judged by."""
        if isinstance(node, Operation):
            return self._combined(node, hits)
        chosen = self._of_terms.get(id(node))
        if chosen is None:
            return None
        found: Spans = defaultdict(list)
        _add(found, (hit for phrase in chosen for hit in hits.get(phrase, ())))
        return found

    def _combined(self, node: Operation, hits: Hits) -> Spans | None:
        operands = [self._evaluated(operand, hits) for operand in node.operands]
        if node.operator == "NOT":
            wanted = operands[0]
            if wanted is None:
                return None
            unwanted = {number for spans in operands[1:] if spans for number in spans}
            return {number: spans for number, spans in wanted.items() if number not in unwanted}
        judged = [spans for spans in operands if spans is not None]
        if not judged:
            return None
        numbers = set(judged[0])
        numbers = numbers.union(*judged) if node.operator == "OR" else numbers.intersection(*judged)
        return {number: [span for spans in judged for span in spans.get(number, ())] for number in numbers}

    def _without_exceptions(self, found: Spans, text: RecordText) -> Spans:
        """Without words that are part of a phrase in which they mean something else."""
        beginnings = text.folded_beginnings
        exceptions = [phrase for phrase in self._exceptions if phrase.may_stand_in(beginnings)]
        if not exceptions:
            return found
        left: Spans = defaultdict(list)
        for number, spans in found.items():
            barred = [
                span for phrase in exceptions for span in islice(spans_in(text, phrase, number), MOST_PLACES)
            ]
            kept = [span for span in spans if not any(b[0] < span[1] and span[0] < b[1] for b in barred)]
            if kept:
                left[number] = kept
        return left


def _is_only_or(node: Node) -> bool:
    return not isinstance(node, Operation) or (node.operator == "OR" and all(map(_is_only_or, node.operands)))


def _flat(spans: Spans) -> Iterator[tuple[int, tuple[int, int]]]:
    return ((number, span) for number, each in spans.items() for span in each)


# An abbreviation behind words that it stands for, two words away at most: "working memory (WM)".
_ABBREVIATION = re.compile(
    r"(?P<before>[\w'’-]{0,40}(?: [\w-]{1,40}){0,2})[\"”’']? ?[(\[](?P<short>[A-Z][A-Za-z-]{1,7})[)\]]"
)


def _abbreviated(found: Spans, text: RecordText) -> Iterator[tuple[int, tuple[int, int]]]:
    """Where abbreviations stand that the record explains as the outcome's words."""
    whole = f"{text.title}\n{text.abstract}"
    shorts = {short for spans in found.values() for span in spans if (short := _abbreviation(whole, span))}
    for short in sorted(shorts)[:MOST_SHORTS]:
        places = re.finditer(rf"(?<![^\W_]){re.escape(short)}(?![^\W_])", whole)
        for place in islice(places, MOST_PLACES):
            yield text.sentence_at(place.start()), place.span()


def _abbreviation(whole: str, span: tuple[int, int]) -> str | None:
    """What stands in parentheses behind these words, if its last letter begins the last of them."""
    behind = _ABBREVIATION.match(whole, span[1])
    if not behind:
        return None
    words = (whole[span[0] : span[1]] + behind["before"]).replace("-", " ").split()
    short = behind["short"].rstrip("s").replace("-", "")
    fits = len(short) > 1 and len(words) <= len(short) + 1 and words[-1][0].upper() == short[-1].upper()
    return behind["short"] if fits else None


def _add(found: Spans, spans: Iterable[tuple[int, tuple[int, int]]]) -> None:
    for number, span in spans:
        found[number].append(span)


def spans_in(text: RecordText, phrase: Phrase, number: int) -> Iterator[tuple[int, int]]:
    """Where in ``RecordText.lower`` a phrase stands in the sentence of this number."""
    folded = text.folded
    start, end = folded.now(text.start_of(number)), folded.now(text.end_of(number))
    for found in phrase.spans(folded.text, start, end):
        yield folded.before(found[0]), folded.before(found[1])


def _in_sentences(phrase: Phrase, text: RecordText) -> Iterator[tuple[int, tuple[int, int]]]:
    """Each place where it stands whole in one sentence of its parts, with the sentence's number."""
    folded = text.folded
    for found in phrase.spans(folded.text):
        start, end = folded.before(found[0]), folded.before(found[1])
        number = text.sentence_at(start)
        if end <= text.end_of(number) and text.sentences[number].part in phrase.parts:
            yield number, (start, end)


def _parsed(query: str) -> Node | None:
    """None for a line that cannot be read: the check of its question tells what is wrong with it."""
    try:
        return parse(query)
    except QueryError:
        return None


def _of_term(term: Term) -> tuple[Phrase, ...]:
    """A term's words in order; of a proximity search in each order, with few enough words between."""
    parts, words = _FIELDS[term.field.key], fold_words(term.text).split()
    if not words:
        return ()
    if term.distance is None:
        whole = " ".join(words) + "*" * term.truncated
        return (Phrase([[whole]], parts),)
    if len(words) > MAX_NEAR:
        return ()
    return tuple(_Near(order, term.distance, parts) for order in permutations(words))


class _Near(Phrase):
    """Words in this order with at most ``distance`` others between two of them."""

    __slots__ = ()

    def __init__(self, words: Sequence[str], distance: int, parts: tuple[Part, ...]) -> None:
        super().__init__([[word] for word in words], parts)
        between = rf"(?:{_BETWEEN}[^\W_]{{1,40}}){{0,{min(distance, 9)}}}?{_BETWEEN}"
        self.pattern = re.compile(between.join(map(_way, words)))
