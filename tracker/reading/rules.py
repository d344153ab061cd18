"""The rules of a group of labels: data, read from ``rules/<group>.yml`` and from the topic's own ``rules/``.

A rule looks at the terms of a field, or at the title or one sentence of the abstract by a pattern, or takes over what
another group was read as.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from tracker import topic
from tracker.datafile import FAST_LOADER
from tracker.reading.labels import Basis, Confidence, groups
from tracker.reading.sections import Section
from tracker.reading.text import lower, words_in
from tracker.topic.shapes import RuleEntry, RuleFile, Values, WordLists

if TYPE_CHECKING:
    from tracker.topic.files import Topic

# How a rule's file names what it looks at, with the name for readers.
FIELDS: dict[str, Basis] = {
    "types": "publication type",
    "mesh": "MeSH",
    "links": "link",
    "substances": "substance",
    "keywords": "keyword",
    "banks": "registration",
}
TEXTS: dict[str, tuple[Basis, ...]] = {
    "title": ("title",),
    "abstract": ("abstract",),
    "text": ("title", "abstract"),
    "conflict": ("conflict of interest",),
    "affiliation": ("affiliation",),
    "grant": ("grant",),
}
_FIELDS = frozenset(FIELDS.values())
_OTHER_TEXTS = frozenset(("conflict of interest", "affiliation", "grant"))
Conditions = tuple[tuple[str, frozenset[str]], ...]
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_EVERYWHERE: frozenset[Section] = frozenset(
    ("title", "background", "aim", "methods", "results", "conclusions")
)
# What a sentence tells of the study itself: not what was known before.
_OWN: frozenset[Section] = _EVERYWHERE - {"background"}


class Pattern:
    """A regular expression that is compiled when it is first used: of some hundreds, most records need a few dozen."""

    __slots__ = ("finditer", "flags", "match", "search", "text")

    def __init__(self, text: str, flags: int = 0) -> None:
        self.text = text
        self.flags = flags
        self.search: Callable[..., re.Match[str] | None] = lambda *given: self._compiled().search(*given)
        self.match: Callable[..., re.Match[str] | None] = lambda *given: self._compiled().match(*given)
        self.finditer: Callable[..., Iterator[re.Match[str]]] = lambda *given: self._compiled().finditer(
            *given
        )

    def _compiled(self) -> re.Pattern[str]:
        pattern = re.compile(self.text, self.flags)
        self.search, self.match, self.finditer = pattern.search, pattern.match, pattern.finditer
        return pattern


# Compared and hashed as the object that it is: rules are keys of a cache that every record asks.
@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One way to tell a value.

    ``terms`` are a field's UIs and lower-case names, any of which will do, ``also`` those one of which must be there as
    well, ``unless`` those that must be absent. Of a
    text, ``terms`` are the lower-case beginnings of words, one of which every match of ``pattern`` holds: looking for
    them first keeps patterns, which are slow, off nearly all records. Those in ``whole`` are whole words. Where there
    are some ``beside``, the sentence holds one of these as well. ``exception`` spoils a match in the same
    sentence; so do words before it that deny it, unless ``negated`` says that they may stand there; ``sections`` are
    those whose sentences count. ``every`` is whether each of a record's affiliations or grants must fit. ``needs`` maps
    groups to values, one of which the record must have been read as (any, where there are none); ``taken`` maps values
    of another group to ours. A ``weak`` rule counts only where the weights of all words agree. ``small`` is whether its
    patterns are for text in lower case, which takes half the time.
    """

    name: str
    value: str
    bases: tuple[Basis, ...]
    confidence: Confidence | None = None
    terms: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
    beside: tuple[str, ...] = ()
    also: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()
    pattern: Pattern | None = None
    exception: Pattern | None = None
    small: bool = True
    sections: frozenset[Section] = _OWN
    negated: bool = False
    every: bool = False
    needs: Conditions = ()
    without: Conditions = ()
    taken: tuple[str, frozenset[str]] | None = None
    weak: bool = False
    examples: tuple[str, ...] = ()
    not_examples: tuple[str, ...] = ()

    @property
    def of_texts(self) -> bool:
        """Whether it looks at title or abstract."""
        return bool(self.bases) and self.bases[0] in ("title", "abstract")

    def match(self, text: str) -> re.Match[str] | None:
        """Where a title or sentence fits, whatever its section."""
        return self.search(lower(text) if self.small else text)

    def search(self, own: str) -> re.Match[str] | None:
        """The same for a text that is in lower case where the rule's patterns are for that."""
        match = self.pattern.search(own) if self.pattern else None
        return None if match and self.exception and self.exception.search(own) else match


@dataclass(frozen=True, eq=False)
class Rules:
    """The rules of a group in order. ``whole`` is whether a label quotes the whole sentence, not its words alone."""

    group: str
    version: int
    rules: tuple[Rule, ...]
    whole: bool = False

    @cached_property
    def others(self) -> Mapping[Basis, tuple[int, ...]]:
        """The places of rules that look at texts beside title and abstract."""
        places: dict[Basis, tuple[int, ...]] = {}
        for place, rule in enumerate(self.rules):
            if rule.bases and rule.bases[0] in _OTHER_TEXTS:
                places[rule.bases[0]] = (*places.get(rule.bases[0], ()), place)
        return places

    @cached_property
    def any_weak(self) -> bool:
        return any(rule.weak for rule in self.rules)

    @cached_property
    def conditions(self) -> tuple[int, ...]:
        """For each rule the place of the first that has the same conditions: they are looked at once for all."""
        pairs = [(rule.needs, rule.without) for rule in self.rules]
        return tuple(pairs.index(pair) for pair in pairs)

    @cached_property
    def needs(self) -> Conditions:
        """What all of the rules need: a record without it is not looked at."""
        return tuple(frozenset.intersection(*(frozenset(rule.needs) for rule in self.rules)))


class Term(NamedTuple):
    """A word, or words, that rules ask for, with the numbers of the rules: those of titles, and those of abstracts."""

    text: str
    whole: bool
    titles: tuple[int, ...]
    abstracts: tuple[int, ...]


class Asked(NamedTuple):
    """What a word of a text makes worth trying: rules of titles and of abstracts by their numbers.

    ``terms`` are those of which it is only a part: the text has to hold them as well.
    """

    titles: tuple[int, ...]
    abstracts: tuple[int, ...]
    terms: tuple[Term, ...]


class Book:
    """The rules of all groups, and all that they ask for, so that those are found quickly that are worth trying.

    ``numbered`` are the rules in one row, each with its group and its place there; ``fields`` are the numbers of rules
    by the terms of each field, ``taken`` those that take over a value of another group.
    """

    def __init__(self, groups: Mapping[str, Rules]) -> None:
        self.groups = groups
        self.numbered = [
            (name, place, rule) for name, own in groups.items() for place, rule in enumerate(own.rules)
        ]
        self.fields = _by_field(self.numbered)
        self.taken = _by_taken(self.numbered)
        # Terms by the longest of their words: those that a text's word may go on from, and those that it must equal.
        self._begun: dict[str, list[Term]] = {}
        self._held: dict[str, list[Term]] = {}
        for term in _asked_terms(self.numbered):
            *whole, last = words_in(term.text)
            longest = max((*whole, last), key=len)
            begins = longest == last and term.text[-1].isalnum() and not term.whole
            (self._begun if begins else self._held).setdefault(longest, []).append(term)
        self._longest = max(map(len, self._begun), default=0)
        self._seen: set[str] = set()
        self._asking: dict[str, Asked] = {}

    def asked_by(self, words: frozenset[str]) -> Iterable[Asked]:
        """What words of a text make worth trying. Most words come again and again: each is looked up once."""
        asking = self._asking
        if not words <= self._seen:
            if len(self._seen) >= _MOST_WORDS:
                self._seen.clear()
                asking.clear()
            for word in words - self._seen:
                self._seen.add(word)
                if asked := self._look_up(word):
                    asking[word] = asked
        return [asking[word] for word in words & asking.keys()]

    def _look_up(self, word: str) -> Asked | None:
        lengths = range(1, min(len(word), self._longest) + 1)
        begun = [term for length in lengths for term in self._begun.get(word[:length], ())]
        terms = [*begun, *self._held.get(word, ())]
        alone = [
            term for term in terms if word == term.text or (word.startswith(term.text) and not term.whole)
        ]
        return (
            terms
            and Asked(
                tuple({number for term in alone for number in term.titles}),
                tuple({number for term in alone for number in term.abstracts}),
                tuple(term for term in terms if term not in alone),
            )
        ) or None


def _by_field(numbered: Iterable[tuple[str, int, Rule]]) -> Mapping[Basis, Mapping[str, tuple[int, ...]]]:
    fields: dict[Basis, dict[str, tuple[int, ...]]] = {}
    for number, (_, _, rule) in enumerate(numbered):
        if rule.bases and rule.bases[0] in _FIELDS:
            terms = fields.setdefault(rule.bases[0], {})
            for term in rule.terms:
                terms[term] = (*terms.get(term, ()), number)
    return fields


def _by_taken(
    numbered: Iterable[tuple[str, int, Rule]],
) -> Mapping[str, tuple[tuple[int, frozenset[str]], ...]]:
    """By the name of a group the rules that take over its values, and which."""
    taken: dict[str, tuple[tuple[int, frozenset[str]], ...]] = {}
    for number, (_, _, rule) in enumerate(numbered):
        if rule.taken:
            group, values = rule.taken
            taken[group] = (*taken.get(group, ()), (number, values))
    return taken


_MOST_WORDS = 200_000


def all_rules() -> Mapping[str, Rules]:
    """The rules of every group of the registry that has some, in its order; compiled once for a topic.

    A topic's rules come before those of any topic. Raises InvalidTopic where the topic's own cannot be used.
    """
    return book().groups


def book() -> Book:
    """The same, with the words that they ask for."""
    return _book_of(topic.current())


@cache
def _book_of(about: Topic) -> Book:
    return Book(_compiled_for(about))


def _asked_terms(numbered: Sequence[tuple[str, int, Rule]]) -> Iterator[Term]:
    asked: dict[tuple[str, bool], tuple[list[int], list[int]]] = {}
    for number, (_, _, rule) in enumerate(numbered):
        if rule.of_texts:
            for term in filter(words_in, rule.terms):
                titles, abstracts = asked.setdefault((term, term in rule.whole), ([], []))
                if "title" in rule.bases:
                    titles.append(number)
                if "abstract" in rule.bases:
                    abstracts.append(number)
    for (text, whole), (titles, abstracts) in asked.items():
        yield Term(text, whole, tuple(titles), tuple(abstracts))


def _compiled_for(about: Topic) -> Mapping[str, Rules]:
    of_topic = topic.rules()
    words = general_words() | dict(about.words)
    found: dict[str, Rules] = {}
    for group, registered in groups().items():
        entries = [file for file in (of_topic.get(group), own_rules(group)) if file]
        if entries and registered.needs in (None, *found):
            found[group] = Rules(
                group,
                max(file.version for file in entries),
                tuple(
                    _rule(each, words, file)
                    for file in entries
                    for each in file.rules
                    if _names_known(each, words)
                ),
                any(file.quotes == "sentence" for file in entries),
            )
    return found


def _names_known(entry: RuleEntry, words: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether every list that a rule names is there: a topic need not have all that a rule for any topic asks for."""
    patterns = [getattr(entry, field) or "" for field in TEXTS]
    named = _PLACEHOLDER.findall(" ".join((*patterns, entry.exception or "", *(entry.words or ()))))
    return words.keys() >= set(named)


def own_rules(group: str) -> RuleFile | None:
    """The rules of ``rules/<group>.yml``, which fit any topic; None where there is no such file."""
    file = files(__package__).joinpath(f"rules/{group}.yml")
    return RuleFile.model_validate(_loaded(file)) if file.is_file() else None


def general_words() -> dict[str, tuple[str, ...]]:
    """The lists of words that fit any topic, by the name that patterns have for them."""
    lists = WordLists.model_validate(_loaded(files(__package__).joinpath("words.yml")))
    return {name: tuple(words) for name, words in lists.words.items()}


def _loaded(file: Traversable) -> Any:
    return yaml.load(file.read_text("utf-8"), FAST_LOADER)  # noqa: S506 - a safe one


def _rule(entry: RuleEntry, words: Mapping[str, tuple[str, ...]], file: RuleFile) -> Rule:
    common: dict[str, Any] = {
        "name": entry.name,
        "value": entry.value,
        "confidence": entry.confidence,
        "needs": _conditions(file.needs | entry.needs),
        "without": (*_conditions(file.without), *_conditions(entry.without)),
        "negated": entry.negated,
        "every": entry.every,
        "weak": entry.weak,
        "sections": frozenset(entry.sections or file.sections or _OWN),
        "examples": tuple(entry.examples),
        "not_examples": tuple(entry.not_examples),
    }
    if entry.taken:
        ((group, values),) = entry.taken.items()
        return Rule(bases=(), taken=(group, frozenset(values)), **common)
    field = next(field for field in (*FIELDS, *TEXTS) if getattr(entry, field))
    if field in FIELDS:
        terms, also, unless = (
            _terms(given or {}) for given in (getattr(entry, field), entry.also, entry.unless)
        )
        return Rule(bases=(FIELDS[field],), terms=terms, also=also, unless=unless, **common)
    small = not any(
        "(?-i:" in _filled(pattern, words) for pattern in (getattr(entry, field), entry.exception or "")
    )
    asked = _spread(entry.words or (), words)
    return Rule(
        bases=TEXTS[field],
        terms=frozenset(term.lstrip("=") for term in asked),
        whole=frozenset(term[1:] for term in asked if term.startswith("=")),
        beside=tuple(filter(None, _spread(entry.beside or (), words))),
        pattern=_compiled(getattr(entry, field), words, re.VERBOSE, small=small),
        exception=_compiled(entry.exception, words, small=small) if entry.exception else None,
        small=small,
        **common,
    )


def _terms(entry: dict[str, str] | list[str]) -> frozenset[str]:
    """UIs, and names for records without UIs (MEDLINE text, old XML)."""
    if isinstance(entry, list):
        return frozenset(name.lower() for name in entry)
    return frozenset(entry) | frozenset(name.lower() for name in entry.values())


def _conditions(entry: Mapping[str, Values]) -> Conditions:
    return tuple((group, frozenset(() if values == "any" else values)) for group, values in entry.items())


def _compiled(pattern: str, words: Mapping[str, tuple[str, ...]], flags: int = 0, *, small: bool) -> Pattern:
    """The pattern for text in lower case or, where capitals matter somewhere in it, for text as it stands."""
    filled = _filled(pattern, words)
    return Pattern(_in_lower_case(filled), flags) if small else Pattern(filled, flags | re.IGNORECASE)


def _filled(pattern: str, words: Mapping[str, tuple[str, ...]]) -> str:
    """The pattern with each ``{list}`` replaced by its words, any of which will do."""
    return _PLACEHOLDER.sub(lambda match: _alternatives(words[match[1]]), pattern)


# What of a pattern is no letter to look for: signs with a backslash, and the beginning of a named group.
_NO_LETTERS = re.compile(r"\\.|\(\?P[<=>]\w*[>)]?|\(\?[a-zA-Z]+\)", re.DOTALL)


def _in_lower_case(pattern: str) -> str:
    kept = _NO_LETTERS.findall(pattern)
    parts = _NO_LETTERS.split(pattern)
    return "".join(part.lower() + sign for part, sign in zip(parts, [*kept, ""], strict=True))


def _alternatives(words: Iterable[str]) -> str:
    """Longest first, so that none is cut short by another; a word may be a pattern itself."""
    return f"(?:{'|'.join(sorted((w.replace(' ', r'[ ]') for w in words), key=len, reverse=True))})"


def _spread(entries: Iterable[str], words: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Beginnings of words, with each ``{list}`` replaced by its words as far as they are plain letters."""
    found: list[str] = []
    for entry in entries:
        match = _PLACEHOLDER.fullmatch(entry)
        found += [_PLAIN.match(word)[0].lower() for word in words[match[1]]] if match else [entry]  # type: ignore[index]
    return found


_PLAIN = re.compile(r"[\w \u2019'-]*")
