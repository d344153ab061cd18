"""The page of one article: words marked where they stand, labels and findings beside them, and what it cites."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import pytest
from lxml import html

from tests.conftest import Desk
from tests.helpers_load import document, record
from tests.helpers_site import Site
from tracker.reading.accuracy import Accuracy, ValueAccuracy

TRIAL, RETRACTED, REVIEW, CASE, MEASURED, UNMEASURED, PLAIN, HOSTILE = range(1, 9)
TITLE = "Intranasal esketamine for depression and the bladder: a randomised controlled trial"
RESULTS = (
    "Forty patients were randomised. Dysuria was reported by 3 of 38 patients (p &lt; 0.05). "
    "Urinary symptoms did not differ between groups. Bladder pain fell. Nocturia was rare."
)


def paper(
    pmid: int, title: str, *types: str, cites: Iterable[int] = (), author: str = "", **sections: str
) -> str:
    """A record with these labelled sections, written as XML, and this reference list."""
    text = record(pmid, title, "ABSTRACT", types=types or ("Journal Article",), author=author)
    parts = "".join(
        f'<AbstractText Label="{name}">{words}</AbstractText>' for name, words in sections.items()
    )
    references = "".join(
        f'<CommentsCorrections RefType="Cites"><RefSource>J</RefSource><PMID>{cited}</PMID></CommentsCorrections>'
        for cited in cites
    )
    text = text.replace("<AbstractText>ABSTRACT</AbstractText>", parts)
    return text.replace(
        "</MedlineCitation>",
        f"<CommentsCorrectionsList>{references}</CommentsCorrectionsList></MedlineCitation>",
    )


PAPERS = (
    paper(
        TRIAL,
        TITLE,
        METHODS="Outpatients took 56 mg of esketamine or placebo for 4 weeks (10<sup>-3</sup> g).",
        RESULTS=RESULTS,
    ),
    paper(RETRACTED, "Ketamine and the bladder of rats", "Journal Article", "Retracted Publication"),
    paper(
        REVIEW,
        "Ketamine cystitis: a systematic review",
        "Systematic Review",
        cites=[RETRACTED, TRIAL, 999],
        RESULTS="We included 12 studies. Bladder symptoms were common.",
    ),
    paper(CASE, "Ketamine cystitis: a case report", "Case Reports", cites=[RETRACTED]),
    paper(
        MEASURED,
        "Ketamine for depression",
        METHODS="Urinary symptoms were measured every week.",
        RESULTS="Mood improved.",
    ),
    paper(
        UNMEASURED,
        "Ketamine infusions for depression",
        RESULTS="Mood improved. Urinary symptoms were not assessed.",
    ),
    paper(PLAIN, "Ketamine and urinary matters", "Journal Article"),
    paper(
        HOSTILE,
        '</script><script>alert("x")</script> & ketamine bladder',
        author="O&apos;Neil&lt;/script&gt;",
    ),
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("article"), "http://127.0.0.1:9/")
    (desk.home / "papers.xml").write_text(document(*PAPERS))
    done = desk.run("load", "--match", "all", "papers.xml")
    assert done.code == 0, done.err
    return desk


@pytest.fixture(scope="module")
def site(desk: Desk) -> Site:
    return Site(desk)


def tree(site: Site, pmid: int) -> Any:
    return html.fromstring(site.page(f"/articles/{pmid}"))


def words(element: Any) -> str:
    return " ".join(element.text_content().split())


def section(page: Any, id_: str) -> str:
    return " ".join(words(each) for each in page.xpath(f'//section[@aria-labelledby="{id_}"]'))


# -- words marked ----------------------------------------------------------------------------------


@pytest.mark.parametrize("pmid", [TRIAL, REVIEW, CASE, MEASURED])
def test_each_label_links_to_its_words_where_they_stand(site: Site, pmid: int) -> None:
    page = tree(site, pmid)
    links = page.xpath('//table[@class="labels"]//a[starts-with(@href, "#words-")]')
    assert links
    for link in links:
        (mark,) = page.xpath(f'//mark[@id="{link.get("href")[1:]}"]')
        assert words(link).strip('"').startswith(words(mark)), words(link)
        (group,) = link.xpath("ancestor::tbody/tr/th[@scope]")
        assert words(group).rsplit(" ", 1)[0] in mark.get("title")


def test_a_mark_says_of_which_groups_it_is_and_leads_to_their_rows(site: Site) -> None:
    page = tree(site, TRIAL)
    letters = page.xpath('//section[@aria-labelledby="abstract"]//p[@class="abstract"]//sup[@class="sign"]/a')
    assert letters
    for letter in letters:
        target = letter.get("href")[1:]
        assert page.xpath(f'count(//*[@id="{target}"])') == 1
        (row,) = page.xpath(f'//tr[@id="{target}"] | //h3[@id="{target}"]')
        title = (
            letter.get("aria-label").removeprefix(f"{letter.get('data-sign')}: ").removeprefix("Finding: ")
        )
        assert title in words(row)
    legend = words(page.xpath('//p[contains(@class, "legend")]')[0])
    assert {
        f"{letter.get('data-sign')} {letter.get('aria-label').split(': ')[-1]}" for letter in letters
    } <= {words(link) for link in page.xpath('//p[contains(@class, "legend")]//a')}, legend


def test_marks_that_overlap_are_cut_and_the_text_stays_as_it_was(site: Site) -> None:
    page = site.page(f"/articles/{TRIAL}")
    dysuria = re.findall(r"<mark [^>]*>[^<]*38 patients[^<]*</mark>|<mark [^>]*>[^<]*38[^<]*</mark>", page)
    assert dysuria and all('class="finding"' in mark for mark in dysuria)
    bare = re.sub(r'<sup class="sign".*?</sup>|</?mark[^>]*>', "", page)
    assert f"<bdi>{RESULTS}</bdi>" in bare
    assert "(10<sup>-3</sup> g).</bdi>" in bare
    assert f"<h1><bdi>{TITLE}</bdi></h1>" in bare
    assert not html.fromstring(page).xpath("//mark//mark | //mark//sup")


def test_the_title_is_marked_and_its_letters_are_for_the_eye_alone(site: Site) -> None:
    (title,) = tree(site, TRIAL).xpath("//h1")
    assert "Route" in " ".join(title.xpath(".//mark[contains(., 'ntranasal')]/@title"))
    assert {sign.get("aria-hidden") for sign in title.xpath('.//sup[@class="sign"]')} == {"true"}
    assert not title.xpath(".//a")


# -- labels in one table ---------------------------------------------------------------------------


def test_the_labels_are_one_table_with_a_row_to_link_to_for_each_group(site: Site) -> None:
    page = tree(site, TRIAL)
    (design,) = page.xpath('//tr[@id="read-design"]')
    said = words(design)
    for part in (
        "Study design",
        "randomised controlled trial",
        "from the title",
        "rule rct-title",
        "F1",
    ):
        assert part in said, said
    assert words(page.xpath('//tr[@id="read-route"]/td')[0]) == "intranasal"
    assert len(page.xpath("//@id")) == len(set(page.xpath("//@id")))


def test_accuracy_stands_beside_what_was_read_with_how_often_the_value_is_right(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = ValueAccuracy("randomised controlled trial", 80, 0.94, 0.9, 0.92)
    measured = Accuracy("a set", 1200, "macro F1", 0.854, 0.81, 0.9, None, None, (value,))
    monkeypatch.setattr("tracker.site.parts.readings.accuracy", lambda: {"design": (measured,)})
    page = tree(site, TRIAL)
    said = words(page.xpath('//tr[@id="read-design"]')[0])
    assert "macro F1 0.85 (0.81 to 0.90) on 1,200 records" in said
    assert "this value is right 94 times in 100" in said
    assert "not measured" in words(page.xpath('//tr[@id="read-route"]')[0])


def test_what_was_not_read_is_named_in_one_line(site: Site) -> None:
    said = section(tree(site, CASE), "labels")
    line = said[said.index("Not stated: ") :]
    assert "Dose" in line and "Follow-up" in line and "Study design" not in line
    assert "Preprint" not in line and "Contradictions" not in line


def test_evidence_levels_are_in_exports_and_not_on_the_page(site: Site) -> None:
    page = site.page(f"/articles/{TRIAL}")
    assert "vidence level" not in words(html.fromstring(page)) and "evidence_level" not in page
    assert "evidence_level" in site.page("/questions/cystitis.json") + site.page("/questions/cystitis.csv")


# -- how it bears on the questions -----------------------------------------------------------------


def test_the_sentences_about_an_outcome_stand_with_the_number_they_are_about(site: Site) -> None:
    page = tree(site, TRIAL)
    said = section(page, "directness")
    assert "In people treated sorted by machine" in said
    assert "Dysuria was reported by 3 of 38 patients (p < 0.05)." in said
    assert "about 38 people" in said
    assert "more sentences about its outcome" in said
    for link in page.xpath('//p[@class="finding"]//a'):
        (mark,) = page.xpath(f'//mark[@id="{link.get("href")[1:]}"]')
        assert "finding" in mark.get("class").split()
        assert words(mark) in words(link.getparent())


@pytest.mark.parametrize(
    ("pmid", "state"),
    [(MEASURED, "Measured, result not in the abstract"), (UNMEASURED, "Not measured, it says")],
)
def test_without_such_a_sentence_it_says_how_it_stands(site: Site, pmid: int, state: str) -> None:
    assert state in section(tree(site, pmid), "directness")


# -- what it cites ---------------------------------------------------------------------------------


def test_a_review_that_cites_a_retracted_paper_says_so_before_its_abstract(site: Site) -> None:
    page = tree(site, REVIEW)
    (notice,) = page.xpath('//div[@class="notice warning"]')
    assert "Cites a retracted paper." in words(notice)
    assert notice.xpath(".//li/a/@href") == [f"/articles/{RETRACTED}"]
    assert "Retracted" in words(notice.xpath(".//li")[0])
    assert notice.xpath('following::h2[@id="abstract"]')


def test_another_paper_that_cites_one_says_so_among_its_notices(site: Site) -> None:
    page = tree(site, CASE)
    assert "Cites a retracted paper." in section(page, "notices")
    assert not page.xpath('//div[@class="notice warning"]')
    for pmid in (TRIAL, RETRACTED):
        assert "Cites " not in words(tree(site, pmid))


# -- for machines ----------------------------------------------------------------------------------


def described(page: Any) -> dict[str, Any]:
    (script,) = page.xpath('//script[@type="application/ld+json"]')
    found: dict[str, Any] = json.loads(script.text_content())
    return found


def test_the_page_describes_its_article_for_machines(site: Site) -> None:
    found = described(tree(site, TRIAL))
    assert (found["@context"], found["@type"]) == ("https://schema.org", "MedicalScholarlyArticle")
    assert found["headline"] == TITLE
    assert found["datePublished"] == "2020"
    assert found["isPartOf"] == {"@type": "Periodical", "name": "J"}
    assert {"@type": "PropertyValue", "propertyID": "pmid", "value": str(TRIAL)} in found["identifier"]
    assert "creativeWorkStatus" not in found
    assert described(tree(site, RETRACTED))["creativeWorkStatus"] == "Retracted"


def test_no_record_ends_the_description(site: Site) -> None:
    page = tree(site, HOSTILE)
    found = described(page)
    assert found["headline"] == '</script><script>alert("x")</script> & ketamine bladder'
    assert [author["familyName"] for author in found["author"]] == ["O'Neil</script>"]
    assert len(page.xpath("//script")) == 2
