"""A record's title and abstract as sentences, each with its place, its section, and what it may be quoted for.

Sections are those that the record labels (NLM's categories, or a label printed in the text); an abstract without
labels has them inferred from what its sentences say. NLM's five categories and the labels that they gather:
https://structuredabstracts.nlm.nih.gov.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple

from tracker.article import Article

Part = Literal["title", "abstract"]
Section = Literal["title", "background", "aim", "methods", "results", "conclusions"]

_CATEGORIES: dict[str, Section] = {
    "BACKGROUND": "background",
    "OBJECTIVE": "aim",
    "METHODS": "methods",
    "RESULTS": "results",
    "CONCLUSIONS": "conclusions",
}
# The beginnings of labels as journals print them, in lower case, with the section that follows.
_LABELS: tuple[tuple[str, Section], ...] = (
    ("background", "background"),
    ("introduction", "background"),
    ("context", "background"),
    ("importance", "background"),
    ("rationale", "background"),
    ("what is known", "background"),
    ("objective", "aim"),
    ("aim", "aim"),
    ("purpose", "aim"),
    ("goal", "aim"),
    ("hypothes", "aim"),
    ("research question", "aim"),
    ("question", "aim"),
    ("method", "methods"),
    ("material", "methods"),
    ("patients and", "methods"),
    ("subjects and", "methods"),
    ("experimental", "methods"),
    ("design", "methods"),
    ("study design", "methods"),
    ("trial design", "methods"),
    ("setting", "methods"),
    ("participants", "methods"),
    ("patients", "methods"),
    ("subjects", "methods"),
    ("sample", "methods"),
    ("intervention", "methods"),
    ("procedure", "methods"),
    ("measure", "methods"),
    ("main outcome", "methods"),
    ("primary outcome", "methods"),
    ("outcome", "methods"),
    ("search", "methods"),
    ("data sources", "methods"),
    ("data source", "methods"),
    ("data extraction", "methods"),
    ("study selection", "methods"),
    ("selection criteria", "methods"),
    ("eligibility", "methods"),
    ("review methods", "methods"),
    ("statistical", "methods"),
    ("analysis", "methods"),
    ("case", "results"),
    ("result", "results"),
    ("finding", "results"),
    ("main result", "results"),
    ("data synthesis", "results"),
    ("observations", "results"),
    ("conclusion", "conclusions"),
    ("discussion", "conclusions"),
    ("interpretation", "conclusions"),
    ("implication", "conclusions"),
    ("significance", "conclusions"),
    ("summary", "conclusions"),
    ("limitation", "conclusions"),
    ("relevance", "conclusions"),
    ("clinical", "conclusions"),
    ("trial registration", "methods"),
    ("registration", "methods"),
    ("funding", "methods"),
    ("ethics", "methods"),
)
# Abbreviations whose full stop ends no sentence, with what stands for a name's initial.
_ABBREVIATED = re.compile(
    r"(?:\b(?:vs|e\.g|i\.e|i\.v|i\.m|s\.c|p\.o|i\.n|i\.p|b\.i\.d|t\.i\.d|q\.d|al|approx|ca|cf|dr|st|no|nos|fig|resp|"
    r"incl|min|max|spp|sp|mr|mrs|ms|prof|vol|ed|eds|etc|n\.b|a\.m|p\.m|u\.s|u\.k|inc|ltd|ver|wt|aff|viz)|"
    # Without regard to case, "İ" would be one of a to z.
    r"(?:^|[\s(])(?-i:[A-Za-z]))$",
    re.IGNORECASE,
)
_STOP = re.compile(r"[.!?][)\]'\"”’»]{0,2}(?=\s+[\"“'(\[«]?[A-Z0-9À-Ý\u0370-\u03ff])|\n")
# A label inside the running text: words in capitals, or a known heading, with a colon behind it.
_INLINE = re.compile(
    r"(?:(?<=^)|(?<=[.!?)\]:]\s)|(?<=\n))(?P<label>[A-Z][A-Z/&,() -]{3,50}|"
    r"(?:Background|Introduction|Context|Importance|Rationale|Objectives?|Aims?|Purpose|Goals?|Methods?|"
    r"Materials? and methods?|Methods? and \w+|Patients and methods|Study design|Design|Setting|Participants|Patients|Interventions?|"
    r"Measurements?|Main outcome measures?|Outcomes?|Results?|Findings?|Main results|Conclusions?|Discussion|Interpretation|"
    r"Significance|Limitations?|Data sources|Search methods|Trial registration)(?: (?:and|&) [A-Za-z]+)?)\s?[:–—]\s",
)

_CONCLUDES = re.compile(
    r"\b(?:conclu[ds]|in summary|in sum\b|(?:these|our|the present|the current) (?:\w+ )?(?:findings?|results?|data|observations?|cases?)"
    r" (?:\w+ )?(?:suggest|indicate|support|demonstrate|highlight|provide|confirm|underscore|show|point|add|extend|emphasi)|"
    r"(?:further|future|larger|more|additional) (?:\w+,? ){0,3}(?:research|stud(?:y|ies)|trials?|investigations?|work) |"
    r"(?:is|are) (?:warranted|needed|required)\b|clinicians should|should be considered|implications)"
)
_REPORTS = re.compile(
    r"(?:\bp\s?[<=>≤]|\d\s?%|\bci\b|significan|\b(?:was|were) (?:observed|found|seen|noted|associated|similar|higher|lower|greater|"
    r"reduced|increased|decreased|reported|identified|included in)|\b(?:showed|shown|revealed|demonstrated|improved|increased|decreased|"
    r"reduced|found|achieved|responded|remitted|experienced|developed|differed|resulted|correlated)\b|\bno (?:\w+ ){0,2}differences?\b|"
    r"\bresults\b|effect size|odds ratio|hazard ratio)"
)
_AIMS = re.compile(
    r"\b(?:aim(?:s|ed)?|objectives?|purpose|goal|sought|hypothesi[sz]ed?|set out|intended) |"
    r"\b(?:we|the authors?|i|(?:this|the present|the current|present|our) (?:\w+ ){0,3}(?:study|review|paper|article|trial|work|report|"
    r"meta-analysis|investigation|protocol|survey|analysis|experiment)) (?:\w+ ){0,2}(?:aims?|examin|investigat|evaluat|assess|review|report|"
    r"describ|present|test|compar|explor|stud|discuss|summari|determin|address|ask|consider|provid|will|focus|search|analy|propos)|"
    r"\b(?:is|are|was|were) (?:\w+ )?(?:reviewed|discussed|presented|described|summari[sz]ed)\b|\bto (?:determine|investigate|assess|evaluate|examine|"
    r"compare|explore|test|describe|review)\b"
)
_DOES = re.compile(
    r"\b(?:randomi[sz]|randomly|double-blind|placebo-controlled|open-label|crossover|(?:was|were) (?:\w+ )?(?:assigned|allocated|administered|assessed|"
    r"recruited|enrolled|measured|treated|given|searched|evaluated|injected|analy[sz]ed|conducted|performed|collected|used|included|"
    r"examined|scanned|tested|obtained|invited|asked|interviewed|studied|infused|divided|followed|recorded)|received|underwent|participated|completed|"
    r"consisted|using a|searched|questionnaire)"
)
_NEGATED = re.compile(
    r"\b(?:no|not|non|without|neither|nor|never|cannot|lack(?:s|ed|ing)?(?: of)?|absence of|rather than|instead of|unlike|"
    r"exclud(?:ed|ing)|except(?: for)?|other than|free of)(?:[\s-]+[\w/-]+){0,4}[\s-]*$",
    re.IGNORECASE,
)


class Sentence(NamedTuple):
    """A sentence; ``start`` and ``end`` are offsets (code points, end exclusive) in the plain text of its part."""

    part: Part
    start: int
    end: int
    section: Section
    text: str


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


class RecordText:
    """What of a record is read as text. Built once a record; nothing is computed before it is asked for."""

    def __init__(self, article: Article) -> None:
        self.title = article.title.plain
        self.abstract = article.abstract_text
        self._article = article

    @cached_property
    def lower(self) -> str:
        """Title and abstract in lower case, a line each, at unchanged offsets."""
        return lower(f"{self.title}\n{self.abstract}")

    @cached_property
    def beginnings(self) -> frozenset[str]:
        """The first letters, four at most, of all its words: what a rule's words are looked up in first."""
        return frozenset([word[:4] for word in _WORD.findall(self.lower)])

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """The title, and the sentences of the abstract in order."""
        title = Sentence("title", 0, len(self.title), "title", self.title)
        return (title, *_inferred(list(self._of_abstract())))

    @cached_property
    def _starts(self) -> list[int]:
        """Where in ``lower`` each sentence starts."""
        behind = len(self.title) + 1
        return [s.start if s.part == "title" else behind + s.start for s in self.sentences]

    def end_of(self, number: int) -> int:
        """Where in ``lower`` the sentence of this number ends."""
        sentence = self.sentences[number]
        return sentence.end if sentence.part == "title" else len(self.title) + 1 + sentence.end

    def sentence_at(self, place: int) -> int:
        """The number of the sentence that holds a place of ``lower``."""
        return max(0, bisect_right(self._starts, place) - 1)

    def _of_abstract(self) -> Iterator[tuple[Sentence, bool]]:
        """Each sentence, and whether its section is labelled."""
        offset = 0
        for section in self._article.abstract:
            text = section.plain
            printed = len(section.label) + 2 if section.label and text.startswith(f"{section.label}: ") else 0
            labelled = _CATEGORIES.get(section.category or "") or section_of(section.label or "")
            for start, end, label in _pieces(text, printed):
                inline = section_of(label) if label else None
                labelled = inline or labelled
                if text[start:end].strip():
                    yield _sentence(text, start, end, offset, labelled), labelled is not None
            offset += len(text) + 1


_WORD = re.compile(r"[^\W_]+")


def lower(text: str) -> str:
    """Lower case at unchanged offsets: a few letters (``İ``) would become two."""
    small = text.lower()
    if len(small) == len(text):
        return small
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)


def section_of(label: str) -> Section | None:
    """The section that a label announces; None for a label that says nothing of it."""
    words = label.lower().strip(" :")
    return next((section for beginning, section in _LABELS if words.startswith(beginning)), None)


def _sentence(text: str, start: int, end: int, offset: int, section: Section | None) -> Sentence:
    """The piece without white space around it."""
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    piece = piece.strip()
    return Sentence("abstract", offset + start, offset + start + len(piece), section or "background", piece)


def _pieces(text: str, printed: int) -> Iterator[tuple[int, int, str | None]]:
    """Start and end of each sentence behind the printed label, and the label that stands before it in the text."""
    labels = {match.end(): match for match in _INLINE.finditer(text, printed)}
    cuts = sorted(
        {printed, len(text), *labels, *(m.start() for m in labels.values()), *_stops(text, printed)}
    )
    skipped = {match.start() for match in labels.values()}
    for start, end in pairwise(cuts):
        if start not in skipped:
            yield start, end, labels[start]["label"] if start in labels else None


def _stops(text: str, printed: int) -> Iterator[int]:
    for match in _STOP.finditer(text, printed):
        if match[0] == "\n" or not (
            text[match.start()] == "."
            and _ABBREVIATED.search(text, max(0, match.start() - 12), match.start())
        ):
            yield match.end()


def _inferred(sentences: list[tuple[Sentence, bool]]) -> Iterator[Sentence]:
    """The sentences with their sections, inferred where no label gives them.

    Without labels an abstract starts with its background; what it aims at, does, reports and concludes is told by its
    verbs, and background does not come back once one of these was met.
    """
    met: Section = "background"
    count = len(sentences)
    for number, (sentence, labelled) in enumerate(sentences):
        if not labelled:
            met = _told(sentence.text.lower(), met, last=number >= count - 2 and count > 2)
            sentence = sentence._replace(section=met)
        yield sentence


def _told(text: str, before: Section, *, last: bool) -> Section:
    """The section that a sentence tells by its words, after one of the section ``before``."""
    if before != "background" or last:
        if _CONCLUDES.search(text):
            return "conclusions"
        if before == "conclusions":
            return "conclusions" if not _REPORTS.search(text) else "results"
    if _AIMS.search(text) and before in ("background", "aim"):
        return "aim"
    if _DOES.search(text) and before in ("background", "aim", "methods"):
        return "results" if before == "methods" and _REPORTS.search(text) else "methods"
    if before != "background" and _REPORTS.search(text):
        return "results"
    return before
