"""Quantities: how many people and studies, how long, and how much of the drug.

Rules of these groups are anchored: a pattern begins with a number or with one of the rule's words, and is tried there
only, because looking for "a number, words, people" at every letter of an abstract is slow. What rules can't say is done
here: groups that a sentence lists are added up, the longest of several durations is found, doses are normalised.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tracker.reading.labels import Group, Label
from tracker.reading.rules import Rule, Rules
from tracker.reading.sections import Sentence
from tracker.reading.text import RecordText, Words, lower

if TYPE_CHECKING:
    from tracker.reading.engine import Record

# More people than any study takes in: a population, or a typing error.
_MOST = 500_000_000


class Count(NamedTuple):
    """A number of people or studies, and the words that say so."""

    value: int
    words: Words


# -- numbers in words ------------------------------------------------------------------------------

_ONES = dict(
    zip(
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen".split(),
        range(1, 20),
        strict=True,
    )
)
_TENS = dict(
    zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10), strict=True)
)


def number(words: str) -> int | None:
    """What a number comes to that is written in digits or words, up to hundreds; None if it is none.

    ``"1,286"``, ``"1 286"``, ``"twenty-four"``, ``"One hundred and eighty-six"``.
    """
    digits = re.sub(r"[,\s]", "", words)
    if digits.isdecimal():
        return int(digits)
    value = 0
    for word in re.findall(r"[a-z]+", words.lower()):
        if word == "hundred":
            value = max(value, 1) * 100
        elif word not in ("a", "an", "and"):
            part = _ONES.get(word, _TENS.get(word))
            if part is None:
                return None
            value += part
    return value or None


# -- counts: people and studies ----------------------------------------------------------------------

# What before a number makes it a part, a limit or a rank: "12 of 30 patients", "more than 100 patients".
_NO_COUNT = re.compile(
    r"(?:[\d%](?:\s?\([^()]{0,15}\))?\s(?:of|out\sof)(?:\s(?:the|these|those|all|a\stotal\sof))?|\d\sin|\bof\sthe|\b(?:two|three|four|five|six|seven|"
    r"eight|nine|ten|half|most|some|none|all)\s(?:of|in|out\sof)(?:\s(?:the|these|those))?"
    r"|[/<>≥≤±~^]|\b(?:at\sleast|at\smost|more\sthan|less\sthan|fewer\sthan|greater\sthan|over|up\sto|under|minimum\sof|"
    r"maximum\sof|phase|type|grade|stage|step|version|dsm|icd|group|arm|cohort|aged?|table|figure|level|other|another|"
    r"remaining|additional|further|first|last|only|every|per|these|those|the\sother|no|excluded|subset\sof|subgroup\sof|subsample\sof|"
    r"subset\sof\sthe|excluding|except|and\s/\sor)"
    r")\s*$",
    re.IGNORECASE,
)
_YEAR_BEFORE = re.compile(
    r"\b(?:in|since|from|to|until|till|during|and|of|between|through|by|[a-z]{3,9})\s$", re.IGNORECASE
)
# Small numbers behind others are grades: "ASA I or 2 patients", "grade 1-2 patients".
_GRADE_BEFORE = re.compile(r"\b[0-9IV]{1,3}\s?(?:[,/-]|\u2013|or|and|to)\s?$")
# What may stand between two groups of one list.
_LINK = re.compile(
    r"(?:[^.;:()—]{0,15};\s*(?:and\s+)?|[^.;:()—]{0,70}?,\s*(?:and\s+)?|[^.;:()—]{0,70}?(?:\s+and\s+|\s+plus\s+|\s+(?:versus|vs\.?|compared\s(?:with|to)|as\swell\sas|"
    r"together\swith|along\swith)\s+))(?:(?:an?|the|with|another|additional|age-matched|from)\s+){0,2}",
    re.IGNORECASE,
)
_NO_LINK = re.compile(
    r"\b(?:were|was|is|are|had|have|has|received?|receiving|complet\w+|underwent|includ\w+|compris\w+|of\swhom|of\swhich|out\sof|"
    r"among|respond\w*|from\swhich|respectively|mean|aged)\b",
    re.IGNORECASE,
)
_WHO = re.compile(
    r"\b(?:were|was)\s(?=(?:matched|compared)\s(?:with|to)\b)|\b(?:who|whose)\s(?:\w+\s){0,3}(?:were|was|had|have|are)\b",
    re.IGNORECASE,
)
# A sex in brackets is a part of the people before them: "67 (45 women)".
_SEX = re.compile(r"\b(?:men|women|males?|females?|boys|girls)\b", re.IGNORECASE)
_BRACKETS = re.compile(r"\([^()]{0,120}\)|\[[^\[\]]{0,120}\]")


def read_number(record: Record, group: Group) -> Iterator[Label]:
    """The number of a group: of the first of its rules that fits."""
    rules = record.rules[group.name]
    text = record.text
    listed = next((rule for rule in rules.rules if rule.value == "listed"), None)
    any_number = Numbers(text, text.numbers)
    counting = Numbers(text, partial(_counting, text))
    for rule, among in _tried(record, rules):
        if rule is listed:
            continue
        if rule.value == "one":
            count = _single(any_number, rule, among)
        else:
            count = _count(counting if rule.value == "stated" else any_number, rule, among, listed)
        if count:
            yield _label(rules, rule, count.words, str(count.value), count.value)
            return


# A word follows that is no unit, so that a number may count something.
_COUNTS = re.compile(
    r"[0-9a-z][0-9a-z,\u2009\u202f\u2010-]{0,30}[\s\u2010-](?:\([^()]{1,20}\)\s)?"
    r"(?!mg|m?l\b|kg|mm|cm|g\b|h\b|hours?|mins?\b|minutes?|days?|weeks?|wks?|months?|years?|yrs?|old|to\b|vs|versus|"
    r"times|points?|fold|per|in |at |were\b(?!.{0,24}random)|had\b)[0-9a-z(]"
)


def _counting(text: RecordText, number: int) -> list[int]:
    """Where in a sentence numbers begin that may count something."""
    small = text.small[number]
    return [place for place in text.numbers(number) if _COUNTS.match(small, place)]


def _tried(record: Record, rules: Rules) -> Iterator[tuple[Rule, Sequence[int]]]:
    """The rules that are worth trying, each with the numbers of the sentences that hold one of its words."""
    allowed = record.allowed(rules)
    return (
        (rules.rules[place], among) for place, among in record.tried.get(rules.group, ()) if allowed(place)
    )


def _single(numbers: Numbers, rule: Rule, among: Sequence[int]) -> Count | None:
    """One person whom a rule finds in any sentence."""
    for sentence, matches in anchored(numbers, rule, among, needed=False):
        return Count(1, Words(sentence, *matches[0].span()))
    return None


def _count(numbers: Numbers, rule: Rule, among: Sequence[int], listed: Rule | None) -> Count | None:
    """The first count that a rule fits."""
    for sentence, matches in anchored(numbers, rule, among):
        if rule.value == "sum":
            count = _summed(sentence, matches)
        elif rule.value == "whole":
            count = Count(_number_of(matches[0]), _short(sentence, matches[0]))
        else:
            count = next(_stated(numbers, sentence, matches, listed), None)
        if count and 0 < count.value < _MOST:
            return count
    return None


def _summed(sentence: Sentence, matches: list[re.Match[str]]) -> Count | None:
    """Groups by their sizes, added up; where one is as large as all others together, it is the total itself."""
    if not 2 <= len(matches) <= 8:
        return None
    words = Words(sentence, matches[0].start(), matches[-1].end())
    parts = [_number_of(match) for match in matches]
    return Count(max(parts) if len(parts) > 2 and 2 * max(parts) == sum(parts) else sum(parts), words)


def _number_of(match: re.Match[str]) -> int:
    """The number of a match: of its group ``n``, or ``m`` where a pattern has two places for it."""
    groups = match.groupdict()
    return number(groups.get("n") or groups.get("m") or "") or 0


def _stated(
    numbers: Numbers, sentence: Sentence, matches: Iterable[re.Match[str]], listed: Rule | None
) -> Iterator[Count]:
    for match in matches:
        if (value := number(match["n"])) and _counts(sentence.text, match, value):
            list_of = _list_around(numbers, sentence, match.start("n"), listed) if listed else None
            yield list_of or Count(value, _short(sentence, match))


def _counts(text: str, match: re.Match[str], value: int) -> bool:
    """Whether a number counts people or studies, and not a part of them, a limit or a year."""
    before = text[max(0, match.start("n") - 40) : match.start("n")]
    if _bracketed(text, match.start("n")) and _SEX.search(match[0]):
        return False
    if value < 6 and _GRADE_BEFORE.search(before):
        return False
    year = 1900 <= value <= 2100 and match["n"].isdecimal() and _YEAR_BEFORE.search(before)
    return value > 1 and not year and not _NO_COUNT.search(before)


def _short(sentence: Sentence, match: re.Match[str]) -> Words:
    """The words of a match, as far as they are worth quoting."""
    start, end = match.span()
    if end - start > 140:
        end = sentence.text.rfind(" ", start, start + 140)
    return Words(sentence, start, end)


def _list_around(numbers: Numbers, sentence: Sentence, place: int, listed: Rule) -> Count | None:
    """The groups of a list, one of which is at this place, added up; None where it stands alone."""
    places = numbers.places(numbers.text.number_of(sentence))
    bracketed = _bracketed(sentence.text, place)
    items = [
        match
        for match in _matches(listed, lower(sentence.text) if listed.small else sentence.text, places)
        if _bracketed(sentence.text, match.start()) == bracketed
        and not _NO_COUNT.search(sentence.text, max(0, match.start() - 40), match.start())
    ]
    here = next((i for i, item in enumerate(items) if item.start() <= place < item.end()), None)
    if here is None:
        return None
    first = last = here
    while first and _linked(sentence.text, items[first - 1], items[first]):
        first -= 1
    while last + 1 < len(items) and _linked(sentence.text, items[last], items[last + 1]):
        last += 1
    if first == last:
        return None
    parts = [_number_of(item) for item in items[first : last + 1]]
    return Count(sum(parts), Words(sentence, items[first].start(), items[last].end()))


def _bracketed(text: str, place: int) -> bool:
    """Whether a place stands in brackets."""
    return text.rfind("(", 0, place) > text.rfind(")", 0, place)


def _linked(text: str, one: re.Match[str], other: re.Match[str]) -> bool:
    """Whether two groups are of one list: "24 patients (12 women) and 26 healthy controls"."""
    between = _BRACKETS.sub("", text[one.end() : other.start()])
    return bool(_LINK.fullmatch(between)) and not _NO_LINK.search(_WHO.sub("", between))


# -- where anchored patterns are tried -----------------------------------------------------------------


class Numbers:
    """The numbers of a text that rules are tried at: ``places`` gives their offsets in the sentence of a number."""

    def __init__(self, text: RecordText, places: Callable[[int], Sequence[int]]) -> None:
        self.text = text
        self._places = places
        self._known: dict[int, Sequence[int]] = {}
        self._matches: dict[tuple[int, int], list[re.Match[str]]] = {}

    def places(self, at: int) -> Sequence[int]:
        """Those in the sentence of this number; found out once."""
        known = self._known.get(at)
        if known is None:
            known = self._known[at] = self._places(at)
        return known

    def matches(self, rule: Rule, at: int) -> list[re.Match[str]]:
        """The matches of a rule in a sentence, looked for once where rules share a pattern."""
        key = (id(rule.pattern), at)
        if key not in self._matches:
            small = self.text.small[at]
            starts: Iterable[int] = self.places(at)
            if not _begins_with_number(rule):
                starts = {*starts, *_all_places(small, rule.terms)}
            own = small if rule.small else self.text.as_written(at)
            self._matches[key] = _matches(rule, own, starts)
        return self._matches[key]


def anchored(
    numbers: Numbers, rule: Rule, among: Iterable[int], *, needed: bool = True
) -> Iterator[tuple[Sentence, list[re.Match[str]]]]:
    """Of the sentences ``among``, those in which a rule has matches: it is tried at numbers and at its words.

    ``needed`` is whether a sentence without a number is left out.
    """
    text = numbers.text
    for at in among:
        if (
            ("abstract" if at else "title") in rule.bases
            and text.sections[at] in rule.sections
            and (numbers.places(at) or not needed)
            and (matches := numbers.matches(rule, at))
        ):
            own = text.small[at] if rule.small else text.as_written(at)
            if not (rule.exception and rule.exception.search(own)):
                yield text.sentence(at), matches


def _all_places(text: str, words: Iterable[str]) -> Iterator[int]:
    """Where in a text any of these words stands."""
    for word in words:
        at = text.find(word)
        while at >= 0:
            yield at
            at = text.find(word, at + 1)


def _matches(rule: Rule, own: str, starts: Iterable[int]) -> list[re.Match[str]]:
    """The matches of a rule that begin at these places of a sentence; none overlaps another.

    ``own`` is the sentence in lower case where the rule's patterns are for that.
    """
    matches, end = [], 0
    for start in sorted(starts):
        if start >= end and (match := rule.pattern.match(own, start)):  # type: ignore[union-attr]
            matches.append(match)
            end = match.end()
    return matches


def _begins_with_number(rule: Rule) -> bool:
    """Whether every match of a rule begins with a number."""
    known = _NUMBER_FIRST.get(id(rule))
    if known is None:
        pattern = rule.pattern.text if rule.pattern else ""
        first = bool(re.match(r"\(\?P<n>|\(\?:\(\?:\[0-9\]", pattern)) and "\n|" not in pattern
        known = _NUMBER_FIRST[id(rule)] = (rule, first)
    return known[1]


# By the identity of the rules, which are kept with them: to hash a pattern takes longer than to use it.
_NUMBER_FIRST: dict[int, tuple[Rule, bool]] = {}


def _label(rules: Rules, rule: Rule, words: Words, value: str, amount: float | None) -> Label:
    sentence, start, _ = words
    quote = words.quote.rstrip()
    return Label(
        group=rules.group,
        value=value,
        basis=sentence.part,
        quote=quote,
        rule=rule.name,
        version=rules.version,
        confidence=rule.confidence or ("medium" if sentence.part == "abstract" else "high"),
        part=sentence.part,
        start=sentence.start + start,
        end=sentence.start + start + len(quote),
        number=amount,
    )


# -- durations -----------------------------------------------------------------------------------------

# A month and a year as the Gregorian calendar has them on average.
_DAYS = {"h": 1 / 24, "d": 1, "w": 7, "m": 30.44, "y": 365.25}
_UNITS = {"h": "hour", "d": "day", "w": "week", "m": "month", "y": "year"}
_AMOUNT = (
    r"(?:[0-9]{1,4}(?:\.[0-9]{1,2})?|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fourteen|fifteen|"
    r"sixteen|eighteen|twenty(?:-\w{3,5})?|thirty|sixty|ninety)\b)"
)
_DURATION = re.compile(
    rf"(?<![\w.])(?:(?P<least>{_AMOUNT})\s?(?P<to>to|or|[-\u2010-\u2015])\s?)?(?P<most>{_AMOUNT})[\s\u2010-\u2015-]{{0,2}}"
    r"(?P<unit>hours?|hrs?|h|days?|d|weeks?|wks?|months?|mos?|years?|yrs?)\b"
    r"|(?<![0-9]\s)\b(?P<before>hour|day|week|month|year)s?\s(?P<list>[0-9]{1,3}(?:(?:,?\s?(?:to|or|and|[-\u2010-\u2015,])\s?){1,2}[0-9]{1,3}){0,9})\b(?!\s?%)",
    re.IGNORECASE,
)
# What around a time makes it an age, a past, or the length of an infusion, an illness or an interval.
_NO_TIME_BEFORE = re.compile(
    r"\bage[ds]?\b[^.;,]{0,25}$|\b(?:past|previous|last|prior|preceding|recent|every|each|per|history\sof|half-life|"
    r"half-lives|older\sthan|younger\sthan|over\sthe\sage\sof|than|illness|episode|abstinen\w+|abstain\w+|lasting|disease|"
    r"duration\sof\s(?:use|illness|disease)|mean\sage|median\sage|experience\sof|use\sfor|used\sfor|users\sfor|washout|"
    r"wash-out|once|twice|times)\s(?:[\w-]+\s){0,2}$|\b(?:last|past|previous|prior|preceding|every)\s$",
    re.IGNORECASE,
)
_NO_TIME_AFTER = re.compile(
    r"[\s-]*(?:old\b|of\sage|olds\b|and\s(?:older|over|above)|or\s(?:older|over|above)|ago\b|history|before\b|prior\b|"
    r"earlier|previous|apart|wash|interval|half|of\s(?:illness|use|abuse|disease|experience|education|abstinence|age)|"
    r"experience|per\b|infusions?\b|washout|survival|prevalence|and\syounger|data\b|between\b|of\s(?:admission|birth|onset|symptom|injury|arrival|life|presentation|stroke|delivery|gestation|pregnancy)|gestation|"
    r"\([^()]{0,20}range)",
    re.IGNORECASE,
)


def durations(text: str) -> list[tuple[int, int, float]]:
    """Start, end and days (of a range or list, the longest) of each duration that a text names."""
    return [(match.start(), match.end(), _days(match)) for match in _DURATION.finditer(text)]


def _days(match: re.Match[str]) -> float:
    if match["before"]:
        return max(map(int, re.findall(r"[0-9]+", match["list"]))) * _DAYS[match["before"][0].lower()]
    return _amount(match["most"]) * _DAYS[match["unit"][0].lower()]


def _amount(words: str) -> float:
    return float(words) if words[0].isdecimal() else float(number(words) or 0)


def _said(match: re.Match[str]) -> str:
    """A duration as written, without hyphens and with its unit spelled out: "24 weeks", "3-5 weeks", "week 12"."""
    if match["before"]:
        return f"{match['before'].lower()} {max(map(int, re.findall('[0-9]+', match['list'])))}"
    most = _amount(match["most"])
    least = f"{_amount(match['least']):g}-" if match["least"] and match["to"].lower() != "or" else ""
    unit = _UNITS[match["unit"][0].lower()]
    return f"{least}{most:g} {unit}{'' if most == 1 else 's'}"


def read_duration(record: Record, group: Group) -> Iterator[Label]:
    """The longest duration that any rule of a group finds."""
    rules = record.rules[group.name]
    timed = Numbers(record.text, partial(_timed, record.text))
    found = [
        (_days(match), -place, rule, words, match)
        for place, (rule, among) in enumerate(_tried(record, rules))
        for words, match in _times(timed, rule, among)
    ]
    if found:
        days, _, rule, words, match = max(found, key=lambda one: one[:2])
        yield _label(rules, rule, words, _said(match), days)


# The unit of a time behind its number, with more numbers between: "3, 6 and 12 months".
_UNIT_BEHIND = re.compile(
    r"[0-9a-z.]{1,12}(?:(?:,? (?:to|or|and) |[,/] ?|[ \u2010-\u2015-])[0-9a-z.]{1,8}){0,6}?[ \u2010-\u2015-]{1,2}"
    r"(?:h|hours?|hrs?|days?|d|weeks?|wks?|mo|mos|months?|years?|yrs?)\b|[0-9.]+h\b"
)
_TIME_UNITS = frozenset(
    "h hour hours hr hrs day days d week weeks wk wks mo mos month months year years yr yrs".split()
)
_HOURS = re.compile(r"[0-9]h\b")
_ONE_UNIT = re.compile(r"one[ \u2010\u2011-](?:hour|day|week|month|year)")
_UNITS_BEFORE = tuple(f"{unit}{s} " for unit in ("hour", "day", "week", "month", "year") for s in ("", "s"))


def _timed(text: RecordText, number: int) -> list[int]:
    """Where in a sentence numbers begin that stand with a unit of time."""
    small = text.small[number]
    if text.words[number].isdisjoint(_TIME_UNITS) and not _HOURS.search(small):
        return []
    found = [
        place
        for place in text.numbers(number)
        if _UNIT_BEHIND.match(small, place) or small.endswith(_UNITS_BEFORE, max(0, place - 8), place)
    ]
    if "one" in text.words[number]:
        found = sorted({*found, *(match.start() for match in _ONE_UNIT.finditer(small))})
    return found


def _times(numbers: Numbers, rule: Rule, among: Iterable[int]) -> Iterator[tuple[Words, re.Match[str]]]:
    """The durations in the matches of a rule, where they are no ages, no past and no interval."""
    for sentence, matches in anchored(numbers, rule, among):
        for match in matches:
            for time in _DURATION.finditer(sentence.text, match.start()):
                if time.start() >= match.end():
                    break
                if _is_followed(sentence.text, time):
                    yield (
                        Words(sentence, min(match.start(), time.start()), max(match.end(), time.end())),
                        time,
                    )


def _is_followed(text: str, time: re.Match[str]) -> bool:
    before, after = text[max(0, time.start() - 40) : time.start()], text[time.end() : time.end() + 30]
    return _days(time) > 0 and not _NO_TIME_BEFORE.search(before) and not _NO_TIME_AFTER.match(after)


# -- doses -----------------------------------------------------------------------------------------------

_FIGURE = r"(?:[0-9]{1,5}(?:[.,·][0-9]{1,3})?|\.[0-9]{1,3})"
_PER = (
    r"(?:\s?/\s?(?:[0-9]{2}\s?)?(?:kg|h|hr|hour|min|d|day|dose|body\sweight)\b"
    r"|\s?[.·*]?\s?(?:kg|h|hr|min|d|day)\s?\(?\^?\s?[-−–⁻]\s?[1¹]\s?\)?"
    r"|\sper\s(?:kilogram|kg|hour|h|minute|min|day|dose|body\sweight)\b)"
)
_DOSE = re.compile(
    rf"(?<![\w.,])(?<!±\s)(?<!±)(?P<amounts>{_FIGURE}(?:\s?(?:,\s?(?:and|or)|,|and|or|to|vs\.?|versus|[-\u2010-\u2015\u2212~/])\s?{_FIGURE}){{0,7}})"
    rf"[\s\u2010-\u2015-]{{0,3}}(?P<unit>mg|mcg|µg|μg|ug|microg|micrograms?|milligrams?)(?P<per>{_PER}{{0,3}})"
    r"(?!\w|\s?/\s?(?:m?l|dl|m2|mmol|g)\b|\s?·|\s?(?:d?l|ml)\s?\(?[-−⁻]|\s?%)",
    re.IGNORECASE,
)
_RANGE = re.compile(rf"({_FIGURE})\s?(?:to|[-\u2010-\u2015\u2212~])\s?({_FIGURE})", re.IGNORECASE)
_UNIT_OF = {
    "mcg": "µg",
    "μg": "µg",
    "ug": "µg",
    "microg": "µg",
    "microgram": "µg",
    "micrograms": "µg",
    "milligram": "mg",
}
_PART = re.compile(
    r"(?:(?P<times>[0-9]{2})\s?)?(?P<unit>kg|kilogram|hr|hour|h|minute|min|day|dose|d)\b|(?P<bare>kg|hr?|min|d)(?=\s?\(?[-−–⁻^])"
)
_PARTS = {"kilogram": "kg", "hr": "h", "hour": "h", "minute": "min", "d": "day", "dose": ""}
_DOSE_UNITS = ("mg", "mcg", "µg", "μg", "microg", "milligram", "ug")


class Dose(NamedTuple):
    """An amount with its unit: ``values`` normalised ("0.5 mg/kg", "0.5-1 mg/kg"), and where it stands."""

    values: tuple[str, ...]
    start: int
    end: int


def doses(text: str) -> list[Dose]:
    """Every amount of a drug that a text names, whichever drug it is; no concentrations."""
    return [Dose(_values(match), *match.span()) for match in _DOSE.finditer(text)]


def _values(match: re.Match[str]) -> tuple[str, ...]:
    """Each amount of a list, and each range as one, with the unit."""
    unit = match["unit"].lower()
    unit = _UNIT_OF.get(unit, _UNIT_OF.get(unit.rstrip("s"), unit))
    for part in _PART.finditer(match["per"].lower()):
        name = part["unit"] or part["bare"]
        name = _PARTS.get(name, name)
        unit += f"/{part['times'] + ' ' if part['times'] else ''}{name}" if name else ""
    amounts = _RANGE.sub(lambda found: f"{_plain(found[1])}–{_plain(found[2])}", match["amounts"])
    found = re.findall(rf"{_FIGURE}(?:–{_FIGURE})?", amounts)
    return tuple(
        f"{'-'.join(_plain(one) for one in value.split('–'))} {unit}"
        for value in found
        if _plain(value) != "0"
    )


def _plain(figure: str) -> str:
    """0.5 for ".50" and "0,5"."""
    try:
        return f"{float(figure.replace(',', '.').replace('·', '.')):g}"
    except ValueError:
        return figure


def read_dose(record: Record, group: Group) -> Iterator[Label]:
    """Every dose of the topic's drug, once each; none where the topic has no rule for the drug's names."""
    text = record.text
    rules = record.rules[group.name]
    ours = next((rule for rule in rules.rules if rule.value == "drug"), None)
    if ours is None or not any(word in text.lower for word in ours.terms):
        return
    others = [rule for rule in rules.rules if rule.value == "other"]
    among = sorted({text.sentence_at(place) for place in _all_places(text.lower, _DOSE_UNITS)})
    named = bool(among) and _named_in(text.title, ours, others)
    seen = set()
    for sentence in map(text.sentence, among):
        if sentence.section in ours.sections:
            for dose in doses_of(sentence.text, ours, others, named=named):
                for value in dose.values:
                    if value not in seen:
                        seen.add(value)
                        yield _label(rules, ours, Words(sentence, dose.start, dose.end), value, None)


def doses_of(text: str, ours: Rule, others: Iterable[Rule], *, named: bool) -> Iterator[Dose]:
    """The doses in a sentence that stand with our drug; ``named`` says whether it's meant where no drug is named."""
    found = doses(text)
    if found:
        names = sorted(_names(text, ours, others))
        for dose in found:
            near = _nearest(text, dose, names)
            if dose.values and (near if near is not None else named):
                yield dose


def _names(text: str, ours: Rule, others: Iterable[Rule]) -> Iterator[tuple[int, int, bool]]:
    """Start and end of each drug's name, and whether it's ours."""
    small = lower(text)
    own = [match.span() for match in _each(ours, text, small)]
    yield from ((*span, True) for span in own)
    for rule in others:
        for match in _each(rule, text, small):
            if not any(
                (start < match.end() and match.start() < end) or _CODE.fullmatch(text[end : match.start()])
                for start, end in own
            ):
                yield *match.span(), False


def _each(rule: Rule, text: str, small: str) -> Iterator[re.Match[str]]:
    return rule.pattern.finditer(small if rule.small else text) if rule.pattern else iter(())


# Between our drug and another name of it: "NAME hydrochloride (ABC001".
_CODE = re.compile(r"(?:\s(?:hydrochloride|hcl|nasal\sspray))?\s[(\[]", re.IGNORECASE)


# Between a dose and the drug that follows it: "0.5 mg/kg of intravenous".
_OF = re.compile(
    r"\)?[\s-]*(?:\((?:[^()]{1,30})\)\s?)?(?:(?:of|intravenous|oral|IV|IM|IN|SC|i\.?v\.?|racemic|intranasal|sub\w+|intra\w+|dose|doses|body|weight|[a-z]{1,3}-|single|low-dose|high-dose|S|R|\(?[SR]\)?|d|l)[\s-]+){0,5}\(?(?:[SR±/+-]{1,3}\)?-?)?$",
    re.IGNORECASE,
)


def _nearest(text: str, dose: Dose, names: Sequence[tuple[int, int, bool]]) -> bool | None:
    """Whether the drug that a dose stands with is ours; None where the sentence names no drug.

    It is the one right behind the dose, else the last before it, else the next.
    """
    after = bisect_left(names, (dose.end,))
    if after < len(names) and _OF.fullmatch(text, dose.end, names[after][0]):
        return names[after][2]
    before = bisect_left(names, (dose.start,)) - 1
    if before >= 0:
        return names[before][2]
    return names[after][2] if after < len(names) else None


def _named_in(title: str, ours: Rule, others: Iterable[Rule]) -> bool:
    """Whether a title names our drug and no other."""
    names = [is_ours for _, _, is_ours in _names(title, ours, others)]
    return bool(names) and all(names)
