"""Directness and finding sentences against those that a reader marked for each question (``GUIDE.md``).

Directness follows from labels; so that its own rules can be judged apart from how well labels are read, the labels may
be ours, those of the same reader (``gold``), or what a few plain patterns make of the text (``simple``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Literal, NamedTuple

from benchmarks.processes import ROOT
from benchmarks.reading import sets
from benchmarks.reading.scores import Figure, drawn, entry, share
from tracker.questions import Question, load_questions
from tracker.reading import Label, read_labels
from tracker.reading.directness import directness
from tracker.reading.engine import Record
from tracker.reading.findings import Findings, findings

Labels = Literal["ours", "gold", "simple"]
VALUES = ("direct", "indirect", "off")
# The bars of the design.
DIRECT_F1, READERS_SENTENCE, OURS_ENDORSED = 0.85, 0.85, 0.80
SHOWN = 2


class Case(NamedTuple):
    """A record for a question, as the reader and we read it; sentences as spans of title and abstract in one."""

    record: sets.Read
    question: str
    theirs: str
    ours: str
    reason: str
    found: Findings
    marked: tuple[tuple[int, int], ...]
    spans: tuple[tuple[int, int], ...]


def cases(*, develop: bool, labels: Labels = "ours") -> Iterator[Case]:
    """Every record of the half asked for, for each question that it was read for."""
    for read in sets.load("ketamine_gold"):
        if read.develop == develop:
            record = Record(read.article)
            record.add(_labels(read, labels))
            for slug, theirs in read.gold["questions"].items():
                yield _case(read, record, questions()[slug], theirs)


@cache
def questions() -> dict[str, Question]:
    return {question.slug: question for question in load_questions(ROOT / "queries")}


def _case(read: sets.Read, record: Record, question: Question, theirs: dict[str, Any]) -> Case:
    assert question.brief is not None
    found = findings(record, question.brief)
    judged = directness(record, found, question.brief)
    behind = len(record.text.title) + 1
    spans = tuple(
        (each.start + behind * (each.part == "abstract"), each.end + behind * (each.part == "abstract"))
        for each in found.sentences
    )
    whole = f"{record.text.title}\n{record.text.abstract}"
    marked = tuple(
        (whole.find(sentence), whole.find(sentence) + len(sentence)) for sentence in theirs["finding"]
    )
    return Case(
        read,
        question.slug,
        theirs["direct"],
        judged.value,
        f"{judged.rule}: {judged.reason}" if judged else "",
        found,
        tuple(span for span in marked if span[0] >= 0),
        tuple(dict.fromkeys(spans)),
    )


# -- labels ----------------------------------------------------------------------------------------


def _labels(read: sets.Read, labels: Labels) -> list[Label]:
    if labels == "ours":
        return list(read_labels(read.article))
    values = _gold(read.gold) if labels == "gold" else _simple(read)
    return [Label(group, value, "abstract", "", labels, 1, "medium") for group, value in values]


def _gold(gold: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for group in ("design", "species", "drug", "exposure", "population", "regimen"):
        found = gold[group]
        for value in [found] if isinstance(found, str) else found:
            if value not in ("none", "not stated") and not value.startswith("other"):
                yield group, "racemic ketamine" if value == "racemic" else value


# Plain stand-ins, tried on title and abstract; not rules of ours.
_SIMPLE = (
    ("species", "animals", r"\b(?:rats?|mice|mouse|rodents?|monkeys?|macaques?|zebrafish)\b"),
    ("exposure", "recreational", r"\b(?:recreational|abusers?|illicit|ketamine users?|chronic ketamine)"),
    ("exposure", "recreational", r"\bketamine[ -](?:dependen|use disorder)"),
    ("exposure", "challenge", r"\bhealthy (?:volunteers|subjects|participants|controls|humans?|men)\b"),
    ("exposure", "challenge", r"\bketamine (?:challenge|model)"),
    ("exposure", "anaesthesia", r"\b(?:ana?esthesia|surgery|surgical|sedation|intraoperative)\b"),
    ("exposure", "pain", r"\b(?:chronic pain|cancer pain|neuropathic pain|crps)\b"),
    ("population", "depression", r"\bdepressi(?:on|ve disorder)|\btrd\b|\bmdd\b"),
    ("population", "suicidality", r"\bsuicid"),
    ("population", "bipolar", r"\bbipolar"),
    (
        "population",
        "substance use disorder",
        r"\b(?:alcohol|cocaine|cannabis|opioid|heroin|methamphetamine|substance)[ -](?:use disorder|dependen|abuse)",
    ),
)
_ILL = r"\b(?:depress\w+|ptsd|ocd|suicid\w+|psychiatric|use disorder|alcohol\w*|cocaine)\b"
_THERAPY = r"\b(?:treat\w+|infusions?|therap\w+|efficacy|antidepressant)"
_TREATED = re.compile(rf"{_ILL}[^.]{{0,120}}{_THERAPY}|{_THERAPY}[^.]{{0,120}}{_ILL}")


def _simple(read: sets.Read) -> Iterator[tuple[str, str]]:
    text = f"{read.article.title.plain}. {read.article.abstract_text}".lower()
    found = {(group, value) for group, value, pattern in _SIMPLE if re.search(pattern, text)}
    yield from sorted(found)
    values = {value for _, value in found}
    if _TREATED.search(text) and values.isdisjoint({"recreational", "animals", "anaesthesia", "challenge"}):
        yield "exposure", "therapeutic"


# -- figures ---------------------------------------------------------------------------------------


def direct_f1(pairs: list[Any]) -> float:
    both = sum(theirs == ours == "direct" for theirs, ours in pairs)
    given = sum(theirs == "direct" for theirs, _ in pairs) + sum(ours == "direct" for _, ours in pairs)
    return 2 * both / given if given else 0.0


def readers_sentence(case: Case) -> bool:
    """Whether one of ours is one of the reader's."""
    return any(_same(ours, theirs) for ours in case.spans for theirs in case.marked)


def endorsed(case: Case) -> list[bool]:
    """Of each that a page shows, whether the reader marked it too."""
    return [any(_same(ours, theirs) for theirs in case.marked) for ours in case.spans[:SHOWN]]


def _same(ours: tuple[int, int], theirs: tuple[int, int]) -> bool:
    """Whether two spans share half of the shorter one."""
    shared = min(ours[1], theirs[1]) - max(ours[0], theirs[0])
    return shared * 2 >= min(ours[1] - ours[0], theirs[1] - theirs[0])


def report(*, develop: bool, labels: Labels, errors: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Prints what was measured, and gives it as ``accuracy.json`` has it."""
    found = list(cases(develop=develop, labels=labels))
    if not found:
        print("directness: the set is not here")
        return
    pairs = [(case.theirs, case.ours) for case in found]
    # Named, as there may be questions of which nobody has read records.
    pooled = f"ketamine, pooled over {', '.join(_asked(found))}"
    yield "directness", entry(pooled, len(pairs), "F1 of direct", drawn(pairs, direct_f1))  # type: ignore[arg-type]
    marked = [case for case in found if case.marked]
    first = share(sum(map(readers_sentence, marked)), len(marked))
    yield "findings", entry(pooled, len(marked), "share with a sentence that the reader marked", first)
    _report_directness(found, labels)
    _report_findings(found)
    if errors:
        for case in found:
            _print_error(case)


def _asked(found: Iterable[Case]) -> list[str]:
    """The questions that a reader answered."""
    return sorted({case.question for case in found})


def _report_directness(found: list[Case], labels: Labels) -> None:
    pairs = [(case.theirs, case.ours) for case in found]
    both = sum(theirs == ours == "direct" for theirs, ours in pairs)
    precision = share(both, sum(ours == "direct" for _, ours in pairs))
    recall = share(both, sum(theirs == "direct" for theirs, _ in pairs))
    f1 = drawn(pairs, direct_f1)  # type: ignore[arg-type]
    print(f"\ndirectness, pooled over questions, {labels} labels (n {len(pairs)})")
    print(
        f"  direct against the rest: P {_text(precision)}, R {_text(recall)}, F1 {_text(f1)}, bar {DIRECT_F1}"
    )
    table = Counter(pairs)
    print("  reader \\ ours  " + "".join(f"{value:>9}" for value in VALUES))
    for theirs in VALUES:
        print(f"  {theirs:14}" + "".join(f"{table[theirs, ours]:9}" for ours in VALUES))
    for slug in _asked(found):
        print(f"  {slug:14} F1 {direct_f1([(c.theirs, c.ours) for c in found if c.question == slug]):.3f}")


def _report_findings(found: list[Case]) -> None:
    marked = [case for case in found if case.marked]
    shown = [hit for case in found if case.theirs != "off" for hit in endorsed(case)]
    of_direct = [hit for case in found if case.theirs == "direct" for hit in endorsed(case)]
    print("finding sentences")
    first = share(sum(map(readers_sentence, marked)), len(marked))
    print(f"  one of the reader's among ours: {_text(first)}, bar {READERS_SENTENCE}")
    two = share(sum(any(endorsed(case)) for case in marked), len(marked))
    print(f"  one of the reader's among the two shown: {_text(two)}")
    both, direct = share(sum(shown), len(shown)), share(sum(of_direct), len(of_direct))
    print(f"  of those shown, the reader's (direct and indirect): {_text(both)}, bar {OURS_ENDORSED}")
    print(f"  of those shown, the reader's (direct): {_text(direct)}")
    states = Counter((bool(case.marked), case.found.state) for case in found if case.theirs != "off")
    for (has, state), count in sorted(states.items()):
        print(f"  {'with' if has else 'without'} a sentence of the reader's, read as {state}: {count}")


def _print_error(case: Case) -> None:
    wrong = case.theirs != case.ours
    hits = endorsed(case)
    if case.theirs == "off" and not wrong:
        return
    if not wrong and (readers_sentence(case) or not case.marked) and all(hits):
        return
    text = case.record.article
    whole = f"{text.title.plain}\n{text.abstract_text}"
    print(f"\n{case.record.id} {case.question}: theirs {case.theirs}, ours {case.ours} ({case.reason})")
    sides = [(side.name, side.state, sorted(side.places)) for side in case.found.sides]
    print(f"  {text.title.plain}\n  state: {case.found.state}; {sides}")
    for start, end in case.marked:
        print(f"    theirs: {whole[start:end]}")
    for start, end in case.spans:
        sure = any(_same((start, end), theirs) for theirs in case.marked)
        print(f"    ours {'+' if sure else '-'}: {whole[start:end]}")


def _text(figure: Figure) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}, n {figure.n})"
