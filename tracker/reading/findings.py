"""What an abstract says of a question's outcome: its own sentences, in the order in which a reader needs them.

Results come before conclusions, and of them what names the primary outcome or reports no difference comes first: in
abstracts of trials without a significant primary result, conclusions favour the treatment more often than not
(Boutron 2010, doi:10.1001/jama.2010.651). Aims, what was only measured, and others' work are no findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache, cached_property, lru_cache
from typing import Literal, NamedTuple

from tracker.query.vocabulary import MeshTree, default_tree
from tracker.reading.brief import Brief
from tracker.reading.engine import Record
from tracker.reading.outcomes import Matcher, Mentions
from tracker.reading.sections import Part, Section, Sentence, states_aim
from tracker.reading.text import RecordText

State = Literal[
    "result given",
    "measured, result not in the abstract",
    "said not to have been measured",
    "not mentioned",
]
RESULT: State = "result given"
MEASURED: State = "measured, result not in the abstract"
NOT_MEASURED: State = "said not to have been measured"
NOT_MENTIONED: State = "not mentioned"
_BY_STRENGTH: tuple[State, ...] = (RESULT, MEASURED, NOT_MEASURED, NOT_MENTIONED)


class Count(NamedTuple):
    """A number of people with its words; ``start`` and ``end`` are offsets in the plain text of its part."""

    number: int
    start: int
    end: int
    part: Part = "abstract"


class Span(NamedTuple):
    """Offsets of words in a plain text: code points, end exclusive."""

    start: int
    end: int


class Finding(NamedTuple):
    """A sentence about a question's outcome, by its offsets (code points, end exclusive) in its part's plain text.

    ``cue`` is the words for which it was taken; ``side`` is the side of the outcome that it is about, and ``about`` the
    number of people that it says it is about. ``is_null`` tells that it reports no difference, no change or no case;
    ``looked_for`` is then the place, in the plain text of the abstract, of the sentence that says how that was looked
    for, where one does.
    """

    part: Part
    start: int
    end: int
    section: Section
    cue: str
    side: str
    about: Count | None = None
    is_null: bool = False
    looked_for: Span | None = None


class Side(NamedTuple):
    """What a record says of one side of an outcome.

    ``places`` are the sections whose sentences name it, background left out, and ``sentences`` the numbers of these in
    ``RecordText.sentences``; ``heading`` is a MeSH heading of the record that the outcome's lines ask for.
    """

    name: str
    state: State
    places: frozenset[Section] = frozenset()
    sentences: tuple[int, ...] = ()
    heading: str | None = None


class Findings(NamedTuple):
    """All that a record says of a question's outcome. ``state`` is the strongest of its sides'.

    ``reached`` is the number of people who reached the longest follow-up, where the abstract says so.
    """

    state: State
    sentences: tuple[Finding, ...] = ()
    sides: tuple[Side, ...] = ()
    reached: Count | None = None

    @property
    def named(self) -> bool:
        """Whether the record names the outcome at all, be it in what is no finding."""
        return self.state != NOT_MENTIONED or any(side.places for side in self.sides)


def findings(record: Record, brief: Brief) -> Findings:
    """What a record says of the outcome that a question's brief names."""
    found: list[tuple[_Rank, Finding]] = []
    sides = []
    for matcher in matchers(brief):
        mentions = matcher.mentions(record.text, record.article)
        if not mentions:
            sides.append(_unnamed(matcher))
            continue
        account = _Account(record.text, matcher, mentions)
        own = account.findings()
        found += own
        sides.append(account.side(bool(own)))
    if not found and all(side.state == NOT_MENTIONED for side in sides):
        return Findings(NOT_MENTIONED, (), tuple(sides))
    state = min((side.state for side in sides), key=_BY_STRENGTH.index)
    sentences = _each_once(finding for _, finding in sorted(found, key=lambda each: each[0]))
    return Findings(state, sentences, tuple(sides), _reached(record.text) if sentences else None)


def matchers(brief: Brief) -> tuple[Matcher, ...]:
    """One for each side of the outcome; compiled once for a question and the headings that are known."""
    return _matchers(brief, default_tree())


@lru_cache(maxsize=64)
def _matchers(brief: Brief, tree: MeshTree) -> tuple[Matcher, ...]:
    return tuple(Matcher(outcome, tree) for outcome in brief.outcomes)


@cache
def _unnamed(matcher: Matcher) -> Side:
    return Side(matcher.outcome.name, NOT_MENTIONED)


def _each_once(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each sentence once for each side, in order."""
    return tuple({(finding.side, finding.part, finding.start): finding for finding in found}.values())


# -- what a sentence does --------------------------------------------------------------------------


class _Sign(NamedTuple):
    """A pattern for a sentence in lower case, and words one of which every match holds: they are looked for first."""

    words: tuple[str, ...]
    pattern: re.Pattern[str]

    def search(self, text: str) -> re.Match[str] | None:
        for word in self.words:
            if word in text:
                return self.pattern.search(text)
        return None


def _sign(words: str, *patterns: str) -> _Sign:
    return _Sign(tuple(words.split("|")), re.compile("|".join(patterns)))


_PRIMARY = _sign(
    "primary|main outcome",
    r"\bprimary (?:[\w-]+ ){0,3}?(?:outcome|end[ -]?point|measure|analys[ie]s|hypothes[ie]s)",
    r"\bmain outcome",
)
# What the methods say that the primary outcome is.
_DECLARED = _sign(
    "primary|main outcome",
    r"\b(?:primary (?:[\w-]+ ){0,3}?(?:outcome|end[ -]?point|measure)|main outcome)s?(?: [\w-]+){0,2}? "
    r"(?:was|were|is|are|included?|will be) (?P<what>[^.;]{3,160})",
)
_INTERACTION = _sign(
    "interaction|by|x|×",
    r"\b(?:treatment|group|time|condition|drug|arm)s?[ -](?:by|x|×)[ -][\w-]{2,20}",
    r"\binteractions?\b",
)
# No difference, as abstracts say it.
_NULL = _sign(
    "no|neither|failed|comparable|similar|unchanged|stable|without|didn",
    r"\bnon-?significan",
    r"\bnot (?:[\w-]+ ){0,3}significan",
    r"\b(?:did|do|does|was|were|is|are|has|had|have) (?:\w+ )?not\b",
    r"\bno (?:[\w-]+ ){0,3}(?:differences?|effects?|changes?|evidence|benefits?|improvements?|interactions?|"
    r"associations?|correlations?|relationships?|declines?|impairments?|deficits?|increases?|decreases?|cases?)\b",
    r"\bdidn['’]t\b|\bneither\b|\bnor\b|\bfailed to\b|\bcomparable\b|\bnone of\b",
    r"\b(?:was|were|remained) (?:(?!an? |the )\w+ )?(?:similar|unchanged|stable)\b",
    r"\bwithout (?:any |a )?(?:significant |change|effect|impair|deficit|\w+ (?:impairment|deficit|decline))",
)
# What was looked at, which is no result.
_LOOKED_AT = _sign(
    "ed |ed.|ed,|inc|comp|cons|we |this |are|were|was|will",
    r"\b(?:was|were|are|is|be|been|being) (?:[\w-]+ ){0,2}(?:assessed|measured|evaluated|examined|tested|monitored|"
    r"administered|recorded|collected|used|performed|investigated|analy[sz]ed|explored|tracked|rated|determined|"
    r"obtained|compared|reviewed|discussed|described|studied|conducted|addressed|considered|presented|searched|"
    r"summari[sz]ed|outlined|included|recruited|enrolled)\b",
    r"\b(?:outcomes?|measures?|measurements?|endpoints?|assessments?|batter(?:y|ies)|tests?) (?:\w+ )?"
    r"(?:include[ds]?|are|consist\w{0,6}|compris\w{0,6}|were|was|will)\b",
    r"\bwe (?:\w+ )?(?:assess|measur|evaluat|examin|test|investigat|explor|review|discuss|describ|summari|compar|aim|"
    r"hypothesi[sz]|propos|present|search|conduct)",
    r"\bthis (?:\w+ ){0,2}(?:review|paper|article|study|chapter|protocol) (?:\w+ )?(?:aims?|will|examine|discuss|"
    r"review|describe|summari|explore|present|provide|focus|investigate|evaluate|highlight)",
)
# By which means it was looked at; to investigate something is an aim.
_MEANS = _sign(
    "assess|measur|evaluat|tested|monitor|administ|record|rated|screened|determined|track|quantif|batter|scale|"
    "questionnaire|inventor|interview|task",
    r"\b(?:was|were|is|are|be|been|being) (?:[\w-]+ ){0,2}(?:assessed|measured|evaluated|tested|monitored|administered|"
    r"recorded|rated|screened|determined|tracked|quantified)\b",
    r"\bwe (?:\w+ )?(?:assessed|measured|evaluated|tested|monitored|administered|recorded|rated|screened|tracked)\b",
    r"\b(?:batter(?:y|ies)|scales?|questionnaires?|inventor(?:y|ies)|interviews?|tasks?)\b",
)
# The same, whatever else the sentence says.
_DISCUSSED = _sign(
    "discussed|described|presented|reviewed|summari|outlined|highlighted|considered|addressed|achieved|ed to|order to|"
    "speculat|hypothesi|theorise|theorize",
    r"\b(?:we|the authors?|it (?:is|was)) (?:\w+ )?(?:speculat|hypothesi[sz]|theori[sz])\w{0,3}\b",
    r"\b(?:is|are|was|were|will be) (?:\w+ )?(?:(?:discussed|described|presented|reviewed|summari[sz]ed|outlined|"
    r"highlighted|considered|addressed)\b|achieved (?:using|by|with|through)\b|"
    r"(?:examined|investigated|evaluated|assessed|compared|analy[sz]ed) (?:in order )?to\b)",
)
# Who took part, which is told among the results.
_TOOK_PART = _sign(
    "randomi|assigned|allocated|enrolled|recruited",
    r"\b(?:was|were) (?:\w+ )?(?:randomi[sz]ed|assigned|allocated|enrolled|recruited)\b",
)
_RESULT = re.compile(
    r"\bp\s?[<=>≤]|\d\s?%|\bci\b|significan|\bno (?:[\w-]+ ){0,3}(?:differ|effect|change|evidence|case)|"
    r"\b(?:(?:improv|impair|increas|decreas|reduc|worsen|declin|enhanc|attenuat|diminish|deteriorat|extend|prolong|"
    r"sustain|confirm)\w{0,9}|better|worse|higher|lower|greater|fewer|less|stable|unchanged|similar|comparable|uncommon|"
    r"common|rare|rarely|frequent|absent|found|showed|shown|shows|observed|revealed|demonstrated|indicated?|remained|"
    r"developed|experienced|reported|associated|related to|correlated|predicted|led|resulted|effective|positive|"
    r"negative|mixed|suggests?|appears?|seems?|support|achieved|responded|remitted|relapsed|discontinued|insufficient|limited|"
    r"inconclusive|scarce)\b"
)
# What is yet to be done or learned.
_TO_COME = _sign(
    "further|future|more|large|additional|longer|long-term|controlled|prospective|rigorous|warrant|need|require|necess|"
    "essential|remain|should|important|will |could |would |can |may |might |recommend|suggest that|hope|plan|propose|"
    "call for|insight|pave",
    r"\b(?:further|future|more|larger?|additional|longer|long-term|controlled|prospective|rigorous)"
    r"(?:[\s,]{1,3}[\w-]{1,30}){0,6}? (?:research|stud(?:y|ies)|trials?|investigations?|work|data|evidence)\b",
    r"\b(?:is|are) (?:\w+ )?(?:warranted|needed|required|necessary|essential)\b",
    r"\bremains? (?:\w+ )?(?:to be|unclear|unknown|uncertain|elusive)|\bshould\b|\bit is (?:\w+ )?important\b",
    r"\b(?:will|could|would|can|may|might) (?:\w+ )?(?:inform|guide|help|provide|"
    r"be (?:\w+ )?(?:explored|used|considered|determined))",
    r"\b(?:we|the authors?) (?:\w+ )?(?:recommend|suggest that further|hope|plan|propose|call for)",
    r"\bneed(?:s|ed)? (?:to|for)\b|\bprovides? (?:\w+ )?insights?\b|\bpaves? the way\b",
)
_OTHERS = _sign(
    "previous|prior|earlier|past|recent|other",
    r"^previously\b|\b(?:we|our group|has|have) previously (?:found|shown|show|report)",
    r"^(?:\w+,? )?(?:previous|prior|earlier|past|recent|other) (?:[\w-]+ ){0,3}(?:stud(?:y|ies)|research|reports?|work|"
    r"trials?|reviews?|literature|evidence) (?:has|have|had|suggest|show|report|indicat|found|demonstrat)",
)
# What goes with what, and how studies differed: told beside what was found.
_ASIDE = _sign(
    "correlat|predict|mediat|baseline|varied|heterogene|risk of bias|quality of",
    r"\b(?:correlat|predict|mediat)|\bassociated with (?:\w+ ){0,2}baseline|\bbaseline\b[^.;]{0,60}\bassociated",
    r"\bvaried (?:\w+ )?(?:between|across|among)|\bheterogene(?:ous|ity)|\brisk of bias|\bquality of (?:the )?evidence",
)
_LITTLE_KNOWN = _sign(
    "limited|scarce|lacking|sparse|insufficient|missing",
    r"\b(?:evidence|data|information|literature|knowledge|research)\b[^.;]{0,120}\b(?:is|are|remains?) (?:\w+ )?"
    r"(?:limited|scarce|lacking|sparse|insufficient|missing)\b",
)
_UNMEASURED = _sign(
    "not|never|no |lack of|absence of",
    r"\b(?:was|were|is|are|been) (?:not|never) (?:\w+ly )?(?:assessed|measured|evaluated|examined|studied|investigated|"
    r"tested|collected|addressed)\b",
    r"\b(?:did|do|does) not (?:\w+ly )?(?:assess|measure|evaluate|examine|study|investigate|collect|address|test)\b",
    r"\b(?:we|authors?|stud(?:y|ies)|trials?|articles?|papers?|reviews?) (?:did|do) not (?:\w+ly )?report\b",
    r"\bno (?:\w+ )?(?:stud(?:y|ies)|trials?|articles?|papers?) (?:\w+ ){0,2}(?:assessed|measured|evaluated|examined|"
    r"investigated|reported on|addressed)\b",
    r"\b(?:no|lack of|absence of) (?:\w+ )?(?:data|information|studies|assessments?)(?: \w+){0,2} "
    r"(?:on|about|of|regarding|concerning)\b",
)
_LEFT_OUT = _sign(
    "exclu|ineligible|without",
    r"\bexclu(?:ded|ding|sions?)\b|\bineligible\b|\bwithout (?:a |any )?(?:history|current|lifetime)\b",
)
_TESTED = re.compile(r"\bp\s?[<=>≤]|\bci\b|significan|\bno (?:\w+ ){0,2}difference")
_FIGURES = re.compile(r"\bp\s?[<=>≤]|\d\s?%|\bci\b|\bn\s?=|significan|\b(?:odds|hazard|risk) ratio")
# Words of a declared primary outcome that any outcome may have.
_OF_ANY_OUTCOME = frozenset(
    "change changes score scores scale scales rating ratings baseline treatment treatments measure measured measures "
    "assessed defined difference differences between within groups during following percentage proportion patients "
    "participants severity symptom symptoms number outcome outcomes response after before total weeks months "
    "clinical primary secondary infusion infusions effect effects improvement reduction".split()
)
_WORD = re.compile(r"[^\W\d_]{4,30}")

# -- what one side's sentences say -----------------------------------------------------------------

_Rank = tuple[int, int]
_OWN: frozenset[Section] = frozenset(("title", "aim", "methods", "results", "conclusions"))
_STUDIED: frozenset[Section] = frozenset(("methods", "results"))


class _Account:
    """What a record's sentences say of one side of an outcome that they name somewhere."""

    def __init__(self, text: RecordText, matcher: Matcher, mentions: Mentions) -> None:
        self._text = text
        self._outcome = matcher.outcome
        self._told_from = _told_from(text)
        self._spans = {
            number: spans
            for number, spans in mentions.spans.items()
            if not (self._section(number) == "methods" and _LEFT_OUT.search(self._lower(number)))
        }
        self._heading = mentions.heading
        self._own = tuple(
            number for number in sorted(self._spans) if self._section(number) in _OWN and self._speaks(number)
        )
        self.places = frozenset(map(self._section, self._own))

    def side(self, given: bool) -> Side:
        return Side(self._outcome.name, self.state(given), self.places, self._own, self._heading)

    def state(self, given: bool) -> State:
        if given:
            return RESULT
        if any(self._unmeasured(number) for number in self._spans if self._section(number) != "background"):
            return NOT_MEASURED
        if self._heading or not self.places.isdisjoint(("title", "aim", "methods", "results")):
            return MEASURED
        return NOT_MENTIONED

    def findings(self) -> list[tuple[_Rank, Finding]]:
        """The sentences that count, each with its rank."""
        found = _without_asides([*self._named(), *self._unnamed()])
        if all(rank[0] >= _CONCLUSION for rank, _ in found) and self._is_the_papers:
            found += self._main_results()
        return found

    @property
    def _is_the_papers(self) -> bool:
        """Whether the outcome is the paper's own: its title says so, or, of a treatment, its aim."""
        return "title" in self.places or (self._outcome.names == "treatment" and "aim" in self.places)

    def _named(self) -> Iterator[tuple[_Rank, Finding]]:
        """Results and conclusions that name the outcome."""
        for number, spans in sorted(self._spans.items()):
            rank = self._rank(number)
            if rank is not None:
                yield (rank, number), self._finding(number, self._words(spans[0]))

    def _rank(self, number: int) -> int | None:
        section, text = self._section(number), self._lower(number)
        if section not in ("results", "conclusions") or self._unmeasured(number):
            return None
        if not self._tells(text, self._first_place(number)):
            return None
        if section == "conclusions":
            return _CONCLUSION
        if _PRIMARY.search(text) or self._names_declared(text):
            return _PRIMARY_RESULT
        if _ASIDE.search(text):
            return _RESULT_ASIDE
        return _NULL_RESULT if _NULL.search(text) else _RESULT_NAMED

    def _unnamed(self) -> Iterator[tuple[_Rank, Finding]]:
        """Results in a paper about this outcome that name the primary outcome.

        Where the lines name a treatment, so do those that report an interaction, no difference, or what the methods say
        that the primary outcome is: sentences that name a treatment again are mostly those that favour it.
        """
        if not self._is_the_papers:
            return
        of_treatment = self._outcome.names == "treatment"
        for number in self._results():
            text = self._lower(number)
            cue = _PRIMARY.search(text) or (_INTERACTION.search(text) if of_treatment else None)
            if cue and _RESULT.search(text):
                rank = _PRIMARY_RESULT
            elif of_treatment and (cue := _NULL.search(text)):
                rank = _NULL_RESULT
            elif of_treatment and (cue := self._names_declared(text)) and self._tells(text, len(text)):
                rank = _RESULT_UNNAMED
            else:
                continue
            yield (rank, number), self._finding(number, self._original(number, cue.span()))

    def _main_results(self) -> Iterator[tuple[_Rank, Finding]]:
        """Where conclusions alone name the outcome, the results that they rest on: with figures, or no difference."""
        results = [number for number in self._results() if self._tells(self._lower(number), 0)]
        texts = [(number, self._lower(number)) for number in results]
        telling = [
            (number, cue) for number, text in texts if (cue := _FIGURES.search(text) or _NULL.search(text))
        ]
        for number, cue in telling[:2]:
            yield (_RESULT_UNNAMED, number), self._finding(number, self._original(number, cue.span()))

    @cached_property
    def _declared(self) -> re.Pattern[str] | None:
        """The words of the primary outcome that the methods declare."""
        for number, sentence in enumerate(self._text.sentences):
            if sentence.section in ("aim", "methods") and (found := _DECLARED.search(self._lower(number))):
                words = sorted(set(_WORD.findall(found["what"])) - _OF_ANY_OUTCOME)
                return re.compile(rf"\b(?:{'|'.join(words[:20])})\b") if words else None
        return None

    def _names_declared(self, text: str) -> re.Match[str] | None:
        if self._outcome.names != "treatment" or "primary" not in self._text.lower or not self._declared:
            return None
        return self._declared.search(text)

    def _results(self) -> Iterator[int]:
        for number, sentence in enumerate(self._text.sentences):
            if sentence.section == "results" and number not in self._spans:
                yield number

    def _speaks(self, number: int) -> bool:
        """Whether a sentence is about the paper itself: not about what others found, nor what is yet to be learned."""
        section, text = self._section(number), self._lower(number)
        if section in ("title", "methods"):
            return True
        if _OTHERS.search(text):
            return False
        ahead = _TO_COME.search(text) if section in ("results", "conclusions") else None
        return not ahead or bool(_RESULT.search(text[: ahead.start()]))

    def _tells(self, text: str, place: int) -> bool:
        """Whether a sentence reports something, rather than what was looked at, others found, or is to come."""
        if _OTHERS.search(text) or (self._told_from and _LITTLE_KNOWN.search(text)):
            return False
        ahead = _TO_COME.search(text)
        if ahead and (ahead.start() <= place or not _RESULT.search(text[: ahead.start()])):
            return False
        if _DISCUSSED.search(text) or (_TOOK_PART.search(text) and not _TESTED.search(text)):
            return False
        return bool(_RESULT.search(text)) or not _LOOKED_AT.search(text)

    def _unmeasured(self, number: int) -> bool:
        text = self._lower(number)
        return bool(_UNMEASURED.search(text)) and not _FIGURES.search(text)

    # Places

    def _section(self, number: int) -> Section:
        sentence = self._text.sentences[number]
        if self._told_from and number >= self._told_from and sentence.section in ("background", "aim"):
            return "aim" if states_aim(self._text.small[number], self._text.words[number]) else "results"
        return sentence.section

    def _lower(self, number: int) -> str:
        return self._text.lower[self._text.start_of(number) : self._text.end_of(number)]

    def _first_place(self, number: int) -> int:
        return min(start for start, _ in self._spans[number]) - self._text.start_of(number)

    def _words(self, span: tuple[int, int]) -> str:
        number = self._text.sentence_at(span[0])
        start = self._text.start_of(number)
        return self._original(number, (span[0] - start, span[1] - start))

    def _original(self, number: int, span: tuple[int, int]) -> str:
        return self._text.sentences[number].text[slice(*span)]

    @cached_property
    def _how_looked_for(self) -> Span | None:
        """Where the methods say how the outcome was looked at: in the first sentence that names it and says so."""
        for number in self._own:
            if self._section(number) == "methods" and _MEANS.search(self._lower(number)):
                sentence = self._text.sentences[number]
                return Span(sentence.start, sentence.end) if sentence.part == "abstract" else None
        return None

    def _finding(self, number: int, cue: str) -> Finding:
        sentence = self._text.sentences[number]
        is_null = bool(_NULL.search(self._lower(number)))
        return Finding(
            sentence.part,
            sentence.start,
            sentence.end,
            self._section(number),
            cue,
            self._outcome.name,
            _about(sentence),
            is_null,
            self._how_looked_for if is_null else None,
        )


def _without_asides(found: list[tuple[_Rank, Finding]]) -> list[tuple[_Rank, Finding]]:
    """Without what goes with what, and how studies differed, where a result says more."""
    if not any(rank[0] < _RESULT_ASIDE for rank, _ in found):
        return found
    return [each for each in found if each[0][0] != _RESULT_ASIDE]


def _told_from(text: RecordText) -> int | None:
    """The first sentence that tells what the paper has to say, in an abstract without methods and results.

    Many reviews have such. What they say comes behind their aim, where they state one.
    """
    sections = [sentence.section for sentence in text.sentences]
    if not _STUDIED.isdisjoint(sections):
        return None
    return sections.index("aim") + 1 if "aim" in sections else 1


_PRIMARY_RESULT, _NULL_RESULT, _RESULT_NAMED, _RESULT_UNNAMED, _RESULT_ASIDE, _CONCLUSION = range(6)

# -- how many people -------------------------------------------------------------------------------

_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,2}|[0-9]{1,6})"
_PEOPLE = (
    r"(?:patients|participants|subjects|individuals|people|persons|adults|volunteers|men|women|children|adolescents|"
    r"veterans|respondents|users|responders|remitters|completers|cases)"
)
_ABOUT = re.compile(
    rf"\b(?:of|among|in|from|for|across) (?:the |these |all |those |a total of ){{0,2}}(?P<among>{_NUMBER}) "
    rf"(?:[a-z-]{{1,30}} ){{0,3}}?(?:{_PEOPLE}\b|who\b)|"
    rf"\b(?P<some>[0-9]{{1,6}})(?: {_PEOPLE})? (?:\([^()]{{1,20}}\) )?(?:out )?of (?:the )?(?P<whole>{_NUMBER})\b|"
    rf"\b(?P<part>[0-9]{{1,5}})/(?P<all>[0-9]{{1,5}})\b(?=[,;]? ?[(\[]?[0-9.]{{1,5}} ?%|[)\]]? {_PEOPLE}\b)",
    re.IGNORECASE,
)
# What is completed in a sitting is no follow-up.
_A_SITTING = (
    r"(?:surveys?|questionnaires?|interviews?|baseline|tasks?|measures?|tests?|batter(?:y|ies)|scales?|"
    r"remission|response)"
)
_COMPLETED = re.compile(
    rf"\b(?P<number>{_NUMBER})(?: ?\([^()]{{1,25}}\))?(?: (?:out )?of (?:the )?{_NUMBER})?"
    r"(?P<between>(?: [\w/-]{1,30}){0,8}?) "
    r"(?:completed|finished|were followed (?:up )?(?:for|to|until)|remained in|reached) "
    rf"(?!(?:[\w-]{{1,30}} ){{0,3}}{_A_SITTING}\b)",
    re.IGNORECASE,
)
_SAYS_COMPLETED = ("completed", "finished", "were followed", "remained in", "reached")
_ARM = re.compile(r"\b(?:groups?|arms?)\b", re.IGNORECASE)


def _about(sentence: Sentence) -> Count | None:
    """The number of people whom a sentence says it is about: "of the 150 who", "12 of 40", "3/20 (15 %)"."""
    for found in _ABOUT.finditer(sentence.text):
        name = next(name for name in ("among", "whole", "all") if found[name])
        some = found["some"] or found["part"]
        number = _int(found[name])
        if number and (some is None or _int(some) <= number):
            start, end = found.span(name)
            return Count(number, sentence.start + start, sentence.start + end, sentence.part)
    return None


def _reached(text: RecordText) -> Count | None:
    """The number that reached the end, the last that the abstract says; never that of one arm."""
    last = None
    if not any(words in text.lower for words in _SAYS_COMPLETED):
        return None
    for sentence in text.sentences:
        if sentence.section not in ("methods", "results", "conclusions"):
            continue
        if not any(words in sentence.text for words in _SAYS_COMPLETED):
            continue
        for found in _COMPLETED.finditer(sentence.text):
            if not _ARM.search(found["between"]):
                start, end = found.span("number")
                last = Count(_int(found["number"]), sentence.start + start, sentence.start + end)
    return last


def _int(text: str) -> int:
    return int(text.replace(",", ""))
