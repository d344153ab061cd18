"""What a digest tells of questions, of a tag, or of what a person tagged: withdrawn papers first, each with its reason.

Patients read it. So each finding stands with the design and the number of people behind it, and what the topic's data
says not to quote is linked only.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tracker import topic
from tracker.article import ArticleKey, spelt
from tracker.enrich.added import OutsideNotice, outside_notices_of, outside_notices_since
from tracker.evidence.rows import Row, read_rows
from tracker.harmless import harmless
from tracker.lists import news
from tracker.lists.answers import answers
from tracker.lists.entries import read_entries
from tracker.lists.news import Between, Notice, Paper
from tracker.mail.messages import Digest, Item, Part, Section
from tracker.site.views.news import said
from tracker.site.words import outside_words
from tracker.team import by_article
from tracker.team.blind import visible
from tracker.team.review import reviews
from tracker.team.subscriptions import Following

# More are counted, and are on the site.
MOST_NEW, MOST_CHANGED = 20, 10
# Of a tag or a person, the newest.
MOST_FOLLOWED = 20_000
WITHDRAWN = "Retracted, withdrawn or under concern"
CASE_REPORT = "case report"
_FALLEN = ("retracted", "withdrawn", "expression_of_concern")
_NOTICE_WORDS = {
    "retracted": "retracted",
    "withdrawn": "withdrawn",
    "expression_of_concern": "under an expression of concern",
    "corrected": "corrected",
}
_ENTERED_WORDS = {
    "newly published": "newly published",
    "newly indexed": "newly indexed: PubMed had it before, but the search could not find it",
    "strategy changed": "strategy changed: it is not new, but the search had missed it",
    news.LOADED: "loaded from a file",
}
_DESIGNS_WITHOUT_PEOPLE = {
    "animal study": "in animals",
    "in vitro study": "in cells or tissue, not in people",
}


class Window(NamedTuple):
    """What happened after one moment and no later than the other."""

    after: str
    up_to: str


class Teller(NamedTuple):
    """``db`` sees both databases, ``link`` makes the address of a path of the site, and ``for_staff`` adds what waits
    for reviewers."""

    db: sqlite3.Connection
    window: Window
    link: Callable[[str], str]
    for_staff: bool


def digest_of(teller: Teller, following: Following) -> Digest | None:
    """All that is new in what somebody follows; None if nothing is."""
    # Numbers alone are no news: a mail names something, or somebody is waited for.
    sections = _withdrawn_first(
        teller, [section for section in _sections(teller, following) if section.items or section.waiting]
    )
    if not sections:
        return None
    items = [item for section in sections for item in section.items]
    notices = {item.link for item in items if item.is_notice}
    papers = {item.link for item in items} - notices
    window = teller.window
    return Digest(sections, len(papers), len(notices), window.after[:10], window.up_to[:10])


def _withdrawn_first(teller: Teller, sections: Sequence[Section]) -> list[Section]:
    """The sections after one of all that was withdrawn in any of them."""
    withdrawn: dict[str, Item] = {}
    rest = []
    for section in sections:
        for part in section.parts:
            for item in part.items if part.heading == WITHDRAWN else ():
                withdrawn.setdefault(item.link, item._replace(why=f"{item.why} ({section.title})"))
        left = section._replace(parts=[part for part in section.parts if part.heading != WITHDRAWN])
        if left.items or left.waiting:
            rest.append(left)
    if not withdrawn:
        return rest
    first = Section(WITHDRAWN, teller.link("/changes?kind=withdrawn"), [Part("", list(withdrawn.values()))])
    return [first, *rest]


def titles(db: sqlite3.Connection) -> Mapping[str, str]:
    """Titles of all questions by slug, in their order."""
    return news.titles(db)


def _sections(teller: Teller, following: Following) -> Iterator[Section]:
    if following.what == "questions":
        for slug, title in news.titles(teller.db).items():
            if slug in following.questions:
                yield _of_question(teller, slug, title)
    elif following.what == "tag":
        yield from _of_tag(teller, following)
    else:
        yield _of_person(teller, following)


# -- questions -------------------------------------------------------------------------------------


def _of_question(teller: Teller, slug: str, title: str) -> Section:
    found = news.between(teller.db, *teller.window, question=slug)
    link = teller.link(f"/questions/{slug}")
    describe = _Describer(teller, slug)
    outside = _told_papers(teller, outside_notices_since(teller.db, slug, teller.window.after))
    named = {notice.paper.pmid for notice in found.notices} | {paper.pmid for paper, _ in outside}
    entered = [
        (paper, reason)
        for reason, papers in found.entered.items()
        for paper in papers
        if paper.pmid not in named
    ]
    direct, others = _by_directness(teller.db, slug, entered)
    # What entered and is withdrawn already belongs to what comes first.
    fallen = [each for each in entered if _is_fallen(each[0])]
    direct = [each for each in direct if each not in fallen]
    parts = [
        *_notices(
            describe,
            found,
            [(paper, f"{_entered_words(why)}, and {_standing(paper)}") for paper, why in fallen],
            outside,
        ),
        *_new(describe, direct, others, found.first_search),
        *_changed(describe, found, but=named | {paper.pmid for paper, _ in entered}),
    ]
    return Section(_plain(title), link, parts, _waiting(teller, [slug]))


def _by_directness(
    db: sqlite3.Connection, slug: str, entered: Sequence[tuple[Paper, str]]
) -> tuple[list[tuple[Paper, str]], int]:
    """Those that bear directly on the question, and how many do not; of a question that does not sort them, all."""
    known = answers(db, slug, [paper.pmid for paper, _ in entered], None)
    direct = [
        each for each in entered if (answer := known.get(each[0].pmid)) is None or answer.value == "direct"
    ]
    return direct, len(entered) - len(direct)


def _new(
    describe: _Describer, direct: Sequence[tuple[Paper, str]], others: int, first_search: int
) -> Iterator[Part]:
    shown = [(paper, _entered_words(why)) for paper, why in direct[:MOST_NEW]]
    more = [
        _count(len(direct) - len(shown), "more paper like this", "more papers like these"),
        _count(
            others, "new paper that is not directly about it", "new papers that are not directly about it"
        ),
        _count(first_search, "paper that its first search found", "papers that its first search found"),
    ]
    remainder = ", ".join(filter(None, more))
    if shown or remainder:
        yield Part("New papers", list(describe(shown)), f"Not named here: {remainder}." if remainder else "")


def _entered_words(reason: str) -> str:
    return _ENTERED_WORDS.get(reason, reason)


# -- a tag, a person -------------------------------------------------------------------------------


def _of_tag(teller: Teller, following: Following) -> Iterator[Section]:
    row = teller.db.execute(_TAG, {"tag": following.tag}).fetchone()
    if not row:
        return
    given = {"tag": row[1], "viewer": following.person, "most": MOST_FOLLOWED}
    rows = read_rows(teller.db, _TAGGED, given)
    pmids = [row["pmid"] for row in rows]
    found = news.between(teller.db, *teller.window, pmids=pmids)
    outside = _outside_of(teller, pmids)
    named = {notice.paper.pmid for notice in found.notices} | {paper.pmid for paper, _ in outside}
    within = teller.window
    fresh = [
        row["pmid"]
        for row in rows
        if row["pmid"] not in named and within.after < row["tagged"] <= f"{within.up_to}~"
    ]
    describe = _Describer(teller, None)
    shown = [(paper, "newly tagged") for paper in news.papers(teller.db, fresh[:MOST_NEW])]
    more = _count(len(fresh) - len(shown), "more paper", "more papers")
    parts = [
        *_notices(describe, found, [], outside),
        *(
            [Part("Newly tagged", list(describe(shown)), f"Not named here: {more}." if more else "")]
            if shown
            else []
        ),
        *_changed(describe, found, but=named | set(fresh)),
    ]
    yield Section(f"Papers with the tag “{_plain(row[0])}”", teller.link("/tags"), parts)


def _of_person(teller: Teller, following: Following) -> Section:
    given = {"viewer": following.person, "most": MOST_FOLLOWED}
    pmids = [row["pmid"] for row in read_rows(teller.db, _WRITTEN_ABOUT, given)]
    found = news.between(teller.db, *teller.window, pmids=pmids)
    outside = _outside_of(teller, pmids)
    describe = _Describer(teller, None)
    named = {notice.paper.pmid for notice in found.notices} | {paper.pmid for paper, _ in outside}
    parts = [*_notices(describe, found, [], outside), *_changed(describe, found, but=named)]
    waiting = _waiting(teller, list(news.titles(teller.db)))
    return Section(
        "Papers that you tagged, decided on or wrote about", teller.link("/my-work"), parts, waiting
    )


# A tag that was merged into another is that one now.
_TAG = """
with recursive known (id) as (
  select :tag union select t.merged_into from annotations.tags t join known on known.id = t.id
  where t.merged_into is not null)
select t.name, t.id from annotations.tags t join known on known.id = t.id where t.merged_into is null
"""
_TAGGED = f"""
select g.pmid, max(g.tagged) as tagged from annotations.taggings g
where g.tag = :tag and {visible("g")} group by g.pmid order by tagged desc, g.pmid desc limit :most
"""
_WRITTEN_ABOUT = """
select pmid from (
  select pmid, tagged as at from annotations.taggings where person = :viewer
  union all select pmid, decided from annotations.decisions where person = :viewer
  union all select pmid, written from annotations.notes where person = :viewer)
group by pmid order by max(at) desc, pmid desc limit :most
"""


# -- what all have ---------------------------------------------------------------------------------


def _notices(
    describe: _Describer,
    found: Between,
    fallen: Sequence[tuple[Paper, str]],
    outside: Sequence[tuple[Paper, OutsideNotice]],
) -> Iterator[Part]:
    withdrawn = [*_noticed(found.notices, _FALLEN), *fallen, *_stated(outside, is_correction=False)]
    if withdrawn:
        items = [item._replace(is_notice=True, findings=(), unquoted=False) for item in describe(withdrawn)]
        yield Part(WITHDRAWN, items)
    if corrected := [*_noticed(found.notices, ("corrected",)), *_stated(outside, is_correction=True)]:
        items = [item._replace(is_notice=True, findings=(), unquoted=False) for item in describe(corrected)]
        yield Part("Corrected", items)


def _outside_of(teller: Teller, pmids: Collection[ArticleKey]) -> list[tuple[Paper, OutsideNotice]]:
    return _told_papers(
        teller, [notice for notices in outside_notices_of(teller.db, pmids).values() for notice in notices]
    )


def _told_papers(teller: Teller, notices: Iterable[OutsideNotice]) -> list[tuple[Paper, OutsideNotice]]:
    """Notices that PubMed lacks and that came within the window, each with its paper."""
    window = teller.window
    came = [each for each in notices if window.after < each.fetched <= window.up_to and each.kind != "other"]
    by_pmid = {paper.pmid: paper for paper in news.papers(teller.db, list({each.pmid for each in came}))}
    return [(by_pmid[each.pmid], each) for each in came if each.pmid in by_pmid]


def _stated(
    outside: Sequence[tuple[Paper, OutsideNotice]], *, is_correction: bool
) -> Iterator[tuple[Paper, str]]:
    for paper, notice in outside:
        if (notice.kind == "corrected") == is_correction:
            yield paper, f"{outside_words(notice)}; PubMed does not say so. Noticed on {notice.fetched[:10]}"


def _noticed(notices: Iterable[Notice], fields: Collection[str]) -> list[tuple[Paper, str]]:
    """Each paper once, with all that PubMed says of it."""
    by_pmid: dict[ArticleKey, tuple[Paper, list[str]]] = {}
    for notice in notices:
        if notice.field in fields:
            words = f"{_NOTICE_WORDS[notice.field]}, noticed on {notice.noticed[:10]}"
            by_pmid.setdefault(notice.paper.pmid, (notice.paper, []))[1].append(words)
    return [(paper, "; ".join(dict.fromkeys(words))) for paper, words in by_pmid.values()]


def _changed(describe: _Describer, found: Between, but: Collection[ArticleKey]) -> Iterator[Part]:
    changed = [each for each in found.changed if each.paper.pmid not in but]
    if changed:
        told = [(each.paper, f"changed in PubMed: {said(each.fields)}") for each in changed[:MOST_CHANGED]]
        more = _count(len(changed) - len(told), "more paper", "more papers")
        yield Part("Changed", list(describe(told)), f"Not named here: {more}." if more else "")


def _is_fallen(paper: Paper) -> bool:
    return any(getattr(paper, field) for field in _FALLEN)


def _standing(paper: Paper) -> str:
    return " and ".join(_NOTICE_WORDS[field] for field in _FALLEN if getattr(paper, field))


def _waiting(teller: Teller, slugs: Sequence[str]) -> str:
    """How many records two reviewers disagree on, if one of these disagreements is new; for people who work here."""
    if not teller.for_staff:
        return ""
    number = 0
    is_new = False
    for slug, review in reviews(teller.db).items():
        if slug in slugs:
            conflicts = [
                pmid for pmid, outcome in by_article.final_decisions(teller.db, review) if outcome.conflict
            ]
            number += len(conflicts)
            is_new = is_new or _decided_since(teller, slug, conflicts)
    if not is_new:
        return ""
    return f"Waiting for a lead: {_count(number, 'conflict', 'conflicts')} between two reviewers."


def _decided_since(teller: Teller, slug: str, pmids: Collection[int]) -> bool:
    rows = teller.db.execute(
        "select pmid from annotations.decisions where question = :question and decided > :after and decided <= :up_to",
        {"question": slug, **teller.window._asdict()},
    )
    return any(pmid in pmids for (pmid,) in rows)


class _Describer:
    """Makes items of papers, each with why it is there; for a question, with what they say of its outcome."""

    def __init__(self, teller: Teller, slug: str | None) -> None:
        self._teller = teller
        self._slug = slug
        question = (
            slug
            and teller.db.execute(
                "select title || ' ' || coalesce(question, '') from questions where slug = :slug",
                {"slug": slug},
            ).fetchone()
        )
        self._may_quote = not (question and _is_not_quoted(question[0]))

    def __call__(self, told: Sequence[tuple[Paper, str]]) -> Iterator[Item]:
        db, pmids = self._teller.db, [paper.pmid for paper, _ in told]
        entries = {entry["pmid"]: entry for entry in read_entries(db, pmids, self._slug, fold=False)}
        known = answers(db, self._slug, pmids, None) if self._slug else {}
        for paper, why in told:
            entry, answer = entries[paper.pmid], known.get(paper.pmid)
            findings = [_plain(sentence.text) for sentence in answer.sentences] if answer else []
            quoted = [text for text in findings if self._may_quote and not _is_not_quoted(text)]
            yield Item(
                why,
                _plain(entry["title"]),
                self._teller.link(f"/articles/{spelt(paper.pmid)}"),
                _facts(entry),
                quoted,
                unquoted=len(quoted) < len(findings),
            )


def _facts(entry: Row) -> list[str]:
    """Where it was published, how the study was done, and in how many people."""
    designs = entry["labels"].get("design", [])
    published = " ".join(filter(None, (entry["journal"], (entry["published"] or "")[:4])))
    facts = [published, ", ".join(designs) or "study design not stated", _people(entry["labels"], designs)]
    if "preprint" in entry["labels"].get("publication", []):
        facts.append("preprint, not peer reviewed")
    return [_plain(fact) for fact in facts if fact]


def _people(labels: Mapping[str, Sequence[str]], designs: Sequence[str]) -> str:
    participants = "".join(labels.get("participants", [])[:1])
    if CASE_REPORT in designs and participants in ("", "1"):
        return "one person"
    if participants:
        return "one person" if participants == "1" else f"{participants} people"
    if without := next(filter(None, map(_DESIGNS_WITHOUT_PEOPLE.get, designs)), None):
        return without
    if "animals" in labels.get("species", []):
        return "in animals"
    if studies := labels.get("studies"):
        return f"{studies[0]} studies"
    return "number of people not stated"


def _is_not_quoted(text: str) -> bool:
    beginnings = topic.current().site.not_quoted
    if not beginnings:
        return False
    pattern = "|".join(re.escape(beginning).replace(r"\ ", r"\s+") for beginning in beginnings)
    return re.search(rf"\b(?:{pattern})", text, re.I) is not None


def _plain(text: str) -> str:
    return " ".join(harmless(text).split())


def _count(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}" if n > 0 else ""
