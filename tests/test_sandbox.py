"""One reader's SQL takes the site from nobody, shows nobody else's, and is answered as SQLite answers it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from lxml import html

from tests.conftest import FIXTURES, KEY, Desk, wait_for
from tests.helpers_site import OURS, RETRACTED, Site, filled, free_port, served
from tracker.site.server import sandbox

ROWS = "with recursive n(i) as (select 1 union all select i + 1 from n limit 1000)"
FOR_EVER = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
LONG = "hex(zeroblob(500000))"
HALF = "hex(zeroblob(250000))"
# Each of them took minutes, or all memory, or both.
ATTACKS = {
    "instr": f"select instr({HALF} || {HALF}, {HALF} || '1')",
    "trim": f"select length(trim({HALF} || '1', {HALF} || '2'))",
    "rtrim": f"select length(rtrim('1' || {HALF}, {HALF} || '2'))",
    "replace": f"select length(replace({LONG}, {HALF} || '1', 'x'))",
    "replace that grows": f"select length(replace({LONG}, '0', {LONG}))",
    "like": f"select {LONG} like '%0%0%0%0%0%0%0%0%0%0%1%0'",
    "glob": f"select {LONG} glob '*0*0*0*0*0*0*0*0*0*0*1*0'",
    "like with a long pattern": f"select {LONG} like {LONG}",
    "zeroblob": f"select {', '.join(['zeroblob(16777216)'] * 20)}",
    "zeroblob within limits": f"select {', '.join(['zeroblob(1000000)'] * 200)}",
    "randomblob": f"select {', '.join(['hex(randomblob(500000))'] * 199)}",
    "columns": f"select {', '.join(['1'] * 5000)}",
    "group_concat": "with recursive n(i) as (select 1 union all select i + 1 from n) select group_concat(i) from n",
    "recursion": FOR_EVER,
    "recursion that remembers": FOR_EVER.replace("union all", "union"),
    "recursion of rows": FOR_EVER.replace("count(*)", "i") + " where i < 0",
    "printf": "select printf('%.900000000d', 1)",
    "printf of a width": "select printf('%*d', 2000000000, 1)",
    "json": f"select json_array({LONG}, {LONG})",
    "deep json": f"select json_valid(replace({HALF}, '0', '['))",
    "quote": "select quote(zeroblob(600000))",
    "cross join": "select count(*) from articles, authors, authors, mesh_headings, mesh_headings, labels",
    "sorting": FOR_EVER.replace("count(*)", "i, randomblob(1000)") + " order by 2",
    "distinct": FOR_EVER.replace("count(*)", "distinct randomblob(100000)"),
    "window": FOR_EVER.replace("count(*)", "group_concat(i) over (order by i)"),
    "full text": "select count(*) from articles_fts, articles_fts where articles_fts match '"
    + " OR ".join(letter + "*" for letter in "abcdefghijklmnopqrstuvwxyz" * 50)
    + "'",
    "highlight": f"select highlight(articles_fts, 0, {LONG}, {LONG}) from articles_fts('a* OR k*'), authors",
    "deep expression": f"select {'(' * 2000}1{')' * 2000}",
    "long expression": f"select {' + '.join(['1'] * 3000)}",
    "union": f"select 1 {'union select 1 ' * 600}",
    "nested views": "select * from "
    + "(select * from " * 90
    + "(select 1 union select 2)"
    + "), (select 1 union select 2)" * 90,
    "upper again and again": FOR_EVER.replace("count(*)", f"max(upper({LONG}))"),
    "strftime": f"select strftime(replace({HALF}, '0', '%f'), 'now')",
}
MODULES = (
    "sqlite_stmt",
    "dbstat",
    "sqlite_dbpage",
    "bytecode",
    "tables_used",
    "sqlite_memstat",
    "fts3tokenize",
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return filled(tmp_path_factory.mktemp("sandbox"))


@pytest.fixture(scope="module")
def site(library: Desk) -> Iterator[Site]:
    made = Site(library)
    asyncio.run(made.datasette.invoke_startup())
    yield made
    made.datasette.get_database("evidence").stop()


def query(sql: str, suffix: str = ".json", **more: str) -> str:
    return str(httpx.URL(f"/evidence{suffix}", params={"sql": sql, **more}))


def text(page: str) -> str:
    return " ".join(html.fromstring(page).text_content().split())


def ask(site: Site, sql: str, params: Any = None, **options: Any) -> Any:
    """What Datasette's pages get where they ask the database."""
    asyncio.run(site.datasette.invoke_startup())
    return asyncio.run(site.datasette.get_database("evidence").execute(sql, params, **options))


def children(pid: int) -> list[Path]:
    """The folders in /proc of the processes that this one started and that are no zombies."""
    if not Path("/proc/self/task").is_dir():
        pytest.skip("there is no /proc here")
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [Path("/proc") / child for child in (task / "children").read_text().split()]
    return found


# -- attacks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ATTACKS)
def test_whatever_a_query_does_it_ends_and_the_next_is_answered(site: Site, name: str) -> None:
    for suffix in (".json", ".csv", ""):
        answer = site.get(query(ATTACKS[name], suffix))
        assert answer.status_code in (200, 400, 414)
        assert len(answer.content) < 10 * 2**20
        assert site.get(query("select 6 * 7 as n", _shape="array")).json() == [{"n": 42}]


@pytest.mark.parametrize("parameter", ["_where", "_sort", "_search", "authors_text__like", "title__glob"])
def test_nor_is_there_another_door_for_it(site: Site, parameter: str) -> None:
    value = f"{ATTACKS['instr'].removeprefix('select ')} > 0" if parameter == "_where" else "%a" * 400
    answer = site.get(str(httpx.URL("/evidence/articles.json", params={parameter: value})))
    assert answer.status_code in (200, 400, 500)
    assert site.get("/evidence/runs.json").status_code == 200


def test_while_readers_attack_everybody_else_is_answered_and_the_server_stops_when_it_is_told(
    library: Desk,
) -> None:
    with ThreadPoolExecutor(8) as attackers:
        with served(library) as url:
            attacks = [
                attackers.submit(_attack, url + query(ATTACKS[name]))
                for _ in range(2)
                for name in ("instr", "trim", "replace", "zeroblob within limits")
            ]
            with httpx.Client(base_url=url, timeout=10) as others:
                for _ in range(5):
                    for path in ("/search?q=ketamine", f"/articles/{RETRACTED}", "/questions/cystitis"):
                        assert others.get(path).status_code == 200
        assert {attack.result() for attack in attacks} <= {200, 400, 503, None}


def _attack(url: str) -> int | None:
    """The status of the last of three attacks; None where the server stopped meanwhile."""
    status = None
    for _ in range(3):
        try:
            status = httpx.get(url, timeout=60).status_code
        except httpx.TransportError:
            return None
    return status


def test_a_few_wait_and_the_next_is_asked_to_come_again(site: Site) -> None:
    answers = together(site, *[query(FOR_EVER, _timelimit="500")] * (sandbox.CHILDREN + sandbox.WAITING + 3))
    assert {answer.status_code for answer in answers} == {400, 503}
    assert len([answer for answer in answers if answer.status_code == 503]) <= 3
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert int(refused.headers["retry-after"]) > 0
    assert "Try again in a few seconds" in refused.json()["error"]
    assert site.get(query("select 1")).status_code == 200


def test_a_page_of_many_queries_that_was_begun_is_whole_though_many_wait(site: Site) -> None:
    begun = "/evidence/articles.json?_facet=status&_facet=country&_facet=kind"
    flood = [query(FOR_EVER, _timelimit="100")] * 40
    # It may come too late to be begun, and is refused then.
    answers = [together(site, begun, *flood)[0] for _ in range(5)]
    assert {answer.status_code for answer in answers} <= {200, 503}
    for answer in answers:
        if answer.status_code == 200:
            assert len(answer.json()["facet_results"]) == 3


def together(site: Site, *paths: str) -> list[httpx.Response]:
    async def get() -> list[httpx.Response]:
        return await asyncio.gather(*(site.datasette.client.get(path) for path in paths))

    return asyncio.run(get())


def test_whoever_goes_away_leaves_the_line(library: Desk) -> None:
    with served(library) as url:
        address = httpx.URL(url)
        for _ in range(3 * sandbox.WAITING):
            with closing(socket.create_connection((address.host, address.port or 80))) as reader:
                reader.sendall(f"GET {query(FOR_EVER)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        wait_for(lambda: httpx.get(url + query("select 1"), timeout=30).status_code == 200, seconds=10)


def test_a_long_page_lets_others_be_answered_while_it_is_made(site: Site) -> None:
    order = []

    async def get(name: str, path: str) -> None:
        assert (await site.datasette.client.get(path)).status_code == 200
        order.append(name)

    async def both() -> None:
        columns = ", ".join(f"i as c{n}" for n in range(50))
        long = asyncio.ensure_future(get("long", query(f"{ROWS} select {columns} from n", "")))
        await asyncio.sleep(0)
        for _ in range(3):
            await get("short", "/sign-in")
        await long

    asyncio.run(both())
    assert order == ["short", "short", "short", "long"]


# -- the processes ---------------------------------------------------------------------------------


def test_a_process_has_neither_our_secrets_nor_our_sockets(library: Desk) -> None:
    server = library.start("serve", "--port", str(port := free_port()), TRACKER_SECRET=KEY)
    try:
        wait_for(lambda: _is_answered(port))
        started = children(server.pid)
        assert len(started) == sandbox.CHILDREN
        for child in started:
            assert KEY not in (child / "environ").read_text()
            assert KEY not in (child / "cmdline").read_text()
            opened = [str(file.readlink()) for file in (child / "fd").iterdir()]
            assert not [name for name in opened if name.startswith("socket") or "annotations" in name]
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.communicate(timeout=20)[1] == ""
    assert not [child for child in started if child.exists()]


def test_the_processes_end_with_a_server_that_was_killed(library: Desk) -> None:
    server = library.start("serve", "--port", str(port := free_port()))
    wait_for(lambda: _is_answered(port))
    started = children(server.pid)
    with ThreadPoolExecutor(2) as attackers:
        attacks = [attackers.submit(_attack, f"http://127.0.0.1:{port}{query(ATTACKS['instr'])}")] * 2
        server.kill()
        server.communicate()
        assert [attack.result() for attack in attacks]
    assert started
    wait_for(lambda: not [child for child in started if child.exists()], seconds=10)


def _is_answered(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{query('select 1')}", timeout=30).status_code == 200
    except httpx.TransportError:
        return False


def test_a_process_that_somebody_killed_is_started_again(site: Site) -> None:
    assert site.get(query("select 1")).status_code == 200
    for child in children(os.getpid()):
        if "sandbox_child" in (child / "cmdline").read_text():
            os.kill(int(child.name), signal.SIGKILL)
            wait_for(lambda child=child: _state(child) == "Z")
    assert site.get(query("select 1")).status_code == 200


def test_killed_processes_leave_neither_zombies_nor_open_files(site: Site) -> None:
    site.get(query("select 1"))
    zombies, before = _zombies(), _open_files()
    for _ in range(3):
        assert site.get(query(ATTACKS["instr"])).status_code == 400
    site.get(query("select 1"))
    assert _zombies() <= zombies
    assert _open_files() <= before + 2


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").glob("*")))


def _zombies() -> int:
    return [_state(child) for child in children(os.getpid())].count("Z")


def _state(process: Path) -> str:
    return (process / "stat").read_text().rpartition(")")[2].split()[0]


def test_our_pages_need_no_such_process(library: Desk) -> None:
    site = Site(library)
    asyncio.run(site.datasette.invoke_startup())
    site.datasette.get_database("evidence").stop()
    for path in OURS:
        assert site.page(path)
    refused = site.get(query("select 1"))
    assert (refused.status_code, bool(refused.headers["retry-after"])) == (503, True)


def test_where_no_process_can_be_started_sql_is_refused_in_words(
    library: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(library)
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    refused = site.get(query("select 1"))
    assert refused.status_code == 503
    assert refused.json()["error"] == "SQL cannot be run on this site at the moment. Try again later."


def test_a_system_without_signals_has_its_time_limit(library: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "is_possible", lambda: False)
    site = Site(library)
    assert site.get(query("select 1")).status_code == 200
    assert site.get(query(FOR_EVER)).status_code == 400
    assert site.get(query("select * from sqlite_stmt")).status_code == 400
    assert site.get("/evidence/articles?_search=ketamine&_facet=status").status_code == 200


# -- the answers -----------------------------------------------------------------------------------

VALUES = some.one_of(
    some.none(),
    some.integers(-(2**63), 2**63 - 1),
    some.floats(),
    some.text(some.characters(exclude_categories=["Cs"]), max_size=50),
    some.binary(max_size=50),
)


@given(some.lists(VALUES, min_size=1, max_size=5), some.booleans())
@settings(max_examples=200)
def test_values_come_back_as_sqlite_gives_them(site: Site, values: list[Any], are_named: bool) -> None:
    names = [f"p{n}" for n in range(len(values))]
    sql = f"select {', '.join(f':{name} as {name}' if are_named else '?' for name in names)}"
    params = dict(zip(names, values, strict=True)) if are_named else values
    with closing(sqlite3.connect(":memory:")) as db:
        db.row_factory = sqlite3.Row
        (expected,) = db.execute(sql, params)
    (found,) = ask(site, sql, params).rows
    assert isinstance(found, sqlite3.Row)
    assert repr(tuple(found)) == repr(tuple(expected))
    assert found.keys() == expected.keys()


@pytest.mark.parametrize(
    "sql",
    [
        'select 1 as a, 2 as a, 3 as "with ""quotes""", 4 as [], 5 as \'[x]\', \'ü\' as ü',
        "select char(0, 97, 0), x'00ff', 9e999, -9e999, 1e-320, null, 9223372036854775807",
        "select cast(x'ff61' as text), cast(x'eda080' as text), char(55296), char(1114111)",
        "select pmid, title, abstract, mesh_text from articles order by pmid",
        "select * from articles_fts where articles_fts match 'ketamine' order by rank limit 7",
        "with recursive n(i) as (select 1 union all select i + 1 from n limit 5) select * from n",
        "select value, key from json_each('[1, 2.5, \"a\", null, [3]]')",
        "select row_number() over (order by pmid) as n, lag(pmid) over (order by pmid) from articles limit 5",
        "select name, type from pragma_table_info('articles')",
        "values (1, 'a'), (2, 'b')",
        "explain query plan select * from articles where pmid = 1",
        "select 1 where 0",
    ],
)
def test_a_result_is_sqlites_own(site: Site, library: Desk, sql: str) -> None:
    with closing(sqlite3.connect(library.db)) as db:
        db.text_factory = lambda text: str(text, "utf-8", "replace")
        cursor = db.execute(sql)
        expected = cursor.fetchall()
    found = ask(site, sql)
    assert [tuple(row) for row in found.rows] == expected
    assert found.description == cursor.description


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("select * from nowhere", None),
        ("select nothing from articles", None),
        ("selekt 1", None),
        ("select 1 from", None),
        ("select abs('a', 'b')", None),
        ("select nofunction(1)", None),
        ("select abs(-9223372036854775808)", None),
        ("select * from articles_fts where articles_fts match '\"'", None),
        ("select json('{')", None),
        ("select :a", {}),
        ("select ?", []),
        ("select 1; select 2", None),
        ("select ?", [2**80]),
        ("select ?", ["\ud800"]),
    ],
)
def test_an_error_keeps_sqlites_words(site: Site, library: Desk, sql: str, params: Any) -> None:
    with closing(sqlite3.connect(library.db)) as db, pytest.raises(Exception) as expected:
        db.execute(sql, params or ()).fetchall()
    with pytest.raises(sqlite3.OperationalError) as found:
        ask(site, sql, params or ())
    assert str(expected.value) in str(found.value) or "named" in str(expected.value)


def test_what_datasette_asks_for_is_kept_to(site: Site) -> None:
    whole = ask(site, f"{ROWS} select i from n")
    assert (len(whole.rows), whole.truncated) == (1000, False)
    part = ask(site, f"{ROWS} select i from n union all select 0", truncate=True)
    assert (len(part.rows), part.truncated) == (1000, True)
    exact = ask(site, f"{ROWS} select i from n union all select 0", truncate=True, page_size=1000)
    assert (len(exact.rows), exact.truncated) == (1001, False)
    with pytest.raises(sandbox.QueryInterrupted) as interrupted:
        ask(site, FOR_EVER, custom_time_limit=20)
    assert interrupted.value.sql == FOR_EVER


def test_a_large_result_ends_early_and_says_so(site: Site) -> None:
    answer = site.get(query(f"{ROWS} select i, {LONG} as t from n")).json()
    assert answer["truncated"]
    assert [row[0] for row in answer["rows"]] == list(range(1, len(answer["rows"]) + 1))
    columns = ", ".join(f"i as c{n}" for n in range(200))
    answer = site.get(query(f"{ROWS} select {columns} from n")).json()
    assert (answer["truncated"], len(answer["rows"])) == (False, 1000)
    page = site.get(query(f"{ROWS} select {columns} from n", "")).text
    assert "returning more than 100 rows" in text(page)


@pytest.mark.parametrize("path", ["/evidence/authors.csv?_stream=1", "/evidence/mesh_headings.csv?_stream=1"])
def test_a_table_can_be_streamed_whole(site: Site, library: Desk, path: str) -> None:
    table = path.split("/")[2].split(".")[0]
    assert len(site.get(path).text.splitlines()) - 1 == library.column(f"select count(*) from {table}")[0]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    assert desk.run("load", "--match", "all", *map(str, (FIXTURES / "pubmed").glob("*.xml"))).code == 0
    return desk


@pytest.mark.parametrize("megabytes", [2, 12])
def test_a_stored_row_longer_than_a_reader_may_make_one_still_shows(desk: Desk, megabytes: int) -> None:
    desk.change(
        f"update articles set abstract = hex(zeroblob({megabytes} * 500000)) where pmid = {RETRACTED}"
    )
    site = Site(desk)
    for path in (
        f"/evidence/articles/{RETRACTED}",
        f"/evidence/articles/{RETRACTED}.json",
        f"/evidence/articles?pmid={RETRACTED}",
        f"/evidence/articles?_search=ketamine&pmid__gte={RETRACTED}",
        "/evidence/articles.csv?_stream=1",
    ):
        answer = site.get(path)
        assert answer.status_code == 200
        assert str(RETRACTED) in answer.text


def test_saved_queries_may_ask_datasette_for_values(desk: Desk) -> None:
    site = Site(desk)
    saved = {"sql": "select :_now_date_utc as day, :_header_host as host, :question as q"}
    site.datasette._metadata_local["databases"]["evidence"]["queries"]["now"] = saved
    (row,) = site.get("/evidence/now.json?_shape=array&question=x").json()
    assert (len(row["day"]), row["q"], bool(row["host"])) == (10, "x", True)


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("table", MODULES)
@pytest.mark.parametrize("columns", ["*", "count(*)", "1"])
def test_nobody_sees_another_readers_sql_nor_how_the_process_is_made(
    site: Site, table: str, columns: str
) -> None:
    for name in (table, table.upper(), f'"{table}"', f"main.{table}"):
        answer = site.get(query(f"select {columns} from {name}"))
        assert answer.status_code == 400, name


def test_every_table_without_being_made_is_refused_but_those_that_are_harmless(site: Site) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        modules = {name for (name,) in db.execute("select name from pragma_module_list")}
    for name in modules - {"json_each", "json_tree"} - {n for n in modules if n.startswith("pragma_")}:
        assert site.get(query(f"select * from {name}")).status_code == 400, name


@pytest.mark.parametrize(
    "call",
    [
        "fts3_tokenizer('simple')",
        "hex(fts3_tokenizer('simple'))",
        "FTS3_TOKENIZER('simple', x'00')",
        "load_extension('x')",
        "sqlite_log(1, 'x')",
        "sqlite_compileoption_get(1)",
        "sqlite_source_id()",
        "total_changes()",
        "fts5(1)",
    ],
)
def test_functions_that_tell_of_the_process_are_refused(site: Site, call: str) -> None:
    answer = site.get(query(f"select {call}"))
    assert answer.status_code == 400
    assert "not authorized" in answer.json()["error"]


@pytest.mark.parametrize(
    "name",
    ["module_list", "compile_options", "collation_list", "optimize", "wal_checkpoint", "table_list", "stats"],
)
def test_pragmas_that_no_page_needs_are_refused(site: Site, name: str) -> None:
    for sql in (f"select * from pragma_{name}", f"select * from [PRAGMA_{name}]", f"pragma {name}"):
        assert site.get(query(sql)).status_code == 400


@pytest.mark.parametrize(
    "sql",
    [
        "/**/" + " " * 2000 + "x",
        "/**/" * 200 + " " * 1000 + "x",
        "/**/--\n" + " " * 2000 + "x",
        "/*" + "*" * 2000,
        "--" + "\n" * 2000 + "x",
    ],
)
def test_a_comment_before_nothing_is_refused_in_no_time(site: Site, sql: str) -> None:
    answer = site.get(query(sql))
    assert (answer.status_code, answer.json()["error"]) == (400, "Statement must be a SELECT")


@pytest.mark.parametrize("before", ["/* a */ ", "-- a\n", "/**//* b; */\n --c\n\t", " \n", "/* select */"])
def test_comments_before_a_query_are_read(site: Site, before: str) -> None:
    assert site.get(query(f"{before}select 1 as n", _shape="array")).json() == [{"n": 1}]
    assert site.get(query(f"{before}delete from runs")).status_code == 400


@pytest.mark.parametrize("suffix", ["", ".json", ".csv"])
def test_sql_that_is_too_long_is_refused_before_it_is_looked_at(site: Site, suffix: str) -> None:
    answer = site.get(query("/**/" + " " * 30_000 + "x", suffix))
    assert answer.status_code in (400, 414)
