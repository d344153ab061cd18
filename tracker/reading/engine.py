"""Rules applied to a record: which of them fit, where, and the labels that follow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, TypeVar

from tracker.article import Article, PublicationType, Substance
from tracker.reading import notices, ranking
from tracker.reading.labels import Basis, Group, Label, groups
from tracker.reading.quantities import read_dose, read_duration, read_number
from tracker.reading.rules import Book, Rule, Rules, book
from tracker.reading.text import RecordText, Words, lower

T = TypeVar("T")


class Fit(NamedTuple):
    """A rule of a group that fits a record: its place among the rules, and the words or the term that it fits.

    ``label`` is the label of another group that it was taken over from.
    """

    place: int
    rule: Rule
    basis: Basis
    words: Words | None = None
    quote: str = ""
    label: Label | None = None


class Record:
    """A record on its way through the groups: its texts, its fields, and the labels that were read so far."""

    def __init__(self, article: Article) -> None:
        self.article = article
        self.text = RecordText(article)
        self._book = book()
        self.rules = self._book.groups
        self.labels: list[Label] = []
        #: By group the places of rules that take over a label, with the first that they may take.
        self.taken: dict[str, dict[int, Label]] = {}
        self._values: dict[str, set[str]] = {}
        self._fields: dict[Basis, Mapping[str, str]] = {}
        self._texts: dict[Basis, Sequence[str]] = {}

    @cached_property
    def tried(self) -> Mapping[str, Sequence[tuple[int, Sequence[int]]]]:
        """By group the places of rules about texts that are worth trying, with the numbers of the sentences."""
        return _by_group(self._book, _tried(self.text, self._book))

    @cached_property
    def told(self) -> Mapping[str, Sequence[tuple[int, Basis]]]:
        """By group the places of rules that ask for a term of a field, with the field, where the record has one."""
        return _by_group(
            self._book,
            {
                number: basis
                for basis, numbers in self._book.fields.items()
                for term in self.field(basis)
                for number in numbers.get(term, ())
            },
        )

    def may_have(self, group: str) -> bool:
        """Whether any rule of a group is worth trying."""
        return (
            group in self.tried or group in self.told or group in self.taken or bool(self.rules[group].others)
        )

    def add(self, labels: Iterable[Label]) -> None:
        """Take labels in, so that rules that look at them can be tried."""
        for label in labels:
            self.labels.append(label)
            self._values.setdefault(label.group, set()).add(label.value)
            for number, values in self._book.taken.get(label.group, ()):
                if label.value in values:
                    group, place, _ = self._book.numbered[number]
                    self.taken.setdefault(group, {}).setdefault(place, label)

    def has(self, group: str, values: frozenset[str]) -> bool:
        """Whether it was read as one of these values; as any value, where none are given."""
        mine = self._values.get(group)
        return mine is not None and (not values or not values.isdisjoint(mine))

    def may(self, rule: Rule) -> bool:
        """Whether it was read before as the rule needs it."""
        if not rule.needs and not rule.without:
            return True
        return all(self.has(*need) for need in rule.needs) and not any(self.has(*bar) for bar in rule.without)

    def allowed(self, rules: Rules) -> Callable[[int], bool]:
        """Whether it was read before as the rule at a place needs it; asked once for all rules that need the same."""
        known: dict[int, bool] = {}

        def ask(place: int) -> bool:
            condition = rules.conditions[place]
            if condition not in known:
                known[condition] = self.may(rules.rules[place])
            return known[condition]

        return ask

    def field(self, basis: Basis) -> Mapping[str, str]:
        """Each term of a field, UI or lower-case name, with the name to quote."""
        terms = self._fields.get(basis)
        if terms is None:
            terms = self._fields[basis] = _TERMS[basis](self.article)
        return terms

    def texts(self, basis: Basis) -> Sequence[str]:
        """The texts beside title and abstract that rules look at, each once."""
        if basis not in self._texts:
            self._texts[basis] = tuple(dict.fromkeys(_texts_of(self.article, basis)))
        return self._texts[basis]


def fits(record: Record, group: str, *, weak: bool | None = None) -> list[Fit]:
    """All rules of a group that fit, in the order of the rules, each with the first words that fit it.

    ``weak`` asks for weak rules alone, or for all but these.
    """
    rules = record.rules[group]
    if not all(record.has(*need) for need in rules.needs):
        return []
    found = [*_field_fits(record, rules), *_text_fits(record, rules), *_other_fits(record, rules)]
    asked = found if weak is None else [fit for fit in found if fit.rule.weak == weak]
    return sorted(asked, key=lambda fit: fit.place)


def first_fit(record: Record, group: str) -> Fit | None:
    """The first rule of a group that fits, weak ones left out. Rules behind one that fits are not tried."""
    rules = record.rules[group]
    if not all(record.has(*need) for need in rules.needs):
        return None
    rest = [fit for fit in (*_field_fits(record, rules), *_other_fits(record, rules)) if not fit.rule.weak]
    best = min(rest, key=lambda fit: fit.place, default=None)
    before = best.place if best else len(rules.rules)
    return next((fit for fit in _text_fits(record, rules, before) if not fit.rule.weak), best)


def label_of(record: Record, rules: Rules, fit: Fit, value: str = "", number: float | None = None) -> Label:
    """The label that a fit gives; ``value`` in place of the rule's own."""
    if fit.label:
        return fit.label._replace(group=rules.group, value=fit.rule.value)
    rule = fit.rule
    label = Label(
        group=rules.group,
        value=value or rule.value,
        basis=fit.basis,
        quote=fit.quote,
        rule=rule.name,
        version=rules.version,
        confidence=rule.confidence or ("medium" if fit.basis == "abstract" else "high"),
        number=number,
    )
    return label if fit.words is None else _quoting(label, fit.words, rules)


def _quoting(label: Label, words: Words, rules: Rules) -> Label:
    sentence, start, end = words
    if rules.whole and sentence.part == "abstract":
        start, end = 0, len(sentence.text)
    return label._replace(
        part=sentence.part,
        quote=sentence.text[start:end],
        start=sentence.start + start,
        end=sentence.start + end,
    )


def read_one(record: Record, group: Group) -> Iterator[Label]:
    """The one value of a group: of the first rule that fits; of weak ones, where none else does, as weights agree."""
    rules = record.rules[group.name]
    fit = first_fit(record, group.name)
    if not fit and rules.any_weak:
        fit = ranking.agreed(record.text, fits(record, group.name, weak=True))
    if fit:
        yield label_of(record, rules, fit)


def read_many(record: Record, group: Group) -> Iterator[Label]:
    """Every value of a group that a rule fits, once each, by the first of its rules.

    A rule may bar values of its own group, too ("none" where nothing else was read): such rules come last.
    """
    seen: set[str] = set()
    own = group.name
    fitting = fits(record, own, weak=False)
    for fit in sorted(fitting, key=lambda fit: any(name == own for name, _ in fit.rule.without)):
        if fit.rule.value not in seen and not _barred(fit.rule, own, seen):
            seen.add(fit.rule.value)
            yield label_of(record, record.rules[own], fit)


def _barred(rule: Rule, group: str, seen: set[str]) -> bool:
    return any(name == group and bool(seen & values if values else seen) for name, values in rule.without)


# -- which rules fit -----------------------------------------------------------------------------


def _field_fits(record: Record, rules: Rules) -> Iterator[Fit]:
    for place, basis in record.told.get(rules.group, ()):
        rule, present = rules.rules[place], record.field(basis)
        if rule.unless.isdisjoint(present) and _also(rule, present) and record.may(rule):
            quote = next(name for term, name in present.items() if term in rule.terms)
            yield Fit(place, rule, basis, quote=quote)


def _also(rule: Rule, present: Mapping[str, str]) -> bool:
    return not rule.also or not rule.also.isdisjoint(present)


def _text_fits(record: Record, rules: Rules, before: int | None = None) -> Iterator[Fit]:
    """Of each rule about texts the first words that fit, in the order of the rules, as far as that at ``before``."""
    text, allowed = record.text, record.allowed(rules)
    for place, numbers in record.tried.get(rules.group, ()):
        if before is not None and place > before:
            return
        rule = rules.rules[place]
        if allowed(place) and (words := _first_words(text, rule, numbers)):
            yield Fit(place, rule, words.sentence.part, words)


def _other_fits(record: Record, rules: Rules) -> Iterator[Fit]:
    """The fits of rules that take over another group's value, or look at texts beside title and abstract."""
    for place, label in record.taken.get(rules.group, _NONE).items():
        rule = rules.rules[place]
        if record.may(rule):
            yield Fit(place, rule, label.basis, label=label)
    for basis, places in rules.others.items():
        texts = record.texts(basis)
        for place in places if texts else ():
            rule = rules.rules[place]
            if record.may(rule) and (quote := _quote_of(rule, texts)):
                yield Fit(place, rule, basis, quote=quote)


_NONE: Mapping[int, Label] = {}


def _tried(text: RecordText, book: Book) -> dict[int, list[int]]:
    """The numbers of rules that ask for a word of the text, each with the numbers of the sentences that hold it."""
    tried: dict[int, list[int]] = {}
    for number, words in enumerate(text.words):
        small = text.small[number]
        for asked in book.asked_by(words):
            rules = asked.abstracts if number else asked.titles
            for term in asked.terms:
                if term.text in small:
                    rules += term.abstracts if number else term.titles
            for rule in rules:
                # Sentences come in order.
                if rule not in tried:
                    tried[rule] = [number]
                elif tried[rule][-1] != number:
                    tried[rule].append(number)
    return tried


def _by_group(asked: Book, numbers: Mapping[int, T]) -> dict[str, list[tuple[int, T]]]:
    """By group the places of the rules of these numbers, in order, each with what belongs to it."""
    by_group: dict[str, list[tuple[int, T]]] = {}
    for number in sorted(numbers):
        group, place, _ = asked.numbered[number]
        by_group.setdefault(group, []).append((place, numbers[number]))
    return by_group


def _first_words(text: RecordText, rule: Rule, numbers: Sequence[int]) -> Words | None:
    return next(words_that_fit(text, rule, numbers), None)


def words_that_fit(text: RecordText, rule: Rule, numbers: Iterable[int]) -> Iterator[Words]:
    """The words of each of these sentences that fit a rule about texts."""
    for number in numbers:
        if (
            ("abstract" if number else "title") in rule.bases
            and text.sections[number] in rule.sections
            and _is_beside(rule, text.small[number])
            and (match := rule.search(text.small[number] if rule.small else text.as_written(number)))
        ):
            words = _trimmed(Words(text.sentence(number), *match.span()))
            if rule.negated or not words.negated:
                yield words


def _is_beside(rule: Rule, small: str) -> bool:
    """Whether a sentence in lower case holds one of the words that a rule needs beside its own."""
    return not rule.beside or any(word in small for word in rule.beside)


def _trimmed(words: Words) -> Words:
    """Without white space at their ends."""
    quote = words.quote
    start = words.start + len(quote) - len(quote.lstrip())
    return Words(words.sentence, start, start + len(quote.strip()))


def _quote_of(rule: Rule, texts: Sequence[str]) -> str | None:
    """The words of texts beside title and abstract that fit a rule."""
    matches = (_match(rule, text) for text in texts)
    found = next(matches, None) if rule.every else next(filter(None, matches), None)
    return found[0].strip() if found and (not rule.every or all(matches)) else None


def _match(rule: Rule, text: str) -> re.Match[str] | None:
    small = lower(text)
    for term in rule.terms:
        if term in small:
            return rule.search(small if rule.small else text)
    return None


def _texts_of(article: Article, basis: Basis) -> Iterator[str]:
    if basis == "conflict of interest":
        yield from filter(None, [article.conflict_of_interest])
    elif basis == "grant":
        yield from (grant.agency for grant in article.grants if grant.agency)
    else:
        yield from (affiliation.text for author in article.authors for affiliation in author.affiliations)


def _named(terms: Iterable[PublicationType | Substance]) -> dict[str, str]:
    return {term.name.lower(): term.name for term in terms} | {
        term.ui: term.name for term in terms if term.ui
    }


_TERMS: Mapping[Basis, Callable[[Article], Mapping[str, str]]] = {
    "publication type": lambda article: _named(article.publication_types),
    "MeSH": lambda article: {
        head.ui or head.descriptor.lower(): head.descriptor for head in article.mesh_headings
    },
    "link": lambda article: {notice.type: notice.type for notice in article.notices},
    "substance": lambda article: _named(article.substances),
    "keyword": lambda article: {keyword.term.lower(): keyword.term for keyword in article.keywords},
    "registration": lambda article: {entry.bank.lower(): entry.bank for entry in article.registrations},
}


def read(article: Article) -> tuple[Label, ...]:
    """Every label of a record, group by group in the order of the registry. Never raises.

    A notice has no other label: its abstract is that of the paper that it is about, and it is no evidence.
    """
    record = Record(article)
    if notice := _notice_by_title(record):
        return (notice,)
    for group in groups().values():
        if group.name in record.rules and record.may_have(group.name):
            record.add(_READERS[group.kind](record, group))
        if record.has(_DESIGN, _NOTICE):
            break
    return tuple(record.labels)


def _notice_by_title(record: Record) -> Label | None:
    """What ``notices`` reads in a title, as a design: whether a record stands as a notice has one source."""
    title = record.text.title
    rule = notices.title_rule(title)
    if not rule or rule.value != "notice":
        return None
    version = record.rules[_DESIGN].version
    return Label(_DESIGN, "notice", "title", title, rule.name, version, "high", "title", 0, len(title))


_DESIGN = "design"
_NOTICE = frozenset({"notice"})


_READERS = {
    "one": read_one,
    "many": read_many,
    "number": read_number,
    "duration": read_duration,
    "dose": read_dose,
}
