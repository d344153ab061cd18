"""Everything that depends on Datasette's version (0.65.x), in one place.

1.0 removes ``permission_allowed`` and ``get_metadata``, and gives no warning if a plugin still uses the old
names: moving to it means changing only this module and ``plugin.py``.
"""

from __future__ import annotations

import csv
import re
import sqlite3
from collections.abc import Callable, Iterable
from functools import cache, partial, wraps
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

import datasette
from datasette.database import Database, QueryInterrupted, Results
from datasette.tracer import trace as traced
from datasette.utils import InvalidSql, PrefixedUrlString, await_me_maybe
from datasette.utils.asgi import BadRequest, Base400, Forbidden, NotFound, Request, Response
from datasette.views.base import DatasetteError
from itsdangerous import BadSignature
from jinja2 import Environment

from tracker.export.clean import cell
from tracker.site.server import address
from tracker.site.server.below import base_path

if TYPE_CHECKING:
    from datasette.app import Datasette

__all__ = [
    "BadRequest",
    "BadSignature",
    "Base400",
    "Database",
    "DatasetteError",
    "Forbidden",
    "NotFound",
    "QueryInterrupted",
    "Request",
    "Response",
    "Results",
    "Urls",
    "asks_for_schema",
    "check_sql_quickly",
    "close",
    "hook",
    "is_loaded",
    "new_datasette",
    "replace_database",
    "settled",
    "templates",
    "traced",
]

F = TypeVar("F", bound=Callable[..., Any])

# Of a reader's SQL.
LONGEST_SQL = 10_000
_BEFORE_SQL = re.compile(r"\s+|--[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)

# Datasette's own queries about a database (database.py, app.py, utils/internal_db.py), with normalised white space.
_FOR_SCHEMA = frozenset(
    (
        "PRAGMA schema_version",
        "PRAGMA database_list;",
        "select * from sqlite_master WHERE type = 'table'",
        "select 1 from sqlite_master where type='table' and name=?",
        "select name from sqlite_master where type='table'",
        "select name from sqlite_master where type='view'",
        "select name from sqlite_master where type in ('table', 'view') and name = ? collate nocase",
        "select name from sqlite_master where rootpage = 0 and ( sql like '%VIRTUAL TABLE%USING FTS%' ) "
        "or name in ('sqlite_stat1', 'sqlite_stat2', 'sqlite_stat3', 'sqlite_stat4')",
        "select sql from sqlite_master where name = :n and type=:t",
        "select sql from sqlite_master where tbl_name = :n and type='index' and sql is not null",
    )
)


def new_datasette(*files: str, **options: Any) -> Datasette:
    """A Datasette instance. Imported when called: Datasette imports this plugin while it is imported itself.

    Raises RuntimeError if Datasette has not loaded our plugin, as nothing would be hidden then.
    """
    from datasette import facets
    from datasette.app import Datasette
    from datasette.plugins import pm

    if not any(getattr(plugin, "__name__", "") == "tracker.site" for plugin in pm.get_plugins()):
        raise RuntimeError("Datasette did not load the evidence-tracker plugin. Install the package again.")
    # Datasette's handler prints every local variable of every call to the log; ours (errors.py) replaces it.
    if pm.get_plugin("datasette.handle_exception"):
        pm.unregister(name="datasette.handle_exception")
    # We only use its hashing; its own sign-in would exist beside ours, without limits and cookie flags.
    for plugin in pm.get_plugins():
        if getattr(plugin, "__name__", "") == "datasette_auth_passwords":
            pm.unregister(plugin)
    _keep_links_below()
    _keep_quiet()
    _keep_formulas_out()
    # Datasette checks this for every table page, by a connection that it never closes. Our schema needs JSON.
    facets.detect_json1 = lambda: True
    made = Datasette(files, **options)
    for database in made.databases.values():
        _remember_connections(database)
    # A reader's error in SQL is answered, not written to the log.
    made.execute = partial(made.execute, log_sql_errors=False)
    made.absolute_url = partial(address.for_datasette, made)
    return made


def _keep_quiet() -> None:
    """Datasette prints errors to stderr, bypassing the log, with readers' words in them; each is answered as well."""
    from datasette import database
    from datasette.views import base

    nobody = SimpleNamespace(write=lambda text: None, flush=lambda: None)
    database.sys = base.sys = SimpleNamespace(stderr=nobody)


def _keep_formulas_out() -> None:
    """Datasette's own CSV is opened in spreadsheets, as ours is."""
    from datasette.views import base

    base.csv = SimpleNamespace(writer=_HarmlessCsv)


class _HarmlessCsv:
    """A ``csv.writer`` whose cells are never formulas."""

    def __init__(self, out: Any) -> None:
        self._writer = csv.writer(out)

    def writerow(self, row: Iterable[Any]) -> Any:
        return self._writer.writerow([cell(value) if isinstance(value, str) else value for value in row])


def _keep_links_below() -> None:
    """Datasette omits the site's base path in some links: date facets, conditions to remove, blobs of a query."""
    from datasette import facets, filters
    from datasette.views import base, database, table

    for module in (facets, filters, base, database, table):
        for name in (
            "path_with_added_args",
            "path_with_removed_args",
            "path_with_replaced_args",
            "path_with_format",
        ):
            make = getattr(module, name, None)
            if make and not hasattr(make, "__wrapped__"):
                setattr(module, name, _below(make))


def _below(make: Callable[..., str]) -> Callable[..., str]:
    @wraps(make)
    def made(*given: Any, **named: Any) -> str:
        path = make(*given, **named)
        request = named.get("request") or next(iter(given), None)
        front = base_path(request.scope) if isinstance(request, Request) else "/"
        if front == "/" or not path.startswith("/") or path.startswith(front):
            return path
        return PrefixedUrlString(front + path[1:])  # type: ignore[no-any-return]

    return made


def _remember_connections(database: Database) -> None:
    """Datasette closes only connections to files; connections to memory are added to the same list."""
    if not (database.memory_name or database.is_memory):
        return
    connect = database.connect

    def remembered(write: bool = False) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(write)
        database._all_file_connections.append(connection)
        return connection

    database.connect = remembered


# The keys in Datasette's metadata for where data come from.
SOURCE_AND_LICENCE = ("source", "source_url", "license", "license_url", "about", "about_url")


def local_metadata(datasette: Datasette) -> dict[str, Any]:
    """The content of metadata.yml, without what plugins add."""
    metadata: dict[str, Any] = datasette._metadata_local
    return metadata


def close(datasette: Datasette) -> None:
    """Let running work end, then close every connection that Datasette opened."""
    if datasette.executor:
        datasette.executor.shutdown(cancel_futures=True)
    for database in datasette.databases.values():
        database.close()


def is_loaded(plugin: str) -> bool:
    """Whether Datasette has loaded the plugin with this module."""
    from datasette.plugins import pm

    return any(getattr(loaded, "__name__", "") == plugin for loaded in pm.get_plugins())


def replace_database(datasette: Datasette, name: str, database: Database) -> None:
    """Replace the database that has this name."""
    database.name, database.route = name, datasette.databases[name].route
    datasette.databases = {**datasette.databases, name: database}


def asks_for_schema(sql: str) -> bool:
    """Whether this is one of Datasette's own queries on many pages: it is cheap, even if somebody else sends it."""
    return " ".join(sql.split()) in _FOR_SCHEMA


def check_sql_quickly() -> None:
    """Let the time of Datasette's SQL check grow with the length of the SQL, not with its square.

    Its patterns try every way to divide the white space between comments; 10,000 spaces after a comment took 3 s,
    during which nobody was answered.
    """
    from datasette.views import database as views

    check = views.validate_sql_select
    if hasattr(check, "__wrapped__"):
        return

    @wraps(check)
    def check_quickly(sql: str) -> None:
        if len(sql) > LONGEST_SQL:
            raise InvalidSql(
                f"This SQL has {len(sql):,} characters; the limit is {LONGEST_SQL:,}. Shorten it."
            )
        begins = 0
        while before := _BEFORE_SQL.match(sql, begins):
            begins = before.end()
        check(sql[begins:])

    views.validate_sql_select = check_quickly


async def settled(answer: Any) -> Any:
    """A hook's answer, which may be a function or an awaitable."""
    return await await_me_maybe(answer)


@cache
def templates(datasette: Datasette) -> Environment:
    """Datasette's templates, with the filters and the loader of all plugins, to be rendered synchronously."""
    environment: Environment = datasette.jinja_env.overlay(enable_async=False)
    return environment


class Urls:
    """Addresses below ``base_url`` for templates. Datasette's own look up the setting and wrap each address in a string
    that is slow to escape (measured: a quarter of the time that a long page takes to render)."""

    def __init__(self, datasette: Datasette) -> None:
        self._base = str(datasette.setting("base_url"))

    def path(self, path: str) -> str:
        return self._base + path.removeprefix("/")


def hook(**options: Any) -> Callable[[F], F]:
    """Mark a function as one of Datasette's hooks (pluggy's options).

    ``specname`` names the hook if the function has another name; a ``wrapper`` yields once, to get what the
    others answered, and returns the answer to use instead.
    """

    def mark(function: F) -> F:
        datasette.hookimpl(**options)(function)
        return function

    return mark
