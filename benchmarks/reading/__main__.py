"""How well records are read, group by group, against people's labels.

Run: ``python -m benchmarks.reading [--develop] [--group NAME] [--labels WHOSE] [--errors]``. Without ``--develop`` it
measures the three quarters that nobody tuned on, and writes ``queries/topic/accuracy.json``, from which pages and
docs have their figures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.processes import ROOT
from benchmarks.reading import labels, quantities, questions, scores, sets
from benchmarks.reading.scores import Figure, Pair

ACCURACY = ROOT / "queries" / "topic" / "accuracy.json"


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    measured: dict[str, list[dict[str, Any]]] = {}
    for task in labels.tasks():
        if options.group and options.group not in (task.group, task.name):
            continue
        compared = list(labels.compared(task, develop=options.develop))
        pairs = [pair for _, pair in compared]
        if pairs:
            report(task, pairs)
            measured.setdefault(task.group, []).append(figures(task, pairs))
        else:
            print(f"{task.name}: the set is not here")
        if options.errors:
            show_errors(task, compared)
    others = list(quantities.report(develop=options.develop, group=options.group, errors=options.errors))
    if options.group in (None, "questions"):
        others += questions.report(develop=options.develop, labels=options.labels, errors=options.errors)
    for group, figure in others:
        measured.setdefault(group, []).append(figure)
    if not (options.develop or options.group) and measured:
        ACCURACY.write_text(json.dumps(measured, indent=1, ensure_ascii=False) + "\n", "utf-8")
        print(f"\nWritten to {ACCURACY.relative_to(ROOT)}.")
    return 0


def show_errors(task: labels.Task, compared: Sequence[tuple[sets.Read, Pair]]) -> None:
    for record, (theirs, ours) in compared:
        if theirs != ours:
            print(f"\n{record.id} {record.article.pmid}  theirs {sorted(theirs)}  ours {sorted(ours)}")
            print(f"  {record.article.title.plain}\n  {record.article.abstract_text}")
            for label in labels.read(record.article):
                if label.group == task.group:
                    print(f"    {label.value} <- {label.rule}: {label.quote}")


def figures(task: labels.Task, pairs: Sequence[Pair]) -> dict[str, Any]:
    """What was measured, as ``accuracy.json`` has it."""
    return scores.entry(
        task.name.partition(", ")[2],
        len(pairs),
        f"{task.measure} F1",
        scores.drawn(pairs, _measure(task)),
        scores.exact(pairs),
        scores.coverage(pairs),
        scores.by_value(pairs),
    )


def _measure(task: labels.Task) -> Callable[[Sequence[Pair]], float]:
    return scores.macro_f1 if task.measure == "macro" else scores.weighted_f1


def report(task: labels.Task, pairs: Sequence[Pair]) -> None:
    print(
        f"\n{task.name} (n {len(pairs)}): {task.measure} F1 {_text(scores.drawn(pairs, _measure(task)))}, "
        f"exact {_text(scores.exact(pairs))}, coverage {_text(scores.coverage(pairs))}"
    )
    for score in scores.by_value(pairs):
        few = " too few" if score.n < scores.TOO_FEW else ""
        figures = f"P {score.precision:.3f}  R {score.recall:.3f}  F1 {score.f1:.3f}"
        print(f"  {score.value:40} n {score.n:4}  {figures}{few}")


def _text(figure: Figure) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}, n {figure.n})"


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.reading")
    parser.add_argument("--develop", action="store_true", help="the quarter that rules are written with")
    parser.add_argument(
        "--group", help="only this group, or this task; questions for directness and findings"
    )
    parser.add_argument(
        "--labels",
        choices=["ours", "gold", "simple"],
        default="ours",
        help="whose labels directness follows from: ours, the reader's own, or a few plain patterns'",
    )
    parser.add_argument("--errors", action="store_true", help="each record that is read otherwise")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
