"""Our whole road from XML to searchable rows, against pubmed_parser's parsing alone, on the same files.

    python -m benchmarks.load [--records 10000 40000]

Prints records a second for both, their ratio, and our peak memory (all processes together). Ours counts
everything: starting the command, every derived table, labels, full-text index, compressed raw records,
commit. Then what reading costs a record in one process: labels, answers to questions (directness and findings), and
facets, each with its share of the whole load. Needs the real records beside the project (../shared/data), and
pubmed_parser (pip install --group bench).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

from click.testing import CliRunner

from benchmarks.processes import TRACKER, family
from benchmarks.records import REAL, tiled
from tracker.cli import main as cli
from tracker.evidence import answers, facets
from tracker.jobs import ingest
from tracker.jobs.workers import Workers

PARSE_ALONE = """
import sys, pubmed_parser
print(sum(1 for _ in pubmed_parser.parse_medline_xml(sys.argv[1])))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, nargs="+", default=[10_000, 40_000])
    options = parser.parse_args()
    if not REAL.exists():
        print(f"{REAL.name} is not beside the project: nothing to measure")
        return
    with tempfile.TemporaryDirectory() as folder:
        for records in options.records:
            compare(Path(folder), records)
        share(Path(folder), min(options.records))


def compare(folder: Path, records: int) -> None:
    corpus = tiled(folder / f"{records}.xml.gz", records)
    theirs, _ = timed([sys.executable, "-c", PARSE_ALONE, str(corpus)])
    ours, peak = timed([TRACKER, "--db-dir", str(folder / f"db{records}"), "load", str(corpus)])
    print(
        f"{records:,} records: pubmed_parser, parsing alone {records / theirs:,.0f}/s; "
        f"tracker load, end to end {records / ours:,.0f}/s; ratio {theirs / ours:.2f}; "
        f"peak memory {peak / 2**20:,.0f} MB",
        flush=True,
    )


def share(folder: Path, records: int) -> None:
    """Print what each part of reading takes of a load that does everything in this process, by processor time."""
    parts = {
        "labels": (ingest, "read_labels"),
        "directness and findings": (answers, "fill"),
        "facets": (facets, "fill"),
        "facets taken out": (facets, "clear"),
    }
    spent = dict.fromkeys(parts, 0.0)
    corpus, home = tiled(folder / f"{records}.xml.gz", records), folder / "share"
    with ExitStack() as patches:
        patches.enter_context(patch.object(Workers, "_submit", _here))
        for name, (module, function) in parts.items():
            patches.enter_context(
                patch.object(module, function, _counting(getattr(module, function), spent, name))
            )
        start = time.process_time()
        CliRunner().invoke(cli, ["--db-dir", str(home), "load", str(corpus)], catch_exceptions=False)
        whole = time.process_time() - start
    for name, seconds in spent.items():
        print(f"{name}: {seconds / records * 1000:.3f} ms a record, {seconds / whole:.0%} of the load")
    reading = sum(spent.values())
    print(
        f"reading in all: {reading / records * 1000:.3f} ms a record, {reading / whole:.0%} of the load",
        flush=True,
    )


def _here(_: Workers, work: Callable[[Any], bytes], job: Any) -> Future[bytes]:
    """A worker's job done at once in this process."""
    done: Future[bytes] = Future()
    done.set_result(work(job))
    return done


def _counting(function: Callable[..., Any], spent: dict[str, float], name: str) -> Callable[..., Any]:
    def counted(*arguments: Any) -> Any:
        start = time.process_time()
        try:
            return function(*arguments)
        finally:
            spent[name] += time.process_time() - start

    return counted


def timed(command: list[str]) -> tuple[float, int]:
    """Seconds, and the most memory that the process and its children held together, in bytes."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    watch = _Watch(process.pid)
    watch.start()
    if process.wait():
        raise SystemExit(f"failed: {' '.join(command)}")
    seconds = time.perf_counter() - start
    watch.stop = True
    watch.join()
    return seconds, watch.peak


class _Watch(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak, self.stop = pid, 0, False

    def run(self) -> None:
        while not self.stop:
            self.peak = max(self.peak, sum(map(_resident, family(self.pid))))
            time.sleep(0.1)


def _resident(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0)


if __name__ == "__main__":
    main()
