"""What has happened to a paper since it came out, as its record's links and publication types say it.

The RefType names are those of the NLM PubMed DTD
(https://dtd.nlm.nih.gov/ncbi/pubmed/doc/out/190101/att-RefType.html). Names ending in In (and the older
PartialRetractionIn, used from 2006 to 2016 and since turned into errata by NLM) say that something was
published about this paper; names ending in Of, For, On or From say that this record is about another.
"""

from __future__ import annotations

from typing import NamedTuple

from tracker.article import Article, Notice

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

    ``is_notice`` is of a record that only announces something about another paper.
    """

    retracted: bool
    expression_of_concern: bool
    corrected: bool
    updated: bool
    commented: bool
    republished: bool
    is_notice: bool


def flags(article: Article) -> Flags:
    """The record's flags, from its links and its publication types. Never raises."""
    links = {notice.type for notice in article.notices}
    types = {kind.ui for kind in article.publication_types} | {
        kind.name.lower() for kind in article.publication_types
    }
    about_another = not links.isdisjoint(IS_NOTICE)
    # NLM gives this type to the notice, publishers' records also to the paper under concern; without a
    # link that tells which, a warning too many is the lesser harm.
    under_concern = _CONCERN_TYPE in types and not about_another
    return Flags(
        retracted=not links.isdisjoint(RETRACTED) or not types.isdisjoint(_RETRACTED_TYPE),
        expression_of_concern=not links.isdisjoint(CONCERN) or under_concern,
        corrected=not links.isdisjoint(CORRECTED),
        updated=not links.isdisjoint(UPDATED),
        commented=not links.isdisjoint(COMMENTED),
        republished=not links.isdisjoint(REPUBLISHED),
        is_notice=about_another or not types.isdisjoint(_NOTICE_TYPES),
    )


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
