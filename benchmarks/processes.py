"""The programs that benchmarks start: servers that are ended whatever happens, and who their children are.

Linux only: children are read from /proc.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
TRACKER = str(Path(sys.executable).with_name("tracker"))
HOST = "127.0.0.1"


def free_port() -> int:
    with contextlib.closing(socket.create_server((HOST, 0))) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(
    command: Sequence[str], port: int, *, cwd: Path = ROOT, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A server, ended whatever happens; given as soon as its port can be reached."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, cwd=cwd, **options)
        try:
            _wait_for(process, port, said)
            yield process
        finally:
            _end(process)


def _wait_for(process: subprocess.Popen[bytes], port: int, said: IO[bytes]) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end and process.poll() is None:
        with contextlib.closing(socket.socket()) as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.05)
    said.seek(0)
    raise SystemExit(
        f"Error: {process.args!r} does not answer: {said.read().decode(errors='replace')[-2000:]}"
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def serving(
    db_dir: Path, *arguments: str, cwd: Path = ROOT, **options: Any
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`tracker serve` on the databases of that folder, and its port."""
    port = free_port()
    command = [TRACKER, "--db-dir", str(db_dir), "serve", f"--port={port}", *arguments]
    with running(command, port, cwd=cwd, **options) as process:
        yield process, port


def family(pid: int) -> list[int]:
    """The process, then all that it and its children started."""
    return [pid, *(each for child in _children(pid) for each in family(child))]


def _children(pid: int) -> Iterator[int]:
    # Each thread has its own; any of them, or the whole process, may end meanwhile.
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            yield from map(int, (task / "children").read_text().split())
