"""Facets: what lists can be filtered by. Labels are read by us; the others are facts that PubMed states.

One table of facets serves two readers. ``question_labels`` holds them in order of publication, for lists; the
full-text index holds each as one word, beside the article's own words, so that any filters and any text are
answered by one intersection of its lists, however large the database (measured on a million articles: 0.1 to
8 ms, where joins took 0.3 s).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tracker.evidence.fulltext import SEARCHED

# The group whose one value every article has, so that an unfiltered list is filtered by it.
EVERYTHING = "all"
QUESTION, YEAR = "question", "year"

# Data banks that register trials: https://www.nlm.nih.gov/bsd/medline_databank_source.html
REGISTRIES = (
    "ANZCTR ChiCTR ClinicalTrials.gov CRIS CTIS CTRI DRKS EudraCT IRCT ISRCTN JapicCTI JMACCT JPRN jRCT LBCTR NTR "
    "PACTR ReBec REPEC RPCEC SLCTR TCTR UMIN-CTR UMIN_CTR"
).split()


class Facet(NamedTuple):
    """SQL for a group and its value in each row ``x`` of an article in a table, where the condition holds."""

    group: str
    value: str
    condition: str = "1"
    table: str = "articles"


NOTICES = {
    "retracted": "retracted",
    "withdrawn": "withdrawn",
    "expression_of_concern": "expression of concern",
    "corrected": "corrected",
    "updated": "updated",
    "is_notice": "a notice itself",
}


def _texts(texts: Iterable[str]) -> str:
    return ", ".join(f"'{text}'" for text in texts)


def _languages() -> Iterator[Facet]:
    """MARC's codes have three letters and commas between them. As FTS5 refuses json_each, each is cut by position."""
    for place in range(6):
        code = f"substr(x.languages, {4 * place + 1}, 3)"
        yield Facet("'language'", code, f"{code} glob '[a-z][a-z][a-z]'")


_FACETS = (
    Facet("x.label_group", "x.value", table="labels"),
    *_languages(),
    Facet("'species'", "lower(x.descriptor)", "x.descriptor in ('Humans', 'Animals')", "mesh_headings"),
    Facet("'full_text'", "'free in PubMed Central'", "x.pmcid is not null"),
    *(Facet("'notice'", f"'{value}'", f"x.{flag}") for flag, value in NOTICES.items()),
    Facet("'registration'", "'trial registered'", f"x.bank in ({_texts(REGISTRIES)})", "registrations"),
    # Last, as it is not a word of the index: what every article has narrows nothing.
    Facet(f"'{EVERYTHING}'", "''"),
)
# Only in the index: lists of a question, and of a year, have tables in that order.
_ONLY_WORDS = (
    Facet(f"'{QUESTION}'", "x.question", "x.matching", "question_articles"),
    Facet(f"'{YEAR}'", "substr(x.published, 1, 4)", "x.published <> ''"),
)
# Groups of facts that PubMed states, with their titles; every other group was read by machine.
FACTS = {
    "language": "Language",
    "species": "Humans or animals (MeSH)",
    "full_text": "Full text",
    "notice": "Notices",
    "registration": "Trial registration",
}


def is_label(group: str) -> bool:
    """Whether the group's values are read by machine."""
    return group not in FACTS and group != EVERYTHING


def of_questions(source: str) -> str:
    """A query for (question, label_group, value, published, pmid) of matching articles, as question_labels has them.

    ``source`` ends a from clause that gives ``question_articles q``.
    """
    return " union ".join(
        f"select q.question, {facet.group}, {facet.value}, q.published, q.pmid from {source} "
        f"join {facet.table} x on x.pmid = q.pmid where q.matching and {facet.condition}"
        for facet in _FACETS
    )


def searched_articles() -> str:
    """The view that the full-text index reads: an article's words, and its facets as extra words."""
    texts = ", ".join(f"coalesce(t.{name}, a.{name}) as {name}" for name in SEARCHED)
    words = " ||\n    ".join(_words(facet) for facet in (*_FACETS[:-1], *_ONLY_WORDS))
    return (
        f"create view searched_articles as\nselect a.pmid, {texts},\n  {words} as facets\n"
        "from articles a left join searched_texts t on t.pmid = a.pmid"
    )


def _words(facet: Facet) -> str:
    """SQL for an article's values of a facet as words of the index (see ``word``)."""
    word = f"'x' || hex({facet.group} || '=' || {facet.value}) || 'x '"
    if facet.table == "articles":
        return f"iif({facet.condition}, {word}, '')".replace("x.", "a.")
    return (
        f"coalesce((select group_concat(word, '') from (select distinct {word} as word from {facet.table} x "
        f"where x.pmid = a.pmid and {facet.condition} order by 1)), '')"
    )


def word(group: str, value: str) -> str:
    """The facet as one word of the full-text index, of letters that no stemmer changes."""
    return f"x{f'{group}={value}'.encode().hex()}x"
