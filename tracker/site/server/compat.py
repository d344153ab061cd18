"""Everything that depends on Datasette's version (0.65.x), in one place.

1.0 removes ``permission_allowed`` and ``get_metadata``, and says nothing where a plugin still uses the old
names: whoever moves to it changes this module and ``plugin.py`` alone.
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

# What Datasette asks about a database for itself (database.py, app.py, utils/internal_db.py), with evened white space.
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

    Raises RuntimeError where our plugin is not among those that it loaded, as nothing would be hidden then.
    """
    from datasette import facets
    from datasette.app import Datasette
    from datasette.plugins import pm

    if not any(getattr(plugin, "__name__", "") == "tracker.site" for plugin in pm.get_plugins()):
        raise RuntimeError("Datasette did not load the evidence-tracker plugin. Install the package again.")
    # It prints every local variable of every call to the log; ours (errors.py) answers in its place.
    if pm.get_plugin("datasette.handle_exception"):
        pm.unregister(name="datasette.handle_exception")
    # Its hashing is ours to use; its own sign-in would stand beside ours, without limits and cookie flags.
    for plugin in pm.get_plugins():
        if getattr(plugin, "__name__", "") == "datasette_auth_passwords":
            pm.unregister(plugin)
    _keep_links_below()
    _keep_quiet()
    _keep_formulas_out()
    # It finds this out anew for each page of a table, by a connection that it never closes. Our schema needs JSON.
    facets.detect_json1 = lambda: True
    made = Datasette(files, **options)
    for database in made.databases.values():
        _remember_connections(database)
    # A reader's slip in SQL is answered, not written to the log.
    made.execute = partial(made.execute, log_sql_errors=False)
    made.absolute_url = partial(address.for_datasette, made)
    return made


def _keep_quiet() -> None:
    """Datasette prints errors past the log, with the words that were in the way; each is answered as well."""
    from datasette import database
    from datasette.views import base

    nobody = SimpleNamespace(write=lambda text: None, flush=lambda: None)
    database.sys = base.sys = SimpleNamespace(stderr=nobody)


def _keep_formulas_out() -> None:
    """Datasette's own CSV goes into spreadsheets as ours does."""
    from datasette.views import base

    base.csv = SimpleNamespace(writer=_HarmlessCsv)


class _HarmlessCsv:
    """``csv.writer``, for which no cell is a formula."""

    def __init__(self, out: Any) -> None:
        self._writer = csv.writer(out)

    def writerow(self, row: Iterable[Any]) -> Any:
        return self._writer.writerow([cell(value) if isinstance(value, str) else value for value in row])


def _keep_links_below() -> None:
    """Datasette forgets what the site is below in some links: date facets, conditions to remove, blobs of a query."""
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
    """Datasette closes only the connections to files; those to memory are put on the same list."""
    if not (database.memory_name or database.is_memory):
        return
    connect = database.connect

    def remembered(write: bool = False) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(write)
        database._all_file_connections.append(connection)
        return connection

    database.connect = remembered


# As Datasette's metadata calls what a page says of where data come from.
SOURCE_AND_LICENCE = ("source", "source_url", "license", "license_url", "about", "about_url")


def local_metadata(datasette: Datasette) -> dict[str, Any]:
    """What metadata.yml says, without what plugins add."""
    metadata: dict[str, Any] = datasette._metadata_local
    return metadata


def close(datasette: Datasette) -> None:
    """Let what is under way end, then close every connection that it opened."""
    if datasette.executor:
        datasette.executor.shutdown(cancel_futures=True)
    for database in datasette.databases.values():
        database.close()


def is_loaded(plugin: str) -> bool:
    """Whether Datasette has loaded the plugin with this module."""
    from datasette.plugins import pm

    return any(getattr(loaded, "__name__", "") == plugin for loaded in pm.get_plugins())


def replace_database(datasette: Datasette, name: str, database: Database) -> None:
    """Let this one answer under a name that there is already."""
    database.name, database.route = name, datasette.databases[name].route
    datasette.databases = {**datasette.databases, name: database}


def asks_for_schema(sql: str) -> bool:
    """Whether this is what Datasette asks for itself on many pages: it costs nothing, whoever else asks it."""
    return " ".join(sql.split()) in _FOR_SCHEMA


def check_sql_quickly() -> None:
    """Let Datasette's check of SQL take a time that grows with the length of it, and not with its square.

    Its patterns try every way to divide the white space between comments; 10,000 spaces after a comment took 3 s, in
    which nobody was answered.
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
    """What a hook answered, which may be a function or something to be awaited."""
    return await await_me_maybe(answer)


@cache
def templates(datasette: Datasette) -> Environment:
    """Datasette's templates, with the filters and the loader of all plugins, to be rendered synchronously."""
    environment: Environment = datasette.jinja_env.overlay(enable_async=False)
    return environment


class Urls:
    """Addresses below ``base_url`` for templates. Datasette's own look the setting up and wrap each address in a string
    that is slow to escape (measured: a quarter of the time that a long page takes to render)."""

    def __init__(self, datasette: Datasette) -> None:
        self._base = str(datasette.setting("base_url"))

    def path(self, path: str) -> str:
        return self._base + path.removeprefix("/")


def hook(**options: Any) -> Callable[[F], F]:
    """Mark a function as one of Datasette's hooks (pluggy's options).

    ``specname`` names the hook where the function is called otherwise; a ``wrapper`` yields once, to get what the
    others answered, and returns what is answered instead.
    """

    def mark(function: F) -> F:
        datasette.hookimpl(**options)(function)
        return function

    return mark
