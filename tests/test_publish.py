"""Publishing: snapshots behind the real nginx of deploy/, swapped under load, with limits, and units that hold."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import yaml

from tests.conftest import Desk, program, wait_for
from tests.helpers_load import document, record
from tests.helpers_site import free_port

DEPLOY = Path(__file__).parents[1] / "deploy"
PAGES = (
    "/",
    "/questions/cystitis",
    "/questions/cystitis/table",
    "/search?q=ketamine",
    "/articles/1",
    "/changes",
)
# The stand-in for "systemctl restart": ends the process of this port, and starts it again.
RESTART = """#!/bin/sh
port=$1
kill -TERM "$(cat {home}/$port.pid)" && while kill -0 "$(cat {home}/$port.pid)" 2>/dev/null; do sleep 0.05; done
{start}
"""
START = """cd {home} && {{ {python} -m tracker --db-dir {home}/current --queries {queries} serve --immutable \\
    --port $port >>{home}/$port.log 2>&1 </dev/null & echo $! >{home}/$port.pid; }}"""


class House(NamedTuple):
    """A machine that publishes: two processes behind nginx, and two snapshots, of which it shows the first."""

    home: Path
    address: str
    ports: tuple[int, int]
    first: Path
    second: Path

    def swap(self, snapshot: Path, program: Path = DEPLOY / "swap") -> subprocess.CompletedProcess[str]:
        environment = {
            "CURRENT": str(self.home / "current"),
            "PORTS": " ".join(map(str, self.ports)),
            "RESTART": f"{self.home}/restart ",
        }
        return subprocess.run(
            ["sh", program, snapshot],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    first = snapshot(desk, "2026-01-01", record(1, "Ketamine and the bladder"))
    second = snapshot(desk, "2026-02-01", record(2, "Ketamine cystitis in two people"))
    with publishing(tmp_path, desk.queries, first, second) as house:
        yield house


@contextmanager
def publishing(home: Path, queries: Path, first: Path, second: Path) -> Iterator[House]:
    """Two processes that show the first snapshot, behind nginx."""
    nginx = program("nginx")
    (home / "current").symlink_to(first)
    ports = (free_port(), free_port())
    start = START.format(home=home, python=sys.executable, queries=queries)
    (home / "restart").write_text(RESTART.format(home=home, start=start))
    (home / "restart").chmod(0o755)
    for port in ports:
        subprocess.run(["sh", "-c", f"port={port}; {start}"], env=os.environ, check=True)
    try:
        with behind(nginx, home / "nginx", ports) as address:
            for port in ports:
                wait_for(lambda port=port: healthy(f"http://127.0.0.1:{port}"))
            yield House(home, address, ports, first, second)
    finally:
        for port in ports:
            end(int((home / f"{port}.pid").read_text()))


def snapshot(desk: Desk, day: str, paper: str) -> Path:
    """A snapshot with one paper more than the last, as if it were made on this day."""
    (desk.home / "papers.xml").write_text(document(paper), encoding="utf-8")
    assert desk.run("load", "--match", "all", "papers.xml").code == 0
    done = desk.run("snapshot", "snapshots", "--json")
    assert done.code == 0, done.err
    made = desk.home / done.json["snapshot"]
    return made.rename(made.with_name(f"evidence-snapshot-{day}"))


@contextmanager
def behind(nginx: str, home: Path, ports: tuple[int, int]) -> Iterator[str]:
    """deploy/nginx.conf as it is but for its ports."""
    home.mkdir()
    here = free_port()
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    for old, new in (("8001", ports[0]), ("8002", ports[1]), ("8080", here)):
        text, found = re.subn(rf"127\.0\.0\.1:{old}\b", f"127.0.0.1:{new}", text)
        assert found == 1
    if os.geteuid() == 0:
        text = f"user root;\n{text}"
    # For a reader with another address than this machine's, who has limits.
    text = text.replace(f"listen 127.0.0.1:{here};", f"listen 127.0.0.1:{here}; listen 127.0.0.9:{here};")
    (home / "nginx.conf").write_text(text, "utf-8")
    with (home / "error.log").open("w") as log:
        process = subprocess.Popen([nginx, "-p", f"{home}/", "-c", str(home / "nginx.conf")], stderr=log)
    try:
        wait_for(lambda: process.poll() is not None or answers(f"http://127.0.0.1:{here}"))
        assert process.poll() is None, (home / "error.log").read_text()
        yield f"http://127.0.0.1:{here}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code > 0
    except httpx.TransportError:
        return False


def healthy(address: str) -> bool:
    try:
        return httpx.get(f"{address}/-/health").status_code == 200
    except httpx.TransportError:
        return False


def end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not Path(f"/proc/{pid}").exists() or is_zombie(pid))
    except ProcessLookupError:
        pass


def is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


class Readers:
    """Four readers who ask for one page after another, without a pause; what was not answered well is kept."""

    def __init__(self, address: str, pages: Sequence[str] = PAGES) -> None:
        self.asked = 0
        self._pages = pages
        self.failed: list[str] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(address, n)) for n in range(4)]

    def __enter__(self) -> Readers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def _read(self, address: str, number: int) -> None:
        with httpx.Client(base_url=address, timeout=30) as client:
            at = number
            while not self._over.is_set():
                # A search of its own each time, which nginx has not kept.
                path = (*self._pages, f"/search?q=ketamine+{number}x{at}")[at % (len(self._pages) + 1)]
                at += 1
                try:
                    status = client.get(path).status_code
                except httpx.HTTPError as error:
                    self.failed.append(f"{path}: {error!r}")
                    continue
                self.asked += 1
                if status != 200 and not (status == 404 and path == "/articles/1"):
                    self.failed.append(f"{path}: {status}")


def test_a_new_snapshot_is_swapped_in_without_a_failed_request(house: House) -> None:
    assert "Ketamine cystitis in two people" not in httpx.get(f"{house.address}/questions/cystitis").text
    with Readers(house.address) as readers:
        wait_for(lambda: readers.asked > 50)
        before = readers.asked
        done = house.swap(house.second)
        wait_for(lambda: readers.asked > before + 50)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("shows evidence-snapshot-2026-02-01") == 2
    assert readers.failed == []
    for port in house.ports:
        assert (
            "Ketamine cystitis in two people" in httpx.get(f"http://127.0.0.1:{port}/questions/cystitis").text
        )


def test_a_process_keeps_to_the_snapshot_with_which_it_began(house: House) -> None:
    (house.home / "next").symlink_to(house.second)
    (house.home / "next").rename(house.home / "current")
    for n in range(5):
        page = httpx.get(f"http://127.0.0.1:{house.ports[0]}/questions/cystitis?q=ketamine&page={n}").text
        assert "Ketamine cystitis in two people" not in page


def test_what_is_no_snapshot_or_not_whole_is_not_shown(house: House, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "this is no snapshot" in house.swap(tmp_path / "empty").stderr
    page = house.second / "index.html"
    page.chmod(0o644)
    page.write_text("changed")
    done = house.swap(house.second)
    assert done.returncode == 1 and "it is not as it was made" in done.stderr
    assert (house.home / "current").resolve() == house.first


def test_what_does_not_start_is_taken_back(house: House) -> None:
    broken = house.second
    (broken / "evidence.db").chmod(0o644)
    (broken / "evidence.db").write_bytes(b"no database")
    (broken / "SHA256SUMS").chmod(0o644)
    sums = subprocess.run(["sha256sum", "evidence.db"], cwd=broken, capture_output=True, text=True).stdout
    (broken / "SHA256SUMS").write_text(sums)
    # Half a minute of waiting is enough for a process that ended at once.
    swap = (DEPLOY / "swap").read_text().replace("seq 120", "seq 6")
    (house.home / "swap").write_text(swap)
    done = house.swap(broken, program=house.home / "swap")
    assert done.returncode == 1 and "is shown as before" in done.stderr
    assert (house.home / "current").resolve() == house.first
    assert httpx.get(f"{house.address}/questions/cystitis").status_code == 200


def test_where_the_second_does_not_start_the_first_goes_back_as_well(house: House) -> None:
    restart = house.home / "restart"
    (house.home / "really").write_text(restart.read_text())
    (house.home / "really").chmod(0o755)
    is_second = f"[ $1 = {house.ports[1]} ] && [ $(readlink {house.home}/current) = {house.second} ]"
    restart.write_text(f"#!/bin/sh\nif {is_second}; then exit 1; fi\nexec {house.home}/really $1\n")
    done = house.swap(house.second)
    assert done.returncode == 1 and "is shown as before" in done.stderr
    for port in house.ports:
        wait_for(lambda port=port: healthy(f"http://127.0.0.1:{port}"))
        assert (
            "Ketamine cystitis in two people"
            not in httpx.get(f"http://127.0.0.1:{port}/questions/cystitis").text
        )


def test_one_address_has_limits_and_others_do_not_notice(house: House) -> None:
    address = house.address.replace("127.0.0.1", "127.0.0.9")
    with httpx.Client(base_url=address, transport=httpx.HTTPTransport(local_address="127.0.0.8")) as flood:
        statuses = [flood.get(f"/search?q=ketamine+{n}").status_code for n in range(300)]
    assert set(statuses) == {200, 429}
    assert statuses[:50] == [200] * 50, "a page with all that it needs is no flood"
    assert httpx.get(f"{house.address}/search?q=ketamine").status_code == 200


def test_pages_for_nobody_in_particular_are_kept_and_others_are_not(house: House) -> None:
    with httpx.Client(base_url=house.address) as client:
        kept = [client.get("/questions/cystitis").headers["x-cache"] for _ in range(3)]
        assert kept[1:] == ["HIT", "HIT"]
        own = [
            client.get("/questions/cystitis", headers={"cookie": "a=b"}).headers["x-cache"] for _ in range(3)
        ]
        assert own == ["BYPASS"] * 3


def test_nobody_can_sign_in_to_a_snapshot_or_write_to_it(house: House) -> None:
    before = {path.name: path.read_bytes() for path in house.first.glob("*.db*")}
    assert set(before) == {"evidence.db", "annotations.db"}
    done = Desk(house.home, "http://127.0.0.1:9/").run("--db-dir", str(house.first), "people", "add", "ann")
    assert done.code == 2 and "let nobody write to it" in done.err
    assert {path.name: path.read_bytes() for path in house.first.glob("*.db*")} == before


# -- units and containers ----------------------------------------------------------------------------


def test_the_unit_of_the_site_is_one_that_systemd_takes_and_calls_safe(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    unit = tmp_path / "evidence-tracker@8001.service"
    text = (DEPLOY / "evidence-tracker@.service").read_text("utf-8")
    unit.write_text(text.replace("/srv/evidence/venv/bin/tracker", "/bin/true"))
    verified = subprocess.run([analyze, "verify", unit], capture_output=True, text=True)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    judged = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=30", unit], capture_output=True, text=True
    )
    assert judged.returncode == 0, judged.stdout


def test_containers_run_without_root_on_what_cannot_be_written() -> None:
    file = (DEPLOY / "Containerfile").read_text("utf-8")
    assert re.search(r"^USER 10001:10001$", file, re.M) and "HEALTHCHECK" in file
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", file, re.M)
    for path in " ".join(copied).split():
        assert (DEPLOY.parent / path).exists(), path
    services = yaml.safe_load((DEPLOY / "compose.yml").read_text("utf-8"))["services"]
    for service in services.values():
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["mem_limit"]
        assert "no-new-privileges:true" in service["security_opt"]
    assert all(port.startswith("127.0.0.1:") for port in services["site"]["ports"])


@pytest.mark.parametrize("script", ["swap", "try-image"])
def test_scripts_are_plain_shell(script: str) -> None:
    shell = shutil.which("dash") or "/bin/sh"
    done = subprocess.run([shell, "-n", DEPLOY / script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
