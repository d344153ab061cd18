"""Dual review over HTTP: blind, agreement, conflicts that a lead settles, and figures that everybody may see."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from lxml import html

from tests.conftest import Desk, tiled
from tests.helpers_site import add_person, add_token, send, served, signed_in

FIRST, SECOND = "title-abstract", "full-text"
QUESTION = "/questions/cystitis"
REVIEW = f"{QUESTION}/review"
# 40 papers by title and abstract: each one's decision, so that 34 agree and 6 are in conflict.
ADA = ["include"] * 15 + ["unsure"] * 5 + ["exclude"] * 20
BOB = ["include"] * 12 + ["exclude"] * 3 + ["include"] * 5 + ["include"] * 3 + ["exclude"] * 17
# And the 20 that pass, by full text.
ADA_FULL = [("include", "")] * 12 + [("exclude", "wrong drug")] * 7 + [("unsure", "")]
BOB_FULL = (
    [("include", "")] * 10
    + [("exclude", "wrong drug")] * 2
    + [("exclude", "wrong drug")] * 5
    + [("exclude", "animal study")] * 2
    + [("unsure", "")]
)
LISTS = tuple(f"{QUESTION}?decision={decision}" for decision in ("include", "exclude", "unsure", "none"))
PAGES = (
    "/",
    QUESTION,
    *LISTS,
    f"{QUESTION}?tag=directly+relevant",
    "/search?q=ketamine&tag=directly+relevant",
    REVIEW,
    f"{REVIEW}.json",
    f"{QUESTION}/flow.json",
    *(
        f"{QUESTION}?decision={box}"
        for box in ("undecided-title-abstract", "undecided-full-text", "screened")
    ),
    *(f"{QUESTION}.{ending}" for ending in ("json", "csv", "ris", "atom")),
    *(path.replace("?", ".json?") for path in LISTS),
    "/search?q=ketamine",
    "/log",
    "/log?person=ada",
    "/log?question=cystitis",
    "/my-work",
    "/tags",
    "/alerts",
    "/alerts.atom",
)


def dual_review(home: Path) -> Desk:
    """Some forty papers in a question that two people review, and a team."""
    desk = Desk(home, "http://127.0.0.1:9/")
    file = desk.own_queries() / "cystitis.yml"
    text = file.read_text(encoding="utf-8")
    assert text.count("dual: false") == 1
    file.write_text(text.replace("dual: false", "dual: true"), encoding="utf-8")
    assert desk.run("load", "--match", "all", str(tiled(home, 3))).code == 0
    for name, role in (("ada", "tagger"), ("bob", "tagger"), ("cyd", "tagger"), ("eve", "lead")):
        add_person(desk, name, role, display_name=name.capitalize())
    return desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return dual_review(tmp_path)


class Visit(NamedTuple):
    """The site, and clients of it that are closed in the end."""

    desk: Desk
    address: str
    open: ExitStack

    def by(self, name: str) -> httpx.Client:
        """Somebody who has signed in."""
        return self.open.enter_context(signed_in(self.address, name))

    def bare(self, **headers: str) -> httpx.Client:
        return self.open.enter_context(httpx.Client(base_url=self.address, headers=headers))

    def token(self, name: str, *scopes: str, **headers: str) -> httpx.Client:
        """A program with somebody's token."""
        return self.bare(Authorization=f"Bearer {add_token(self.desk, name, *scopes)}", **headers)


@pytest.fixture
def visit(desk: Desk) -> Iterator[Visit]:
    with served(desk) as address, ExitStack() as opened:
        yield Visit(desk, address, opened)


class Looker:
    """Somebody who looks at everything that might tell what another decided."""

    def __init__(self, client: httpx.Client, papers: list[int]) -> None:
        self.client = client
        self.paths = [*PAGES, *(f"/articles/{pmid}" for pmid in papers)]

    def sees(self) -> dict[str, str]:
        return {path: told(self.client.get(path)) for path in self.paths}


def told(answer: httpx.Response) -> str:
    """What a page tells, but for the token of its forms and how many records each person has decided on."""
    text = re.sub(r'(name="csrftoken" value=")[^"]*', r"\1", answer.text)
    if answer.url.path == f"{REVIEW}.json":
        return str(answer.json() | {"progress": None})
    return f"{answer.status_code} " + re.sub(
        r'(?s)<section aria-labelledby="progress">.*?</section>', "", text
    )


def decide(client: httpx.Client, pmid: int, stage: str, decision: str, reason: str = "") -> httpx.Response:
    fields = {
        "question": "cystitis",
        "stage": stage,
        "decision": decision,
        "reason": reason,
        "back": QUESTION,
    }
    return send(client, f"/articles/{pmid}/decide", **fields)


def settle(
    client: httpx.Client, pmid: int, stage: str, decision: str, reason: str = "", **more: str
) -> httpx.Response:
    fields = {
        "pmid": pmid,
        "stage": stage,
        "decision": decision,
        "reason": reason,
        "why": "We talked it over.",
    }
    return send(client, f"{QUESTION}/settle", **fields | more)


def section(client: httpx.Client, name: str) -> Any:
    (found,) = html.fromstring(client.get(REVIEW).text).xpath(f'//section[@aria-labelledby="{name}"]')
    return found


def queue(client: httpx.Client) -> list[int]:
    """The papers that are in conflict, as the page lists them."""
    return [int(id.removeprefix("c-")) for id in section(client, "conflicts").xpath(".//article/@id")]


def flow(client: httpx.Client) -> Mapping[str, Any]:
    found: Mapping[str, Any] = client.get(f"{REVIEW}.json").json()["flow"]
    return found


def differing(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return [path for path in before if before[path] != after[path]]


def test_two_reviewers_and_a_lead_take_forty_papers_through_blind_review(visit: Visit) -> None:
    papers = sorted(visit.desk.matching("cystitis"))[:40]
    assert len(papers) == 40
    clients = {name: visit.by(name) for name in ("ada", "bob", "cyd", "eve")}
    ada, bob, eve = (clients[name] for name in ("ada", "bob", "eve"))
    anonymous, token = visit.bare(), visit.token("cyd", "read", "tag", "decide")
    others = {
        name: Looker(client, papers[:3] + papers[20:22])
        for name, client in (*clients.items(), ("nobody", anonymous), ("a token", token))
        if name != "ada"
    }

    # By title and abstract. Nobody learns what Ada decides, of the first paper nor of all of them.
    before = {name: looker.sees() for name, looker in others.items()}
    for n, (pmid, decision) in enumerate(zip(papers, ADA, strict=True)):
        answer = decide(ada, pmid, FIRST, decision)
        assert answer.status_code == 303, answer.text
        if n == 0:
            for question in ("cystitis", ""):
                fields = {"question": question, "back": QUESTION}
                assert (
                    send(ada, f"/articles/{pmid}/tag", tag="directly relevant", **fields).status_code == 303
                )
                assert send(ada, f"/articles/{pmid}/note", text="In, clearly.", **fields).status_code == 303
        if n in (0, 39):
            for name, looker in others.items():
                assert differing(before[name], looker.sees()) == [], (name, n)
    assert "Ada" in section(bob, "progress").text_content()
    for pmid, decision in zip(papers, BOB, strict=True):
        assert decide(bob, pmid, FIRST, decision).status_code == 303
    # What was blind is open now, to everybody.
    told_now = differing(before["nobody"], others["nobody"].sees())
    assert {QUESTION, *LISTS[:2], f"{REVIEW}.json", f"/articles/{papers[0]}"} <= set(told_now)
    # Both have decided: a third is refused, and neither can change anything.
    assert decide(clients["cyd"], papers[0], FIRST, "exclude").status_code == 409
    assert decide(bob, papers[0], FIRST, "exclude").status_code == 409
    for text in (
        anonymous.get(f"/articles/{papers[12]}").text,
        anonymous.get(f"/articles/{papers[12]}").text,
    ):
        assert "Ada" in text and "Bob" in text

    # Agreement: 34 of 40, of which each excluded 20.
    (row,) = section(eve, "agreement").xpath(".//tbody/tr[td[2]]")[:1]
    shown = [" ".join(cell.text_content().split()) for cell in row]
    assert shown[:7] == ["Ada and Bob", "title and abstract", "40", "85%", "0.70", "0.48 to 0.92", "0.70"]
    (pair,) = eve.get(f"{REVIEW}.json").json()["agreement"]
    assert pair["excluded_or_not"]["table"] == [[17, 3], [3, 17]]
    assert pair["all_three"]["table"] == [[12, 3, 0], [3, 17, 0], [5, 0, 0]]

    # Six conflicts, which only the lead settles, with a reason.
    conflicts = papers[12:15] + papers[20:23]
    assert queue(eve) == queue(bob) == conflicts
    assert section(eve, "conflicts").xpath(".//form[contains(@action, 'settle')]")
    assert not section(bob, "conflicts").xpath(".//form")
    assert settle(bob, conflicts[0], FIRST, "include").status_code == 403
    assert settle(eve, conflicts[0], FIRST, "include", why="").status_code == 400
    for pmid in conflicts:
        answer = settle(
            eve, pmid, FIRST, "include" if pmid in papers[:20] else "exclude", was="", back=REVIEW
        )
        assert answer.status_code == 303
        page = eve.get(answer.headers["location"]).text
        assert f'<a href="/articles/{pmid}">PMID {pmid}</a>: Settled' in page
    assert queue(eve) == []
    assert settle(eve, conflicts[0], FIRST, "exclude", was="").status_code == 409
    numbers = flow(anonymous)
    assert (numbers["screened"], numbers["excluded"], numbers["sought"]) == (40, 20, 20)
    assert eve.get(f"{REVIEW}.json").json()["agreement"] == [pair]

    # By full text, where it is Bob who is first.
    passed = papers[:20]
    lookers = {name: looker for name, looker in others.items() if name != "bob"}
    lookers["ada"] = Looker(ada, passed[:1] + passed[17:20])
    before = {name: looker.sees() for name, looker in lookers.items()}
    assert decide(bob, papers[20], SECOND, "include").status_code == 409
    for pmid, (decision, reason) in zip(passed, BOB_FULL, strict=True):
        assert decide(bob, pmid, SECOND, decision, reason).status_code == 303
    for name, looker in lookers.items():
        assert differing(before[name], looker.sees()) == [], name
    for pmid, (decision, reason) in zip(passed, ADA_FULL, strict=True):
        assert decide(ada, pmid, SECOND, decision, reason).status_code == 303
    # Two of include against exclude, two over the reason, one of which both are unsure.
    assert queue(eve) == passed[10:12] + passed[17:20]
    lead = visit.token("eve", "read", "lead", Accept="application/json")
    for pmid, decision, reason in (
        (passed[10], "include", ""),
        (passed[11], "exclude", "no urinary outcome"),
        (passed[17], "exclude", "animal study"),
        (passed[18], "exclude", "wrong drug"),
        (passed[19], "include", ""),
    ):
        fields = {
            "pmid": str(pmid),
            "stage": SECOND,
            "decision": decision,
            "reason": reason,
            "why": "Read again.",
        }
        done = lead.post(f"{QUESTION}/settle", data=fields).json()
        assert (done["ok"], done["pmids"]) == (True, [pmid])
    assert queue(eve) == []
    assert flow(anonymous) == {
        "identified": len(visit.desk.matching("cystitis")),
        "undecided": len(visit.desk.matching("cystitis")) - 40,
        "conflicts": 0,
        "screened": 40,
        "excluded": 20,
        "sought": 20,
        "undecided_full_text": 0,
        "conflicts_full_text": 0,
        "assessed": 20,
        "excluded_full_text": 8,
        "reasons": {"wrong drug": 6, "no urinary outcome": 1, "animal study": 1},
        "unsure_full_text": 0,
        "included": 12,
        "settled": {FIRST: 6, SECOND: 5},
        "gone": 0,
        "not_retrieved": 0,
        "decided_before": 0,
        "included_before": 0,
        "updated_from": None,
    }
    progress = eve.get(f"{REVIEW}.json").json()["progress"]
    left = len(visit.desk.matching("cystitis")) - 40
    assert [(one["name"], *one["decided"].values(), *one["to_do"].values()) for one in progress] == [
        ("Ada", 40, 20, left, 0),
        ("Bob", 40, 20, left, 0),
        ("Eve", 0, 0, left, 0),
    ]


def test_anonymous_readers_get_the_figures_and_nothing_of_people(visit: Visit) -> None:
    papers = sorted(visit.desk.matching("cystitis"))
    ada, bob = visit.by("ada"), visit.by("bob")
    decide(ada, papers[0], FIRST, "include")
    decide(bob, papers[0], FIRST, "exclude")
    reader = visit.bare()
    page = reader.get(REVIEW)
    assert page.status_code == 200
    assert "In conflict by title and abstract" in page.text
    assert not re.search(r"Ada|Bob|Progress|Kappa|kappa|<form[^>]*settle", page.text)
    found = reader.get(f"{REVIEW}.json").json()
    assert (found["flow"]["conflicts"], "progress" in found, "conflicts" in found) == (1, False, False)
    # A token that may only read sees what everybody sees.
    assert visit.token("ada", "read").get(f"{REVIEW}.json").json() == found
    assert reader.get("/questions/nowhere/review").status_code == 404
    assert reader.get("/questions/nowhere/review.json").json()["status"] == 404
    # Nobody settles who is not signed in, and no form from elsewhere does.
    stranger = visit.bare()
    fields = {"pmid": str(papers[0]), "stage": FIRST, "decision": "include", "why": "I say so."}
    assert stranger.post(f"{QUESTION}/settle", data=fields).status_code in (401, 403)
    assert visit.by("eve").post(f"{QUESTION}/settle", data=fields).status_code == 403
    assert stranger.get(f"{QUESTION}/settle").status_code == 405


REFUSED: dict[str, tuple[dict[str, str], int]] = {
    "no number": ({"pmid": "bladder"}, 400),
    "far too large a number": ({"pmid": "9" * 30}, 400),
    "a paper of no question": ({"pmid": "1"}, 404),
    "no decision": ({"decision": ""}, 400),
    "unsure": ({"decision": "unsure"}, 400),
    "no stage": ({"stage": "third"}, 400),
    "a reason of somebody's own": ({"decision": "exclude", "reason": "dull"}, 400),
    "no why": ({"why": " "}, 400),
    "a why without an end": ({"why": "x" * 2001}, 400),
    "nobody has decided": ({}, 409),
}


def test_what_cannot_be_settled_is_refused_and_nothing_is_written(visit: Visit) -> None:
    paper = min(visit.desk.matching("cystitis"))
    eve = visit.by("eve")
    before = eve.get(f"{REVIEW}.json").json()
    for name, (fields, status) in REFUSED.items():
        answer = settle(eve, **{"pmid": paper, "stage": FIRST, "decision": "include", **fields})  # type: ignore[arg-type]
        assert answer.status_code == status, (name, answer.text)
    assert eve.get(f"{REVIEW}.json").json() == before
    fields = {"pmid": str(paper), "stage": FIRST, "decision": "include", "why": "."}
    assert send(eve, "/questions/nowhere/settle", **fields).status_code == 404


def test_a_settlement_can_be_undone_by_whoever_made_it(visit: Visit) -> None:
    paper = min(visit.desk.matching("cystitis"))
    clients = [visit.by(name) for name in ("ada", "bob", "eve")]
    for client, decision in zip(clients, ("include", "exclude"), strict=False):
        decide(client, paper, FIRST, decision)
    eve = clients[-1]
    location = settle(eve, paper, FIRST, "exclude", was="").headers["location"]
    assert location.startswith(f"{REVIEW}?done=")
    (button,) = html.fromstring(eve.get(location).text).xpath('//div[@role="status"]//button[@name="batch"]')
    assert send(eve, "/undo", batch=button.get("value"), back=REVIEW).status_code == 303
    assert queue(eve) == [paper]
