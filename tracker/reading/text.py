"""A record's title and abstract as rules look at them: in lower case, by the beginnings of words, by sentence."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cache, cached_property
from typing import NamedTuple

from tracker.article import Article
from tracker.reading.sections import Piece, Section, Sentence, pieces, sections

_NEGATED = re.compile(
    r"\b(?:no|not|non|without|neither|nor|never|cannot|lack(?:s|ed|ing)?(?: of)?|absence of|rather than|instead of|"
    r"unlike|exclud(?:ed|ing)|except(?: for)?|other than|free of)(?:[\s-]+[\w/-]+){0,4}[\s-]*$",
    re.IGNORECASE,
)


class Words(NamedTuple):
    """Words of a sentence by their offsets there."""

    sentence: Sentence
    start: int
    end: int

    @property
    def quote(self) -> str:
        return self.sentence.text[self.start : self.end]

    @property
    def negated(self) -> bool:
        """Whether the words before them in the same clause deny them."""
        before = self.sentence.text[max(0, self.start - 60) : self.start]
        return bool(_NEGATED.search(before[_clause(before) :]))


def _clause(text: str) -> int:
    """Where the last clause of a text begins."""
    return max(
        text.rfind(mark) + len(mark) for mark in (", ", "; ", ": ", " but ", " although ", " whereas ")
    )


class Folded(NamedTuple):
    """A text without accents; ``places`` says where each of its characters stood, None where none has moved."""

    text: str
    places: Sequence[int] | None = None

    def before(self, place: int) -> int:
        """Where a place of the folded text was."""
        return place if self.places is None else self.places[place]

    def now(self, place: int) -> int:
        """Where a place of the text as it was has gone."""
        return place if self.places is None else bisect_left(self.places, place)


class RecordText:
    """What of a record is read as text. Built once a record; nothing is computed before it is asked for."""

    def __init__(self, article: Article) -> None:
        self.title = article.title.plain
        self.abstract = article.abstract_text
        self._article = article
        self._numbers: dict[int, Sequence[int]] = {}

    @cached_property
    def lower(self) -> str:
        """Title and abstract in lower case, a line each, at unchanged offsets; every space is a plain one."""
        text = lower(f"{self.title}\n{self.abstract}")
        return text if text.isascii() else _SPACES.sub(" ", text)

    @cached_property
    def _parted(self) -> str:
        """``lower`` with spaces for whatever is no letter and no figure, at unchanged offsets."""
        return _part(self.lower)

    @cached_property
    def beginnings(self) -> frozenset[str]:
        """The first letters, four at most, of all its words: what an outcome's words are looked up in first."""
        return frozenset([word[:4] for words in self.words for word in words])

    @cached_property
    def _pieces(self) -> list[Piece]:
        """The sentences of the abstract."""
        return list(pieces(self._article.abstract, self.abstract))

    @cached_property
    def starts(self) -> list[int]:
        """Where in ``lower`` each sentence starts: the title, and those of the abstract in order."""
        behind = len(self.title) + 1
        return [0, *[behind + piece.start for piece in self._pieces]]

    @cached_property
    def ends(self) -> list[int]:
        """Where in ``lower`` each sentence ends."""
        behind = len(self.title) + 1
        return [behind - 1, *[behind + piece.end for piece in self._pieces]]

    @cached_property
    def small(self) -> list[str]:
        """Each sentence in lower case."""
        lower = self.lower
        return [lower[start:end] for start, end in zip(self.starts, self.ends, strict=True)]

    @cached_property
    def words(self) -> list[frozenset[str]]:
        """The words of each sentence."""
        parted = self._parted
        return [
            frozenset(parted[start:end].split()) for start, end in zip(self.starts, self.ends, strict=True)
        ]

    @cached_property
    def sections(self) -> list[Section]:
        """The section of each sentence."""
        return ["title", *sections(self._pieces, self.small[1:], self.words[1:])]

    def as_written(self, number: int) -> str:
        """The sentence of this number."""
        if not number:
            return self.title
        piece = self._pieces[number - 1]
        return self.abstract[piece.start : piece.end]

    def sentence(self, number: int) -> Sentence:
        """The sentence of this number: 0 is the title."""
        if not number:
            return Sentence("title", 0, len(self.title), "title", self.title)
        start, end, _ = self._pieces[number - 1]
        return Sentence("abstract", start, end, self.sections[number], self.abstract[start:end])

    @cached_property
    def sentences(self) -> list[Sentence]:
        """The title, and the sentences of the abstract in order."""
        return [self.sentence(number) for number in range(len(self.starts))]

    def numbers(self, number: int) -> Sequence[int]:
        """Where in a sentence numbers begin, in digits or words ("two", not "one"); no parts of names ("DSM-5")."""
        places = self._numbers.get(number)
        if places is None:
            places = self._numbers[number] = _numbers_in(self.small[number], self.words[number])
        return places

    def number_of(self, sentence: Sentence) -> int:
        """The number of a sentence."""
        return self.sentence_at(0 if sentence.part == "title" else len(self.title) + 1 + sentence.start)

    def start_of(self, number: int) -> int:
        """Where in ``lower`` the sentence of this number starts."""
        return self.starts[number]

    def end_of(self, number: int) -> int:
        """Where in ``lower`` the sentence of this number ends."""
        return self.ends[number]

    def sentence_at(self, place: int) -> int:
        """The number of the sentence that holds a place of ``lower``."""
        return max(0, bisect_right(self.starts, place) - 1)

    @cached_property
    def folded(self) -> Folded:
        """``lower`` as words of a search are compared with it: no accents."""
        return fold(self.lower)

    @cached_property
    def folded_beginnings(self) -> frozenset[str]:
        """``beginnings`` of the folded text."""
        if self.folded.text == self.lower:
            return self.beginnings
        return beginnings(self.folded.text)


# Signs of ASCII that part words.
_PARTING = "".join(chr(code) for code in range(33, 128) if not chr(code).isalnum())
_FOREIGN = re.compile(r"[^\x00-\x7f]")


def _part(small: str) -> str:
    """Sign by sign, as few of them stand in a text: three times as fast as a pattern."""
    for sign in _PARTING:
        if sign in small:
            small = small.replace(sign, " ")
    if not small.isascii():
        for sign in set(_FOREIGN.findall(small)):
            if not sign.isalnum():
                small = small.replace(sign, " ")
    return small


def beginnings(small: str) -> frozenset[str]:
    """The first letters, four at most, of the words of a text in lower case."""
    return frozenset([word[:4] for word in words_in(small)])


def beginning(term: str) -> str:
    """The first letters, four at most, of the first word of a term."""
    return next((word[:4] for word in words_in(term)), "")


def words_in(small: str) -> list[str]:
    """The words of a text in lower case: what stands between signs and spaces."""
    return _part(small).split()


# Spaces of other kinds, which publishers set between a number and its unit.
_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u3000]")
# Digits that begin a number: 12 in "n=12", not in "DSM-12", "1,012" or "0.12". The first digit comes first, since
# looking for it is fast; what must not stand before it is looked at then.
_DIGITS = re.compile(r"[0-9](?<![^\W_][0-9])(?<![0-9][.,][0-9])(?<![^\W\d_][-\u2010\u2011][0-9])[0-9]*")
_NUMBER_WORDS = frozenset(
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty thirty forty fifty sixty seventy eighty ninety".split()
)
_ONE_HUNDRED = ("one hundred", "a hundred")
_HUNDREDS = ("hundred and ", "hundred ", "hundred-and-")


def _numbers_in(small: str, words: frozenset[str]) -> list[int]:
    places = [match.start() for match in _DIGITS.finditer(small)]
    spelled = [*(words & _NUMBER_WORDS), *(_ONE_HUNDRED if "hundred" in words else ())]
    if not spelled:
        return places
    for word in spelled:
        at = small.find(word)
        while at >= 0:
            if _begins_word(small, at) and not small.endswith(_HUNDREDS, max(0, at - 12), at):
                places.append(at)
            at = small.find(word, at + 1)
    return sorted(set(places))


def _begins_word(text: str, place: int) -> bool:
    """Whether a word begins at a place: "two" in "two arms", not in "network" or "twenty-two"."""
    if not place:
        return True
    last = text[place - 1]
    return not last.isalnum() and (last not in "-\u2010\u2011" or not text[place - 2 : place - 1].isalpha())


def lower(text: str) -> str:
    """Lower case at unchanged offsets: a few letters (``İ``) would become two."""
    small = text.lower()
    if len(small) == len(text):
        return small
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)


def fold(small: str) -> Folded:
    """A text in lower case without accents, as ``tracker.query`` folds words; few records have letters to fold."""
    if small.isascii():
        return Folded(small)
    signs = {sign: plain for sign in set(_FOREIGN.findall(small)) if (plain := _plain(sign)) != sign}
    if all(len(plain) == 1 for plain in signs.values()):
        for sign, plain in signs.items():
            small = small.replace(sign, plain)
        return Folded(small)
    letters = [(letter, place) for place, sign in enumerate(small) for letter in signs.get(sign, sign)]
    return Folded("".join(letter for letter, _ in letters), [*(place for _, place in letters), len(small)])


@cache
def _plain(sign: str) -> str:
    """A letter without its accent, nothing for an accent by itself; other signs stay."""
    if unicodedata.combining(sign):
        return ""
    if not sign.isalpha():
        return sign
    letters = unicodedata.normalize("NFKD", sign).casefold()
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
