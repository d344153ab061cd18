"""A clinic with other questions, for a year: over real records, from the first command to a lost machine."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tests import test_html
from tests.conftest import Desk, once_a_run, wait_for
from tests.eutils_server import StandIn
from tests.helpers_browser import DESK, PHONE, objections, visiting
from tests.helpers_site import PASSWORD, add_person, served, signed_in
from tests.test_litestream import Replica, events
from tests.test_new import OURS, crawl
from tests.test_publish import Readers, publishing
from tracker.export.formats import FORMATS
from tracker.pubmed.records import open_file, split

SHARED = Path(__file__).parents[2] / "shared" / "data"
RECORDS = SHARED / "pubmed_real.xml.gz"
MONTHS = 12
AIR = '("embolism, air"[mh] OR "air embolism"[tiab] OR "gas embolism"[tiab])'
QUESTIONS = {
    "hyperbaric": (
        "Does hyperbaric oxygen help after air embolism?",
        f'{AIR} AND ("hyperbaric oxygenation"[mh] OR hyperbaric[tiab])',
    ),
    "lung-biopsy": (
        "How often does air embolism follow a lung biopsy?",
        f"{AIR} AND (biopsy[mh] OR biopsy[tiab]) AND (lung[mh] OR lung[tiab] OR pulmonary[tiab])",
    ),
}
PAGES = (
    "/",
    "/questions/hyperbaric",
    "/questions/lung-biopsy/table",
    "/search?q=oxygen",
    "/changes",
    "/methods",
)

pytestmark = pytest.mark.skipif(
    not RECORDS.is_file(), reason="the shared data (real PubMed records) is not beside the checkout"
)


class Clinic:
    """The tracker after its year: its desk, and a snapshot of each month."""

    def __init__(self, desk: Desk, snapshots: list[Path]) -> None:
        self.desk, self.snapshots = desk, snapshots


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """The year, which takes long enough that all processes of a run share it."""
    folder = once_a_run(tmp_path_factory, "clinic", live)
    snapshots = sorted((folder / "air" / "snapshots").glob("evidence-snapshot-2026-*"))
    return Clinic(Desk(folder / "air", "http://127.0.0.1:9/"), snapshots)


def live(folder: Path) -> None:
    """Made by one command; every month refreshed, tagged and kept as a snapshot. In July PubMed changed."""
    options = [
        word
        for slug, (question, search) in QUESTIONS.items()
        for word in ("--question", f"{slug}={question}", "--search", f"{slug}={search}")
    ]
    with StandIn(halves(folder / "pubmed"), rate=0) as pubmed:
        done = Desk(folder, pubmed.url).run("new", str(folder / "air"), "--topic", "Air embolism", *options)
        assert done.code == 0, done.err
        desk = Desk(folder / "air", pubmed.url)
        # A tag of the clinic's own; a new tracker begins without any.
        (desk.home / "queries/topic/tags.yml").write_text(
            "groups:\n  - name: Use\n    tags: [{name: for teaching, description: Shown to students}]\n"
        )
        for month in range(1, MONTHS + 1):
            if month == 7:
                pubmed.next_day()
            done = desk.run("refresh")
            assert done.code == 0, done.err
            if month == 1:
                add_person(desk, "lead", "lead")
            pmid = desk.column("select pmid from question_articles where matching order by pmid")[month]
            assert desk.run("tag", "add", str(pmid), "for teaching", "--as", "lead").code == 0
            done = desk.run("snapshot", "snapshots", "--json")
            assert done.code == 0, done.err
            made = desk.home / done.json["snapshot"]
            made.rename(made.with_name(f"evidence-snapshot-2026-{month:02}-01"))


def halves(folder: Path) -> Path:
    """The real records as PubMed has them until June, a third fewer, and since July."""
    (folder / "day2").mkdir(parents=True)
    with open_file(RECORDS) as stream:
        records = [record.body for record in split(stream, RECORDS.name)]
    for place, some in (("first.xml", records[::3] + records[1::3]), ("day2/later.xml", records[2::3])):
        body = b"".join((b"<PubmedArticleSet>", *some, b"</PubmedArticleSet>"))
        (folder / place).write_bytes(body)
    return folder


@pytest.fixture(scope="module")
def address(clinic: Clinic) -> Iterator[str]:
    with served(clinic.desk) as url:
        yield url


# -- its pages -------------------------------------------------------------------------------------


def test_every_page_answers_and_none_knows_our_topic(clinic: Clinic, address: str) -> None:
    seen = crawl(httpx.Client(base_url=address, follow_redirects=True, timeout=60), address)
    seen |= crawl(signed_in(address, "lead", PASSWORD), address)
    assert {*PAGES[:2], "/methods", "/changes", "/trials"} <= seen.keys()
    assert [path for path, status in seen.items() if status >= 400] == []


def test_labels_that_need_the_topics_words_are_absent_and_the_others_read(
    clinic: Clinic, address: str
) -> None:
    groups = set(clinic.desk.column("select distinct label_group from labels"))
    assert {"design", "species", "participants"} <= groups
    assert not groups & {"drug", "route", "exposure", "regimen", "population"}
    page = httpx.get(f"{address}/questions/hyperbaric").text
    assert "case report" in page and 'name="drug"' not in page and 'name="route"' not in page


@pytest.mark.parametrize(
    "path", ["/", "/questions/hyperbaric", "/questions/lung-biopsy/table", "/search?q=oxygen"]
)
def test_pages_have_no_fault_on_a_screen_or_a_phone(chromium: Browser, address: str, path: str) -> None:
    for screen in (DESK, PHONE):
        with visiting(chromium, bypass_csp=True, viewport=screen) as visit:
            visit.to(address + path)
            assert visit.complaints == []
            assert objections(visit.page, "light") == []
            assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.skipif(test_html.pytestmark.args[0], reason=test_html.pytestmark.kwargs["reason"])
def test_pages_are_valid_html(clinic: Clinic, address: str, tmp_path: Path) -> None:
    paths = (*PAGES, f"/articles/{clinic.desk.column('select min(pmid) from articles')[0]}", "/trials")
    for number, path in enumerate(paths):
        (tmp_path / f"{number}.html").write_text(httpx.get(address + path).text, "utf-8")
    assert test_html.errors(*map(str, sorted(tmp_path.iterdir()))) == []


def test_lists_come_in_every_format(clinic: Clinic, address: str) -> None:
    for format in FORMATS.values():
        answer = httpx.get(f"{address}/questions/hyperbaric.{format.extension}", timeout=60)
        assert answer.status_code == 200 and answer.content, format.extension
        if format.extension != "xlsx":
            assert not OURS.search(answer.text), format.extension


# -- its snapshots ---------------------------------------------------------------------------------


def test_a_snapshot_opens_from_disk_without_a_server(clinic: Clinic, chromium: Browser) -> None:
    with visiting(chromium) as visit:
        visit.to((clinic.snapshots[-1] / "index.html").as_uri())
        assert "Air embolism" in visit.page.inner_text("body")
        visit.page.get_by_role("link", name="Hyperbaric").first.click()
        assert "hyperbaric oxygen" in visit.page.inner_text("body").lower()
        assert visit.complaints == []
        assert not OURS.search(visit.page.content())


def test_two_months_are_compared(clinic: Clinic) -> None:
    june, july = clinic.snapshots[5:7]
    same = clinic.desk.run("snapshot", "diff", str(clinic.snapshots[3]), str(clinic.snapshots[4]), "--json")
    changed = clinic.desk.run("snapshot", "diff", str(june), str(july), "--json")
    assert same.code == changed.code == 0, changed.err
    assert not any(moved(question) for question in same.json["questions"].values())
    assert any(moved(question) for question in changed.json["questions"].values())


def moved(question: dict[str, list[object]]) -> bool:
    return any(question.values())


def test_it_is_published_and_swapped_without_a_failed_request(clinic: Clinic, tmp_path: Path) -> None:
    first, last = clinic.snapshots[0], clinic.snapshots[-1]
    shutil.copy(clinic.desk.home / "metadata.yml", tmp_path)
    with (
        publishing(tmp_path, clinic.desk.queries, first, last) as house,
        Readers(house.address, PAGES) as readers,
    ):
        wait_for(lambda: readers.asked > 30)
        before = readers.asked
        done = house.swap(last)
        wait_for(lambda: readers.asked > before + 30)
    assert done.returncode == 0, done.stderr
    assert readers.failed == []


# -- its machine is lost ---------------------------------------------------------------------------


def test_a_lost_machine_comes_back_and_what_it_lost_is_told_in_seconds(
    clinic: Clinic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(tmp_path / "machine", clinic.desk.url)
    shutil.copytree(clinic.desk.home, desk.home, ignore=shutil.ignore_patterns("snapshots"))
    (desk.home / "backups").mkdir()
    assert desk.run("backup", str(desk.home / "backups")).code == 0
    replica = Replica(desk)
    replicating = replica.start()
    try:
        safe = events(desk.annotations)
        wait_for(lambda: replica.restored(tmp_path / "tried.db")[: len(safe)] == safe)
        for pmid in desk.column("select pmid from question_articles where matching order by pmid")[13:18]:
            assert desk.run("tag", "add", str(pmid), "for teaching", "--as", "lead").code == 0
        replicating.send_signal(signal.SIGKILL)
    finally:
        replicating.kill()
        replicating.wait(timeout=10)
    last = last_event(desk.annotations)
    shutil.rmtree(desk.db.parent)
    (backup,) = (desk.home / "backups").glob("evidence-*")
    assert desk.run("restore", "--yes", str(backup)).code == 0
    by_backup = seconds(last_event(desk.annotations, but="restore"), last)
    desk.annotations.unlink()
    assert replica.restored(desk.annotations)[: len(safe)] == safe
    by_litestream = seconds(last_event(desk.annotations), last)
    assert by_litestream <= by_backup
    with StandIn(clinic.desk.home.parent / "pubmed", rate=0) as pubmed:
        pubmed.next_day()
        assert desk.run("refresh", TRACKER_EUTILS_URL=pubmed.url).code == 0
    with capsys.disabled():
        print(f"\nlost: {by_litestream:.0f} s by Litestream, {by_backup:.0f} s by the backup")


def last_event(path: Path, but: str = "") -> str:
    with closing(sqlite3.connect(path)) as db:
        (when,) = db.execute("select max(happened) from events where action <> ?", (but,)).fetchone()
    return str(when)


def seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
