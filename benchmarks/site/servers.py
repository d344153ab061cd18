"""The servers that are timed: ours, plain Datasette, and nginx in front of ours."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click

from benchmarks.processes import HOST, ROOT, family, free_port, running, serving
from benchmarks.site.client import Client

PLAIN_DATASETTE = """
import pluggy
pluggy.PluginManager.load_setuptools_entrypoints = lambda *args, **options: 0  # ours is installed beside it
from datasette.cli import cli
cli()
"""


class Server(NamedTuple):
    """``pids`` are of all processes that have a part in its answers."""

    port: int
    pids: tuple[int, ...]

    def worked(self) -> float:
        """Milliseconds of processor time so far."""
        try:
            stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.pids]
        except FileNotFoundError as error:
            raise click.ClickException(f"a server ended while it was timed ({error.filename})") from None
        return sum(int(fields[11]) + int(fields[12]) for fields in stats) * 1000 / os.sysconf("SC_CLK_TCK")

    def rest(self, seconds: float = 20.0) -> None:
        """Wait until it has nothing left to do: what was not waited for any longer is still worked at."""
        end = time.monotonic() + seconds
        before = -1.0
        while time.monotonic() < end and (now := self.worked()) > before + 10:
            before = now
            time.sleep(0.1)


@contextmanager
def tracker(folder: Path, *options: str) -> Iterator[Server]:
    with serving(folder, *options) as (process, port):
        yield Server(port, (process.pid,))


@contextmanager
def datasette(folder: Path) -> Iterator[Server]:
    """Plain Datasette with its default settings; none of ours is in it."""
    port = free_port()
    database = str(folder / "evidence.db")
    command = [sys.executable, "-c", PLAIN_DATASETTE, "serve", database, f"--port={port}"]
    with running(command, port) as process:
        _refuse_plugins(port)
        yield Server(port, (process.pid,))


def _refuse_plugins(port: int) -> None:
    with closing(Client(port)) as client:
        if (plugins := json.loads(client.page("/-/plugins.json"))) != []:
            raise click.ClickException(f"this is no plain Datasette: {plugins}")


@contextmanager
def nginx(folder: Path, upstream: Sequence[Server], *, cached: bool) -> Iterator[Server]:
    """nginx with deploy/nginx.conf; only its ports are changed and, where it is to keep nothing, its cache is off."""
    port = free_port()
    prefix = folder / f"nginx-{port}"
    prefix.mkdir()
    configuration = prefix / "nginx.conf"
    configuration.write_text(_configured(port, upstream, cached=cached), "utf-8")
    command = [_nginx_program(), "-p", f"{prefix}/", "-c", str(configuration)]
    with running(command, port, **_without_root(folder, prefix)) as process:
        _, *workers = family(process.pid)
        yield Server(port, (*workers, *(pid for server in upstream for pid in server.pids)))


def _configured(port: int, upstream: Sequence[Server], *, cached: bool) -> str:
    text = (ROOT / "deploy" / "nginx.conf").read_text("utf-8")
    servers = "\n".join(f"        server {HOST}:{server.port};" for server in upstream)
    text = _replaced(text, r"(?:^ *server 127[^\n]*\n)+", f"{servers}\n")
    text = _replaced(text, r"listen 127\.0\.0\.1:\d+;", f"listen {HOST}:{port};")
    return text if cached else _replaced(text, r"proxy_cache pages;", "proxy_cache off;")


def _replaced(text: str, pattern: str, replacement: str) -> str:
    text, found = re.subn(pattern, replacement, text, flags=re.M)
    if found != 1:
        raise click.ClickException(f"deploy/nginx.conf: {pattern} fits {found} times")
    return text


def _without_root(*folders: Path) -> dict[str, Any]:
    """Options that start a program as nobody where this is root, as no site needs root; the folders become nobody's."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    for folder in folders:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _nginx_program() -> str:
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise click.UsageError("nginx is not installed (Debian: apt-get install nginx-light)")
    return program
