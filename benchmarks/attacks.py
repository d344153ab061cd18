"""What everybody else waits while one reader attacks the site, what memory it takes, and how soon it stops.

    python -m benchmarks.attacks [--only 'instr|memory'] [--db-dir DIR] [--json FILE]

Starts `tracker serve` on the loopback address over a small database (made from the records of the tests, or copied
from --db-dir), and for each attack of the list below: sends it several times at once, again and again for a few
seconds; asks meanwhile for a search page and a page of an article, one after the other, as another reader does; and,
with the attack still under way, tells the server to stop. Every attack is bounded in number and time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode

import click
import httpx

from benchmarks.percentiles import nearest_rank
from benchmarks.processes import HOST, ROOT, TRACKER, family, serving

SECONDS = 4.0
PAUSE = 0.02
#: Whoever waits so long for a page is counted as not answered.
GIVEN_UP = 10.0

HALF = "hex(zeroblob(250000))"
LONG = f"{HALF} || {HALF}"
ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n)"
ROWS = f"{ENDLESS.removesuffix(')')} limit 1000)"


def sql(text: str, suffix: str = ".json", **more: str) -> str:
    return f"/evidence{suffix}?{urlencode({'sql': text, **more})}"


def repeated(path: str, name: str, values: int, value: str = "v{}") -> str:
    return f"{path}?" + "&".join(f"{name}={quote(value.format(n))}" for n in range(values))


class Attack(NamedTuple):
    """What is sent, by how many at once."""

    name: str
    paths: tuple[str, ...]
    at_once: int = 3
    #: Of a form that is sent there; without one it is only asked for.
    form: dict[str, str] | None = None


# To add one, add a row.
ATTACKS = (
    Attack("nothing", ()),
    # C18: one step of SQLite that takes minutes.
    Attack("instr", (sql(f"select instr({LONG}, {HALF} || '1')"),)),
    Attack("trim", (sql(f"select length(trim({HALF} || '1', {HALF} || '2'))"),)),
    Attack("replace", (sql(f"select length(replace({LONG}, {HALF} || '1', 'x'))"),)),
    Attack("like", (sql(f"select {LONG} like '%0%0%0%0%0%0%0%0%0%1'"),)),
    Attack("four kinds, 24 at once", (
        sql(f"select instr({LONG}, {HALF} || '1')"), sql(f"select length(trim({HALF} || '1', {HALF} || '2'))"),
        sql(f"{ENDLESS} select count(*) from n"), sql(f"{ENDLESS} select i, randomblob(1000) from n order by 2"),
    ), 24),
    # ... and what fills memory.
    Attack("20 columns of zeroblob", (sql(f"select {', '.join(['zeroblob(16777216)'] * 20)}"),)),
    Attack("200 columns of 1 MB", (sql(f"select {', '.join(['zeroblob(1000000)'] * 200)}"),)),
    Attack("sorting in memory", (sql(f"{ENDLESS} select i, randomblob(1000) from n order by 2"),)),
    Attack("group_concat", (sql(f"{ENDLESS} select group_concat(i) from n"),)),
    Attack("a large result", (sql(f"{ROWS} select hex(zeroblob(100000)) from n"),)),
    # ... and stepwise.
    Attack("endless recursion", (sql(f"{ENDLESS} select count(*) from n"),)),
    Attack("cross join", (sql("select count(*) from articles, authors, authors, mesh_headings, labels"),)),
    # A page that takes long to make.
    Attack("50,000 cells", (sql(f"{ROWS} select {', '.join(f'i as c{n}' for n in range(50))} from n", ""),)),
    Attack("where", (f"/evidence/articles?_where={quote(f'instr({LONG}, {HALF} || 1) > 0')}",)),
    # C19
    Attack("2,000 values of a filter", (repeated("/questions/cystitis", "design", 2000),)),
    Attack("400 values of a filter", (repeated("/questions/cystitis", "design", 400),)),
    Attack("200 facets", (repeated("/evidence/articles", "_facet", 200, "title"),)),
    Attack("a long address", (f"/search?q={'a' * 60_000}",)),
    # C20
    Attack("white space after a comment", (sql("/**/" + " " * 5000 + "x"), sql("/**/" + " " * 20_000 + "x"))),
    # C22
    Attack("a* a* a*", (f"/search?q={quote('a* ' * 100)}",)),
    Attack("different prefixes", (
        f"/search?q={quote(' '.join(a + b + '*' for a in 'abcdefghij' for b in 'aeiouy'))}",
    )),
    # C23
    Attack("signing in", ("/sign-in",), 8, {"name": "nobody", "password": "nothing"}),
    Attack("a large form", ("/sign-in",), 8, {"name": "x" * 1_000_000}),
)  # fmt: skip


class Seen(NamedTuple):
    attack: str
    sent: int
    statuses: str
    #: Seconds that the other reader waited.
    p50: float
    p95: float
    worst: float
    not_answered: int
    #: Megabytes, of the server and its children.
    memory: float
    stopped: float


@click.command(help=__doc__)
@click.option("--only", default="", help="Attacks whose name has this pattern.")
@click.option("--db-dir", type=click.Path(path_type=Path, exists=True), help="A folder with evidence.db.")
@click.option("--json", "report", type=click.Path(path_type=Path), help="Write the figures there as well.")
def main(only: str, db_dir: Path | None, report: Path | None) -> None:
    rows = []
    click.echo(_line("attack", "sent", "p50 ms", "p95", "worst", "lost", "MB", "stop s", "answers"))
    with tempfile.TemporaryDirectory() as home:
        _fill(Path(home), db_dir)
        for attack in ATTACKS:
            if re.search(only, attack.name):
                seen = _seen(Path(home), attack)
                rows.append(seen._asdict())
                click.echo(_line(
                    seen.attack, seen.sent, *(f"{1000 * each:.0f}" for each in (seen.p50, seen.p95, seen.worst)),
                    seen.not_answered, f"{seen.memory:.0f}", f"{seen.stopped:.1f}", seen.statuses,
                ))  # fmt: skip
    if report:
        report.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def _line(attack: object, *figures: object) -> str:
    *numbers, answers = figures
    return f"{attack!s:28}" + "".join(f"{number!s:>8}" for number in numbers) + f"  {answers}"


def _fill(home: Path, db_dir: Path | None) -> None:
    """A database in this folder: the tests' records under all questions, or a copy of that one."""
    if db_dir:
        shutil.copytree(db_dir, home / "db")
        return
    files = sorted((ROOT / "tests" / "fixtures" / "pubmed").glob("*.xml"))
    subprocess.run(
        [TRACKER, "load", "--match", "all", *map(str, files)],
        cwd=home, env=_environment(home), check=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRACKER_", "NCBI_"))}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT)}


def _seen(home: Path, attack: Attack) -> Seen:
    with _server(home) as (server, url):
        return asyncio.run(_under_attack(server, url, attack))


@contextlib.contextmanager
def _server(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with serving(home / "db", cwd=home, env=_environment(home)) as (server, port):
        url = f"http://{HOST}:{port}"
        # What runs SQL starts with the first that is sent.
        httpx.get(url + sql("select 1"), timeout=10)
        yield server, url


async def _under_attack(server: subprocess.Popen[bytes], url: str, attack: Attack) -> Seen:
    answers: list[str] = []
    waits: list[float] = []
    memory = [_megabytes(server.pid)]
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:

        async def attacker(n: int) -> None:
            while True:
                path = attack.paths[n % len(attack.paths)]
                try:
                    answer = await _send(client, path, attack.form)
                    answers.append(str(answer.status_code))
                except httpx.TransportError:
                    answers.append("cut")
                await asyncio.sleep(PAUSE)

        async def watch() -> None:
            while True:
                memory.append(_megabytes(server.pid))
                await asyncio.sleep(0.05)

        pages = ("/search?q=ketamine", await _an_article(client))
        ends = time.monotonic() + SECONDS
        tasks = [asyncio.ensure_future(attacker(n)) for n in range(attack.at_once if attack.paths else 0)]
        tasks.append(asyncio.ensure_future(watch()))
        await asyncio.sleep(0.3)
        lost = 0
        while time.monotonic() < ends or not waits:
            for page in pages:
                began = time.monotonic()
                try:
                    (await client.get(page, timeout=GIVEN_UP)).raise_for_status()
                except httpx.HTTPError:
                    lost += 1
                waits.append(time.monotonic() - began)
            await asyncio.sleep(PAUSE)
        counted = Counter(answers)
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        while server.poll() is None and time.monotonic() - began < 30:
            await asyncio.sleep(0.01)
        stopped = time.monotonic() - began
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    waits.sort()
    return Seen(
        attack.name, counted.total(), " ".join(f"{status}×{n}" for status, n in sorted(counted.items())),
        statistics.median(waits), nearest_rank(waits, 95), waits[-1], lost, max(memory), stopped,
    )  # fmt: skip


async def _send(client: httpx.AsyncClient, path: str, form: dict[str, str] | None) -> httpx.Response:
    answer = await client.get(path)
    if form is None:
        return answer
    return await client.post(path, data={"csrftoken": client.cookies.get("ds_csrftoken", ""), **form})


async def _an_article(client: httpx.AsyncClient) -> str:
    with contextlib.suppress(httpx.HTTPError):
        page = await client.get("/search", timeout=GIVEN_UP)
        if found := re.search(r'"(/articles/\d+)', page.text):
            return found[1]
    return "/methods"


def _megabytes(pid: int) -> float:
    """What the process and its children have in memory, each page that they share counted once."""
    total = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{each}/smaps_rollup").read_text(), re.MULTILINE)
            total += int(found[1]) if found else 0
    return total / 1024


if __name__ == "__main__":
    main()
