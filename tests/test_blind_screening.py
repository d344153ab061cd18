"""Screening with what the machine read hidden, and what each decision says of what was on screen when it was taken."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from lxml import html
from playwright.sync_api import Browser

from tests.conftest import QUERIES, Desk, Result
from tests.helpers_browser import Visit, visiting
from tests.helpers_site import (
    PASSWORD,
    add_person,
    add_token,
    articles_on,
    filled,
    send,
    served,
    signed_in,
)

JSON = {"Accept": "application/json"}
# The file of the first has labels hidden, and two people decide; that of the other has neither.
HIDDEN, SHOWN = "cystitis", "tolerance"
TEAM = ("ann", "tagger"), ("bob", "tagger"), ("eve", "lead"), ("rex", "reader")


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, str]]:
    home = tmp_path_factory.mktemp("blind")
    file = shutil.copytree(QUERIES, home / "queries") / f"{HIDDEN}.yml"
    text = file.read_text(encoding="utf-8")
    assert text.count("  dual: false\n") == 1
    file.write_text(text.replace("  dual: false\n", "  dual: true\n  hide_labels: true\n"), encoding="utf-8")
    desk = filled(home)
    desk.annotations.unlink()
    for name, role in TEAM:
        add_person(desk, name, role, display_name=name.title())
    with served(desk) as address:
        yield desk, address


@pytest.fixture(autouse=True)
def nothing_decided(team: tuple[Desk, str]) -> None:
    with closing(sqlite3.connect(team[0].annotations)) as db, db:
        for table in ("decisions", "unsealed", "label_displays"):
            db.execute(f"delete from {table}")


@pytest.fixture
def by(team: tuple[Desk, str]) -> Iterator[Callable[[str], httpx.Client]]:
    """A browser in which somebody has signed in."""
    clients: dict[str, httpx.Client] = {}

    def client(name: str) -> httpx.Client:
        if name not in clients:
            clients[name] = signed_in(team[1], name)
            clients[name].get("/account")
        return clients[name]

    yield client
    for each in clients.values():
        each.close()


def listed(client: httpx.Client, slug: str, query: str = "") -> Any:
    answer = client.get(f"/questions/{slug}{query}")
    assert answer.status_code == 200, answer.text
    return html.fromstring(answer.text)


def is_machines(page: Any) -> bool:
    """Whether the page shows, or filters by, anything that the machine read."""
    read = ".//a[@class='machine'] | .//p[starts-with(@class, 'finding')] | .//*[@class='leading']"
    names = {group.get("name") for group in page.xpath("//form[contains(@class, 'filters')]//input")}
    return bool(page.xpath(read)) or bool(names & {"design", "directness", "outcome", "evidence_level"})


def choose(client: httpx.Client, slug: str, labels: str) -> httpx.Response:
    return send(client, f"/questions/{slug}/labels", labels=labels, back=f"/questions/{slug}#records")


def decided(desk: Desk) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(desk.annotations)) as db:
        return db.execute("select pmid, decision, basis, labels from decisions order by id").fetchall()


def press(client: httpx.Client, page: Any, pmid: int, decision: str) -> httpx.Response:
    """Decide as a browser without scripts does: all fields of the record's form, and its button."""
    (form,) = page.xpath(f"//*[@data-pmid='{pmid}']//form[@class='decide']")[:1]
    fields = {field.get("name"): field.get("value") for field in form.xpath(".//input")}
    fields |= {"decision": decision, "csrftoken": client.cookies["ds_csrftoken"]}
    return client.post(form.get("action"), data=fields)


def of_question(desk: Desk, slug: str, *, with_abstract: bool) -> list[int]:
    query = """
    select a.pmid from question_articles q join articles a on a.pmid = q.pmid
    where q.question = ? and q.matching and (a.abstract_html is not null) = ? order by a.pmid desc
    """
    return desk.column(query, slug, with_abstract)


def test_the_file_of_a_question_hides_labels_from_those_who_screen_it(
    team: tuple[Desk, str], by: Callable[[str], httpx.Client]
) -> None:
    ann = by("ann")
    page = listed(ann, HIDDEN)
    assert not is_machines(page)
    found = articles_on(html.tostring(page, encoding="unicode"), "/li/p")
    assert len(found) > 5
    assert found == sorted(found, reverse=True)
    assert "hidden while you screen" in page.text_content()
    # Those who do not screen see them, and so does she where the file does not hide them.
    with httpx.Client(base_url=team[1]) as anonymous:
        assert is_machines(listed(anonymous, HIDDEN))
    assert is_machines(listed(by("rex"), HIDDEN))
    assert is_machines(listed(ann, SHOWN))


def test_each_person_shows_and_hides_them_for_themselves(
    team: tuple[Desk, str], by: Callable[[str], httpx.Client]
) -> None:
    ann, bob = by("ann"), by("bob")
    for slug, labels, shown in ((HIDDEN, "shown", True), (SHOWN, "hidden", False)):
        answer = choose(ann, slug, labels)
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (
            303,
            f"/questions/{slug}",
        )
        assert is_machines(listed(ann, slug)) is shown
        assert is_machines(listed(bob, slug)) is not shown
        # It is remembered on every page of the list, and whoever asks for nothing new changes nothing.
        assert is_machines(listed(ann, slug, "?from=2000")) is shown
        assert "unchanged" in choose(ann, slug, labels).headers["location"]
    assert "Hid labels" in ann.get("/log?person=ann").text
    assert "Showed labels" in ann.get("/log?person=ann").text
    assert choose(by("rex"), HIDDEN, "shown").status_code == 403
    assert choose(ann, HIDDEN, "perhaps").status_code == 400
    assert choose(ann, "nowhere", "shown").status_code == 404
    # By z, an act on papers is undone, and no choice of this kind.
    assert send(ann, "/undo").status_code == 409


def test_the_page_of_an_article_hides_them_until_its_reader_has_decided(
    team: tuple[Desk, str], by: Callable[[str], httpx.Client]
) -> None:
    _, address = team
    ann = by("ann")
    pmid = articles_on(ann.get(f"/questions/{HIDDEN}").text)[0]

    def page_for(client: httpx.Client) -> html.HtmlElement:
        return html.fromstring(client.get(f"/articles/{pmid}").text)

    def shows_what_was_read(page: html.HtmlElement) -> bool:
        return bool(page.cssselect(".machine, mark, #labels, #directness, .finding, .legend"))

    page = page_for(ann)
    assert not shows_what_was_read(page)
    assert "are hidden until you decide" in page.text_content()
    assert page.cssselect("#abstract")
    with httpx.Client(base_url=address) as anonymous:
        assert shows_what_was_read(page_for(anonymous))
    assert shows_what_was_read(page_for(by("rex")))
    assert send(ann, f"/articles/{pmid}/decide", question=HIDDEN, decision="unsure").status_code == 303
    page = page_for(ann)
    assert shows_what_was_read(page) and "are hidden" not in page.text_content()


def test_hidden_labels_do_not_narrow_a_list_and_the_page_says_so(by: Callable[[str], httpx.Client]) -> None:
    ann = by("ann")
    whole = articles_on(ann.get(f"/questions/{HIDDEN}").text)
    page = ann.get(f"/questions/{HIDDEN}?directness=direct&design=case+report").text
    assert articles_on(page) == whole
    assert "the list is not filtered by what the machine read" in page
    assert "is not filtered" not in ann.get(f"/questions/{HIDDEN}?language=eng").text
    # Where they are shown, the address holds again.
    choose(ann, HIDDEN, "shown")
    assert articles_on(ann.get(f"/questions/{HIDDEN}?directness=direct").text) != whole


def test_anybody_can_order_a_list_by_pmid(team: tuple[Desk, str]) -> None:
    with httpx.Client(base_url=team[1]) as anonymous:
        for query in ("?sort=pmid", "?sort=pmid&q=ketamine", "?sort=pmid&language=eng"):
            found = articles_on(anonymous.get(f"/questions/{SHOWN}{query}").text, "/li/p")
            assert found == sorted(found, reverse=True) != [], query
        rows = anonymous.get(f"/questions/{SHOWN}.json?sort=pmid").json()["articles"]
    assert [row["pmid"] for row in rows] == sorted((row["pmid"] for row in rows), reverse=True)


def test_without_scripts_a_decision_says_what_the_page_knows(
    team: tuple[Desk, str], by: Callable[[str], httpx.Client]
) -> None:
    desk, ann = team[0], by("ann")
    opened, *_ = of_question(desk, HIDDEN, with_abstract=True)
    (bare, *_) = of_question(desk, HIDDEN, with_abstract=False)
    read_there, on_its_own, *_ = of_question(desk, SHOWN, with_abstract=True)
    page = listed(ann, HIDDEN)
    # Whether an abstract is open, a form cannot tell. Where there is none, the title was all.
    assert press(ann, page, opened, "include").status_code == 303
    assert press(ann, page, bare, "exclude").status_code == 303
    assert press(ann, listed(ann, SHOWN), read_there, "include").status_code == 303
    # On a paper's own page, abstract and labels are there.
    article = html.fromstring(ann.get(f"/articles/{on_its_own}?in={SHOWN}").text)
    assert press(ann, article, on_its_own, "exclude").status_code == 303
    assert decided(desk) == [
        (opened, "include", None, "hidden"),
        (bare, "exclude", "title", "hidden"),
        (read_there, "include", None, "shown"),
        (on_its_own, "exclude", "abstract", "shown"),
    ]
    # A whole list is decided on without any abstract.
    bulk = html.fromstring(ann.get(f"/questions/{SHOWN}/bulk?from=2019&to=2019").text)
    (form,) = bulk.xpath("//form[@class='bulk']")
    fields = {field.get("name"): field.get("value") for field in form.xpath(".//input")}
    token = {"csrftoken": ann.cookies["ds_csrftoken"]}
    done = ann.post(form.get("action"), data=fields | token | {"action": "unsure"})
    assert done.status_code == 303, done.text
    assert {row[1:] for row in decided(desk) if row[1] == "unsure"} == {("unsure", "title", "shown")}


def test_a_program_says_what_was_seen_or_nothing(team: tuple[Desk, str]) -> None:
    desk, address = team
    first, second, *_ = of_question(desk, SHOWN, with_abstract=True)
    bearer = {"Authorization": f"Bearer {add_token(desk, 'ann', 'tag', 'decide')}", **JSON}

    def post(pmid: int, **fields: str) -> httpx.Response:
        fields = {"question": SHOWN, "stage": "title-abstract"} | fields
        return httpx.post(f"{address}/articles/{pmid}/decide", data=fields, headers=bearer)

    assert post(first, decision="include").json()["changed"] == 1
    assert post(second, decision="include", basis="title", labels="hidden").json()["changed"] == 1
    assert decided(desk) == [(first, "include", None, None), (second, "include", "title", "hidden")]
    # The same decision, taken again with the abstract open, is one taken with it; without a word it stays as it was.
    assert post(second, decision="include", basis="abstract").json()["changed"] == 1
    assert post(second, decision="include").json()["changed"] == 0
    assert decided(desk)[1] == (second, "include", "abstract", None)
    # By full text there is neither title nor abstract alone.
    assert post(second, decision="include", stage="full-text", basis="title").json()["changed"] == 1
    assert decided(desk)[2] == (second, "include", None, None)
    for wrong in ({"basis": "cover"}, {"labels": "seen"}):
        answer = post(first, decision="exclude", **wrong)
        assert (answer.status_code, next(iter(wrong.values())) in answer.json()["error"]) == (400, True)


def test_the_page_of_agreement_says_what_both_had_before_them(
    team: tuple[Desk, str], by: Callable[[str], httpx.Client]
) -> None:
    desk = team[0]
    papers = of_question(desk, HIDDEN, with_abstract=True)[:4]
    hidden, shown, nothing = {"labels": "hidden"}, {"labels": "shown"}, {}
    says = {
        "ann": (hidden | {"basis": "title"}, hidden | {"basis": "abstract"}, shown, hidden),
        "bob": (hidden | {"basis": "title"}, shown, shown | {"basis": "title"}, nothing),
    }
    for name, each in says.items():
        for n, (pmid, seen) in enumerate(zip(papers, each, strict=True)):
            decision = "exclude" if (name, n) == ("bob", 0) else "include"
            fields = {"question": HIDDEN, "stage": "title-abstract", "decision": decision, **seen}
            assert send(by(name), f"/articles/{pmid}/decide", **fields).status_code == 303
    eve = by("eve")
    answer = eve.get(f"/questions/{HIDDEN}/review.json").json()
    (pair,) = answer["agreement"]
    assert pair["before"] == {"hidden": 1, "shown": 1, "mixed": 1, "unknown": 1, "by_title": [1, 2]}
    (conflict,) = answer["conflicts"]
    assert [(one["basis"], one["labels"]) for one in conflict["decisions"]] == [("title", "hidden")] * 2
    page = html.fromstring(eve.get(f"/questions/{HIDDEN}/review").text)
    (table,) = page.xpath("//table[caption[@id='before-them']]")
    cells = [cell.text_content() for cell in table.xpath(".//tbody/tr/*")]
    assert cells == ["Ann and Bob", "title and abstract", "1", "1", "1", "1", "1 and 2"]
    assert "included (by title, labels hidden)" in page.text_content()
    # Under the record, in the log, on the command line.
    assert "title and abstract (by title, labels hidden)" in listed(eve, HIDDEN).text_content()
    assert "(by title, labels hidden)" in html.fromstring(eve.get("/log").text).text_content()
    said = run(desk, "tag", "list", str(papers[0]), "--person", "ann")
    assert re.search(r"decision .* include \| by title, labels hidden$", said.out, re.M), said.out
    events = run(desk, "tag", "log", "--question", HIDDEN, "--person", "bob")
    assert "decision='exclude'" in events.out
    assert "basis='title' labels='hidden'" in events.out


def run(desk: Desk, *command: str) -> Result:
    done = desk.run(*command)
    assert done.code == 0, done.err
    return done


def test_what_was_decided_before_there_were_these_columns_is_undone_as_ever(
    team: tuple[Desk, str], by: Callable[[str], httpx.Client]
) -> None:
    desk, ann = team[0], by("ann")
    (pmid, *_) = of_question(desk, SHOWN, with_abstract=True)
    press(ann, listed(ann, SHOWN), pmid, "include")
    # As an older version logged it. The log refuses to be changed, but for its owner.
    with closing(sqlite3.connect(desk.annotations)) as db, db:
        (trigger,) = db.execute(
            "select sql from sqlite_master where name = 'events_never_updated'"
        ).fetchone()
        db.execute("drop trigger events_never_updated")
        db.execute("update decisions set basis = null, labels = null")
        db.execute(
            "update events set after = json_remove(after, '$.basis', '$.labels')"
            " where id = (select max(id) from events)"
        )
        db.execute(trigger)
    assert send(ann, "/undo").status_code == 303
    assert decided(desk) == []


# -- in a browser ----------------------------------------------------------------------------------


@pytest.fixture
def visit(chromium: Browser, team: tuple[Desk, str]) -> Iterator[Visit]:
    with visiting(chromium) as visit:
        visit.page.goto(f"{team[1]}/sign-in")
        visit.page.get_by_label("Name", exact=True).fill("ann")
        visit.page.get_by_label("Password", exact=True).fill(PASSWORD)
        visit.page.locator("main").get_by_role("button", name="Sign in").click()
        visit.page.wait_for_url(lambda url: "/sign-in" not in url)
        yield visit


def focused(visit: Visit, pmid: int) -> None:
    visit.page.locator(f"#r-{pmid} a.record").first.focus()


def are_open(visit: Visit) -> dict[int, bool]:
    """Whether the abstract of each record of the list that has one is open, in the list's order."""
    found: list[list[Any]] = visit.page.eval_on_selector_all(
        "ol.articles .panel > .abstract",
        "all => all.map((each) => [each.parentNode.dataset.pmid, each.open])",
    )
    return {int(pmid): is_open for pmid, is_open in found}


def told(visit: Visit, text: str) -> None:
    visit.page.locator("#said-just-now", has_text=text).wait_for(timeout=10_000)


def test_abstracts_that_a_opened_stay_open_and_decisions_say_so(team: tuple[Desk, str], visit: Visit) -> None:
    desk, address = team
    page = visit.to(f"{address}/questions/{HIDDEN}").page
    first, second, third, *_ = are_open(visit)
    focused(visit, first)
    page.keyboard.press("i")
    told(visit, "Included")
    focused(visit, second)
    page.keyboard.press("a")
    states = are_open(visit)
    assert not states.pop(first)
    assert all(states.values())
    page.keyboard.press("e")
    told(visit, "Excluded")
    # The panel that came back with the decision has its abstract open, too.
    assert are_open(visit)[second]
    assert decided(desk) == [(first, "include", "title", "hidden"), (second, "exclude", "abstract", "hidden")]
    # On the pages that follow they are open, until the key folds them.
    visit.to(f"{address}/questions/{SHOWN}")
    assert all(are_open(visit).values())
    visit.to(f"{address}/questions/{HIDDEN}")
    focused(visit, third)
    page.keyboard.press("a")
    assert (are_open(visit)[second], are_open(visit)[third]) == (True, False)
    visit.to(f"{address}/questions/{HIDDEN}")
    assert not any(are_open(visit).values())
    assert visit.complaints == []


def test_a_decision_says_what_its_own_page_shows(
    team: tuple[Desk, str], by: Callable[[str], httpx.Client], visit: Visit
) -> None:
    desk, address = team
    page = visit.to(f"{address}/questions/{HIDDEN}").page
    first, second, third, *_ = are_open(visit)
    # In another window she shows the labels; this one still hides them, also in the panel that comes back.
    choose(by("ann"), HIDDEN, "shown")
    for decision in ("Include", "Unsure"):
        page.locator(f"#r-{first}").get_by_role("button", name=decision).click()
        told(visit, {"Include": "Included", "Unsure": "Unsure"}[decision])
    assert decided(desk) == [(first, "unsure", "title", "hidden")]
    page.reload()
    page.get_by_role("button", name="Hide labels, directness and findings").click()
    page.get_by_role("button", name="Show them").click()
    page.get_by_role("button", name="Hide labels, directness and findings").wait_for()
    page.locator(f"#r-{second} .abstract summary").click()
    page.locator(f"#r-{second}").get_by_role("button", name="Include").click()
    told(visit, "Included")
    assert decided(desk)[1] == (second, "include", "abstract", "shown")
    # The page of an article has its abstract on the screen.
    choose(by("ann"), HIDDEN, "hidden")
    page = visit.to(f"{address}/articles/{third}?in={HIDDEN}").page
    page.locator(f"#r-{third}").get_by_role("button", name="Include").click()
    told(visit, "Included")
    assert decided(desk)[2] == (third, "include", "abstract", "hidden")
