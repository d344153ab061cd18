"""What the files of an evidence table hold: a column's name, and what it has for a report.

A trial's number of people is in ``participants`` of its first row only, so that a column that somebody adds up counts
nobody twice for being reported twice. It still counts people of a review beside those of the trials that it includes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tracker.article import shown, spelt
from tracker.export.clean import cell, kept_text
from tracker.reading.labels import groups
from tracker.report.rows import GROUPS, NOT_STATED, Reading, Report
from tracker.report.table import Study

Cell = int | float | str | None


class Line(NamedTuple):
    """A report in its place: ``head`` numbers the heads of the table from 1, ``is_first`` is the first of its head."""

    head: int
    study: Study
    report: Report
    is_first: bool


def lines(studies: Iterable[Study]) -> Iterator[Line]:
    for head, study in enumerate(studies, 1):
        for place, report in enumerate(study.reports):
            yield Line(head, study, report, place == 0)


def names() -> list[str]:
    return list(_COLUMNS)


def cells(line: Line) -> list[int | float | str]:
    """The row of a report: texts are safe in spreadsheets, and what is unknown is empty."""
    values = (column(line) for column in _COLUMNS.values())
    return [value if isinstance(value, int | float) else kept_text(cell(value or "")) for value in values]


def values_of(report: Report, group: str) -> str:
    """The values of a group as one text, or that none is stated."""
    return "; ".join(reading.value for reading in report.readings.get(group, ())) or NOT_STATED


def people_of_trial(line: Line) -> Reading | None:
    """The number of people of the trial, in its first row."""
    return line.study.participants if line.is_first else None


def number(reading: Reading | None) -> int | float | None:
    if reading is None or reading.number is None:
        return None
    return int(reading.number) if reading.number.is_integer() else reading.number


def _quantity(report: Report, group: str) -> int | float | None:
    return number(next(iter(report.readings.get(group, ())), None))


def _joined(texts: Iterable[object]) -> str:
    return "; ".join(map(str, texts))


def _values(group: str) -> Callable[[Line], Cell]:
    return lambda line: values_of(line.report, group)


def _said(group: str) -> Callable[[Line], Cell]:
    return lambda line: _joined(line.report.corrections(group))


_QUANTITIES = ("participants", "studies")
_COLUMNS: Mapping[str, Callable[[Line], Cell]] = {
    "trial": lambda line: line.head,
    "pmid": lambda line: line.report.cited.pubmed_id,
    "standing": lambda line: _joined(line.report.cited.standing),
    "title": lambda line: line.report.cited.title,
    "authors": lambda line: _joined(author.inverted for author in line.report.cited.authors),
    "journal": lambda line: line.report.cited.journal,
    "published": lambda line: line.report.cited.published,
    "doi": lambda line: line.report.cited.doi_name or line.report.cited.doi,
    "url": lambda line: line.report.cited.url,
    "registrations": lambda line: _joined(" ".join(each) for each in line.report.registrations),
    "trials_pooled": lambda line: line.report.pooled or None,
    "possibly_same_people_as": lambda line: _joined(map(spelt, line.report.sharing)),
    **{group: _values(group) for group in GROUPS if group not in (*_QUANTITIES, "follow_up")},
    "participants": lambda line: number(people_of_trial(line)),
    "participants_stated": lambda line: _quantity(line.report, "participants"),
    "studies_included": lambda line: _quantity(line.report, "studies"),
    "follow_up": _values("follow_up"),
    "follow_up_days": lambda line: _quantity(line.report, "follow_up"),
    "outcome": lambda line: line.report.outcome,
    "findings": lambda line: " | ".join(sentence.text for sentence in line.report.sentences),
    "findings_about": lambda line: _joined(each.about or "not stated" for each in line.report.sentences),
    "looked_for": lambda line: " | ".join(
        dict.fromkeys(each.looked_for for each in line.report.sentences if each.looked_for)
    ),
    "reached_end": lambda line: line.report.reached,
    "directness": lambda line: line.report.directness,
    "directness (read by machine)": lambda line: (
        line.report.cited.directness and line.report.cited.directness.words
    ),
    "directness (said by people)": lambda line: line.report.placement and line.report.placement.words,
    **{f"{group} (said by people)": _said(group) for group in GROUPS if groups()[group].column},
    "notices": lambda line: _joined(notice.sentence for notice in line.report.cited.notices),
    "pubmed_status": lambda line: line.report.cited.status_date,
    "tags": lambda line: _joined(term.removeprefix("tag: ") for term in line.report.cited.tag_terms),
    "screening": lambda line: _joined(outcome.sentence for outcome in line.report.cited.screening),
}


def as_json(line: Line) -> dict[str, Any]:
    """All that is known of a report, with the words that each value was read from."""
    report, cited = line.report, line.report.cited
    return {
        "trial": line.head,
        "pmid": cited.pubmed_id,
        "key": cited.key,
        "title": cited.title,
        "authors": [author.short for author in cited.authors],
        "journal": cited.journal,
        "published": cited.published,
        "doi": cited.doi_name or cited.doi,
        "url": cited.url,
        "standing": cited.standing,
        "notices": [notice._asdict() for notice in cited.notices],
        "status": cited.status_date,
        "registrations": [each._asdict() for each in report.registrations],
        "trials_pooled": report.pooled or None,
        "possibly_same_people_as": [shown(key) for key in report.sharing],
        "participants": number(people_of_trial(line)),
        "labels": {
            group: [{**reading._asdict(), "read_by": "machine"} for reading in report.readings.get(group, ())]
            for group in GROUPS
        },
        "judgements": [judgement._asdict() for judgement in cited.judgements],
        "outcome": cited.directness and cited.directness.outcome,
        "findings": [sentence._asdict() for sentence in report.sentences],
        "reached_end": report.reached,
        "directness": cited.directness
        and {
            "value": cited.directness.value,
            "words": report.directness,
            "reason": cited.directness.reason,
            "read_by": "machine",
        },
        "placement": report.placement and report.placement._asdict(),
        "tags": [tag._asdict() for tag in cited.tags],
        "screening": [outcome._asdict() for outcome in cited.screening],
    }
