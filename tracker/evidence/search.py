"""Full-text search over articles, as readers type it."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from tracker import topic
from tracker.article import ArticleKey
from tracker.datafile import packaged
from tracker.errors import UsageError
from tracker.evidence.fulltext import SEARCHED, TOKENIZER
from tracker.evidence.identifiers import named
from tracker.query.vocabulary import fields_by_tag
from tracker.superscript import flat, forms

if TYPE_CHECKING:
    from tracker.topic.files import Topic

# Letters and digits make words, everything else separates them, as for SQLite's unicode61.
_PART = re.compile(r'"([^"]*)"?|(\S+)')
_WORD = re.compile(r"[^\W_]+")
# Parts of the search languages of PubMed and other databases: operators and field tags.
_BORROWED = re.compile(
    r"""
    "[^"]*"?
    | (?P<tag>\[[^\[\]"]{0,60}\])
    | (?<!\S)\(*(?P<operator>AND|OR|NOT|(?:NEAR|ADJ)(?:/?[0-9]+)?)\)*(?!\S)
    """,
    re.VERBOSE,
)
Words = tuple[str, ...]
# The most stored words that one prefix may stand for, to be looked up one by one.
MOST_WORDS = 1000
# In one search: words, repeats merged; beginnings; beginnings so short that many words begin so. Each is looked for in
# the whole index (measured on a million articles: one letter takes five seconds).
MOST_DIFFERENT, MOST_BEGINNINGS, MOST_SHORT = 50, 5, 1
SHORT = 3
# How much of each field is searched for a snippet: FTS5 compares every match with every other.
SNIPPETS_FROM = 20_000
# Each is found from the one before: their list is sorted, and the entries under them need not be read.
_BEGINNING_SO = """
with recursive found (term) as (
  select (select term from temp.articles_terms where term >= :beginning limit 1)
  union all
  select (select term from temp.articles_terms where term >= found.term || char(1) limit 1)
  from found where found.term < :beyond
)
select term from found where term < :beyond limit :most
"""


class Hit(NamedTuple):
    pmid: ArticleKey
    title: str
    authors: str | None
    journal: str | None
    published: str | None
    retracted: bool
    withdrawn: bool
    expression_of_concern: bool
    title_says: str | None
    by_title: bool
    snippet: str


_HIT = """a.pmid, a.title, a.authors_text, coalesce(a.iso_abbreviation, a.medline_abbreviation, a.journal), a.published,
  a.retracted, a.withdrawn, a.expression_of_concern, a.title_says, a.by_title"""


def check(text: str) -> None:
    """Raises UsageError for a search so costly that it would block the index for everybody else."""
    beginnings = {word.casefold() for _, word in _PART.findall(text) if word.endswith("*")}
    different = len({word.casefold() for word in _WORD.findall(text)})
    if different > MOST_DIFFERENT:
        raise UsageError(
            f"a search may have {MOST_DIFFERENT} different words; this one has {different}. Remove some."
        )
    if len(beginnings) > MOST_BEGINNINGS:
        raise UsageError(
            f"a search may have {MOST_BEGINNINGS} words that end in *; this one has {len(beginnings)}. "
            "Write some of them in full."
        )
    if sum(len(word.rstrip("*")) < SHORT for word in beginnings) > MOST_SHORT:
        raise UsageError(
            f"too many words match: of the words that end in *, give all but one at least {SHORT} letters."
        )


def search(db: sqlite3.Connection, text: str, limit: int = 20) -> list[Hit]:
    """Articles that hold every word and every "quoted phrase" of the text, newest PMID first.

    A word may end in ``*``. Words are matched by their stem, without accents, and with their synonyms
    (synonyms.yml, and the topic's); 10⁶ also as 106, 10^6 and 10(6). A text of identifiers alone finds their papers.
    A text without any word finds nothing. Snippets mark what matched with « and ».
    """
    if by_name := named(db, text):
        return _hits(db, [pmid for identifier in by_name for pmid in identifier.pmids][:limit])
    match = fts_query(text, db)
    if not match:
        return []
    rows = db.execute(
        f"""
        select {_HIT}
        from articles_fts join articles a on a.pmid = articles_fts.rowid
        where articles_fts match :match order by articles_fts.rowid desc limit :limit
        """,
        {"match": _of_words(match), "limit": limit},
    ).fetchall()
    around = snippets(db, text, [row[0] for row in rows], ("«", "»"))
    return [Hit._make((*row, around.get(row[0], ""))) for row in rows]


def count(db: sqlite3.Connection, text: str, most: int = 1000) -> int:
    """How many articles ``search`` would find, counted no further than ``most`` + 1."""
    if by_name := named(db, text):
        return len({pmid for identifier in by_name for pmid in identifier.pmids})
    match = fts_query(text, db)
    if not match:
        return 0
    query = "select count(*) from (select 1 from articles_fts where articles_fts match :match limit :limit)"
    counted: int = db.execute(query, {"match": _of_words(match), "limit": most + 1}).fetchone()[0]
    return counted


def _hits(db: sqlite3.Connection, pmids: Sequence[ArticleKey]) -> list[Hit]:
    rows = db.execute(
        f"""
        select {_HIT}, ''
        from articles a where pmid in (select value from json_each(:pmids)) order by pmid desc
        """,
        {"pmids": json.dumps(pmids)},
    )
    return [Hit(*row) for row in rows]


def borrowed(text: str) -> list[str]:
    """PubMed's operators and field tags in a text, which do not work as such here; each once, as written."""
    signs = (match["tag"] or match["operator"] for match in _BORROWED.finditer(text))
    return list(dict.fromkeys(part for part in signs if part and (part[0] != "[" or _is_tag(part))))


def _is_tag(text: str) -> bool:
    return " ".join(text[1:-1].partition(":")[0].lower().split()) in fields_by_tag()


def _without_borrowed(text: str) -> str:
    """The text without PubMed's own signs, which are not searched for as words."""
    return _BORROWED.sub(
        lambda sign: " " if sign["operator"] or (sign["tag"] and _is_tag(sign["tag"])) else sign[0], text
    )


def parts(text: str) -> list[str]:
    """The words, "phrases" and beginnings* of a text as typed, each once; without PubMed's own signs."""
    typed = (match[0] for match in _PART.finditer(_without_borrowed(text)) if _WORD.search(match[0]))
    return list({part.casefold(): part for part in typed}.values())


def apart(text: str) -> str | None:
    """The same search with the words of each phrase by themselves; None where nothing is looked for as a phrase.

    Words that have synonyms together, such as ``major depression``, are looked for as a phrase, too.
    """
    single: list[str] = []
    has_phrase = False
    for kind, words in _stretches(text):
        runs = [run for run, _ in _runs(words)]
        has_phrase |= len(words) > 1 if kind != "words" else any(len(run) > 1 for run in runs)
        for run in runs:
            # In quotes they are no longer looked for together.
            single += [_quoted([word]) for word in run] if len(run) > 1 else run
        if kind == "beginning":
            single[-1] = single[-1].strip('"') + "*"
    return " ".join(dict.fromkeys(single)) if has_phrase else None


def synonyms(text: str) -> list[str]:
    """What a search for the text finds as well, for those of its words that have synonyms."""
    words = (words for kind, words in _stretches(text) if kind == "words")
    found = (" ".join(phrase) for each in words for _, group in _runs(each) for phrase in group)
    return list(dict.fromkeys(found))


def expression(db: sqlite3.Connection, text: str = "", facets: Iterable[Collection[str]] = ()) -> str:
    """An FTS5 query for the whole text and one word of each collection of ``facets.word``; empty if both are."""
    parts = [f"facets : ({' OR '.join(words)})" for words in facets]
    match = fts_query(text, db)
    return " AND ".join([*parts, _of_words(match)] if match else parts)


def snippets(
    db: sqlite3.Connection, text: str, pmids: Collection[ArticleKey], marks: tuple[str, str]
) -> dict[ArticleKey, str]:
    """Where the text occurs in these articles: some words around it, and each match between the two marks.

    Taken from an index of just these few: in the large one FTS5 starts again for each of them (measured for a page:
    4 ms instead of 5 to 25, and up to twelve seconds for a prefix). It holds each form of a text, and what is
    found in one is shown as the text has it.
    """
    match = fts_query(text)
    if not match:
        return {}
    beginnings = ", ".join(f"substr({column}, 1, {SNIPPETS_FROM})" for column in SEARCHED)
    rows = db.execute(
        f"select pmid, {beginnings} from articles where pmid in (select value from json_each(:pmids))",
        {"pmids": json.dumps(list(pmids))},
    )
    texts = {pmid: tuple(each or "" for each in stored) for pmid, *stored in rows}
    columns = [f"{name}_{form}" for name in SEARCHED for form in ("joined", "parted")]
    with closing(sqlite3.connect(":memory:")) as few:
        few.execute(
            f"create virtual table articles using fts5 ({', '.join(columns)}, tokenize='{TOKENIZER}')"
        )
        places = ", ".join("?" * (1 + len(columns)))
        few.executemany(
            f"insert into articles (rowid, {', '.join(columns)}) values ({places})",
            ((pmid, *_formed(words)) for pmid, words in texts.items()),
        )
        matching = few.execute(
            "select rowid, snippet(articles, -1, :before, :after, :cut, 32) from articles where articles match :match",
            {"before": _MARKS[0], "after": _MARKS[1], "cut": _CUT, "match": match},
        )
        return {ArticleKey(pmid): _as_it_stands(snippet, texts[pmid], marks) for pmid, snippet in matching}


# Marks around a match, and where a text was cut, in our own index; no text has them, as no record may hold control
# characters.
_MARKS, _CUT = ("\x02", "\x03"), "\x04"


def _formed(texts: Iterable[str]) -> Iterator[str]:
    """The two forms of each text, the second only if it differs."""
    for text in texts:
        joined, *parted = forms(text)
        yield joined.text
        yield parted[0].text if parted else ""


def _as_it_stands(snippet: str, texts: Iterable[str], marks: tuple[str, str]) -> str:
    """The snippet of a text itself, with these marks, for a snippet of one of its forms."""
    # Every second part is a match.
    parts = re.split("|".join(_MARKS), snippet.strip(_CUT))
    words = "".join(parts)
    text, form = next((text, form) for text in texts for form in forms(text) if words in form.text)
    at, bounds = form.text.index(words), [*form.places, len(text)]
    shown = []
    for number, part in enumerate(parts):
        stands = text[bounds[at] : bounds[at + len(part)]]
        shown.append(f"{marks[0]}{stands}{marks[1]}" if number % 2 else stands)
        at += len(part)
    before, after = (" … " if cut else "" for cut in (snippet.startswith(_CUT), snippet.endswith(_CUT)))
    return before + "".join(shown) + after


def _of_words(match: str) -> str:
    """The query limited to an article's own words, as its facets are also words of the index."""
    return f"{{{' '.join(SEARCHED)}}} : ({match})"


def fts_query(text: str, db: sqlite3.Connection | None = None) -> str:
    """The text as an FTS5 query in which every word is quoted, so that nothing a reader types is syntax; repeats are
    merged.

    What is raised or lowered is searched for in the form in which it is joined to its word: ``10⁶`` as ``106``.

    With the database, a prefix is replaced by the stored words that begin with it: FTS5 itself first gathers all
    entries under them (on a million articles up to five seconds, where the words take milliseconds).
    """
    terms: list[str] = []
    # Beginnings are looked up once each.
    begun: set[tuple[str, ...]] = set()
    for kind, words in _stretches(text):
        if kind == "words":
            terms += _with_synonyms(words)
        elif kind == "phrase":
            terms.append(_quoted(words))
        elif (beginning := tuple(word.casefold() for word in words)) not in begun:
            begun.add(beginning)
            terms.append(_begun(words, db))
    return " AND ".join({term.casefold(): term for term in terms}.values())


def _stretches(text: str) -> Iterator[tuple[Literal["words", "phrase", "beginning"], list[str]]]:
    """What a text asks for in its order: words side by side, a "phrase", words of which the last ends in *."""
    words: list[str] = []
    for phrase, word in _PART.findall(flat(_without_borrowed(text))):
        if word and not word.endswith("*"):
            words += _WORD.findall(word)
            continue
        yield "words", words
        words = []
        if held := _WORD.findall(phrase or word):
            yield "beginning" if word else "phrase", held
    yield "words", words


def _begun(words: list[str], db: sqlite3.Connection | None) -> str:
    """Words of which the last may be a prefix."""
    if db and (stored := _beginning(db, words[-1])):
        return "(" + " OR ".join(_quoted([*words[:-1], last]) for last in stored) + ")"
    return _quoted(words) + " *"


def _beginning(db: sqlite3.Connection, text: str) -> list[str]:
    """Words whose stems are all stored stems that begin with the text's; empty if they are many or unavailable."""
    db.execute(
        "create virtual table if not exists temp.articles_terms using fts5vocab (main, articles_fts, instance)"
    )
    with closing(sqlite3.connect(":memory:")) as scratch:
        scratch.execute(f"create virtual table words using fts5 (word, tokenize='{TOKENIZER}')")
        scratch.execute("create virtual table stems using fts5vocab (words, instance)")
        (stems,) = _stems(scratch, [text])
        if len(stems) != 1:
            return []
        given = {"beginning": stems[0], "beyond": f"{stems[0]}\U0010ffff", "most": MOST_WORDS + 1}
        stored = [term for (term,) in db.execute(_BEGINNING_SO, given)]
        if len(stored) > MOST_WORDS:
            return []
        # The words of a query are stemmed again, which changes some stems: diseas, from disease, becomes disea.
        words = [*(f"{term}e" for term in stored), *stored]
        stemmed = zip(words, _stems(scratch, words), strict=True)
        by_stem = {stems[0]: word for word, stems in stemmed if len(stems) == 1}
    return [by_stem[term] for term in stored] if by_stem.keys() >= set(stored) else []


def _stems(scratch: sqlite3.Connection, texts: Sequence[str]) -> list[list[str]]:
    """How the index would hold each of the texts."""
    scratch.execute("delete from words")
    scratch.executemany("insert into words (rowid, word) values (?, ?)", enumerate(texts))
    stems: list[list[str]] = [[] for _ in texts]
    for place, stem in scratch.execute("select doc, term from stems order by doc, offset"):
        stems[place].append(stem)
    return stems


def _with_synonyms(words: list[str]) -> list[str]:
    """Each run of words that has synonyms as one group, every other word by itself."""
    return [
        "(" + " OR ".join(map(_quoted, group)) + ")" if group else _quoted(run) for run, group in _runs(words)
    ]


def _runs(words: list[str]) -> Iterator[tuple[list[str], Sequence[Words]]]:
    """The longest runs of words that have synonyms, each with all that find one another; other words one by one."""
    groups, longest = _synonyms(topic.current())
    at = 0
    while at < len(words):
        for length in range(min(longest, len(words) - at), 0, -1):
            run = words[at : at + length]
            group = groups.get(tuple(word.casefold() for word in run), ())
            if group or length == 1:
                yield run, group
                at += length
                break


def _quoted(words: list[str] | Words) -> str:
    return '"' + " ".join(words) + '"'


@lru_cache(maxsize=4)
def _synonyms(about: Topic) -> tuple[dict[Words, list[Words]], int]:
    """Each phrase with its synonyms, general and of this topic, and how many words the longest has."""
    general = packaged(__package__, "synonyms.yml")
    groups: dict[Words, list[Words]] = {}
    for line in (*general, *about.synonyms):
        group = [tuple(_WORD.findall(phrase.casefold())) for phrase in line]
        groups |= dict.fromkeys(group, group)
    return groups, max(map(len, groups))
