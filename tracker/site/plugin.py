"""Datasette's hooks: our routes, who may see which database, how connections are opened, what headers go out."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment
from markupsafe import Markup

from tracker import topic
from tracker.article import named, spelt
from tracker.citation import status_date
from tracker.decision import DECISION_WORDS, STAGE_WORDS
from tracker.directness import DIRECTNESS_WORDS, directness_words
from tracker.evidence.connect import Mode, reading_uri
from tracker.evidence.schema import TABLES, VIEWS
from tracker.evidence.wrongclock import is_ahead
from tracker.lists.answers import outcome_words
from tracker.reading.accuracy import accuracy
from tracker.reading.labels import groups
from tracker.reading.notices import words as notice_words
from tracker.site import routes, words
from tracker.site.parts import filters
from tracker.site.parts.readings import LEFT_OUT
from tracker.site.server import access, actors, assets, sandbox, sandbox_child, traffic
from tracker.site.server.access import View
from tracker.site.server.below import below
from tracker.site.server.compat import (
    SOURCE_AND_LICENCE,
    Database,
    Forbidden,
    Request,
    Response,
    check_sql_quickly,
    hook,
    local_metadata,
    replace_database,
)
from tracker.site.server.errors import error_response
from tracker.site.server.security import ANNOTATIONS, EVIDENCE, SITE, NonceLoader, secured
from tracker.site.server.traffic import counted
from tracker.site.server.turns import TurnsTemplate, after_a_cell
from tracker.site.views import exports

if TYPE_CHECKING:
    from datasette.app import Datasette

BUSY_MILLISECONDS = 30_000
# SQLite's default of 2 MB holds too little of a large index: with this, lists take a third less time (measured).
CACHED_KILOBYTES = 64 * 1024


@hook()
def startup(datasette: Datasette) -> None:
    """Open evidence.db a second time, for our pages: only these connections attach annotations.db.

    Readers' own SQL on it runs in separate processes, if the system supports them.
    """
    check_sql_quickly()
    evidence = datasette.databases.get(EVIDENCE)
    if evidence is None or SITE in datasette.databases:
        return
    database = Database(datasette, path=evidence.path, is_mutable=evidence.is_mutable)
    datasette.add_database(database, name=SITE)
    if sandbox.is_possible():
        apart = sandbox.SandboxedDatabase(datasette, evidence.path, evidence.is_mutable)
        replace_database(datasette, EVIDENCE, apart)


@hook()
def prepare_connection(conn: sqlite3.Connection, database: str, datasette: Datasette) -> None:
    if database not in (EVIDENCE, SITE, ANNOTATIONS):
        return
    conn.execute(f"pragma busy_timeout = {BUSY_MILLISECONDS}")
    if database == ANNOTATIONS:
        # As in ``open_annotations``.
        conn.execute("pragma secure_delete = on")
    if database == SITE:
        conn.execute(f"pragma cache_size = -{CACHED_KILOBYTES}")
    if database == EVIDENCE:
        # Readers' SQL comes here only if other processes cannot run it.
        conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, sandbox_child.LONGEST_VALUE[False])
        for limit, most in sandbox_child.LIMITS.items():
            conn.setlimit(limit, most)
        sandbox_child.restrict(conn)
    if database == SITE and (annotations := datasette.databases.get(ANNOTATIONS)):
        mode: Mode = "mode=ro" if annotations.is_mutable else "immutable=1"
        conn.execute("attach database ? as annotations", (reading_uri(Path(annotations.path), mode),))


@hook(wrapper=True)
def actor_from_request(datasette: Datasette, request: Request) -> Generator[None, list[Any], list[Any]]:
    """Our people first; somebody signed in by another plugin becomes one of our people, or a reader."""
    others = yield
    headers = {name for name, _ in request.scope.get("headers") or ()}
    if not others and headers.isdisjoint((b"cookie", b"authorization")):
        return []
    return [partial(actors.find, datasette, request, others)]


@hook(specname="permission_allowed", tryfirst=True)
def roles_allow(actor: dict[str, Any] | None, action: str) -> bool | None:
    return access.allowed(actor, action)


@hook(trylast=True)
def permission_allowed(
    datasette: Datasette, actor: dict[str, Any] | None, action: str, resource: Any
) -> bool | None:
    """Overrides whatever else allows it: the last answer counts."""
    return False if access.refused(datasette, actor, action, resource) else None


@hook()
def register_routes() -> list[tuple[str, View]]:
    return list(routes.registered())


@hook()
def skip_csrf(scope: dict[str, Any]) -> bool:
    """Nobody can forge what needs the random name in its address."""
    return routes.takes_one_click(scope["path"])


@hook()
def menu_links(datasette: Datasette, actor: dict[str, Any] | None) -> list[dict[str, str]]:
    """The top of our own pages, for Datasette's pages."""
    links = {"/account": "Account"} if actor else {"/sign-in": "Sign in"}
    if actor and "person" in actor:
        links = {"/my-work": "My work", **links}
    return [{"href": datasette.urls.path(path), "label": label} for path, label in links.items()]


@hook()
def register_output_renderer() -> list[dict[str, Any]]:
    """Any table or query with PMIDs can be exported to a reference manager."""
    return exports.renderers()


@hook()
def get_metadata(datasette: Datasette) -> dict[str, Any]:
    """What tables and columns mean, and how tables are searched, sorted and counted. Hides what no reader needs."""
    # Datasette's row page looks for them only here.
    inherited = {name: local_metadata(datasette).get(name) for name in SOURCE_AND_LICENCE}
    tables: dict[str, dict[str, Any]] = {
        table.name: {
            "description": table.about,
            "columns": {name: about for name, (_, about) in table.columns.items()},
            **inherited,
        }
        for table in (*TABLES, *VIEWS)
    }
    tables["articles"] |= {"fts_table": "articles_fts", "fts_pk": "pmid"}
    # Tables that stay small, and so are counted quickly.
    tables["runs"] |= {"facets": ["command", "outcome"], "sort_desc": "id"}
    tables["searches"] |= {"facets": ["question", "purpose"], "sort_desc": "id"}
    tables["seeds"] |= {"facets": ["question", "found"]}
    hidden = {name: {"hidden": True} for name in ("_sqlite_migrations", "_derived")}
    return {"databases": {EVIDENCE: {"tables": tables | hidden}}}


@hook()
def render_cell(
    value: Any, column: str, database: str, datasette: Datasette
) -> Markup | Callable[[], Awaitable[None]] | None:
    """In every table and query, a PMID links to our page of the record."""
    if database != EVIDENCE or column != "pmid" or not isinstance(value, int):
        return after_a_cell()
    return Markup('<a href="{}">{}</a>').format(
        datasette.urls.path(f"/articles/{spelt(value)}"), spelt(value)
    )


@hook()
def extra_css_urls() -> list[str]:
    return ["/-/static-plugins/evidence-tracker/datasette.css"]


@hook()
def extra_template_vars(request: Request | None, datasette: Datasette) -> dict[str, Any]:
    return {
        "csp_nonce": request.scope.get("csp_nonce", "") if request else "",
        "static_file": lambda name: assets.address(datasette, name),
    }


@hook()
def prepare_jinja2_environment(env: Environment) -> None:
    env.filters |= {
        "day": words.day,
        "moment": words.moment,
        "moments": words.moments,
        "stage_words": words.stage_words,
        "decision_words": words.decision_words,
        "seen_words": words.seen_words,
        "directness_words": directness_words,
        "outcome_words": outcome_words,
        "action_words": words.action_words,
        "markdown": words.markdown,
        "changed": words.changed,
        "doi_link": words.doi_link,
        "notice_words": notice_words,
        "alert_words": words.alert_words,
        "outside_words": words.outside_words,
        "state_words": words.state_words,
        "trial_words": words.trial_words,
        "highlighted": words.highlighted,
        "reason_words": words.reason_words,
        "language_tag": words.language_tag,
        "registry_link": words.registry_link,
        "only": filters.only,
        "chip": words.chip,
        "lower_first": words.lower_first,
        "with_text": filters.with_text,
        "is_ahead": is_ahead,
        "status_date": status_date,
        "spelt": spelt,
        "named": named,
    }
    env.globals |= {
        "DECISION_WORDS": DECISION_WORDS,
        "DIRECTNESS_WORDS": DIRECTNESS_WORDS,
        "STAGE_WORDS": STAGE_WORDS,
        "topic": topic.current,
        "label_groups_known": groups,
        "accuracy": accuracy,
        "LEFT_OUT_GROUPS": LEFT_OUT,
    }
    env.template_class = TurnsTemplate
    if env.loader is not None:
        env.loader = NonceLoader(env.loader)


@hook(tryfirst=True)
def handle_exception(datasette: Datasette, request: Request, exception: Exception) -> Awaitable[Response]:
    return error_response(datasette, request, exception)


@hook(tryfirst=True)
def forbidden(datasette: Datasette, request: Request, message: str) -> Response | Awaitable[Response]:
    away = access.turned_away(datasette, request) or Forbidden(message)
    return error_response(datasette, request, away) if isinstance(away, Exception) else away


@hook()
def asgi_wrapper(datasette: Datasette) -> Callable[[Any], Any]:
    def wrapped(app: Any) -> Any:
        ours = secured(sandbox.attended(app), routes.policy_of)
        return below(datasette.setting("base_url"), counted(ours, traffic.of(datasette), routes.family_of))

    return wrapped
