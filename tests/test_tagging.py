"""Tags, notes, corrections and the log, through the site's forms and its JSON, over real HTTP."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from lxml import html

from tests.conftest import Desk
from tests.helpers_site import HOSTILE, add_person, add_token, filled, send, served, signed_in

JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, str]]:
    """The fixtures' site with two taggers, a lead and a reader."""
    desk = filled(tmp_path_factory.mktemp("team"))
    desk.annotations.unlink()
    for name, role in (("ann", "tagger"), ("bob", "tagger"), ("lea", "lead"), ("rex", "reader")):
        add_person(desk, name, role, display_name=f"{name.title()} Surname")
    with served(desk) as address:
        yield desk, address


@pytest.fixture
def ann(team: tuple[Desk, str]) -> Iterator[httpx.Client]:
    with signed_in(team[1], "ann") as client:
        yield client


@pytest.fixture
def lea(team: tuple[Desk, str]) -> Iterator[httpx.Client]:
    with signed_in(team[1], "lea") as client:
        yield client


def rows(desk: Desk, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(desk.annotations)) as db:
        return db.execute(query, values).fetchall()


def evidence(desk: Desk, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(desk.db)) as db:
        return db.execute(query, values).fetchall()


def papers(desk: Desk, slug: str = "cystitis") -> list[int]:
    found = evidence(
        desk, "select pmid from question_articles where question = ? and matching order by pmid", slug
    )
    return [pmid for (pmid,) in found]


def said(page: str, pmid: int) -> str:
    """What stands in the paper's panel, forms left out."""
    (panel,) = html.fromstring(page).xpath(f'//*[@id="r-{pmid}"]//*[@class="panel"]')
    return " ".join(" ".join(panel.xpath('.//*[@class="saying" or @class="note"]//text()')).split())


def test_a_tag_put_on_in_a_list_shows_with_its_name_to_everybody(
    team: tuple[Desk, str], ann: httpx.Client
) -> None:
    desk, address = team
    pmid = papers(desk)[0]
    page = ann.get("/questions/cystitis")
    back = f"/questions/cystitis?sort=entered#r-{pmid}"
    answer = send(ann, f"/articles/{pmid}/tag", tag="Directly Relevant", question="cystitis", back=back)
    assert answer.status_code == 303
    assert re.fullmatch(rf"/questions/cystitis\?sort=entered&done=\d+#r-{pmid}", answer.headers["location"])
    page = ann.get(answer.headers["location"]).text
    assert "Tagged: directly relevant." in page
    assert "directly relevant" in said(page, pmid)
    anonymous = httpx.get(f"{address}/questions/cystitis").text
    assert "Relevance: directly relevant Ann Surname" in said(anonymous, pmid).replace(" ,", "")
    assert "<form" not in anonymous[anonymous.index('class="panel"') :].split("</li>")[0]
    assert "Relevance" in httpx.get(f"{address}/articles/{pmid}").text
    listed = httpx.get(f"{address}/questions/cystitis?tag=directly+relevant").text
    assert f'id="r-{pmid}"' in listed


def test_of_a_single_choice_group_one_tag_holds(team: tuple[Desk, str], ann: httpx.Client) -> None:
    desk, _ = team
    pmid = papers(desk)[1]
    ann.get("/questions/cystitis")
    for tag in ("directly relevant", "background"):
        assert send(ann, f"/articles/{pmid}/tag", tag=tag, question="cystitis").status_code == 303
    assert rows(desk, "select t.name from taggings g join tags t on t.id = g.tag where pmid = ?", pmid) == [
        ("background",)
    ]
    actions = rows(desk, "select action, batch from events where pmid = ? order by id", pmid)
    assert [action for action, _ in actions] == ["tag", "untag", "tag"]
    # Undoing the second choice brings the first one back.
    answer = ann.post("/undo", data={"csrftoken": ann.cookies["ds_csrftoken"]}, headers=JSON).json()
    assert answer["ok"]
    assert rows(desk, "select t.name from taggings g join tags t on t.id = g.tag where pmid = ?", pmid) == [
        ("directly relevant",)
    ]


def test_a_double_submit_writes_once(team: tuple[Desk, str], ann: httpx.Client) -> None:
    desk, _ = team
    pmid = papers(desk)[2]
    ann.get("/questions/cystitis")
    answers = [
        ann.post(
            f"/articles/{pmid}/{what}",
            data={"csrftoken": ann.cookies["ds_csrftoken"], "question": "cystitis", **fields},
            headers=JSON,
        ).json()
        for what, fields in (
            ("tag", {"tag": "to discuss"}),
            ("note", {"text": "Only once"}),
            ("decide", {"decision": "include", "stage": "title-abstract"}),
        )
        for _ in range(2)
    ]
    assert [answer["changed"] for answer in answers] == [1, 0, 1, 0, 1, 0]
    assert len(rows(desk, "select 1 from events where pmid = ?", pmid)) == 3


def test_a_stale_page_is_told_so_and_nothing_is_written(team: tuple[Desk, str], ann: httpx.Client) -> None:
    desk, _ = team
    pmid = papers(desk)[3]
    ann.get("/questions/cystitis")
    fields = {"question": "cystitis", "stage": "title-abstract"}
    assert send(ann, f"/articles/{pmid}/decide", decision="include", was="", **fields).status_code == 303
    stale = send(ann, f"/articles/{pmid}/decide", decision="exclude", was="", **fields)
    assert stale.status_code == 409
    assert "your decision is now include, not none" in stale.text
    assert rows(desk, "select decision from decisions where pmid = ?", pmid) == [("include",)]
    assert (
        send(ann, f"/articles/{pmid}/decide", decision="exclude", was="include", **fields).status_code == 303
    )
    send(ann, f"/articles/{pmid}/note", question="cystitis", text="First")
    (id,) = rows(desk, "select id from notes where pmid = ?", pmid)[0]
    send(ann, f"/articles/{pmid}/note", question="cystitis", id=id, text="Second", was="First")
    stale = send(ann, f"/articles/{pmid}/note", question="cystitis", id=id, text="Third", was="First")
    assert (stale.status_code, rows(desk, "select text from notes where id = ?", id)) == (409, [("Second",)])


@pytest.mark.parametrize(
    ("path", "fields", "status", "message"),
    [
        ("/articles/999999999/tag", {"tag": "to discuss"}, 404, "PMID 999999999 is not stored here"),
        ("/articles/{}/tag", {"tag": "nothing such"}, 404, "Unknown tag"),
        ("/articles/{}/tag", {"tag": "4711"}, 404, "Unknown tag"),
        ("/articles/{}/tag", {"tag": ""}, 400, "choose a tag"),
        ("/articles/{}/tag", {"tag": "x" * 5000}, 404, "Unknown tag"),
        ("/articles/{}/tag", {"tag": "to\x00discuss"}, 400, "control character"),
        ("/articles/{}/tag", {"tag": "to discuss", "question": "nowhere"}, 404, "not in a question"),
        ("/articles/{}/decide", {"decision": "include"}, 400, "choose a question"),
        ("/articles/{}/decide", {"decision": "perhaps", "question": "cystitis"}, 400, "Unknown"),
        (
            "/articles/{}/decide",
            {"decision": "exclude", "question": "cystitis", "reason": "x"},
            400,
            "Unknown reason",
        ),
        (
            "/articles/{}/decide",
            {"decision": "exclude", "question": "cystitis", "stage": "full-text"},
            400,
            "needs a reason",
        ),
        ("/articles/{}/note", {"text": "  "}, 400, "empty"),
        ("/articles/{}/note", {"text": "x" * 10_001}, 400, "10,001 characters"),
        ("/articles/{}/note", {"id": "99999", "text": "x"}, 404, "no note"),
        (
            "/articles/{}/label",
            {"label_group": "design", "verdict": "accept", "machine_value": "x"},
            409,
            "does not have the label",
        ),
        (
            "/articles/{}/label",
            {"label_group": "nothing", "verdict": "correct", "value": "x"},
            409,
            "does not have the label",
        ),
        (
            "/articles/{}/label",
            {"label_group": "design", "verdict": "correct", "value": "x"},
            400,
            "Unknown design",
        ),
        ("/articles/{}/label", {"label_group": "design", "verdict": "perhaps"}, 400, "Unknown"),
        ("/undo", {"batch": "99999999"}, 404, "not one of your changes"),
        ("/undo", {"batch": "x"}, 404, "not one of your changes"),
        ("/questions/cystitis/bulk", {"action": "tag", "tag": "to discuss"}, 400, "count"),
        ("/questions/cystitis/bulk", {"action": "tag", "tag": "to discuss", "count": "1"}, 409, "Look again"),
        (
            "/questions/nowhere/bulk",
            {"action": "tag", "tag": "to discuss", "count": "1"},
            404,
            "Unknown question",
        ),
        ("/questions/cystitis/bulk", {"action": "dance", "count": "1"}, 400, "Unknown"),
        (
            "/alerts/seen",
            {"pmid": "1", "field": "retracted", "noticed": ""},
            404,
            "none of your papers has this notice",
        ),
    ],
)
def test_what_cannot_be_is_answered_clearly_and_nothing_is_written(
    team: tuple[Desk, str], ann: httpx.Client, path: str, fields: dict[str, str], status: int, message: str
) -> None:
    desk, _ = team
    ann.get("/questions/cystitis")
    before = rows(desk, "select count(*) from events")
    answer = send(ann, path.format(papers(desk)[4]), **fields)
    assert (answer.status_code, message in html.fromstring(answer.text).text_content()) == (status, True), (
        answer.text
    )
    assert rows(desk, "select count(*) from events") == before
    again = ann.post(
        path.format(papers(desk)[4]), data={"csrftoken": ann.cookies["ds_csrftoken"], **fields}, headers=JSON
    )
    assert (again.status_code, again.json()["ok"], message in again.json()["error"]) == (status, False, True)


def test_notes_are_markdown_and_nothing_in_them_runs(team: tuple[Desk, str], ann: httpx.Client) -> None:
    _desk, address = team
    text = (
        "**Strong** and [a link](https://example.org)\n\n# No heading\n\n"
        "<script>alert(1)</script> [x](javascript:alert(1)) ![p](https://example.org/p.png)"
    )
    ann.get(f"/articles/{HOSTILE}")
    assert send(ann, f"/articles/{HOSTILE}/note", text=text).status_code == 303
    page = httpx.get(f"{address}/articles/{HOSTILE}").text
    (note,) = html.fromstring(page).xpath('//*[@class="markdown"]')
    made = html.tostring(note, encoding="unicode")
    assert "<strong>Strong</strong>" in made
    assert 'href="https://example.org" rel="nofollow noopener noreferrer ugc"' in made
    assert not re.search(r"<(script|img|h1)|href=.javascript", made)


def test_bulk_says_the_number_first_and_is_undone_as_one(team: tuple[Desk, str], lea: httpx.Client) -> None:
    desk, _address = team
    every = papers(desk, "tolerance")
    page = lea.get("/questions/tolerance/bulk")
    assert f"{len(every)} records" in page.text
    (count,) = html.fromstring(page.text).xpath('//input[@name="count"]/@value')
    answer = send(
        lea,
        "/questions/tolerance/bulk",
        list="",
        count=count,
        action="tag",
        tag="teaching",
        back="/questions/tolerance",
    )
    assert answer.status_code == 303
    assert rows(desk, "select count(*) from taggings where question = 'tolerance'") == [(len(every),)]
    shown = lea.get(answer.headers["location"]).text
    assert f"Tagged: teaching, {len(every)} papers." in shown
    (batch,) = html.fromstring(shown).xpath(
        '//*[contains(@class, "notice done")]//button[@name="batch"]/@value'
    )
    undone = send(lea, "/undo", batch=batch, back="/questions/tolerance")
    assert undone.status_code == 303
    assert rows(desk, "select count(*) from taggings where question = 'tolerance'") == [(0,)]
    assert len(
        rows(desk, "select 1 from events where action = 'undo tag' and question = 'tolerance'")
    ) == len(every)
    # A filter narrows what is done, and the number with it.
    narrowed = lea.get("/questions/tolerance/bulk?from=2019&to=2019").text
    (count,) = html.fromstring(narrowed).xpath('//input[@name="count"]/@value')
    assert 0 < int(count) < len(every)
    send(
        lea,
        "/questions/tolerance/bulk",
        list="from=2019&to=2019",
        count=count,
        action="exclude",
        reason="",
        back="/questions/tolerance",
    )
    assert rows(desk, "select count(*) from decisions where question = 'tolerance'") == [(int(count),)]


def test_only_ones_own_acts_are_undone(team: tuple[Desk, str], ann: httpx.Client) -> None:
    desk, address = team
    pmid = papers(desk)[5]
    ann.get("/questions/cystitis")
    done = ann.post(
        f"/articles/{pmid}/tag",
        data={"csrftoken": ann.cookies["ds_csrftoken"], "tag": "teaching"},
        headers=JSON,
    ).json()
    with signed_in(address, "bob") as bob:
        bob.get("/questions/cystitis")
        assert send(bob, "/undo", batch=done["batch"]).status_code == 404
    assert rows(desk, "select count(*) from taggings where pmid = ?", pmid) == [(1,)]
    # What has changed since is left alone.
    send(ann, f"/articles/{pmid}/tag", tag="teaching", note="because")
    refused = send(ann, "/undo", batch=done["batch"])
    assert (refused.status_code, "changed since" in refused.text) == (409, True)


def test_a_corrected_label_stands_beside_the_machines(team: tuple[Desk, str], ann: httpx.Client) -> None:
    desk, address = team
    pmid, machine = evidence(desk, "select pmid, value from labels where label_group = 'design' limit 1")[0]
    other = "cohort study" if machine != "cohort study" else "case report"
    ann.get(f"/articles/{pmid}")
    fields = {"label_group": "design", "machine_value": machine}
    assert send(ann, f"/articles/{pmid}/label", verdict="correct", value=other, **fields).status_code == 303
    page = httpx.get(f"{address}/articles/{pmid}").text
    (design,) = html.fromstring(page).xpath('//tr[@id="read-design"]')
    text = " ".join(design.text_content().split())
    assert machine in text and f"{other} Ann Surname" in text
    assert send(ann, f"/articles/{pmid}/label", verdict="withdraw", **fields).status_code == 303
    assert rows(desk, "select count(*) from label_reviews where pmid = ?", pmid) == [(0,)]


def test_the_log_is_only_ever_added_to(team: tuple[Desk, str]) -> None:
    desk, _ = team
    with closing(sqlite3.connect(desk.annotations, isolation_level=None)) as db:
        (last,) = db.execute("select max(id) from events").fetchone()
        columns = "(id, happened, origin, action) values (?, '', '', '')"
        for statement, values in (
            ("update events set action = 'x' where id = ?", (last,)),
            ("delete from events where id = ?", (last,)),
            (f"insert into events {columns}", (last,)),
            (f"insert or replace into events {columns}", (last,)),
            (f"replace into events {columns}", (last,)),
        ):
            with pytest.raises(sqlite3.IntegrityError, match="only ever added to"):
                db.execute(statement, values)


def test_the_log_tells_who_when_what_and_from_where(team: tuple[Desk, str], ann: httpx.Client) -> None:
    desk, address = team
    pmid = papers(desk)[6]
    ann.get("/questions/cystitis")
    send(ann, f"/articles/{pmid}/tag", tag="teaching", back="/questions/cystitis?q=x#r-1")
    token = add_token(desk, "bob", "tag")
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}) as program:
        assert program.post(f"/articles/{pmid}/tag", data={"tag": "teaching"}).status_code == 303
    found = rows(
        desk, "select person, origin, action, before, after from events where pmid = ? order by id", pmid
    )
    assert [(row[1], row[2], row[3]) for row in found] == [
        ("/questions/cystitis?q=x", "tag", None),
        (f"/articles/{pmid}/tag by token 1", "tag", None),
    ]
    assert (
        json.loads(found[0][4])["tagged"]
        == rows(desk, "select happened from events where pmid = ?", pmid)[0][0]
    )
    page = ann.get(f"/log?pmid={pmid}").text
    assert page.count("Tagged <em>teaching</em>") == 2
    for query, n in (
        ("person=bob", 1),
        (f"day={time.strftime('%Y-%m-%d', time.gmtime())}", 2),
        ("day=2001-01-01", 0),
    ):
        assert ann.get(f"/log?pmid={pmid}&{query}").text.count("Tagged <em>teaching</em>") == n
    assert httpx.get(f"{address}/log").status_code == 401


def test_leads_change_the_vocabulary_and_papers_keep_their_tags(
    team: tuple[Desk, str], lea: httpx.Client, ann: httpx.Client
) -> None:
    desk, _ = team
    pmid = papers(desk)[7]
    lea.get("/tags")
    assert send(lea, "/tags/change", action="add", group="Use", name="for the talk").status_code == 303
    assert send(lea, "/tags/change", action="add", group="Use", name="For The Talk").status_code == 400
    ann.get("/tags")
    assert send(ann, "/tags/change", action="add", group="Use", name="mine").status_code == 403
    send(ann, f"/articles/{pmid}/tag", tag="for the talk")
    send(lea, "/tags/change", action="change", tag="for the talk", name="talk in May")
    assert rows(desk, "select t.name from taggings g join tags t on t.id = g.tag where pmid = ?", pmid) == [
        ("talk in May",)
    ]
    send(lea, "/tags/change", action="merge", tag="talk in May", into="to discuss")
    assert rows(desk, "select t.name from taggings g join tags t on t.id = g.tag where pmid = ?", pmid) == [
        ("to discuss",)
    ]
    assert send(ann, f"/articles/{pmid}/tag", tag="talk in May").status_code == 409
    page = lea.get("/tags").text
    assert "<del>talk in May</del> (retired)" in page
    # Who tagged what and when is as it was.
    (person,) = rows(
        desk, "select p.name from taggings g join people p on p.id = g.person where pmid = ?", pmid
    )[0]
    assert person == "ann"


def test_a_group_is_renamed_and_its_tags_stay(team: tuple[Desk, str], lea: httpx.Client) -> None:
    desk, _ = team
    lea.get("/tags")
    assert send(lea, "/tags/change", action="add-group", name="Countrry", choice="single").status_code == 303
    assert send(lea, "/tags/change", action="add", group="Countrry", name="in Europe").status_code == 303
    (id,) = rows(desk, "select id from tag_groups where name = 'Countrry'")[0]
    renamed = {"action": "change-group", "group": str(id), "description": "Where it was done"}
    assert send(lea, "/tags/change", name="Use", **renamed).status_code == 400
    assert send(lea, "/tags/change", name="Country", **renamed).status_code == 303
    assert send(lea, "/tags/change", name="Country", **{**renamed, "group": "9999"}).status_code == 404
    page = html.fromstring(lea.get("/tags").text)
    (section,) = page.xpath('//section[h2="Country"]')
    assert "in Europe" in section.text_content() and "Where it was done" in section.text_content()
    assert "Countrry → Country" in lea.get("/log").text


def test_my_work_shows_what_is_left_and_what_i_did(team: tuple[Desk, str]) -> None:
    desk, address = team
    every = papers(desk, "cognition")
    with signed_in(address, "bob") as bob:
        page = bob.get("/my-work").text
        row = html.fromstring(page).xpath('//tr[th/a[@href="/questions/cognition"]]')[0].text_content()
        assert f"{len(every)} to decide by title and abstract" in " ".join(row.split())
        listed = bob.get("/questions/cognition?decision=todo").text
        assert f'id="r-{every[0]}"' in listed
        send(bob, f"/articles/{every[0]}/decide", question="cognition", decision="include")
        listed = bob.get("/questions/cognition?decision=todo").text
        assert f'id="r-{every[0]}"' not in listed
        assert f'id="r-{every[0]}"' in bob.get("/questions/cognition?decision=todo-full").text
        assert f"PMID {every[0]}" in bob.get("/my-work").text
    assert httpx.get(f"{address}/questions/cognition?decision=todo").status_code == 400


def test_nobody_but_taggers_sees_forms(team: tuple[Desk, str]) -> None:
    desk, address = team
    with signed_in(address, "rex") as rex:
        page = rex.get("/questions/cystitis").text
        assert 'class="acts"' not in page and "/bulk" not in page
        assert send(rex, f"/articles/{papers(desk)[0]}/tag", tag="teaching").status_code == 403
        assert rex.get("/my-work").status_code == 403


def test_a_paper_withdrawn_since_it_was_tagged_is_called_out_until_it_is_seen(tmp_path: Any) -> None:
    from tests.conftest import FIXTURES
    from tests.eutils_server import StandIn

    with StandIn(FIXTURES, rate=0) as pubmed:
        desk = Desk(tmp_path, pubmed.url)
        assert desk.run("refresh").code == 0
        add_person(desk, "ann")
        with served(desk) as address:
            sound = evidence(desk, "select pmid from articles where not retracted")
            with signed_in(address, "ann") as ann:
                ann.get("/questions/cystitis")
                for (pmid,) in sound:
                    send(ann, f"/articles/{pmid}/tag", tag="teaching")
                assert "Withdrawn, doubted" not in ann.get("/my-work").text
                time.sleep(1.1)
                pubmed.next_day()
                assert desk.run("refresh").code == 0
                fell = evidence(desk, "select pmid from articles where retracted")
                fell = [row for row in fell if row in sound]
                assert fell
                work = ann.get("/my-work").text
                (pmid,) = fell[0]
                form = html.fromstring(work).xpath(f'//form[input[@name="pmid" and @value="{pmid}"]]')[0]
                assert "Retracted since somebody here tagged it" in work
                paper = httpx.get(f"{address}/articles/{pmid}").text
                assert "Retracted since somebody here tagged it" in paper
                assert f"/articles/{pmid}" in httpx.get(f"{address}/alerts").text
                assert str(pmid) in httpx.get(f"{address}/alerts.atom").text
                fields = dict(form.form_values())
                assert send(
                    ann, "/alerts/seen", **{k: v for k, v in fields.items() if k != "csrftoken"}
                ).is_redirect
                assert not html.fromstring(ann.get("/my-work").text).xpath(
                    f'//form[input[@name="pmid" and @value="{pmid}"]]'
                )


def test_everything_people_wrote_outlives_rebuild_full_refresh_and_deletion(tmp_path: Any) -> None:
    from tests.conftest import FIXTURES
    from tests.eutils_server import StandIn

    with StandIn(FIXTURES, rate=0) as pubmed:
        desk = Desk(tmp_path, pubmed.url)
        assert desk.run("refresh").code == 0
        add_person(desk, "ann")
        pmid = papers(desk)[0]
        with served(desk) as address, signed_in(address, "ann") as ann:
            ann.get("/questions/cystitis")
            send(ann, f"/articles/{pmid}/tag", tag="teaching", question="cystitis")
            send(ann, f"/articles/{pmid}/note", text="Keep me", question="cystitis")
            send(ann, f"/articles/{pmid}/decide", decision="include", question="cystitis")
        dumped = "\n".join(_dump(desk))
        assert desk.run("rebuild").code == 0
        assert desk.run("refresh", "--full").code == 0
        for suffix in ("", "-wal", "-shm"):
            desk.db.with_name(desk.db.name + suffix).unlink(missing_ok=True)
        assert desk.run("refresh").code == 0
        assert "\n".join(_dump(desk)) == dumped
        with served(desk) as address:
            shown = said(httpx.get(f"{address}/questions/cystitis?tag=teaching").text, pmid)
        assert "teaching" in shown and "Keep me" in shown and "included" in shown


def _dump(desk: Desk) -> list[str]:
    with closing(sqlite3.connect(desk.annotations)) as db:
        return list(db.iterdump())


# -- what undoing, merging and blind reviews must not do -------------------------------------------


def batch_of(client: httpx.Client, path: str, **fields: Any) -> dict[str, Any]:
    """What a form comes to, as JSON."""
    answer = client.post(path, data={"csrftoken": client.cookies["ds_csrftoken"], **fields}, headers=JSON)
    found: dict[str, Any] = answer.json() | {"status": answer.status_code}
    return found


def tags_of(desk: Desk, pmid: int, question: str | None = None) -> list[str]:
    query = "select t.name from taggings g join tags t on t.id = g.tag where pmid = ? and question is ? order by 1"
    return [name for (name,) in rows(desk, query, pmid, question)]


def test_z_undoes_act_after_act_backwards(team: tuple[Desk, str], ann: httpx.Client) -> None:
    desk, _ = team
    (pmid,) = evidence(
        desk,
        """
        select pmid from question_articles where question = 'tolerance' and matching and pmid in (
          select pmid from question_articles where question = 'cognition' and matching) limit 1
        """,
    )[0]
    other = papers(desk)[8]
    ann.get("/questions/cystitis")
    batch_of(ann, f"/articles/{other}/note", text="First of all")
    for question in ("cognition", "tolerance"):
        batch_of(ann, f"/articles/{pmid}/tag", tag="teaching", question=question)
    assert batch_of(ann, "/undo")["ok"] and tags_of(desk, pmid, "tolerance") == []
    assert tags_of(desk, pmid, "cognition") == ["teaching"]
    assert batch_of(ann, "/undo")["ok"] and tags_of(desk, pmid, "cognition") == []
    assert rows(desk, "select count(*) from notes where text = 'First of all'") == [(1,)]
    assert batch_of(ann, "/undo")["ok"]
    assert rows(desk, "select count(*) from notes where text = 'First of all'") == [(0,)]


def test_undoing_leaves_one_tag_of_a_single_choice_group(team: tuple[Desk, str], ann: httpx.Client) -> None:
    desk, _ = team
    pmid = papers(desk)[9]
    ann.get("/questions/cystitis")
    batch_of(ann, f"/articles/{pmid}/tag", tag="benefit")
    off = batch_of(ann, f"/articles/{pmid}/tag", tag="benefit", on="0")["batch"]
    batch_of(ann, f"/articles/{pmid}/tag", tag="harm")
    assert batch_of(ann, "/undo", batch=off)["status"] == 409
    assert tags_of(desk, pmid) == ["harm"]


def test_a_merge_keeps_notes_and_single_choices_and_is_not_undone_by_halves(
    team: tuple[Desk, str], ann: httpx.Client, lea: httpx.Client
) -> None:
    desk, _ = team
    pmid, other = papers(desk)[10:12]
    ann.get("/questions/cystitis")
    lea.get("/tags")
    for name in ("old name", "older name"):
        send(lea, "/tags/change", action="add", group="Use", name=name)
    batch_of(ann, f"/articles/{pmid}/tag", tag="old name", note="Remember why")
    batch_of(ann, f"/articles/{pmid}/tag", tag="get full text")
    batch_of(ann, f"/articles/{other}/tag", tag="older name")
    batch_of(ann, f"/articles/{other}/tag", tag="benefit")
    merged = batch_of(lea, "/tags/change", action="merge", tag="old name", into="get full text")
    assert (merged["ok"], merged["changed"]) == (True, 1)
    query = "select g.note from taggings g join tags t on t.id = g.tag where g.pmid = ? and t.name = 'get full text'"
    assert rows(desk, query, pmid) == [("Remember why",)]
    batch_of(lea, "/tags/change", action="merge", tag="older name", into="harm")
    assert tags_of(desk, other) == ["benefit"]
    assert batch_of(lea, "/undo", batch=merged["batch"])["status"] == 409
    assert tags_of(desk, pmid) == ["get full text"]


def test_a_bulk_act_is_for_the_papers_that_were_seen(team: tuple[Desk, str], lea: httpx.Client) -> None:
    desk, _ = team
    one, other = papers(desk)[12:14]
    lea.get("/questions/cystitis")
    batch_of(lea, f"/articles/{one}/tag", tag="small sample", question="cystitis")
    page = html.fromstring(lea.get("/questions/cystitis/bulk?tag=small+sample").text)
    (which,) = page.xpath('//input[@name="which"]/@value')
    batch_of(lea, f"/articles/{one}/tag", tag="small sample", question="cystitis", on="0")
    batch_of(lea, f"/articles/{other}/tag", tag="small sample", question="cystitis")
    fields = {"list": "tag=small+sample", "count": "1", "which": which, "action": "exclude"}
    assert batch_of(lea, "/questions/cystitis/bulk", **fields)["status"] == 409
    assert rows(desk, "select count(*) from decisions where pmid in (?, ?)", one, other) == [(0,)]


def test_undoing_from_another_papers_page_answers(team: tuple[Desk, str], ann: httpx.Client) -> None:
    desk, _ = team
    ann.get("/questions/cystitis")
    batch_of(ann, f"/articles/{papers(desk)[14]}/tag", tag="teaching", question="cystitis")
    undone = batch_of(ann, "/undo", panel="article", question="psychotherapy")
    assert (undone["ok"], undone["panels"]) == (True, {})


def test_what_was_open_at_one_stage_is_sealed_at_the_next(team: tuple[Desk, str]) -> None:
    """A note from the first stage that is changed at the second; and a seal holds where evidence.db was lost."""
    desk, address = team
    pmid = papers(desk, "psychotherapy")[1]
    note = f"/articles/{pmid}/note"
    with (
        signed_in(address, "ann") as ann,
        signed_in(address, "bob") as bob,
        httpx.Client(base_url=address) as nobody,
    ):
        for client in (ann, bob):
            client.get("/questions/psychotherapy")
        id = rows(desk, "select coalesce(max(id), 0) + 1 from events")[0][0]
        assert batch_of(ann, note, question="psychotherapy", text="Sealed at first")["ok"]
        hidden = [client.get(f"/articles/{pmid}").text for client in (bob, nobody)]
        assert not any("Sealed at first" in page for page in hidden)
        for client in (ann, bob):
            decided = {"question": "psychotherapy", "decision": "include", "stage": "title-abstract"}
            assert batch_of(client, f"/articles/{pmid}/decide", **decided)["ok"]
        assert "Sealed at first" in nobody.get(f"/articles/{pmid}").text
        assert batch_of(ann, note, id=str(id), text="Exclude it at full text")["ok"]
        for client in (bob, nobody):
            assert "Exclude it at full text" not in client.get(f"/articles/{pmid}").text
        assert "Exclude it at full text" not in bob.get(f"/log?pmid={pmid}").text
        assert "Exclude it at full text" in ann.get(f"/articles/{pmid}").text
        # A label that nobody read cannot be rejected.
        fields = {"label_group": "design", "machine_value": "no such label", "verdict": "reject"}
        assert batch_of(ann, f"/articles/{pmid}/label", **fields)["status"] == 409
    with closing(sqlite3.connect(desk.db)) as db, db:
        db.execute("pragma foreign_keys = off")
        kept = db.execute("select * from questions where slug = 'psychotherapy'").fetchone()
        db.execute("delete from questions where slug = 'psychotherapy'")
    try:
        assert "Exclude it at full text" not in httpx.get(f"{address}/articles/{pmid}").text
    finally:
        with closing(sqlite3.connect(desk.db)) as db, db:
            db.execute(f"insert into questions values ({', '.join('?' * len(kept))})", kept)
