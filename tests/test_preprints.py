"""Preprints and their articles, where PubMed does not link them: by title and authors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import html

from tests.conftest import Desk
from tests.helpers_load import document
from tests.helpers_papers import finding, paper
from tests.helpers_site import Site, articles_on

PREPRINT, ARTICLE = 90040001, 90040002
TITLE = "Ketamine and the bladder: a study of mice"
SAID = finding("Cystitis was seen in mice.")


def written(pmid: int, title: str, *authors: str, preprint: bool = False) -> str:
    """A record by these authors."""
    kinds = ("Preprint", "Journal Article") if preprint else ("Journal Article",)
    text = paper(pmid, title, SAID, types=kinds)
    names = "".join(f"<Author><LastName>{name}</LastName><Initials>A</Initials></Author>" for name in authors)
    return text.replace("</Abstract>", f"</Abstract><AuthorList>{names}</AuthorList>", 1)


def load(desk: Desk, *papers: str) -> None:
    (desk.home / "papers.xml").write_text(document(*papers), encoding="utf-8")
    done = desk.run("load", "--match", "cystitis", str(desk.home / "papers.xml"))
    assert done.code == 0, done.err


def row(desk: Desk, pmid: int) -> str:
    page = html.fromstring(Site(desk).page("/questions/cystitis"))
    (own,) = page.xpath(f'//ol[@class="articles"]/li[p[@class="title"]//a[contains(@href, "/{pmid}")]]')
    return " ".join(own.text_content().split())


@pytest.mark.parametrize("order", [(PREPRINT, ARTICLE), (ARTICLE, PREPRINT)])
def test_the_same_title_and_an_author_make_a_pair_whichever_came_first(
    tmp_path: Path, order: tuple[int, int]
) -> None:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    papers = {
        PREPRINT: written(PREPRINT, f"{TITLE}.", "Núñez", "Berg", preprint=True),
        ARTICLE: written(ARTICLE, TITLE.upper(), "Nunez", "Alm", "Berg"),
    }
    for pmid in order:
        load(desk, papers[pmid])
    # It is counted once: the preprint stands under its article.
    assert articles_on(Site(desk).page("/questions/cystitis"), "/li/p") == [ARTICLE, PREPRINT]
    assert "Preprint of this paper, not peer reviewed" in row(desk, ARTICLE)
    assert "1 of them are preprints" in re.sub(r"\s+", " ", Site(desk).page("/questions/cystitis"))
    assert "Published as" in Site(desk).page(f"/articles/{PREPRINT}")
    before = desk.sql("select * from preprint_pairs")
    assert before == [(PREPRINT, ARTICLE, 1)]
    assert desk.run("rebuild").code == 0
    assert desk.sql("select * from preprint_pairs") == before


def test_the_title_alone_is_only_probable_and_both_stand_for_themselves(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    load(desk, written(PREPRINT, TITLE, "Núñez", preprint=True), written(ARTICLE, TITLE, "Other"))
    assert sorted(articles_on(Site(desk).page("/questions/cystitis"), '/li/p[@class="title"]')) == [
        PREPRINT,
        ARTICLE,
    ]
    assert "Probably published, by its title, as" in row(desk, PREPRINT)
    assert "Probably, by its title, a preprint of this paper, not peer reviewed" in row(desk, ARTICLE)
    assert "Probably published" in Site(desk).page(f"/articles/{PREPRINT}")
    assert "are preprints of articles" not in Site(desk).page("/questions/cystitis")


@pytest.mark.parametrize(
    ("title", "other", "preprints"),
    [
        (TITLE, TITLE, (False, False)),
        (TITLE, TITLE, (True, True)),
        (TITLE, f"{TITLE} and rats", (True, False)),
        ("Ketamine and the bladder", "Ketamine and the bladder", (True, False)),
    ],
    ids=["two articles", "two preprints", "another title", "a title that many have"],
)
def test_what_is_no_pair(tmp_path: Path, title: str, other: str, preprints: tuple[bool, bool]) -> None:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    one, two = preprints
    load(
        desk,
        written(PREPRINT, title, "Núñez", preprint=one),
        written(ARTICLE, other, "Núñez", preprint=two),
    )
    assert desk.sql("select * from preprint_pairs") == []


def test_a_pair_ends_where_a_title_changes(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    load(desk, written(PREPRINT, TITLE, "Berg", preprint=True), written(ARTICLE, TITLE, "Berg"))
    assert desk.sql("select * from preprint_pairs")
    load(
        desk,
        written(ARTICLE, f"{TITLE} and men", "Berg").replace("</MedlineCitation>", "</MedlineCitation> "),
    )
    assert desk.sql("select title from articles where pmid = ?", ARTICLE) == [(f"{TITLE} and men",)]
    assert desk.sql("select * from preprint_pairs") == []
