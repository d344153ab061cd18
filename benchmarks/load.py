"""Our whole road from XML to searchable rows, against pubmed_parser's parsing alone, on the same files.

    python -m benchmarks.load [--records 10000 40000]

Prints records a second for both, their ratio, and our peak memory (all processes together). Ours counts
everything: starting the command, every derived table, labels, full-text index, compressed raw records,
commit. Needs the real records beside the project (../shared/data), and pubmed_parser
(pip install --group bench).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.processes import TRACKER, family
from benchmarks.records import REAL, tiled

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
