"""Datasette with the settings that this site needs, which cannot live in metadata.yml."""

from __future__ import annotations

import asyncio
import atexit
import os
import secrets
import socket
import sqlite3
import sys
import webbrowser
from contextlib import closing, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import uvicorn
import yaml

from tracker import topic
from tracker.errors import CorruptDatabase, UsageError
from tracker.evidence import articles, connect, schema
from tracker.mail.outbox import outbox_of
from tracker.regular import open_regular, read_regular
from tracker.settings import Settings, find_default
from tracker.site.routes import TAKEN
from tracker.site.server import logs
from tracker.site.server.compat import close, new_datasette
from tracker.site.server.sandbox import SandboxedDatabase
from tracker.site.server.security import EVIDENCE, SITE
from tracker.team import vocabulary
from tracker.team.acts import acting, open_annotations
from tracker.team.acts import migrations as annotations_schema

if TYPE_CHECKING:
    from datasette.app import Datasette

LONGEST_SECRET = 4096
# Measured on a million articles: suggested facets were the largest single cost of a table page.
DATASETTE_SETTINGS = {
    "allow_download": False,
    "default_page_size": 25,
    "facet_time_limit_ms": 200,
    "facet_suggest_time_limit_ms": 50,
    "max_returned_rows": 1000,
    "sql_time_limit_ms": 1000,
    "suggest_facets": False,
    "truncate_cells_html": 300,
    "default_cache_ttl": 0,
}


def serve(
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    port: int = 8001,
    open_browser: bool = False,
    immutable: bool = False,
) -> None:
    """Serve the site until it is stopped.

    ``immutable`` promises that no refresh writes while this runs (a copy made for publishing); it is faster.
    Raises UsageError for a port that is taken, a database that is missing or newer, metadata that cannot be
    read; CorruptDatabase for a damaged database.
    """
    datasette = open_site(settings, immutable=immutable)
    check_port(host, port)
    asyncio.run(datasette.invoke_startup())
    address = f"http://{host}:{port}{settings.base_path}"
    # After an orderly shutdown uvicorn raises again what stopped it; for a server that is not a failure.
    with suppress(KeyboardInterrupt):
        print(f"Serving at {address} (Ctrl-C stops it)", flush=True)  # noqa: T201 - the only thing it prints
        if open_browser:
            webbrowser.open(address)
        config = uvicorn.Config(
            datasette.app(),
            host=host,
            port=port,
            log_config=logs.config(),
            log_level="warning",
            lifespan="on",
            server_header=False,
            # A page in progress is finished by then; an export that is cut off can be told from a complete one.
            timeout_graceful_shutdown=2,
        )
        _Server(config, datasette).run()
    close(datasette)


class _Server(uvicorn.Server):
    """Starts and ends the processes that run readers' SQL, so that a stopping server does not wait for queries."""

    def __init__(self, config: uvicorn.Config, datasette: Datasette) -> None:
        super().__init__(config)
        self._evidence = datasette.databases[EVIDENCE]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if isinstance(self._evidence, SandboxedDatabase):
            self._evidence.warm()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if isinstance(self._evidence, SandboxedDatabase):
            self._evidence.stop()
        await super().shutdown(sockets)


def open_site(settings: Settings, *, immutable: bool = False) -> Datasette:
    """The Datasette instance; both databases are checked, and annotations.db is created if missing.

    In a folder that cannot be written, both are used as they are, and nobody can sign in or write.
    """
    if settings.base_path in TAKEN:
        raise UsageError(
            f"--base-path: pages of the site itself begin with {settings.base_path}. Choose another, such as "
            "/evidence-tracker/."
        )
    topic.use(settings.topic)
    topic.current()
    # Where the folder is a link, a process keeps to what it led to when it began: the link may be moved meanwhile.
    settings = replace(settings, db_dir=settings.db_dir.resolve())
    evidence = settings.evidence_db
    with closing(connect.open_for_reading(evidence, schema.migrations)) as db:
        check_whole(db, evidence)
        is_writable = connect.reading_mode(evidence) == "mode=ro"
        immutable = immutable or not is_writable
        known = inspected(db, evidence) if immutable else None
        if older := articles.read_by_older_rules(db):
            print(articles.say_older_rules(older), file=sys.stderr, flush=True)  # noqa: T201 - for the operator
    annotations = people_of(settings) if is_writable else people_of_copy(settings)
    fixed = {evidence: immutable, annotations: not is_writable}
    secret = signing_secret(settings) if is_writable or settings.secret else secrets.token_hex(32)
    made = new_datasette(
        *(str(path) for path in reversed(fixed) if not fixed[path]),
        immutables=[str(path) for path in reversed(fixed) if fixed[path]],
        metadata=load_metadata(find_default("metadata.yml")),
        settings=DATASETTE_SETTINGS | {"base_url": settings.base_path},
        secret=secret,
        inspect_data={EVIDENCE: known, SITE: known} if known else None,
    )
    made.closed = settings.closed
    made.origin = settings.site_url
    made.outbox = outbox_of(settings) if is_writable and settings.smtp_url and settings.mail_from else None
    made.hash_key = secret
    return made


def people_of(settings: Settings) -> Path:
    """annotations.db, checked, with a vocabulary for tagging; created if missing."""
    path = settings.annotations_db
    with closing(open_annotations(path)) as db:
        check_people(db, path)
        with acting(db, None, "tracker serve") as act:
            vocabulary.ensure(act)
    return path


def people_of_copy(settings: Settings) -> Path:
    """annotations.db of a read-only copy, checked; if there is none, an empty one for as long as we run."""
    path = settings.annotations_db
    if not path.is_file():
        passing = TemporaryDirectory(prefix="evidence-tracker-")
        atexit.register(passing.cleanup)
        path = Path(passing.name, path.name)
        open_annotations(path).close()
    with closing(connect.open_for_reading(path, annotations_schema)) as db:
        check_people(db, path)
    return path


def inspected(db: sqlite3.Connection, path: Path) -> dict[str, Any]:
    """What Datasette would otherwise find out about an immutable file by counting and hashing all of it."""
    state = path.stat()
    tables = db.execute("select name from sqlite_master where type = 'table'")
    return {
        "hash": sha256(f"{state.st_size} {state.st_mtime_ns}".encode()).hexdigest(),
        "size": state.st_size,
        "tables": {name: {"count": None} for (name,) in tables},
    }


def check_whole(db: sqlite3.Connection, path: Path) -> None:
    """Read a little from the database, so that damage is reported now and not on some page."""
    try:
        db.execute("select count(*) from questions").fetchone()
        db.execute("select title from articles order by pmid desc limit 1").fetchone()
    except sqlite3.DatabaseError as error:
        raise connect.plain_error(path, error) from None


def check_people(db: sqlite3.Connection, path: Path) -> None:
    """Check everything that people wrote, which is little, so that nobody writes into a damaged file."""
    try:
        verdict = db.execute("pragma quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise connect.plain_error(path, error) from None
    if verdict != "ok":
        raise CorruptDatabase(
            f"{path}: the file is damaged ({verdict}). Run 'tracker restore latest --only annotations'."
        )


def check_port(host: str, port: int) -> None:
    """Raises UsageError if nothing can be served at this address."""
    try:
        with closing(socket.create_server((host, port))):
            return
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise UsageError(
            f"{host}:{port} cannot be used ({reason}). Stop what runs there, or choose another with --port "
            "(make run PORT=...)."
        ) from None


def load_metadata(path: Path) -> dict[str, Any]:
    """Datasette's metadata. Raises UsageError if the file is missing or is not a YAML mapping."""
    try:
        with open_regular(path) as file:
            metadata = yaml.safe_load(file.read().decode("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(metadata, dict):
        raise UsageError(f"{path}: not a YAML mapping. Compare it with the one in the repository.")
    return metadata


def signing_secret(settings: Settings) -> str:
    """The secret that signs cookies: TRACKER_SECRET, or one that is created once and kept beside the database."""
    if settings.secret:
        return settings.secret
    path = settings.db_dir / ".secret"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _kept_secret(path)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror}). Set TRACKER_SECRET instead."
        ) from None
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    return _kept_secret(path)


def _kept_secret(path: Path) -> str:
    try:
        return read_regular(path, LONGEST_SECRET).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path}: cannot be read ({error}). "
            "Set TRACKER_SECRET instead, or delete the file, which signs everybody out."
        ) from None
