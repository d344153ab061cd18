"""Rules applied to a record: which of them fit, where, and the labels that follow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from tracker.article import Article
from tracker.reading import notices, ranking
from tracker.reading.labels import Basis, Group, Label, groups
from tracker.reading.quantities import read_dose, read_duration, read_number
from tracker.reading.rules import Book, Index, Rule, Rules, book
from tracker.reading.text import RecordText, Words, lower


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
        self._values: dict[str, set[str]] = {}
        self._fields: dict[Basis, dict[str, str]] = {}
        self._texts: dict[Basis, list[tuple[str, str]]] = {}

    @cached_property
    def tried(self) -> Mapping[str, Sequence[tuple[int, Sequence[int]]]]:
        """By group the places of rules about texts that are worth trying, with the numbers of the sentences."""
        return _tried(self.text, self._book)

    def add(self, labels: Iterable[Label]) -> None:
        for label in labels:
            self.labels.append(label)
            self._values.setdefault(label.group, set()).add(label.value)

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

    def field(self, basis: Basis) -> dict[str, str]:
        """Each term of a field, UI or lower-case name, with the name to quote."""
        if basis not in self._fields:
            self._fields[basis] = dict(_terms_of(self.article, basis))
        return self._fields[basis]

    def texts(self, basis: Basis) -> list[tuple[str, str]]:
        """The texts beside title and abstract that rules look at, each once, and in lower case beside it."""
        if basis not in self._texts:
            self._texts[basis] = [
                (text, lower(text)) for text in dict.fromkeys(_texts_of(self.article, basis))
            ]
        return self._texts[basis]


def fits(record: Record, group: str, *, weak: bool | None = None) -> list[Fit]:
    """All rules of a group that fit, in the order of the rules, each with the first words that fit it.

    ``weak`` asks for weak rules alone, or for all but these.
    """
    rules = record.rules[group]
    indexes = [rules.weak] * (weak is not False) + [rules.strong] * (not weak)
    found = [fit for index in indexes for fit in _fits(record, rules, index)]
    return sorted(found, key=lambda fit: fit.place)


def first_fit(record: Record, group: str) -> Fit | None:
    """The first rule of a group that fits, weak ones left out. Rules behind one that fits are not tried."""
    rules = record.rules[group]
    if not all(record.has(*need) for need in rules.needs):
        return None
    index = rules.strong
    rest = [*_field_fits(record, rules, index), *_other_fits(record, rules, index)]
    best = min(rest, key=lambda fit: fit.place, default=None)
    return next(_text_fits(record, rules, index, best.place if best else None), best)


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


def _fits(record: Record, rules: Rules, index: Index) -> Iterator[Fit]:
    if all(record.has(*need) for need in rules.needs):
        yield from _field_fits(record, rules, index)
        yield from _text_fits(record, rules, index)
        yield from _other_fits(record, rules, index)


def _other_fits(record: Record, rules: Rules, index: Index) -> Iterator[Fit]:
    allowed = record.allowed(rules)
    for place in index.others:
        if allowed(place):
            yield from _other_fit(record, place, rules.rules[place])


def _field_fits(record: Record, rules: Rules, index: Index) -> Iterator[Fit]:
    for basis, places in index.terms.items():
        present = record.field(basis)
        for place in sorted({place for term in present.keys() & places.keys() for place in places[term]}):
            rule = rules.rules[place]
            if rule.unless.isdisjoint(present) and _also(rule, present) and record.may(rule):
                quote = next(name for term, name in present.items() if term in rule.terms)
                yield Fit(place, rule, basis, quote=quote)


def _also(rule: Rule, present: Mapping[str, str]) -> bool:
    return not rule.also or not rule.also.isdisjoint(present)


def _text_fits(record: Record, rules: Rules, index: Index, before: int | None = None) -> Iterator[Fit]:
    """Of each rule about texts the first words that fit, in the order of the rules, as far as that at ``before``.

    Only sentences that hold one of a rule's words are tried.
    """
    text, allowed = record.text, record.allowed(rules)
    for place, numbers in record.tried.get(rules.group, ()) if index.texts else ():
        if before is not None and place > before:
            return
        rule = rules.rules[place]
        asked = rule.weak == (index is rules.weak) and allowed(place)
        if asked and (words := _first_words(text, rule, numbers)):
            yield Fit(place, rule, words.sentence.part, words)


def _tried(text: RecordText, asked: Book) -> dict[str, list[tuple[int, list[int]]]]:
    """By group the places of rules that ask for a word of the text, with the numbers of the sentences that hold it."""
    tried: dict[int, list[int]] = {}
    for number, (words, small) in enumerate(zip(text.words, text.small, strict=True)):
        rules: set[int] = set()
        for term in asked.asked_by(words):
            if not term.several or term.text in small:
                rules.update(term.abstracts if number else term.titles)
        for rule in rules:
            if rule in tried:
                tried[rule].append(number)
            else:
                tried[rule] = [number]
    by_group: dict[str, list[tuple[int, list[int]]]] = {}
    for rule in sorted(tried):
        group, place, _ = asked.numbered[rule]
        by_group.setdefault(group, []).append((place, tried[rule]))
    return by_group


def _first_words(text: RecordText, rule: Rule, numbers: Sequence[int]) -> Words | None:
    return next(words_that_fit(text, rule, numbers), None)


def words_that_fit(text: RecordText, rule: Rule, numbers: Iterable[int]) -> Iterator[Words]:
    """The words of each of these sentences that fit a rule about texts."""
    for number in numbers:
        sentence = text.sentences[number]
        if (
            sentence.part in rule.bases
            and sentence.section in rule.sections
            and (match := rule.match(sentence.text, text.small[number]))
        ):
            words = _trimmed(Words(sentence, *match.span()))
            if rule.negated or not words.negated:
                yield words


def _trimmed(words: Words) -> Words:
    """Without white space at their ends."""
    quote = words.quote
    start = words.start + len(quote) - len(quote.lstrip())
    return Words(words.sentence, start, start + len(quote.strip()))


def _other_fit(record: Record, place: int, rule: Rule) -> Iterator[Fit]:
    """The fit of a rule that takes over another group's value, or looks at a text beside title and abstract."""
    if rule.taken:
        group, values = rule.taken
        for label in record.labels:
            if label.group == group and label.value in values:
                yield Fit(place, rule, label.basis, label=label)
                return
        return
    basis = rule.bases[0]
    matches = (_match(rule, *text) for text in record.texts(basis))
    found = next(matches, None) if rule.every else next(filter(None, matches), None)
    if found and (not rule.every or all(matches)):
        yield Fit(place, rule, basis, quote=found[0].strip())


def _match(rule: Rule, text: str, small: str) -> re.Match[str] | None:
    return rule.match(text, small) if any(term in small for term in rule.terms) else None


def _texts_of(article: Article, basis: Basis) -> Iterator[str]:
    if basis == "conflict of interest":
        yield from filter(None, [article.conflict_of_interest])
    elif basis == "grant":
        yield from (grant.agency for grant in article.grants if grant.agency)
    else:
        yield from (affiliation.text for author in article.authors for affiliation in author.affiliations)


def _terms_of(article: Article, basis: Basis) -> Iterator[tuple[str, str]]:
    if basis == "publication type":
        yield from ((kind.name.lower(), kind.name) for kind in article.publication_types)
        yield from ((kind.ui, kind.name) for kind in article.publication_types if kind.ui)
    elif basis == "MeSH":
        yield from ((head.ui or head.descriptor.lower(), head.descriptor) for head in article.mesh_headings)
    elif basis == "link":
        yield from ((notice.type, notice.type) for notice in article.notices)
    elif basis == "substance":
        yield from ((substance.name.lower(), substance.name) for substance in article.substances)
        yield from ((substance.ui, substance.name) for substance in article.substances if substance.ui)
    elif basis == "keyword":
        yield from ((keyword.term.lower(), keyword.term) for keyword in article.keywords)
    else:
        yield from ((entry.bank.lower(), entry.bank) for entry in article.registrations)


def read(article: Article) -> tuple[Label, ...]:
    """Every label of a record, group by group in the order of the registry. Never raises.

    A notice has no other label: its abstract is that of the paper that it is about, and it is no evidence.
    """
    record = Record(article)
    if notice := _notice_by_title(record):
        return (notice,)
    for group in groups().values():
        if group.name in record.rules:
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
