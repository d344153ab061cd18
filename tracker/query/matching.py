"""Whether a query finds an article, judged without PubMed.

A query is compiled once into one test for each term; each field of an article is folded once, when a test
first asks for it. What cannot be judged offline is refused, never taken as no match.
Not modelled: automatic term mapping of untagged terms, and the phrase index (every phrase is looked for).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from tracker.article import Article
from tracker.query.contents import DATES, NAMES, VALUES, WORDS, spellings
from tracker.query.errors import UnsupportedQuery
from tracker.query.syntax import Node, Operation, Range, Term, parse
from tracker.query.vocabulary import MeshTree, default_tree, fold_value, fold_words
from tracker.superscript import forms

Test = Callable[["Index"], bool]

# The work of a proximity search doubles with each word.
MAX_NEAR = 8

# Separates the values of a field, so that no phrase runs from one into the next.
_BREAK = " \n "


class Index:
    """An article as PubMed would search it; each field is folded when it is first asked for."""

    __slots__ = ("_cache", "article")

    def __init__(self, article: Article) -> None:
        self.article = article
        self._cache: dict[str, str | frozenset[str]] = {}

    def words(self, field: str) -> str:
        """A field of running text, folded, with a space at either end."""
        folded = self._cache.get(field)
        if not isinstance(folded, str):
            texts = (form.text for text in WORDS[field](self.article) for form in forms(text))
            folded = f" {_BREAK.join(map(fold_words, texts))} "
            self._cache[field] = folded
        return folded

    def values(self, field: str) -> frozenset[str]:
        """A field's values, each folded as a whole; a MeSH heading also with each of its subheadings."""
        values = self._cache.get(field)
        if not isinstance(values, frozenset):
            values = frozenset(map(_fold_heading, VALUES[field](self.article)))
            self._cache[field] = values
        return values

    def names(self, field: str) -> frozenset[str]:
        """Every form in which the names of a field may be searched for."""
        names = self._cache.get(field)
        if not isinstance(names, frozenset):
            people = NAMES[field](self.article)
            names = frozenset(fold_words(name) for person in people for name in spellings(person))
            self._cache[field] = names
        return names


def matches(query: Node, article: Article | Index, tree: MeshTree | None = None) -> bool:
    """Whether the query finds the article.

    Pass an Index if several queries look at one article. Raises UnsupportedQuery.
    """
    index = article if isinstance(article, Index) else Index(article)
    return _compiled(query, tree or default_tree())(index)


def compile_query(query: Node, tree: MeshTree | None = None) -> Test:
    """The query as a test of an Index. Raises UnsupportedQuery, naming the term and the reason."""
    tree = tree or default_tree()
    if isinstance(query, Operation):
        return _combine(query, [compile_query(operand, tree) for operand in query.operands])
    if not query.field.offline:
        raise UnsupportedQuery(f"{query}: [{query.field.name}] can be searched only in PubMed.")
    if isinstance(query, Range):
        return _uid_range(query) if query.field.kind == "uid" else _date_range(query)
    return _TESTS[query.field.kind](query, tree)


@lru_cache(maxsize=64)
def _compiled(query: Node, tree: MeshTree) -> Test:
    return compile_query(query, tree)


def _combine(query: Operation, tests: list[Test]) -> Test:
    if query.operator == "AND":
        return lambda index: all(test(index) for test in tests)
    if query.operator == "OR":
        return lambda index: any(test(index) for test in tests)
    wanted, *unwanted = tests
    return lambda index: wanted(index) and not any(test(index) for test in unwanted)


# One test for each kind of field


def _words_test(term: Term, tree: MeshTree) -> Test:
    key, wanted = term.field.key, fold_words(term.text)
    if term.distance is not None:
        words, distance = wanted.split(), term.distance
        if len(words) > MAX_NEAR:
            raise UnsupportedQuery(
                f"{term}: proximity of more than {MAX_NEAR} words can be judged only by PubMed."
            )
        return lambda index: any(_near(words, part, distance) for part in index.words(key).split(_BREAK))
    phrase = f" {wanted}" if term.truncated else f" {wanted} "
    return lambda index: phrase in index.words(key)


def _near(words: list[str], text: str, distance: int) -> bool:
    """Whether all words occur in the text, in any order, each at most ``distance`` words from the next."""
    complete = frozenset(range(len(words)))
    ends: list[tuple[int, set[frozenset[int]]]] = []
    for position, word in enumerate(text.split()):
        here = [number for number, wanted in enumerate(words) if wanted == word]
        if not here:
            continue
        ends = [end for end in ends if position - end[0] - 1 <= distance]
        before = {frozenset[int]()}.union(*(sets for _, sets in ends))
        reached = {chosen | {number} for chosen in before for number in here if number not in chosen}
        if complete in reached:
            return True
        ends.append((position, reached))
    return False


def _values_test(term: Term, tree: MeshTree) -> Test:
    key = term.field.key
    if term.truncated:
        prefix = fold_value(term.text)
        return lambda index: any(value.startswith(prefix) for value in index.values(key))
    wanted = _EXPANSIONS.get(key, _just_itself)(term, tree)
    return lambda index: not wanted.isdisjoint(index.values(key))


def _just_itself(term: Term, tree: MeshTree) -> frozenset[str]:
    return frozenset({_fold_heading(term.text)})


def _fold_heading(text: str) -> str:
    """A folded value; the slash between a heading and its subheading stays."""
    return "/".join(map(fold_value, text.split("/"))) if "/" in text else fold_value(text)


def _expand_heading(term: Term, tree: MeshTree) -> frozenset[str]:
    heading, slash, subheading = term.text.partition("/")
    headings = tree.explode(heading) if term.explode else frozenset({fold_value(heading)})
    if not slash:
        return headings
    subheadings = tree.explode_subheading(subheading) if term.explode else {tree.subheading(subheading)}
    return frozenset(f"{main}/{sub}" for main in headings for sub in subheadings)


def _expand_subheading(term: Term, tree: MeshTree) -> frozenset[str]:
    return tree.explode_subheading(term.text) if term.explode else frozenset({tree.subheading(term.text)})


def _expand_type(term: Term, tree: MeshTree) -> frozenset[str]:
    return tree.explode_type(term.text) if term.explode else _just_itself(term, tree)


def _expand_language(term: Term, tree: MeshTree) -> frozenset[str]:
    wanted = fold_value(term.text)
    return frozenset({wanted} | {code for code, name in tree.languages.items() if name == wanted})


_EXPANSIONS: dict[str, Callable[[Term, MeshTree], frozenset[str]]] = {
    "mh": _expand_heading,
    "majr": _expand_heading,
    "sh": _expand_subheading,
    "pt": _expand_type,
    "la": _expand_language,
}


def _names_test(term: Term, tree: MeshTree) -> Test:
    """PubMed completes initials (``smith j`` finds Smith JA), unless the name is in quotes."""
    key, wanted = term.field.key, fold_words(term.text)
    if term.truncated or (not term.exact and " " in wanted):
        return lambda index: any(name.startswith(wanted) for name in index.names(key))
    if term.exact:
        return lambda index: wanted in index.names(key)
    last_name = f"{wanted} "
    return lambda index: any(f"{name} ".startswith(last_name) for name in index.names(key))


def _date_test(term: Term, tree: MeshTree) -> Test:
    raise UnsupportedQuery(f"{term}: it depends on today's date. Write a range, as in 2024/01/01:2024/12/31.")


def _date_range(query: Range) -> Test:
    read, low, high = DATES[query.field.key], query.low.replace("/", "-"), query.high.replace("/", "-")
    return lambda index: any(low <= date <= high for date in read(index.article) if date)


def _uid_test(term: Term, tree: MeshTree) -> Test:
    wanted = int(term.text)
    return lambda index: index.article.pmid == wanted


def _uid_range(query: Range) -> Test:
    low, high = int(query.low), int(query.high)
    return lambda index: low <= index.article.pmid <= high


def _filter_test(term: Term, tree: MeshTree) -> Test:
    name = fold_words(term.text)
    if name == "all":
        return lambda index: True
    if name in tree.statuses:
        return lambda index: index.article.status in tree.statuses[name]
    if name in tree.filters:
        return compile_query(parse(tree.filters[name]), tree)
    known = ", ".join(sorted({*tree.statuses, *tree.filters}))
    raise UnsupportedQuery(f"{term}: this filter can be searched only in PubMed. Known offline: {known}.")


_TESTS: dict[str, Callable[[Term, MeshTree], Test]] = {
    "words": _words_test,
    "values": _values_test,
    "names": _names_test,
    "date": _date_test,
    "uid": _uid_test,
    "filter": _filter_test,
}
