"""The reader pages: an answer in a minute, a list that its address describes, and nothing that misleads."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html

from tests.conftest import FIXTURES, Desk, tiled
from tests.helpers_load import document, record
from tests.helpers_site import QUESTIONS, RETRACTED, Site, articles_on, filled
from tracker.article import Pmid
from tracker.evidence import derived
from tracker.lists.entries import read_entries

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Two days of refreshes; the tests only read it."""
    return filled(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def site(library: Desk) -> Site:
    return Site(library)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A database of its own, with what the questions match on the first day."""
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    files = sorted((FIXTURES / "pubmed").glob("*.xml"))
    assert desk.run("load", "--match", "all", *map(str, files)).code == 0
    return desk


def change(desk: Desk, *statements: str) -> None:
    """Change what is stored, and let everything that follows from it follow."""
    with closing(sqlite3.connect(desk.db)) as db, db:
        for statement in statements:
            db.execute(statement)
        derived.fill(db)


def label(desk: Desk, group: str, values: dict[int, str]) -> None:
    """As if only these records were read to have a value of the group."""
    change(
        desk,
        f"delete from labels where label_group = '{group}'",
        *(
            "insert into labels (pmid, label_group, value, basis, quote, rule, rule_version, confidence) "
            f"values ({pmid}, '{group}', '{value}', 'title', 'words', 'rule', 1, 'high')"
            for pmid, value in values.items()
        ),
    )


def tree(site: Site, path: str, **query: Any) -> Any:
    return html.fromstring(site.page(str(httpx.URL(path, params=query)) if query else path))


def text(element: Any) -> str:
    return " ".join(element.text_content().split())


def listed(site: Site, slug: str, **query: Any) -> set[int]:
    """What the list holds, of which a page shows the beginning."""
    found = json.loads(site.page(str(httpx.URL(f"/questions/{slug}.json", params=query))))
    return {article["pmid"] for article in found["articles"]}


# -- home ------------------------------------------------------------------------------------------


def test_a_card_shows_the_newest_review_and_trial_and_a_picture_of_the_years(
    site: Site, library: Desk
) -> None:
    for slug in QUESTIONS:
        (card,) = tree(site, "/").xpath(f'//article[.//a[@href="/questions/{slug}"]]')
        for heading, designs in (
            ("Newest systematic review", "'meta-analysis', 'systematic review', 'guideline'"),
            ("Newest randomised trial", "'randomised controlled trial'"),
        ):
            newest = library.column(
                f"select pmid from question_labels where question = '{slug}' and label_group = 'design' "
                f"and value in ({designs}) and pmid in (select pmid from directness where question = '{slug}' "
                "and value = 'direct') order by published desc, pmid desc limit 1"
            )
            shown = card.xpath(
                f'.//h3[starts-with(., "{heading}")]/following-sibling::ul[1]/li/p[@class="title"]/a/@href'
            )
            assert [int(link.rsplit("/", 1)[1]) for link in shown] == newest
        total = library.column(
            f"select sum(iif(label_group = 'all', n, -n)) from question_counts where question = '{slug}' "
            "and year <> '' and (label_group = 'all' or (label_group, value) = ('design', 'notice'))"
        )
        assert f"{total[0]} in all" in card.xpath("string(.//*[local-name()='svg']/*[local-name()='title'])")


def test_a_notice_is_counted_as_evidence_nowhere(tmp_path: Path) -> None:
    """Told by its title alone, with the old abstract reprinted below it."""
    title = "Ketamine for depression and cystitis: a randomised controlled trial"
    abstract = (
        "We randomised 40 patients with depression to ketamine. Results: Cystitis was found in 2 of 20."
    )
    notices = ("Erratum: {}", "{}: Corrigendum", "Retraction notice to: {}", "Expression of concern: {}")
    types = ["Journal Article", "Randomized Controlled Trial"]
    texts = [title, *(notice.format(title) for notice in notices)]
    records = [record(90020000 + n, text, abstract, types=types) for n, text in enumerate(texts)]
    (tmp_path / "records.xml").write_text(document(*records), encoding="utf-8")
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    assert desk.run("load", "--match", "cystitis", str(tmp_path / "records.xml")).code == 0
    site = Site(desk)
    (card,) = tree(site, "/").xpath('//article[.//a[@href="/questions/cystitis"]]')
    assert "Records by year: 1 in 2020" in card.xpath(
        "string(.//*[local-name()='svg']/*[local-name()='title'])"
    )
    page = tree(site, "/questions/cystitis")
    (chart,) = page.xpath('//table[contains(@class, "by-year")]')
    assert [text(cell) for cell in chart.xpath(".//tfoot//td")] == ["1"]
    for query in (
        {"design": "randomised controlled trial"},
        {"outcome": "result given"},
        {"directness": "direct"},
    ):
        assert listed(site, "cystitis", **query) == {90020000}, query
    for n in range(1, 5):
        labels = text(
            tree(site, f"/articles/{90020000 + n}").xpath('//section[@aria-labelledby="labels"]')[0]
        )
        assert "notice" in labels and "randomised controlled trial" not in labels.replace(title, "")


def test_what_is_new_in_thirty_days_goes_by_the_day_of_creation_in_pubmed(desk: Desk) -> None:
    recent, old = (NOW - timedelta(days=3)).strftime("%Y-%m-%d"), "2020-01-01"
    change(
        desk,
        f"update articles set created = '{old}'",
        f"update articles set created = '{recent}' where pmid = {RETRACTED}",
    )
    (card,) = tree(Site(desk), "/").xpath('//article[.//a[@href="/questions/cystitis"]]')
    assert "1 new in 30 days" in text(card)
    (link,) = card.xpath('.//a[contains(@href, "new=")]/@href')
    assert set(articles_on(Site(desk).page(link))) == {RETRACTED}
    page = tree(Site(desk), "/questions/cystitis")
    assert f"New in PubMed {int(recent[8:])} " in text(page)


# -- the evidence page ---------------------------------------------------------------------------------


def test_the_page_says_how_many_matched_were_looked_at_and_were_judged_relevant(desk: Desk) -> None:
    desk.annotate()
    some = desk.column("select pmid from question_articles where question = 'cystitis' order by 1 limit 3")
    with closing(sqlite3.connect(desk.annotations)) as db, db:
        db.executemany(
            "insert into decisions (pmid, question, stage, person, decision, decided) values (?, ?, ?, 1, ?, '2026')",
            [
                (some[0], "cystitis", "title-abstract", "include"),
                (some[0], "cystitis", "full-text", "include"),
                (some[1], "cystitis", "title-abstract", "exclude"),
                (some[2], "tolerance", "title-abstract", "include"),
            ],
        )
    site = Site(desk)
    page = text(tree(site, "/questions/cystitis"))
    n = len(desk.matching("cystitis"))
    assert f"Our search matched {n} PubMed records" in page
    assert "2 have been looked at by a person and 1 judged relevant" in page
    assert listed(site, "cystitis", decision="include") == {some[0]}
    assert listed(site, "cystitis", decision="none") == desk.matching("cystitis") - set(some[:2])
    assert listed(site, "cystitis", tag="bladder") == {90000301} & desk.matching("cystitis")


def test_what_bears_on_the_question_comes_before_the_rest(site: Site, library: Desk) -> None:
    page = tree(site, "/questions/cystitis")
    links = page.xpath('//section[contains(@class, "leading")]//li/p[1]/a[@class="record"]/@href')
    shown = [int(re.findall(r"/articles/(\d+)", link)[0]) for link in links]
    assert shown
    assert set(shown) <= set(
        library.column("select pmid from directness where question = 'cystitis' and value = 'direct'")
    )
    source = html.tostring(page, encoding="unicode")
    assert source.index('id="treated"') < source.index('id="designs"') < source.index('id="records"')


def test_the_chart_and_its_table_have_the_numbers_of_the_database(site: Site, library: Desk) -> None:
    page = tree(site, "/questions/tolerance")
    (table,) = page.xpath('//table[contains(@class, "by-year")]')
    names = [text(cell) for cell in table.xpath(".//thead//th")][1:]
    totals = [int(text(cell)) for cell in table.xpath(".//tfoot//td")]
    assert dict(zip(names, totals, strict=True)) == dict(
        library.sql(
            "select value, sum(n) from question_counts "
            "where question = 'tolerance' and label_group = 'design' and value <> 'notice' group by 1"
        )
    )
    assert page.xpath('//*[local-name()="svg"][@role="img"]/*[local-name()="title"]')


def test_where_harms_are_the_question_the_page_warns_of_silence(site: Site) -> None:
    for warning in ("Abstracts often omit harms.", "No match does not mean no harm."):
        warned = [slug for slug in QUESTIONS if warning in text(tree(site, f"/questions/{slug}"))]
        assert warned == ["cognition", "tolerance", "cystitis"]


def test_without_a_bottom_line_the_page_says_that_it_is_no_answer(site: Site) -> None:
    assert "evidence, not an answer" in text(tree(site, "/questions/cystitis"))


def test_a_bottom_line_names_its_author_its_papers_and_what_is_newer(desk: Desk) -> None:
    (seen,) = desk.column("select min(pmid) from question_articles where question = 'cystitis' and matching")
    line = {"text": "It harms <b>some</b>.", "author": "Ada", "date": "2019-05-01", "pmids": [seen, 7]}
    queries = desk.own_queries()
    file = queries / "cystitis.yml"
    file.write_text(file.read_text("utf-8") + f"bottom_line: {json.dumps(line)}\n", "utf-8")
    assert desk.run("load", "--match", "all", str(next((FIXTURES / "pubmed").glob("*.xml")))).code == 0
    change(desk, "update articles set created = '2018-01-01'")
    page = tree(Site(desk), "/questions/cystitis")
    (part,) = page.xpath('//section[@class="bottom-line"]')
    assert "It harms <b>some</b>. Ada, 1 May 2019. No newer review" in text(part)
    assert "The 2 papers that it rests on" in text(part)
    assert "PMID 7, not stored here" in text(part)
    assert text(part).count("not stored here") == 1
    change(desk, "update articles set created = '2020-01-01'")
    (part,) = tree(Site(desk), "/questions/cystitis").xpath('//section[@class="bottom-line"]')
    trials = desk.column(
        "select count(*) from question_labels where question = 'cystitis' and value = 'randomised controlled trial'"
    )
    assert "4 direct records since." in text(part)
    assert f"{trials[0]} newer randomised trials" in text(part)


def test_filters_combine_and_each_can_be_taken_off(site: Site, library: Desk) -> None:
    def having(group: str, *values: str) -> set[int]:
        marks = ", ".join(f"'{value}'" for value in values)
        return set(
            library.column(
                f"select pmid from question_labels where question = 'cognition' and label_group = '{group}' "
                f"and value in ({marks})"
            )
        )

    both = ("randomised controlled trial", "cohort study")
    assert listed(site, "cognition", design=both[0]) == having("design", both[0])
    assert listed(site, "cognition", design=both) == having("design", *both)
    assert listed(site, "cognition", design=both, language="eng") == having("design", *both) & having(
        "language", "eng"
    )
    assert listed(site, "cognition", species="humans") == having("species", "humans")
    years = set(
        library.column(
            "select pmid from question_articles where question = 'cognition' and matching "
            "and published between '2015' and '2020~'"
        )
    )
    assert listed(site, "cognition", **{"from": 2015, "to": 2020}) == years
    page = tree(
        site, "/questions/cognition", design=both, language="eng", q="ketamine", **{"from": 2000, "to": 2030}
    )
    chips = page.xpath('//ul[@class="chips"]//a')
    assert [text(chip).partition(" ×")[0] for chip in chips] == [
        "“ketamine”",
        f"Study design: {both[0]}",
        f"Study design: {both[1]}",
        "Language: English",
        "from 2000",
        "to 2030",
    ]
    address = urlsplit(chips[1].get("href"))
    assert address.path == "/questions/cognition"
    assert parse_qs(address.query) == {
        "q": ["ketamine"],
        "design": [both[1]],
        "language": ["eng"],
        "from": ["2000"],
        "to": ["2030"],
    }


def test_a_number_beside_a_choice_is_what_choosing_it_gives(site: Site) -> None:
    for query in ({}, {"design": "cohort study"}, {"q": "ketamine", "language": "eng"}):
        page = tree(site, "/questions/cognition", **query)
        for box in page.xpath('//fieldset//input[@type="checkbox"]'):
            n = int(text(box.getparent().xpath('./span[@class="n"]')[0]))
            chosen = dict(query)
            if box.get("name") in chosen:
                continue
            assert len(listed(site, "cognition", **chosen, **{box.get("name"): box.get("value")})) == n


def test_a_label_group_that_comes_later_appears_by_itself(desk: Desk) -> None:
    some = sorted(desk.matching("cystitis"))
    label(desk, "route", {some[0]: "intranasal", some[1]: "intravenous"})
    site = Site(desk)
    page = tree(site, "/questions/cystitis")
    (legend,) = [each for each in page.xpath("//legend") if text(each).startswith("Route")]
    assert "read by machine" in text(legend)
    assert listed(site, "cystitis", route="intranasal") == {some[0]}
    (row,) = page.xpath(f'//ol[@class="articles"]/li[p[1]/a[starts-with(@href, "/articles/{some[0]}?")]]')
    assert "route, read by machine: intranasal" in text(row)
    assert set(articles_on(html.tostring(page, encoding="unicode"))) == desk.matching("cystitis")


def test_therapeutic_and_recreational_are_never_one_total(desk: Desk) -> None:
    reviews = desk.column(
        "select pmid from question_labels where question = 'cystitis' and label_group = 'evidence_level' "
        "and value like '1%' order by pmid"
    )
    rest = sorted(desk.matching("cystitis") - set(reviews))
    label(desk, "exposure", {reviews[0]: "recreational", rest[0]: "therapeutic", rest[1]: "therapeutic"})
    page = tree(Site(desk), "/questions/cystitis")
    assert "By exposure, never one total: therapeutic 2; recreational 1." in text(page)


def test_several_reports_of_one_trial_stand_together(desk: Desk) -> None:
    first, second, *_ = sorted(desk.matching("cystitis"), reverse=True)
    change(
        desk,
        "delete from registrations",
        *(
            f"insert into registrations values ({pmid}, 1, 'ClinicalTrials.gov', 'NCT01234567')"
            for pmid in (first, second)
        ),
        f"update articles set published = '2031-01-01' where pmid = {first}",
    )
    page = tree(Site(desk), "/questions/cystitis")
    (row,) = page.xpath(f'//ol[@class="articles"]/li[p[1]/a[starts-with(@href, "/articles/{first}?")]]')
    assert "Other reports of NCT01234567" in text(row)
    assert row.xpath(f'.//div[@class="under"]//a[starts-with(@href, "/articles/{second}?")]')
    assert not page.xpath(f'//ol[@class="articles"]/li[p[1]/a[starts-with(@href, "/articles/{second}?")]]')
    assert row.xpath('.//a[@href="https://clinicaltrials.gov/study/NCT01234567"]')
    own = text(tree(Site(desk), f"/articles/{first}"))
    assert "ClinicalTrials.gov NCT01234567" in own


@pytest.mark.parametrize("linked_from", ["preprint", "article", "both"])
def test_a_preprint_is_marked_paired_with_its_article_and_counted_once(desk: Desk, linked_from: str) -> None:
    article, preprint, *_ = sorted(desk.matching("cystitis"), reverse=True)
    links = {
        "preprint": (preprint, "UpdateIn", article),
        "article": (article, "UpdateOf", preprint),
    }
    for side, (one, link, other) in links.items():
        if linked_from in (side, "both"):
            values = f"({one}, 99, '{link}', {other})"
            change(desk, f"insert into notices (pmid, position, type, other_pmid) values {values}")
    label(desk, "publication", {preprint: "preprint"})
    site = Site(desk)
    page = tree(site, "/questions/cystitis")
    (row,) = page.xpath(f'//ol[@class="articles"]/li[p[1]/a[starts-with(@href, "/articles/{article}?")]]')
    assert row.xpath(f'.//p[@class="under"]/a[starts-with(@href, "/articles/{preprint}?")]')
    assert "Preprint of this paper, not peer reviewed" in text(row)
    if linked_from != "article":
        assert not page.xpath(
            f'//ol[@class="articles"]/li[p[1]/a[starts-with(@href, "/articles/{preprint}?")]]'
        )
        assert "1 of them are preprints of articles that are listed too" in text(page)
        own = text(tree(site, f"/articles/{preprint}"))
        assert "Preprint, not peer reviewed" in own
        assert "Published as" in own
    assert "Preprint, not peer reviewed" in text(tree(site, "/questions/cystitis", publication="preprint"))


def test_what_stands_under_another_record_bears_its_marks(desk: Desk) -> None:
    first, second, *_ = sorted(desk.matching("cystitis"), reverse=True)
    change(
        desk,
        "delete from registrations",
        *(
            f"insert into registrations values ({pmid}, 1, 'ClinicalTrials.gov', 'NCT01234567')"
            for pmid in (first, second)
        ),
        f"update articles set published = '2031-01-01' where pmid = {first}",
        f"update articles set retracted = 1 where pmid = {second}",
    )
    for path in ("/questions/cystitis", f"/articles/{first}"):
        (link,) = tree(Site(desk), path).xpath(
            f'//*[contains(@class, "under")]//a[starts-with(@href, "/articles/{second}")]'
        )
        assert text(link.getparent()).startswith("Retracted"), path


@settings(max_examples=200)
@given(data=st.data())
def test_no_record_is_hidden_by_what_it_belongs_with(site: Site, library: Desk, data: st.DataObject) -> None:
    pmids = sorted(library.matching("cystitis"))[:6]
    some = st.sampled_from(pmids)
    trials = data.draw(st.lists(st.tuples(some, st.sampled_from(["NCT1", "NCT2"])), max_size=8, unique=True))
    pairs = data.draw(st.lists(st.tuples(some, some), max_size=5, unique=True))
    with closing(sqlite3.connect(library.db)) as db:
        db.execute("delete from registrations")
        for n, (pmid, number) in enumerate(trials):
            db.execute("insert into registrations values (?, ?, 'ClinicalTrials.gov', ?)", (pmid, n, number))
        for n, (preprint, article) in enumerate(pairs):
            db.execute(
                "insert into notices (pmid, position, type, other_pmid) values (?, ?, 'UpdateIn', ?)",
                (preprint, 900 + n, article),
            )
            db.execute(
                """
                insert or ignore into labels (pmid, label_group, value, basis, quote, rule, rule_version, confidence)
                values (?, 'publication', 'preprint', 'x', 'x', 'x', 1, 'high')
                """,
                (preprint,),
            )
        rows = read_entries(db, [Pmid(pmid) for pmid in pmids], "cystitis")
        db.rollback()
    named = set()
    for row in rows:
        named |= {row["pmid"], *(other["pmid"] for other in (*row["preprint_of"], *row["preprints"]))}
        named |= {report["pmid"] for trial in row["trials"] for report in trial["reports"]}
    assert set(pmids) <= named


# -- since you last looked -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["address", "cookie", "this look's cookie is old"])
def test_what_changed_since_the_reader_looked_is_told_first(site: Site, how: str) -> None:
    path, cookies = "/questions/cystitis", {}
    if how == "address":
        path += "?since=2020-01-01T00:00:00Z"
    else:
        cookies = {("looked" if how == "cookie" else "seen") + "-cystitis": "2020-01-01T00:00:00Z"}
    page = html.fromstring(site.get(path, cookies=cookies).text)
    (box,) = page.xpath('//section[@aria-labelledby="since"]')
    assert f"/articles/{RETRACTED}" in html.tostring(box, encoding="unicode")
    assert box.xpath('.//a[@href="/changes?question=cystitis"]')


def test_a_reader_who_never_looked_or_sends_nonsense_is_told_nothing(site: Site) -> None:
    assert not tree(site, "/questions/cystitis").xpath('//section[@aria-labelledby="since"]')
    for nonsense in (
        "yesterday",
        "2020-01-01'; drop table articles",
        "<b>",
        "2024-13-01",
        "2024-02-30",
        "2024-00-01",
    ):
        answer = site.get(
            str(httpx.URL("/questions/cystitis", params={"since": nonsense})),
            cookies={"looked-cystitis": "2024-99-99"},
        )
        assert answer.status_code == 200
        assert "Since you last looked" not in answer.text
    tomorrow = (NOW + timedelta(days=1)).strftime("%Y-%m-%d")
    assert "Nothing has changed." in site.page(f"/questions/cystitis?since={tomorrow}")


# -- search -------------------------------------------------------------------------------------------


def test_a_search_over_everything_shows_where_it_found_the_words(site: Site, library: Desk) -> None:
    page = tree(site, "/search", q="bladder")
    found = set(articles_on(html.tostring(page, encoding="unicode")))
    assert found == {
        hit["pmid"] for hit in library.run("search", "bladder", "--limit", "1000", "--json").json["hits"]
    }
    assert page.xpath('//p[@class="snippet"]//mark')
    assert f"{len(found)} records found" in text(page)
    links = dict(
        re.findall(r'href="/questions/(\w+)\?q=bladder">[^(]*\((\d+)\)', site.page("/search?q=bladder"))
    )
    for slug, n in links.items():
        assert len(listed(site, slug, q="bladder")) == int(n)


def test_the_beginning_of_a_word_finds_all_that_begins_so(site: Site) -> None:
    page = tree(site, "/search", q="blad*")
    assert page.xpath('//p[@class="snippet"]//mark')
    # In quotes a word finds none of its synonyms, as a beginning does not.
    whole = json.loads(site.page("/search.json?q=%22bladder%22"))["articles"]
    found = {article["pmid"] for article in json.loads(site.page("/search.json?q=blad*"))["articles"]}
    assert {article["pmid"] for article in whole} <= found


def test_a_search_within_a_question_finds_synonyms_and_marks_them(site: Site) -> None:
    page = tree(site, "/questions/tolerance", q="spravato")
    marked = {text(mark).casefold() for mark in page.xpath('//p[@class="snippet"]//mark')}
    assert "esketamine" in marked


# What is pasted, and the papers that it names; {0} is the PMID of a stored paper with all three, {1} of another.
PASTED = [
    ("{pmid}", "pmid"),
    ("PMID: {pmid}", "pmid"),
    ("pmid{pmid}", "pmid"),
    (" {pmid}.0 ", "pmid"),
    ("{pmid}[uid]", "pmid"),
    ("https://pubmed.ncbi.nlm.nih.gov/{pmid}/?from_term=x", "pmid"),
    ("https://europepmc.org/article/MED/{pmid}", "pmid"),
    ("10.5555/ET.{pmid}", "pmid"),
    ("10.5555/et.{pmid}.", "pmid"),
    ("(doi: 10.5555/et.{pmid})", "pmid"),
    ("https://doi.org/10.5555/et.{pmid}", "pmid"),
    ("http://dx.doi.org/10.5555%2Fet.{pmid}", "pmid"),
    ("10.5555/et.{pmid}v2", "pmid"),
    ("10.5555/et.{pmid}[doi]", "pmid"),
    ("{pmid}, {other}", "both"),
    ("10.5555/et.{pmid}; PMID {other}", "both"),
    ("{pmid}\n{other}", "both"),
]


@pytest.mark.parametrize(("pasted", "which"), PASTED)
def test_a_pasted_identifier_finds_its_paper(site: Site, library: Desk, pasted: str, which: str) -> None:
    pmid, other = 90000302, 90000303
    words = pasted.format(pmid=pmid, other=other)
    wanted = {pmid, other} if which == "both" else {pmid}
    page = site.page(str(httpx.URL("/search", params={"q": words})))
    assert set(articles_on(page)) == wanted
    exported = json.loads(site.page(str(httpx.URL("/search.json", params={"q": words}))))["articles"]
    assert {article["pmid"] for article in exported} == wanted
    assert {hit["pmid"] for hit in library.run("search", words, "--json").json["hits"]} == wanted


def test_a_registration_and_a_pmcid_find_every_paper_that_names_them(site: Site, library: Desk) -> None:
    for column, table in (("pmcid", "articles"), ("number", "registrations")):
        like = "PMC%" if column == "pmcid" else "NCT%"
        found = library.sql(f"select {column}, pmid from {table} where {column} like ?", like)
        assert found
        value, pmid = found[0]
        for words in (value, value.lower(), f"https://example.org/x/{value}/"):
            assert pmid in articles_on(site.page(str(httpx.URL("/search", params={"q": words}))))


@pytest.mark.parametrize(
    ("words", "says", "link"),
    [
        ("PMID 12345678", "has the PMID 12345678", "https://pubmed.ncbi.nlm.nih.gov/12345678/"),
        ("10.1016/S0140-6736(05)67889-X", "has the DOI 10.1016/S0140-6736(05)67889-X",
         "https://pubmed.ncbi.nlm.nih.gov/?term=10.1016%2FS0140-6736%2805%2967889-X"),
        ("NCT99999999", "has the registration NCT99999999", "https://pubmed.ncbi.nlm.nih.gov/?term=NCT99999999"),
        ("ketamine[tiab] AND cystitis[mh]", "It ignores [tiab], AND, [mh]",
         "https://pubmed.ncbi.nlm.nih.gov/?term=ketamine%5Btiab%5D%20AND%20cystitis%5Bmh%5D"),
        ("ketamine NOT (rats OR mice)", "It ignores NOT, OR",
         "https://pubmed.ncbi.nlm.nih.gov/?term=ketamine%20NOT%20%28rats%20OR%20mice%29"),
    ],
)  # fmt: skip
def test_what_this_search_does_not_do_is_said_with_a_link_to_pubmed(
    site: Site, library: Desk, words: str, says: str, link: str
) -> None:
    page = tree(site, "/search", q=words)
    assert says in text(page)
    assert link in page.xpath("//main//a/@href")
    done = library.run("search", words)
    assert done.code == 0
    assert link in done.err


@pytest.mark.parametrize(
    "words", ["ketamine 2020", "NCT", "20 mg", '"ketamine AND"', "ketamine (and) [sic]", "10.5"]
)
def test_words_are_no_identifiers_and_no_operators(site: Site, words: str) -> None:
    assert "pubmed.ncbi.nlm.nih.gov/?term" not in site.page(str(httpx.URL("/search", params={"q": words})))


def test_pubmeds_signs_are_not_looked_for_as_words(site: Site) -> None:
    plain = articles_on(site.page("/search?q=ketamine+cystitis"))
    signed = articles_on(
        site.page(str(httpx.URL("/search", params={"q": "ketamine[tiab] AND cystitis[mh]"})))
    )
    assert plain and set(signed) == set(plain)


@pytest.mark.parametrize(
    "words", ["", "   ", "!!!", '"', "NEAR(", "ketamine AND (", "nowhereatall", "\x00", "x'; --"]
)
def test_no_search_is_an_error(site: Site, words: str) -> None:
    for path in ("/search", "/questions/cystitis"):
        assert site.get(str(httpx.URL(path, params={"q": words}))).status_code == 200


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"q": "a" * 301}, "300 characters"),
        ({"from": "20x5"}, "from='20x5' is not a year"),
        ({"to": "1"}, "to='1' is not a year"),
        ({"new": "2026-13-01"}, "new='2026-13-01' is not a day"),
        ({"sort": "rank"}, "Unknown sort order 'rank'"),
        ({"decision": "maybe"}, "Unknown decision 'maybe'"),
    ],
)
def test_a_value_without_the_form_of_its_field_is_named(site: Site, query: dict[str, str], says: str) -> None:
    answer = site.get(str(httpx.URL("/questions/cystitis", params=query)))
    assert answer.status_code == 400
    assert says in text(html.fromstring(answer.text))


def test_parameters_that_are_not_ours_change_nothing(site: Site) -> None:
    assert listed(site, "cystitis", utm_source="mail", _size="1") == listed(site, "cystitis")


# -- the article -------------------------------------------------------------------------------------------


def test_previous_and_next_walk_through_the_list_one_came_from(site: Site) -> None:
    query = {"design": ("randomised controlled trial", "cohort study"), "sort": "entered"}
    page = site.page(str(httpx.URL("/questions/cognition", params=query)))
    order = articles_on(page, "/li/p[1]")
    link = html.fromstring(page).xpath('//ol[@class="articles"]/li/p[1]/a/@href')[0]
    walked = []
    while link:
        walked.append(int(re.findall(r"/articles/(\d+)", link)[0]))
        beside = tree(site, link).xpath('//nav[@class="beside"]')[0]
        assert parse_qs(urlsplit(beside.xpath("./a[1]/@href")[0]).query) == {
            "design": list(query["design"]),
            "sort": ["entered"],
        }
        link = next(iter(beside.xpath('./a[@rel="next"]/@href')), None)
    assert [pmid for pmid in walked if pmid in order] == order
    back = tree(site, f"/articles/{walked[-1]}?in=cognition&sort=entered").xpath('//a[@rel="prev"]')
    assert back


def test_an_article_that_came_from_no_list_has_neither(site: Site) -> None:
    for path in (f"/articles/{RETRACTED}", f"/articles/{RETRACTED}?in=nowhere"):
        assert not tree(site, path).xpath('//nav[@class="beside"]')


def test_the_cite_box_never_cites_a_retracted_paper_as_if_it_were_sound(site: Site) -> None:
    references = tree(site, f"/articles/{RETRACTED}").xpath('//pre[@class="cite"]')
    assert [text(each.getparent().xpath("./summary")[0]) for each in references] == [
        "Vancouver",
        "APA",
        "BibTeX",
    ]
    assert all("RETRACTED" in text(each).upper() for each in references)


def test_a_notice_leads_to_our_own_page_of_the_other_paper_where_there_is_one(desk: Desk) -> None:
    here, elsewhere = 90000301, 7
    change(
        desk,
        f"insert into notices (pmid, position, type, other_pmid) values ({RETRACTED}, 98, 'CommentIn', {here})",
        f"insert into notices (pmid, position, type, other_pmid) values ({RETRACTED}, 99, 'CommentIn', {elsewhere})",
    )
    (part,) = tree(Site(desk), f"/articles/{RETRACTED}").xpath('//section[@aria-labelledby="notices"]')
    assert part.xpath(f'.//a[@href="/articles/{here}"]')
    assert part.xpath(f'.//a[@href="https://pubmed.ncbi.nlm.nih.gov/{elsewhere}/"]')


# -- hostile ------------------------------------------------------------------------------------------------


def test_no_text_is_ever_more_than_text(tmp_path: Path) -> None:
    nasty = (
        "Ketamine cystitis <script>alert(1)</script> <img src=x onerror=alert(1)> \u202eevil\u202c {{7*7}}"
    )
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    (tmp_path / "nasty.xml").write_text(
        document(
            record(1, nasty, nasty),
            record(2, "", "Ketamine cystitis"),
            record(3, "Ketamine cystitis " + "x" * 1_000_000),
        ),
        "utf-8",
    )
    assert desk.run("load", "--match", "cystitis", "nasty.xml").code == 0
    label(desk, "route", {1: '"><script>alert(2)</script>'})
    site = Site(desk)
    for path in (
        "/",
        "/questions/cystitis",
        "/questions/cystitis?q=%3Cscript%3Ealert(3)%3C%2Fscript%3E+cystitis",
        "/questions/cystitis?route=%22%3E%3Cscript%3Ealert(2)%3C%2Fscript%3E",
        "/questions/cystitis?tag=%3Cscript%3E",
        "/search?q=cystitis",
        "/search?q=%22%3E%3Cscript%3E",
        "/articles/1",
        "/articles/1?in=%3Cscript%3E",
        "/articles/2?in=cystitis",
        "/articles/3",
        "/changes",
    ):
        page = tree(site, path)
        data = page.xpath('//script[@type="application/ld+json"]')
        assert all(json.loads(each.text)["@context"] for each in data)
        scripts = [each for each in page.xpath("//script[not(@src)]") if each not in data]
        assert not [*scripts, *page.xpath("//img | //iframe | //@*[starts-with(name(), 'on')]")], path


def test_pages_hold_whatever_the_size_of_the_list(desk: Desk) -> None:
    assert desk.run("load", "--match", "all", str(tiled(desk.home, 4))).code == 0
    site = Site(desk)
    first = tree(site, "/questions/cystitis", q="ketamine", sort="entered")
    (following,) = first.xpath('//a[@rel="next"]/@href')
    assert parse_qs(urlsplit(following).query)["q"] == ["ketamine"]
    one, two = (
        articles_on(site.page(path), "/li/p[1]")
        for path in ("/questions/cystitis?q=ketamine&sort=entered", following)
    )
    assert one and two and not set(one) & set(two)
