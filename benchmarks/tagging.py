"""Eight people tag on the site while many records are loaded: how long each tag takes, and whether any is lost.

    python -m benchmarks.tagging [--people 8] [--records 20000] [--pace 0.5]

Prints the time from sending a tag to its answer (p50, p95, most), beside the same people writing into the file that
is being loaded, as tools with one database do: straight into SQLite, without a site between. Then people go on
tagging as fast as they can, the server is killed (kill -9), and the log must hold exactly what was acknowledged. Needs
the real records beside the project (../shared/data).
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
from datasette_auth_passwords.utils import hash_password

from benchmarks.processes import HOST, TRACKER, serving
from benchmarks.records import REAL, tiled
from tracker.team import people, vocabulary
from tracker.team.acts import acting, open_annotations

PASSWORD = "eight people at work"
JSON = {"Accept": "application/json"}
WARM = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--records", type=int, default=20_000, help="records that are loaded meanwhile")
    parser.add_argument("--pace", type=float, default=0.5, help="seconds between a person's tags, on average")
    options = parser.parse_args()
    if not REAL.exists():
        print(f"{REAL.name} is not beside the project: nothing to measure")
        return
    with tempfile.TemporaryDirectory() as folder:
        Bench(Path(folder), options).run()


class Bench:
    def __init__(self, home: Path, options: argparse.Namespace) -> None:
        self.db_dir = home / "db"
        self.options = options
        self.first = tiled(home / "first.xml.gz", 2000)
        self.more = tiled(home / "more.xml.gz", options.records)
        self.names = [f"person{n}" for n in range(options.people)]

    def run(self) -> None:
        self.tracker("load", str(self.first))
        with (
            closing(open_annotations(self.db_dir / "annotations.db")) as db,
            acting(db, None, "bench") as act,
        ):
            vocabulary.ensure(act)
            for name in self.names:
                people.add(act, name, "tagger", password_hash=hash_password(PASSWORD, iterations=1))
        with closing(sqlite3.connect(self.db_dir / "evidence.db")) as db:
            self.pmids = [pmid for (pmid,) in db.execute("select pmid from articles")]
        # The same load on the same records a second time, for those who write into its file.
        self.one_file = home_copy(self.db_dir)
        with serving(self.db_dir) as (server, port):
            self.measure(server, f"http://{HOST}:{port}")

    def measure(self, server: subprocess.Popen[bytes], address: str) -> None:
        clients = [self.signed_in(address, name) for name in self.names]
        idle = self.tag(clients, until=time.monotonic() + WARM * 2)
        self.report("site, nothing loaded", idle)
        ours, seconds = self.while_loading(self.db_dir, lambda ended: self.tag(clients, ended=ended))
        self.report(f"site, while {self.options.records:,} records load in {seconds:.0f} s", ours)
        theirs, seconds = self.while_loading(self.one_file, self.into_the_same_file)
        self.report(f"straight into the file that is loaded, in {seconds:.0f} s", theirs)
        ratio = percentile(theirs, 95) / percentile(ours, 95)
        print(f"p95, one file / ours: {ratio:.1f}")
        self.killed(server, clients)

    def tracker(self, *arguments: str) -> None:
        subprocess.run([TRACKER, "--db-dir", str(self.db_dir), *arguments], check=True, capture_output=True)

    def signed_in(self, address: str, name: str) -> httpx.Client:
        client = httpx.Client(base_url=address, timeout=60)
        client.get("/sign-in")
        fields = {"csrftoken": client.cookies["ds_csrftoken"], "name": name, "password": PASSWORD}
        assert client.post("/sign-in", data=fields).status_code == 303
        return client

    def while_loading(
        self, db_dir: Path, work: Callable[[threading.Event], list[float]]
    ) -> tuple[list[float], float]:
        """What the work took until the load ended, and how many seconds that was."""
        ended = threading.Event()
        started = time.perf_counter()
        loading = subprocess.Popen(
            [TRACKER, "--db-dir", str(db_dir), "load", str(self.more)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        def watch() -> None:
            loading.wait()
            ended.set()

        threading.Thread(target=watch, daemon=True).start()
        times = work(ended)
        ended.wait()
        assert loading.returncode == 0
        return times, time.perf_counter() - started

    def tag(
        self, clients: list[httpx.Client], *, until: float | None = None, ended: threading.Event | None = None
    ) -> list[float]:
        def one(n: int, note: Callable[[float], None]) -> None:
            client = clients[n]
            fields = {"csrftoken": client.cookies["ds_csrftoken"], "tag": "to discuss"}
            started = time.perf_counter()
            fields["note"] = f"{n} {started}"
            answer = client.post(f"/articles/{random.choice(self.pmids)}/tag", data=fields, headers=JSON)
            note(time.perf_counter() - started)
            assert answer.json()["ok"], answer.text

        return self.all_at_work(one, until, ended)

    def into_the_same_file(self, ended: threading.Event) -> list[float]:
        path = self.one_file / "evidence.db"
        with closing(sqlite3.connect(path, timeout=60)) as db, db:
            db.execute(
                "create table if not exists one_file (id integer primary key, pmid, tag, person, tagged, note)"
            )
        connections = [
            sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            for _ in self.names
        ]

        def one(n: int, note: Callable[[float], None]) -> None:
            started = time.perf_counter()
            connections[n].execute("begin immediate")
            connections[n].execute(
                "insert into one_file (pmid, tag, person, note) values (?, 1, ?, ?)",
                (random.choice(self.pmids), n, str(started)),
            )
            connections[n].execute("commit")
            note(time.perf_counter() - started)

        found = self.all_at_work(one, None, ended)
        for connection in connections:
            connection.close()
        return found

    def all_at_work(
        self,
        one: Callable[[int, Callable[[float], None]], None],
        until: float | None,
        ended: threading.Event | None,
    ) -> list[float]:
        times: list[float] = []
        failed: list[BaseException] = []

        def work(n: int) -> None:
            try:
                while (until is None or time.monotonic() < until) and not (ended and ended.is_set()):
                    one(n, times.append)
                    time.sleep(random.uniform(0.5, 1.5) * self.options.pace)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(len(self.names))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]
        return times

    def report(self, name: str, times: list[float]) -> None:
        print(
            f"{name}: {len(times):,} tags by {len(self.names)} people, none failed; "
            f"p50 {1000 * statistics.median(times):.0f} ms, p95 {1000 * percentile(times, 95):.0f} ms, "
            f"most {1000 * max(times):.0f} ms",
            flush=True,
        )

    def killed(self, server: subprocess.Popen[bytes], clients: list[httpx.Client]) -> None:
        """Everybody writes notes as fast as they can until the server is gone: the log is what was acknowledged."""
        acknowledged: list[str] = []
        sent: list[str] = []

        def work(n: int) -> None:
            client = clients[n]
            for i in range(100_000):
                text = f"killed {n} {i}"
                sent.append(text)
                try:
                    answer = client.post(
                        f"/articles/{random.choice(self.pmids)}/note",
                        data={"csrftoken": client.cookies["ds_csrftoken"], "text": text},
                        headers=JSON,
                    )
                except httpx.TransportError:
                    return
                if answer.json()["ok"]:
                    acknowledged.append(text)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(len(clients))]
        for thread in threads:
            thread.start()
        time.sleep(5)
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        for thread in threads:
            thread.join()
        with closing(sqlite3.connect(self.db_dir / "annotations.db")) as db:
            logged = {
                text
                for (text,) in db.execute(
                    "select json_extract(after, '$.text') from events where action = 'note' and after like '%killed %'"
                )
            }
            noted = {text for (text,) in db.execute("select text from notes where text like 'killed %'")}
            (whole,) = db.execute("pragma integrity_check").fetchone()
        lost = set(acknowledged) - logged
        # Written, and the server died before it could say so: one a person at most.
        unsaid = logged - set(acknowledged)
        print(
            f"killed after {len(acknowledged):,} acknowledged notes: {len(lost)} lost, {len(unsaid)} written and not "
            f"acknowledged any more; log and notes {'agree' if logged == noted else 'DIFFER'}; integrity {whole}"
        )
        if lost or logged != noted or len(unsaid) > len(clients) or whole != "ok":
            raise SystemExit(1)


def home_copy(db_dir: Path) -> Path:
    """The database folder once more; nothing is open in it."""
    return Path(shutil.copytree(db_dir, db_dir.with_name("one-file")))


def percentile(times: list[float], of: int) -> float:
    return statistics.quantiles(times, n=100, method="inclusive")[of - 1]


if __name__ == "__main__":
    main()
