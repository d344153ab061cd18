"""Counts, durations and doses against what people read: how many are exact, and of how many records we read one.

``pmid % 4`` splits as for other groups; see ``sets``. Sets differ in what they marked, so each comparison says what
counts as right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from benchmarks.reading import labels, scores, sets
from tracker.article import AbstractSection, Article, Text
from tracker.reading import quantities
from tracker.reading.rules import Pattern, Rule, all_rules
from tracker.reading.text import RecordText


class Compared(NamedTuple):
    """A record with what people read in it and what we did; ``right`` is whether ours is one that they accept."""

    record: sets.Read
    article: Article
    theirs: str
    ours: str
    right: bool


class Task(NamedTuple):
    """One comparison: ``theirs`` gives what people read (None leaves the record out, empty: nothing stated)."""

    name: str
    group: str
    set: str
    theirs: Callable[[dict[str, Any]], Sequence[float] | None]
    agree: Callable[[Sequence[float], float], bool]
    article: Callable[[Article], Article] = lambda article: article


def tasks() -> list[Task]:
    return [
        Task("participants, ketamine", "participants", "ketamine_gold", _field("n"), _one_of),
        Task("participants, PsyNamic's bins", "participants", "psynamic_full", _bin, _in_bin),
        Task(
            "participants, EBM-NLP experts",
            "participants",
            "ebmnlp_participants",
            _expert_total,
            _one_of,
            mended,
        ),
        Task(
            "participants, EBM-NLP crowd",
            "participants",
            "ebmnlp_participants",
            _crowd_total,
            _one_of,
            mended,
        ),
        Task("studies, ketamine", "studies", "ketamine_gold", _field("studies"), _one_of),
        Task("follow_up, ketamine", "follow_up", "ketamine_gold", _follow_up, _as_long),
    ]


def compared(task: Task, *, develop: bool) -> Iterator[Compared]:
    for record in sets.load(task.set):
        theirs = task.theirs(record.gold) if record.develop == develop else None
        if theirs is not None:
            article = task.article(record.article)
            ours = [label for label in labels.read(article) if label.group == task.group]
            number = ours[0].number if ours else None
            right = bool(theirs) and number is not None and task.agree(theirs, number)
            yield Compared(
                record, article, _text(theirs), _text([number] if number is not None else []), right
            )


def report(*, develop: bool, group: str | None, errors: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Prints what was measured, and gives it by group as ``accuracy.json`` has it."""
    for task in tasks():
        if group in (None, task.group, task.name):
            found = list(compared(task, develop=develop))
            print(f"\n{task.name}: {summary(found)}" if found else f"{task.name}: the set is not here")
            if found:
                yield task.group, _entry(task, found)
            if errors:
                for one in found:
                    if not one.right and (one.theirs or one.ours):
                        _show(one, task.group)
    if group in (None, "dose"):
        yield from _report_doses(develop=develop, errors=errors)


def _entry(task: Task, found: Sequence[Compared]) -> dict[str, Any]:
    stated = [one for one in found if one.theirs]
    right = scores.share(sum(one.right for one in stated), len(stated))
    coverage = scores.share(sum(bool(one.ours) for one in stated), len(stated))
    return scores.entry(
        task.name.partition(", ")[2], len(stated), "share exactly right", right, right, coverage
    )


def summary(found: Sequence[Compared]) -> str:
    stated = [one for one in found if one.theirs]
    read = [one for one in found if one.ours]
    right = sum(one.right for one in found)
    return (
        f"right of those stated {_figure(right, len(stated))}, coverage "
        f"{_figure(sum(bool(one.ours) for one in stated), len(stated))}, right where both read "
        f"{_figure(right, sum(bool(one.theirs) for one in read))}, read where people read nothing "
        f"{sum(not one.theirs for one in read)} of {len(found) - len(stated)}"
    )


def _figure(part: int, whole: int) -> str:
    share = scores.share(part, whole)
    return f"{share.value:.3f} ({share.low:.3f} to {share.high:.3f}, n {share.n})"


def _show(one: Compared, group: str) -> None:
    print(
        f"\n{one.record.id}  theirs {one.theirs or '-'}  ours {one.ours or '-'}  {one.record.gold.get('design', '')}"
    )
    print(f"  {one.article.title.plain}\n  {one.article.abstract_text}")
    for label in labels.read(one.article):
        if label.group == group:
            print(f"    {label.value} <- {label.rule}: {label.quote}")


def _text(values: Sequence[float]) -> str:
    return "/".join(f"{value:g}" if value < 1e6 else f"{value:.0f}" for value in values)


# -- what people read ----------------------------------------------------------------------------------


def _field(name: str) -> Callable[[dict[str, Any]], Sequence[float]]:
    return lambda gold: [gold[name]] if gold[name] else []


def _follow_up(gold: dict[str, Any]) -> Sequence[float]:
    """The longest duration of what they wrote, in days."""
    found = quantities.durations(gold["follow_up"] or "")
    return [max(days for _, _, days in found)] if found else []


_BINS = {
    "1-20": (1, 20),
    "21-40": (21, 40),
    "41-60": (41, 60),
    "61-80": (61, 80),
    "81-100": (81, 100),
    "100-199": (100, 199),
    "200-499": (200, 499),
    "500-999": (500, 999),
    "≥1000": (1000, 10**12),
}


def _bin(gold: dict[str, Any]) -> Sequence[float] | None:
    """The least and the most of the bin; reviews and the like, which are "not applicable", are left out."""
    given = (gold.get("number_of_participants") or [""])[0]
    if given == "Unknown":
        return []
    return _BINS.get(given)


def _one_of(theirs: Sequence[float], ours: float) -> bool:
    return ours in theirs


def _as_long(theirs: Sequence[float], ours: float) -> bool:
    """Four weeks are as long as 28 days; a month is not quite."""
    return abs(theirs[0] - ours) <= 0.02 * theirs[0]


def _in_bin(theirs: Sequence[float], ours: float) -> bool:
    return theirs[0] <= ours <= theirs[1]


def _expert_total(gold: dict[str, Any]) -> Sequence[float] | None:
    return _totals(gold) if gold["their_split"] == "medical professionals" else None


def _crowd_total(gold: dict[str, Any]) -> Sequence[float] | None:
    return _totals(gold) if gold["their_split"] != "medical professionals" else None


def _totals(gold: dict[str, Any]) -> Sequence[float]:
    """The largest number marked, and the sum of all: arms and stages are marked as well as totals."""
    found = [
        value
        for span in gold["sample_size"]
        if "%" not in span
        for words in re.findall(r"[0-9][0-9, ]*[0-9]|[0-9]|[A-Za-z][A-Za-z -]*[A-Za-z]", span)
        if (value := quantities.number(words.strip()))
    ]
    return list(dict.fromkeys([max(found), sum(found)])) if found else []


# A word that begins a sentence where the set lost its full stops.
_NEW_SENTENCE = re.compile(
    r"(?<=[a-z0-9)%]) (?=(?:The|In|We|This|These|Patients|Subjects|Participants|A|An|All|Of|There|To|After|At|Our|On|"
    r"For|Both|No|Results|Conclusions?|Methods|Objectives?|Background|During|It|Children|Women|Men|Eligible|Each|One|"
    r"Two|Three|Four|Five|Six|Seven|Eight|Nine|Ten|Eleven|Twelve|[A-Z][a-z]+teen|(?:Twen|Thir|For|Fif|Six|Seven|Eigh|"
    r"Nine)ty(?:-[a-z]+)?|[0-9]{2,5} [a-z]+ (?:were|was|received|participated)) )"
)


def mended(article: Article) -> Article:
    """An abstract of EBM-NLP with full stops where sentences seem to begin; its title is the beginning of it again."""
    if article.abstract_text not in _MENDED:
        text = re.sub(r" (?=[,;:.)%])|(?<=[(]) ", "", _NEW_SENTENCE.sub(". ", article.abstract_text))
        sections = (AbstractSection(None, None, Text(text, text)),)
        _MENDED[article.abstract_text] = replace(article, title=Text("", ""), abstract=sections)
    return _MENDED[article.abstract_text]


_MENDED: dict[str, Article] = {}


# -- doses: every psychedelic's are marked there ---------------------------------------------------------

# The drugs whose doses PsyNamic's people marked, instead of the topic's.
_PSYCHEDELICS = Rule(
    "psychedelic",
    "drug",
    ("title", "abstract"),
    pattern=Pattern(
        r"(?:ketamine|psilocybin|psilocin|lsd\b|lysergic|mdma|methylenedioxy|ecstasy|dmt\b|dimethyltryptamine|ayahuasca|"
        r"mescaline|peyote|iboga|salvia\b|salvinorin|mushroom|truffle|hoasca|2c-b|\bmd[ae]a?\b|comp360|emp.?01)",
        re.IGNORECASE,
    ),
)


def _report_doses(*, develop: bool, errors: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Distinct normalised doses of each record, and distinct spans, spaces aside; the spans are only printed."""
    yield from _report_our_doses(develop=develop, errors=errors)
    for name, read in (("values", _dose_values), ("spans", _dose_spans)):
        pairs = [
            (record, *read(record)) for record in sets.load("psynamic_dose") if record.develop == develop
        ]
        if not pairs:
            print("dose, PsyNamic: the set is not here")
            return
        both = sum(len(theirs & ours) for _, theirs, ours in pairs)
        read_by_us, given = sum(len(ours) for *_, ours in pairs), sum(len(theirs) for _, theirs, _ in pairs)
        print(
            f"\ndose, PsyNamic's {name} (records {len(pairs)}): precision {_figure(both, read_by_us)}, "
            f"recall {_figure(both, given)}"
        )
        if name == "values":
            yield from _dose_entries("PsyNamic's values", len(pairs), both, read_by_us, given)
        if errors:
            for record, theirs, ours in pairs:
                if theirs != ours:
                    print(f"  {record.id} missed {sorted(theirs - ours)} too many {sorted(ours - theirs)}")


def _report_our_doses(*, develop: bool, errors: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    both = given = read = records = 0
    for record in sets.load("ketamine_gold"):
        if record.develop == develop:
            records += 1
            theirs = {
                value
                for dose in record.gold["dose"]
                for found in quantities.doses(dose)
                for value in found.values
            }
            ours = {label.value for label in labels.read(record.article) if label.group == "dose"}
            both, given, read = both + len(theirs & ours), given + len(theirs), read + len(ours)
            if errors and theirs != ours:
                print(f"  {record.id} missed {sorted(theirs - ours)} too many {sorted(ours - theirs)}")
    print(f"\ndose, ketamine: precision {_figure(both, read)}, recall {_figure(both, given)}")
    if records:
        yield from _dose_entries("ketamine", records, both, read, given)


def _dose_entries(
    set: str, records: int, both: int, read: int, given: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    for measure, whole in (("precision", read), ("recall", given)):
        yield "dose", scores.entry(set, records, measure, scores.share(both, whole))


def _found(record: sets.Read) -> Iterator[tuple[str, quantities.Dose]]:
    """Our doses of any psychedelic, sentence by sentence."""
    others = [rule for rule in all_rules()["dose"].rules if rule.value == "other"]
    for sentence in RecordText(record.article).sentences:
        for dose in quantities.doses_of(sentence.text, _PSYCHEDELICS, others, named=True):
            yield sentence.text, dose


def _dose_values(record: sets.Read) -> tuple[set[str], set[str]]:
    theirs = {
        value
        for span in record.gold["dose"]
        for found in quantities.doses(_joined(span["dose"]))
        for value in found.values
    }
    return theirs, {value for _, dose in _found(record) for value in dose.values}


def _dose_spans(record: sets.Read) -> tuple[set[str], set[str]]:
    theirs = {_bare(amount) for span in record.gold["dose"] for amount in _amounts(span["dose"])}
    return theirs, {
        _bare(amount) for text, dose in _found(record) for amount in _amounts(text[dose.start : dose.end])
    }


def _amounts(span: str) -> list[str]:
    """The amounts of a span: "56 mg or 84 mg" is marked now as one span, now as two."""
    return [
        amount for amount in re.split(r",(?! ?[0-9]{3}\b)|\b(?:and|or|versus|vs)\b", span) if amount.strip()
    ]


def _joined(span: str) -> str:
    """A span of the set without the spaces of its tokens."""
    return re.sub(r"\s*([/()])\s*", r"\1", span).lstrip("( ")


def _bare(span: str) -> str:
    """A span without spaces and brackets around it, since the set's tokens differ from the text there."""
    return re.sub(r"[\s-]", "", span).strip("()").lower()
