"""Peer review of a search strategy (PRESS 2015): by a form on the site or a file, for one version, by somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from lxml import html

from tests.conftest import FIXTURES, Desk
from tests.helpers_site import Site, add_person, send, served, signed_in

ELEMENTS = ("translation", "operators", "headings", "text_words", "spelling", "limits", "overall")
PRESS = "/questions/cystitis/press"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    desk.own_queries()
    assert desk.run("load", "--match", "all", str(FIXTURES / "pubmed" / "cystitis.xml")).code == 0
    for name, role in (("ada", "tagger"), ("eve", "lead"), ("rita", "reader")):
        add_person(desk, name, role, display_name=name.capitalize())
    return desk


@pytest.fixture
def address(desk: Desk) -> Iterator[str]:
    with served(desk) as address:
        yield address


def version(desk: Desk) -> str:
    """The hash of the latest version."""
    form: dict[str, Any] = yaml.safe_load(desk.run("report", "press", "cystitis").out)
    return str(form["strategy"])


def filled(desk: Desk, **changes: Any) -> Path:
    """The form that the command prints, filled in."""
    form: dict[str, Any] = yaml.safe_load(desk.run("report", "press", "cystitis").out)
    form |= {"reviewer": "Jo Peer", "independent": True, "reviewed": "2026-01-05"}
    form |= {name: {"judgement": "no revision", "comment": ""} for name in ELEMENTS}
    form["headings"] = {"judgement": "revision suggested", "comment": "Explode “Cystitis”: it's =not."}
    file = desk.home / "press.yml"
    file.write_text(yaml.safe_dump(form | changes, allow_unicode=True), encoding="utf-8")
    return file


def answers(desk: Desk, **changes: str) -> dict[str, str]:
    """The fields of the form on the site."""
    fields = {"strategy": version(desk), "reviewed": "2026-01-05", "independent": "1"}
    return fields | dict.fromkeys(ELEMENTS, "no revision") | changes


def on_methods(desk: Desk) -> str:
    page = html.fromstring(Site(desk).page("/methods"))
    (section,) = page.xpath('//section[@id="cystitis"]')
    return " ".join(section.text_content().split())


def edit(desk: Desk, before: str, after: str) -> None:
    file = desk.queries / "cystitis.yml"
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1
    file.write_text(text.replace(before, after), encoding="utf-8")


def test_a_form_that_a_file_brings_is_kept_and_given_back_word_for_word(desk: Desk) -> None:
    assert "not yet peer reviewed (PRESS)" in on_methods(desk)
    done = desk.run("report", "press", "cystitis", "--file", str(filled(desk)), "--as", "ada")
    assert (done.code, done.err) == (0, "cystitis: review by Jo Peer of 2026-01-05 kept\n")
    assert "Peer reviewed (PRESS 2015) by Jo Peer on 5 January 2026" in on_methods(desk)
    assert "not yet peer reviewed" not in on_methods(desk)

    given = desk.home / "again.yml"
    given.write_text(desk.run("report", "press", "cystitis", "--by", "Jo Peer").out, encoding="utf-8")
    assert yaml.safe_load(given.read_text()) == yaml.safe_load(filled(desk).read_text())
    again = desk.run("report", "press", "cystitis", "--file", str(given), "--as", "ada")
    assert again.err.endswith("was there already\n")
    (review,) = desk.run("report", "press", "cystitis", "--json").json
    assert review["entered_by"] == "ada"
    assert review["answers"]["headings"]["comment"] == "Explode “Cystitis”: it's =not."

    assert desk.run("report", "press", "cystitis", "--by", "Jo Peer", "--take-back", "--as", "eve").code == 2
    assert desk.run("report", "press", "cystitis", "--by", "Jo Peer", "--take-back", "--as", "ada").code == 0
    assert "not yet peer reviewed (PRESS)" in on_methods(desk)
    logged = [
        event["action"] for event in map(yaml.safe_load, desk.run("tag", "log", "--json").out.splitlines())
    ]
    assert logged[-2:] == ["review strategy", "take strategy review back"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reviewer": ""}, '"reviewer" is not a name'),
        ({"reviewer": "Evidence-Tracker"}, "built this strategy (review.built_by)"),
        ({"independent": False}, '"independent" must be true'),
        ({"reviewed": "5 January"}, '"reviewed" is not a day'),
        ({"reviewed": "2999-01-01"}, "still to come"),
        ({"limits": {"judgement": "fine"}}, '"limits.judgement" has no judgement'),
        ({"limits": {"judgement": "revision required"}}, "limits: say in the comment what to revise"),
        ({"strategy": "0" * 64}, "has no version '000000000000'"),
        ({"question": "tolerance"}, "the form is about 'tolerance'"),
        ({"opinion": "good"}, '"opinion" is not a field'),
    ],
)
def test_a_form_that_is_not_one_is_refused_whole_and_says_what_to_do(
    desk: Desk, changes: dict[str, Any], said: str
) -> None:
    done = desk.run("report", "press", "cystitis", "--file", str(filled(desk, **changes)), "--as", "ada")
    assert done.code == 2
    assert said in done.err
    assert "press.yml" in done.err
    assert desk.run("report", "press", "cystitis", "--json").json == []


def test_an_edited_strategy_has_no_review_and_the_former_one_keeps_its_own(desk: Desk) -> None:
    assert desk.run("report", "press", "cystitis", "--file", str(filled(desk)), "--as", "ada").code == 0
    reviewed = version(desk)
    edit(desk, "OR luts[tiab]", "OR luts[tiab] OR bladders[tiab]")
    # The same second would not tell which of two versions came first.
    desk.change("update strategies set first_run = '2025-01-01T00:00:00Z'")
    assert desk.run("questions", "adopt", "cystitis", "--yes").code == 0
    assert desk.run("load", "--match", "all", str(FIXTURES / "pubmed" / "cystitis.xml")).code == 0
    assert version(desk) != reviewed
    assert "not yet peer reviewed (PRESS)" in on_methods(desk)
    page = html.fromstring(Site(desk).page(f"{PRESS}?strategy={reviewed}")).text_content()
    assert "Peer reviewed by Jo Peer on 5 January 2026" in page
    former = desk.run("report", "press", "cystitis", "--strategy", reviewed[:8], "--by", "Jo Peer")
    assert yaml.safe_load(former.out)["strategy"] == reviewed


def test_a_peer_reviews_on_the_site_and_undoes_it(desk: Desk, address: str) -> None:
    with signed_in(address, "ada") as ada, httpx.Client(base_url=address) as anybody:
        assert "Keep the review" not in anybody.get(PRESS).text
        page = ada.get(PRESS)
        assert "Keep the review" in page.text
        said = send(
            ada, PRESS, **answers(desk, limits="revision suggested", limits_comment="No limit by <year>.")
        )
        assert said.status_code == 303, said.text
        shown = html.fromstring(anybody.get(PRESS).text).text_content()
        assert "Peer reviewed by Ada on 5 January 2026" in shown
        assert "Revision suggested: No limit by <year>." in shown
        assert "Reviewed a search strategy (PRESS)" in ada.get("/log").text
        batch = said.headers["location"].partition("done=")[2]
        assert send(ada, "/undo", batch=batch).status_code == 303
        assert "Peer reviewed by Ada" not in anybody.get(PRESS).text
        assert send(ada, "/undo", batch=batch).status_code == 409


def test_on_the_site_only_a_peer_who_may_decide_and_has_answered_all_reviews(
    desk: Desk, address: str
) -> None:
    edit(desk, "built_by: evidence-tracker", "built_by: Eve and Bea")
    with (
        signed_in(address, "eve") as eve,
        signed_in(address, "ada") as ada,
        signed_in(address, "rita") as rita,
    ):
        for client in (eve, ada, rita):
            client.get("/account")
        assert send(rita, PRESS, **answers(desk)).status_code == 403
        author = send(eve, PRESS, **answers(desk))
        assert author.status_code == 409
        assert "Eve built this strategy" in author.text
        for changes in (
            {"independent": ""},
            {"overall": ""},
            {"overall": "revision required"},
            {"reviewed": "now"},
        ):
            assert send(ada, PRESS, **answers(desk, **changes)).status_code == 400, changes
        assert send(ada, PRESS, **answers(desk, strategy="f" * 64)).status_code == 404
    assert desk.run("report", "press", "cystitis", "--json").json == []
