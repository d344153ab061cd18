"""What has happened to a paper since it came out, as its record's links, publication types or title say it.

The RefType names are those of the NLM PubMed DTD
(https://dtd.nlm.nih.gov/ncbi/pubmed/doc/out/190101/att-RefType.html). Names ending in In (and the older
PartialRetractionIn, used from 2006 to 2016 and since turned into errata by NLM) say that something was
published about this paper; names ending in Of, For, On or From say that this record is about another.

Titles are read by rules (``rules/notices.yml``): publishers and Cochrane mark titles that PubMed's types and links say
nothing of, for months or for ever.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Literal, NamedTuple

from tracker.article import Article, Notice
from tracker.datafile import packaged

TitleSays = Literal["retracted", "withdrawn", "notice"]

RETRACTED = frozenset({"RetractionIn", "RetractedandRepublishedIn"})
CONCERN = frozenset({"ExpressionOfConcernIn"})
CORRECTED = frozenset({"ErratumIn", "PartialRetractionIn", "CorrectedandRepublishedIn"})
UPDATED = frozenset({"UpdateIn"})
COMMENTED = frozenset({"CommentIn"})
REPUBLISHED = frozenset(
    {"RepublishedIn", "CorrectedandRepublishedIn", "RetractedandRepublishedIn", "ReprintIn"}
)
IS_NOTICE = frozenset({"RetractionOf", "PartialRetractionOf", "ErratumFor", "ExpressionOfConcernFor"})

# Scope notes: https://www.nlm.nih.gov/mesh/pubtypes.html
_RETRACTED_TYPE = ("D016441", "retracted publication")
_NOTICE_TYPES = ("D016440", "retraction of publication", "retraction notice", "D016425", "published erratum")
_CONCERN_TYPE = "expression of concern"

_WORDS = {
    "RetractionIn": "Retracted: see",
    "RetractionOf": "Retracts",
    "PartialRetractionIn": "Retracted in part: see",
    "PartialRetractionOf": "Retracts in part",
    "RetractedandRepublishedIn": "Retracted and published anew: see",
    "RetractedandRepublishedFrom": "New version of a retracted paper:",
    "ExpressionOfConcernIn": "Expression of concern: see",
    "ExpressionOfConcernFor": "Expresses concern about",
    "ErratumIn": "Corrected: see",
    "ErratumFor": "Corrects",
    "CorrectedandRepublishedIn": "Corrected and published again: see",
    "CorrectedandRepublishedFrom": "Corrected version of",
    "UpdateIn": "Updated: see",
    "UpdateOf": "Updates",
    "CommentIn": "Comment: see",
    "CommentOn": "Comments on",
    "RepublishedIn": "Published again: see",
    "RepublishedFrom": "First published as",
    "ReprintIn": "Reprinted: see",
    "ReprintOf": "Reprint of",
    "SummaryForPatientsIn": "Summary for patients: see",
    "OriginalReportIn": "Original report: see",
    "AssociatedDataset": "Data: see",
    "AssociatedPublication": "Goes with",
    "Cites": "Cites",
}


class Flags(NamedTuple):
    """What a reader must know before reading; each kind is kept apart.

    ``withdrawn`` is said by titles only: by Cochrane of reviews, by publishers of what they take back or remove before
    it is in an issue. ``is_notice`` is of a record that only announces something about another paper.
    """

    retracted: bool
    expression_of_concern: bool
    corrected: bool
    updated: bool
    commented: bool
    republished: bool
    is_notice: bool
    withdrawn: bool


class TitleRule(NamedTuple):
    name: str
    value: TitleSays
    pattern: re.Pattern[str]
    examples: tuple[str, ...]
    not_examples: tuple[str, ...]


@cache
def title_rules() -> tuple[TitleRule, ...]:
    """The rules of ``rules/notices.yml``, compiled once."""
    data: dict[str, Any] = packaged(__package__, "rules/notices.yml")
    return tuple(
        TitleRule(
            rule["name"],
            rule["value"],
            re.compile(rule["title"], re.VERBOSE),
            tuple(rule["examples"]),
            tuple(rule["not_examples"]),
        )
        for rule in data["rules"]
    )


# The beginning of each word that a rule asks for: most titles need no pattern.
_MAY_SAY = ("retract", "withdr", "remov", "concern", "correct", "corrig", "errat")


def title_says(title: str) -> TitleSays | None:
    """What a title says of the record itself: retracted, withdrawn, or that it is a notice. Never raises."""
    rule = title_rule(title)
    return rule.value if rule else None


def title_rule(title: str) -> TitleRule | None:
    """The first rule that fits a title. Never raises."""
    small = title.lower()
    if not any(word in small for word in _MAY_SAY):
        return None
    return next((rule for rule in title_rules() if rule.pattern.search(title)), None)


class Standing(NamedTuple):
    """The flags, what the title says, and whether nothing but the title says it."""

    flags: Flags
    title_says: TitleSays | None
    by_title: bool

    @property
    def columns(self) -> dict[str, bool | str | None]:
        """By the names of columns of ``articles``."""
        return {**self.flags._asdict(), "title_says": self.title_says, "by_title": self.by_title}


def flags(article: Article) -> Flags:
    """The record's flags. Never raises."""
    return standing(article).flags


def standing(article: Article) -> Standing:
    """How the record stands, from its links, its publication types and its title. Never raises."""
    links = {notice.type for notice in article.notices}
    types = {kind.ui for kind in article.publication_types} | {
        kind.name.lower() for kind in article.publication_types
    }
    about_another = not links.isdisjoint(IS_NOTICE)
    noted = about_another or not types.isdisjoint(_NOTICE_TYPES)
    retracted = not links.isdisjoint(RETRACTED) or not types.isdisjoint(_RETRACTED_TYPE)
    said = title_says(article.title.plain)
    if noted and said in ("retracted", "withdrawn"):
        # A notice may bear the title of what it is about, mark and all ("Retracted: ...").
        said = None
    # NLM gives this type to the notice, publishers' records also to the paper under concern; without a link or a title
    # that tells which, a warning too many is the lesser harm.
    under_concern = _CONCERN_TYPE in types and not about_another and said != "notice"
    found = Flags(
        retracted=retracted or said == "retracted",
        expression_of_concern=not links.isdisjoint(CONCERN) or under_concern,
        corrected=not links.isdisjoint(CORRECTED),
        updated=not links.isdisjoint(UPDATED),
        commented=not links.isdisjoint(COMMENTED),
        republished=not links.isdisjoint(REPUBLISHED),
        is_notice=noted or said == "notice",
        withdrawn=said == "withdrawn",
    )
    elsewhere = {"retracted": retracted, "notice": noted}.get(said or "", False)
    return Standing(found, said, said is not None and not elsewhere)


def words(type: str) -> str:
    """How a notice of this RefType begins: ``Retracted: see``. A type that we don't know is shown by its name."""
    return _WORDS.get(type, type + ":")


def describe(notice: Notice) -> str:
    """The notice in one line: ``Retracted: see Biosci Rep. 2020 Mar 27, PMID 32167152``.

    Never raises.
    """
    where = [
        notice.citation.strip().rstrip(".") if notice.citation else "",
        f"PMID {notice.pmid}" if notice.pmid else "",
    ]
    details = ", ".join(part for part in where if part) or "(no reference given)"
    note = f" ({notice.note.strip()})" if notice.note and notice.note.strip() else ""
    return f"{words(notice.type)} {details}{note}"
