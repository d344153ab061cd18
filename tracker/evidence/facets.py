"""Facets: what lists can be filtered by. Labels are read by us; the others are facts that PubMed states.

Each facet has a number: one for a label whatever the question, and one for each question and label. ``article_facets``
holds a question's in order of publication, for lists; ``facets_of`` all of an article's. The full-text index holds each
as one word, beside the article's own words, so that any filters and any text are answered by one intersection of its
lists, however large the database (measured on a million articles: 0.1 to 8 ms, where joins took 0.3 s).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tracker.article import ArticleKey
from tracker.reading.labels import Group, groups

# The group whose one value every article of a question has, so that an unfiltered list is filtered by it.
EVERYTHING = "all"
YEAR = "year"

# Data banks that register trials: https://www.nlm.nih.gov/bsd/medline_databank_source.html
REGISTRIES = (
    "ANZCTR ChiCTR ClinicalTrials.gov CRIS CTIS CTRI DRKS EudraCT IRCT ISRCTN JapicCTI JMACCT JPRN jRCT LBCTR NTR "
    "PACTR ReBec REPEC RPCEC SLCTR TCTR UMIN-CTR UMIN_CTR"
).split()


class Facet(NamedTuple):
    """SQL for a group and its value in each row ``x`` of an article in a table, where the condition holds.

    A table ``of_questions`` says it of an article in one question, and in no other.
    """

    group: str
    value: str
    condition: str = "1"
    table: str = "articles"
    of_questions: bool = False


NOTICES = {
    "retracted": "retracted",
    "withdrawn": "withdrawn",
    "expression_of_concern": "expression of concern",
    "corrected": "corrected",
    "updated": "updated",
    "is_notice": "a notice itself",
}


def _texts(texts: Iterable[str]) -> str:
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts)


def _languages() -> Iterator[Facet]:
    """MARC's codes have three letters and commas between them. As FTS5 refuses json_each, each is cut by position."""
    for place in range(6):
        code = f"substr(x.languages, {4 * place + 1}, 3)"
        yield Facet("'language'", code, f"{code} glob '[a-z][a-z][a-z]'")


def _labels() -> Iterator[Facet]:
    """Labels by their value; those that are quantities by the band that they are in."""
    offered = [group for group in groups().values() if group.filter]
    plain = [group.name for group in offered if not group.bands]
    yield Facet("x.label_group", "x.value", f"x.label_group in ({_texts(plain)})", "labels")
    for group in offered:
        if group.bands:
            condition = f"x.label_group = '{group.name}' and x.number is not null"
            yield Facet(f"'{group.name}'", _band(group), condition, "labels")


def _band(group: Group) -> str:
    """SQL for the band of ``x.number``."""
    cases = " ".join(
        f"when x.number >= {band.least} then {_texts([band.name])}"
        for band in sorted(group.bands, key=lambda band: -band.least)
    )
    return f"case {cases} end"


_FACETS = (
    *_labels(),
    *_languages(),
    Facet("'full_text'", "'free in PubMed Central'", "x.pmcid is not null"),
    *(Facet("'notice'", f"'{value}'", f"x.{flag}") for flag, value in NOTICES.items()),
    Facet("'registration'", "'trial registered'", f"x.bank in ({_texts(REGISTRIES)})", "registrations"),
)
_OF_QUESTIONS = (
    Facet("'directness'", "x.value", table="directness", of_questions=True),
    Facet("'outcome'", "x.outcome", "x.outcome <> ''", table="directness", of_questions=True),
)
# Groups of facts that PubMed states, with their titles; every other group was read by machine.
FACTS = {
    "language": "Language",
    "full_text": "Full text",
    "notice": "Notices",
    "registration": "Trial registration",
}
# Groups that hold of an article in one question, with their titles.
ANSWERS = {
    "directness": "How directly it bears on the question",
    "outcome": "What the abstract says of the outcome",
}


def is_label(group: str) -> bool:
    """Whether the group's values are labels, read by machine."""
    return group not in FACTS and group not in ANSWERS and group != EVERYTHING


# -- keeping them -------------------------------------------------------------------------------

_STAGES = """
create temp table if not exists given_articles (pmid integer primary key);
create temp table if not exists given_values (pmid integer, label_group text, value text);
create temp table if not exists given_facets (
  question text, label_group text, value text, published text, pmid integer);
"""


def of_articles() -> str:
    """A query for (pmid, label_group, value) of the articles of ``given_articles``, whatever the question."""
    return " union ".join(
        f"select g.pmid, {facet.group}, {facet.value} from temp.given_articles g "
        f"join main.{facet.table} x on x.pmid = g.pmid where {facet.condition}"
        for facet in _FACETS
    )


def of_questions() -> str:
    """A query for (question, label_group, value, published, pmid) of the given articles where they match.

    And, without a question and a date, of their values whatever the question, and of their year.
    """
    matching = "main.question_articles q on q.pmid = {0}.pmid and q.matching"
    parts = [
        f"select q.question, '{EVERYTHING}', '', q.published, q.pmid from temp.given_articles g "
        f"join {matching.format('g')}",
        "select q.question, v.label_group, v.value, q.published, q.pmid from temp.given_values v "
        f"join {matching.format('v')}",
        *(
            f"select q.question, {facet.group}, {facet.value}, q.published, q.pmid from temp.given_articles g "
            f"join {matching.format('g')} join main.{facet.table} x on x.pmid = q.pmid and x.question = q.question "
            f"where {facet.condition}"
            for facet in _OF_QUESTIONS
        ),
        "select '', v.label_group, v.value, '', v.pmid from temp.given_values v",
        f"select '', '{YEAR}', substr(a.published, 1, 4), '', a.pmid from temp.given_articles g "
        "join main.articles a on a.pmid = g.pmid where a.published <> ''",
    ]
    return " union all ".join(parts)


def fill(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> None:
    """Put in the facets of these articles, of which none are there; inside the caller's transaction."""
    _give(db, pmids)
    db.execute(f"insert into temp.given_values {of_articles()}")
    db.execute(f"insert into temp.given_facets {of_questions()}")
    db.execute(
        """
        insert or ignore into facets (question, label_group, value)
        select distinct question, label_group, value from temp.given_facets
        """
    )
    numbered = "temp.given_facets g join main.facets f using (question, label_group, value)"
    db.execute(f"insert into facets_of (pmid, facet) select g.pmid, f.id from {numbered}")
    db.execute(
        f"insert into article_facets (facet, published, pmid) select f.id, g.published, g.pmid from {numbered} "
        "where question <> ''"
    )
    _give(db, ())


def clear(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> None:
    """Take out the facets of these articles, before anything about them changes: they are found by their dates."""
    given = {"pmids": json.dumps(list(pmids))}
    db.execute(
        """
        delete from article_facets where (facet, published, pmid) in (
          select o.facet, q.published, o.pmid
          from json_each(:pmids) given
          join facets_of o on o.pmid = given.value
          join facets f on f.id = o.facet and f.question <> ''
          join question_articles q on q.question = f.question and q.pmid = o.pmid)
        """,
        given,
    )
    db.execute("delete from facets_of where pmid in (select value from json_each(:pmids))", given)


def fill_all(db: sqlite3.Connection, batch: int = 20_000) -> None:
    """Make all of them again from what is stored."""
    for table in ("article_facets", "facets_of", "facets", "question_counts"):
        db.execute(f"delete from {table}")
    after = -(2**63)
    query = "select pmid from articles where pmid > :after order by pmid limit :batch"
    while rows := db.execute(query, {"after": after, "batch": batch}).fetchall():
        fill(db, [ArticleKey(pmid) for (pmid,) in rows])
        after = rows[-1][0]


def _give(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> None:
    for statement in filter(str.strip, _STAGES.split(";")):
        db.execute(statement)
    for table in ("given_articles", "given_values", "given_facets"):
        db.execute(f"delete from temp.{table}")
    db.executemany("insert into temp.given_articles values (?)", [(pmid,) for pmid in pmids])


# -- reading them -------------------------------------------------------------------------------

QUESTION_LABELS = """
create view question_labels as
select f.question, f.label_group, f.value, a.published, a.pmid
from facets f join article_facets a on a.facet = f.id
where f.question <> ''
"""


def searched_articles(texts: Sequence[str]) -> str:
    """The view that the full-text index reads: an article's words, and its facets as words of their own."""
    columns = ", ".join(f"coalesce(t.{name}, a.{name}) as {name}" for name in texts)
    return (
        f"create view searched_articles as\nselect a.pmid, {columns},\n"
        "  (select group_concat('f' || o.facet, ' ') from facets_of o where o.pmid = a.pmid) as facets\n"
        "from articles a left join searched_texts t on t.pmid = a.pmid"
    )


def number(db: sqlite3.Connection, question: str, group: str, value: str) -> int:
    """The facet's number; 0, which none has, where no article has it. ``question`` is empty for any question."""
    row = db.execute(
        "select id from facets where question = :question and label_group = :group and value = :value",
        {"question": question, "group": group, "value": value},
    ).fetchone()
    return row[0] if row else 0


def numbers(
    db: sqlite3.Connection, question: str, wanted: Mapping[str, Collection[str]]
) -> dict[str, list[int]]:
    """The numbers of several values of each group."""
    return {
        group: [number(db, question, group, value) for value in values] for group, values in wanted.items()
    }


def word(number: int) -> str:
    """A facet as one word of the full-text index."""
    return f"f{number}"
