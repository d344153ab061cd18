"""Study design as read by our rules against people's labels, from title and abstract alone.

The labels are PsyNamic's (Ineichen-Group/PsyNamic: papers on psychedelics and ketamine), kept beside the
project, not in it; all their PMIDs are even. Rules were written with the half whose ``pmid % 4 == 0`` in
view (``--seen`` measures that half); the figures that count are those of the other half.
Run: ``python -m benchmarks.design [--seen] [--errors]``
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from typing import Any

from benchmarks.processes import ROOT
from tracker.article import AbstractSection, Article, Text, parse_pmid
from tracker.reading.design import read_design

LABELS = ROOT.parent / "shared" / "data" / "labels.jsonl"
OTHER = "Other"
# Their categories and ours. They call a survey of users "Real-world study", and put under Other whatever
# was not done to test a treatment, randomised or not.
CATEGORIES = {
    "randomised controlled trial": "Randomized-controlled trial (RCT)",
    "meta-analysis": "Systematic review/meta-analysis",
    "systematic review": "Systematic review/meta-analysis",
    "scoping review": "Systematic review/meta-analysis",
    "protocol": "Study protocol",
    "case report": "Case report",
    "case series": "Case series",
    "cohort study": "Cohort study",
    "qualitative study": "Qualitative Study",
    "cross-sectional study": "Real-world study",
    "observational study": "Real-world study",
}


def main(arguments: list[str]) -> int:
    if not LABELS.exists():
        print("The labelled papers (../shared/data/labels.jsonl) are not here: nothing measured.")
        return 0
    remainder = 0 if "--seen" in arguments else 2
    records = [json.loads(line) for line in LABELS.read_text("utf-8").splitlines()]
    records = [record for record in records if record["pmid"] % 4 == remainder]
    pairs = [(record["labels"]["study_type"][0], category(record)) for record in records]
    report(pairs)
    print(f"{microseconds(records):.1f} µs a record")
    if "--errors" in arguments:
        show_errors(records)
    return 0


def article(record: dict[str, Any]) -> Article:
    title, abstract = record["title"], record["abstract"] or ""
    section = AbstractSection(None, None, Text(abstract, abstract))
    return Article(pmid=parse_pmid(record["pmid"]), title=Text(title, title), abstract=(section,))


def category(record: dict[str, Any]) -> str:
    design = next((label.value for label in read_design(article(record)) if label.group == "design"), "")
    return CATEGORIES.get(design, OTHER)


def report(pairs: list[tuple[str, str]]) -> None:
    gold, read = Counter(pair[0] for pair in pairs), Counter(pair[1] for pair in pairs)
    right = Counter(pair[0] for pair in pairs if pair[0] == pair[1])
    weighted = 0.0
    print(f"{'category':36} {'n':>4} {'precision':>9} {'recall':>7} {'F1':>6}")
    for name, count in gold.most_common():
        precision, recall = right[name] / (read[name] or 1), right[name] / count
        f1 = 2 * precision * recall / ((precision + recall) or 1)
        weighted += f1 * count / len(pairs)
        print(f"{name:36} {count:4} {precision:9.3f} {recall:7.3f} {f1:6.3f}")
    print(f"{'weighted F1':36} {len(pairs):4} {weighted:24.3f}")
    print(f"{'accuracy':36} {len(pairs):4} {right.total() / len(pairs):24.3f}")


def microseconds(records: list[dict[str, Any]]) -> float:
    articles = [article(record) for record in records]
    start = time.perf_counter()
    for _ in range(20):
        for one in articles:
            read_design(one)
    return (time.perf_counter() - start) / 20 / len(articles) * 1e6


def show_errors(records: list[dict[str, Any]]) -> None:
    for record in records:
        gold = record["labels"]["study_type"][0]
        if category(record) != gold:
            labels = [(label.value, label.rule, label.quote) for label in read_design(article(record))][:1]
            print(f"\n{record['pmid']} {gold} <- {labels}\n  {record['title']}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
