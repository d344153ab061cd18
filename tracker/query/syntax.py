"""PubMed's query syntax: text -> a tree of terms, and the tree back to text.

The rules are those of PubMed Help (https://pubmed.ncbi.nlm.nih.gov/help/): operators are read strictly
from left to right, a tag makes the words before it one phrase, words without a tag are joined by AND.
The parser never stops at a mistake: it notes a finding and continues, so that a check sees all of them;
``parse`` refuses a text with a finding that makes it unreadable.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Literal, NamedTuple

from tracker.errors import Severity
from tracker.query.characters import odd_characters
from tracker.query.errors import QueryError
from tracker.query.vocabulary import (
    Field,
    default_tree,
    fields,
    fields_by_tag,
    fold_words,
    read_data,
    stopwords,
)

Operator = Literal["AND", "OR", "NOT"]

MAX_DEPTH = 60
MIN_TRUNCATED = 4
MOST_SHOWN = 60

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<open>\() | (?P<close>\))
    | (?P<range>(?P<low>"[\d/]+"|[\d/]+)\s*(?:\[(?P<lowtag>[^\[\]()"]*)\]\s*)?
        :\s*(?P<high>"[\d/]+"|[\d/]+)\s*\[(?P<hightag>[^\[\]()"]*)\])
    | "(?P<quoted>[^"]*)"
    | (?P<quote>")
    | \[(?P<tag>[^\[\]()"]*)\]
    | (?P<bracket>[\[\]])
    | (?P<word>[^\s()\[\]"]+)""",
    re.VERBOSE,
)
_OPERATORS: dict[str, Operator] = {"AND": "AND", "OR": "OR", "NOT": "NOT", "&": "AND", "|": "OR"}
_DATE = re.compile(r"([0-9]{4})(?:/([0-9]{1,2})(?:/([0-9]{1,2}))?)?")
_RECENT = re.compile(r"last (?:[0-9]+ )?(?:day|month|year)s?", re.IGNORECASE)
_NOTHING = re.compile(r"\s*\)")
_TAGGED = re.compile(r"\[([^\[\]()\"]*)\]")
_GLUED = re.compile(r"(AND|OR|NOT)(?=\w)")
_LINE = re.compile(r"#[0-9]+")
# The proximity operators of Ovid, Embase, Web of Science, EBSCO and Cochrane, and their XOR.
_ELSEWHERE = re.compile(r"(?:near|next|adj|pre|[npw])/[0-9]+|(?:adj|near)[0-9]+", re.IGNORECASE)
_ELSEWHERE_ALONE = frozenset({"NEAR", "NEXT", "ADJ", "SAME", "XOR"})
_WILDCARD = re.compile(r"(?<=\w)[?$#]|(?<!\w)[?#](?=\w)")
_CHARACTERS = {
    "Q009": (
        re.compile("[\u201c-\u201f\u2018-\u201b\u00ab\u00bb\u2039\u203a]"),
        "a straight quotation mark (\") or apostrophe (')",
    ),
    "Q010": (re.compile("[\u2010-\u2015\u2212]"), "a hyphen (-)"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check of a query found, at ``text[start:end]``.

    ``code`` is explained in docs/strategies.md; ``effect`` is what PubMed does with it without saying so.
    """

    code: str
    start: int
    end: int
    message: str
    effect: str
    severity: Severity

    @property
    def fails(self) -> bool:
        return self.severity != "note"


class Code(NamedTuple):
    title: str
    severity: Severity
    effect: str
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """Words to look for in one field.

    ``truncated``: the last word stands for all words that begin with it. ``distance``: the words may occur
    in any order with at most this many others between them. ``exact``: a name's initials are not completed.
    """

    text: str
    field: Field
    truncated: bool = False
    exact: bool = True
    explode: bool = True
    distance: int | None = None
    start: int = dataclasses.field(default=0, compare=False)
    end: int = dataclasses.field(default=0, compare=False)

    def __str__(self) -> str:
        text = f"{self.text}*" if self.truncated else self.text
        bare = not self.exact or self.field.kind == "uid" or re.fullmatch(r"\w+\*", text)
        modifier = "" if self.explode else ":noexp"
        modifier += "" if self.distance is None else f":~{self.distance}"
        return f"{text if bare else _quote(text)}[{self.field.name}{modifier}]"


@dataclass(frozen=True, slots=True)
class Range:
    """From ``low`` to ``high``, both included: dates ``YYYY/MM/DD``, or PMIDs."""

    low: str
    high: str
    field: Field
    start: int = dataclasses.field(default=0, compare=False)
    end: int = dataclasses.field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.low}:{self.high}[{self.field.name}]"


@dataclass(frozen=True, slots=True)
class Operation:
    """Operands joined by one operator, from left to right: ``NOT`` removes all later operands from the first."""

    operator: Operator
    operands: tuple[Node, ...]
    depth: int = dataclasses.field(default=1, compare=False)

    @property
    def start(self) -> int:
        return self.operands[0].start

    @property
    def end(self) -> int:
        return self.operands[-1].end

    def __str__(self) -> str:
        return "(" + f" {self.operator} ".join(map(str, self.operands)) + ")"


Node = Term | Range | Operation


@lru_cache(maxsize=256)
def parse(text: str) -> Node:
    """A PubMed query as a tree.

    Raises QueryError, naming the place and the reason, if PubMed would read something else than what is
    written: an unknown tag, a missing parenthesis or quotation mark, an operator without a term.
    """
    parser = Parser(text)
    node = parser.run()
    fatal = [finding for finding in parser.findings if codes()[finding.code].fatal]
    if fatal or node is None:
        first = min(fatal, key=lambda finding: finding.start)
        raise QueryError(f"{first.message} (character {first.start + 1} of the query, {first.code}).")
    return node


def terms(node: Node) -> Iterator[Term | Range]:
    """The leaves of a query, from left to right."""
    if isinstance(node, Operation):
        for operand in node.operands:
            yield from terms(operand)
    else:
        yield node


@cache
def codes() -> dict[str, Code]:
    """What each finding's code means (``codes.yml``)."""
    return {code: Code(**entry) for code, entry in read_data("codes.yml").items()}


class _Piece(NamedTuple):
    """A word or a quoted phrase that waits for the tag after it."""

    text: str
    quoted: bool
    start: int
    end: int


@dataclass(slots=True)
class _Level:
    """What has been read inside one pair of parentheses: ``nodes`` are joined by ``joined``, from left to right."""

    start: int
    nodes: list[Node] = dataclasses.field(default_factory=list)
    joined: Operator | None = None
    depth: int = 0
    operator: Operator | None = None
    operator_at: tuple[int, int] = (0, 0)
    written: Operator | None = None
    mixed: bool = False

    def join(self, operator: Operator, node: Node) -> bool:
        """Append a node; False if the nodes would be nested too deeply."""
        if (
            self.joined is None
            and isinstance(first := self.nodes[0], Operation)
            and first.operator == operator
        ):
            self.nodes, self.joined, self.depth = list(first.operands), operator, first.depth
        same = self.joined in (None, operator)
        before = self.depth if self.joined else _depth(self.nodes[0])
        depth = max(1 + _depth(node), before + (not same or self.joined is None))
        if depth > MAX_DEPTH:
            return False
        if not same:
            self.nodes = [self.whole()]
        self.nodes.append(node)
        self.joined, self.depth = operator, depth
        return True

    def whole(self) -> Node:
        return Operation(self.joined, tuple(self.nodes), self.depth) if self.joined else self.nodes[0]


class Parser:
    """One pass over a query. ``findings`` holds everything noticed; ``run`` returns the tree, if any."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.findings: list[Finding] = []
        self._levels = [_Level(0)]
        self._pieces: list[_Piece] = []
        self._lost_quote: int | None = None
        self._too_deep = False

    def run(self) -> Node | None:
        self._check_characters()
        at = 0
        while match := _TOKEN.match(self.text, at):
            at = self._take(match)
        self._flush()
        while len(self._levels) > 1:
            start = self._levels[-1].start
            self.find("Q001", start, start + 1, 'this "(" is never closed')
            self._close(self._levels.pop())
        root = self._levels[0]
        self._end_operator(root)
        if not root.nodes and not any(codes()[finding.code].fatal for finding in self.findings):
            self.find("Q005", 0, len(self.text), "there is nothing to search for")
        return root.whole() if root.nodes else None

    def find(self, code: str, start: int, end: int, message: str) -> None:
        rule = codes()[code]
        self.findings.append(Finding(code, start, end, message, rule.effect, rule.severity))

    def _check_characters(self) -> None:
        """Invisible characters, and those that look like others."""
        for code, start, end, message in odd_characters(self.text):
            self.find(code, start, end, message)

    def _take(self, match: re.Match[str]) -> int:
        """Read one token; returns where the next begins."""
        kind = match.lastgroup or ""
        value, (start, end) = match.group(kind), match.span()
        if kind == "quote" or (kind == "quoted" and _holds_a_tag(value)):
            # A quoted text with a tag in it was never meant to be one phrase: a quotation mark is missing here.
            self.find("Q002", start, start + 1, 'this quotation mark (") is unmatched')
            self._lost_quote = start
            return start + 1
        if kind == "open":
            self._flush()
            self._check_joined(start, end)
            self._levels.append(_Level(start))
        elif kind == "close":
            self._flush()
            self._close_at(start)
        elif kind == "tag":
            self._tag(value, start, end)
        elif kind == "range":
            self._flush()
            self._check_joined(start, end)
            self._range(match)
        elif kind == "bracket":
            self.find("Q004", start, end, f'this "{value}" is unmatched')
        elif kind == "word" and value in _OPERATORS:
            self._flush()
            self._operator(_OPERATORS[value], start, end)
        elif kind == "word" and _LINE.fullmatch(value):
            self._flush()
            self.find(
                "Q024",
                start,
                end,
                f"{value} is a line number; name the lines and join them in combine",
            )
            self._add(self._placeholder(start, end))
        elif kind != "space":
            self._piece(_Piece(value, kind == "quoted", start, end))
        return end

    # Parentheses and operators

    def _close_at(self, start: int) -> None:
        if len(self._levels) == 1:
            self.find("Q001", start, start + 1, 'this ")" was never opened')
            return
        level = self._levels.pop()
        if _NOTHING.match(self.text, level.start + 1):
            self.find("Q005", level.start, start + 1, "there is nothing between these parentheses")
            level.nodes = [self._placeholder(level.start, start + 1)]
        self._close(level)

    def _close(self, level: _Level) -> None:
        self._end_operator(level)
        if level.nodes:
            self._add(level.whole())

    def _operator(self, operator: Operator, start: int, end: int) -> None:
        level = self._levels[-1]
        if not level.nodes:
            self.find("Q006", start, end, f"there is no term before this {operator}")
        elif level.operator is not None:
            self.find("Q006", start, end, f"{operator} directly follows {level.operator}; keep one")
        if self.text[start - 1 : start] in ("]", '"') or self.text[end : end + 1] in ("[", '"'):
            self.find("Q022", start, end, f"put a space on either side of {operator}")
        level.operator, level.operator_at = operator, (start, end)

    def _end_operator(self, level: _Level) -> None:
        if level.operator is not None and level.nodes:
            self.find("Q006", *level.operator_at, f"there is no term after this {level.operator}")

    def _check_joined(self, start: int, end: int) -> None:
        """Check that an operator precedes what begins here, if anything precedes it."""
        level = self._levels[-1]
        if level.nodes and level.operator is None:
            self.find("Q022", start, end, "there is no AND, OR or NOT before this")

    def _add(self, node: Node) -> None:
        level = self._levels[-1]
        if not level.nodes:
            level.nodes.append(node)
        else:
            self._check_mixed(level)
            if not level.join(level.operator or "AND", node) and not self._too_deep:
                self._too_deep = True
                self.find("Q020", node.start, node.end, f"groups are nested more than {MAX_DEPTH} deep")
        level.operator = None

    def _check_mixed(self, level: _Level) -> None:
        """Check the written operators; a missing one is a separate finding."""
        before, now = level.written, level.operator
        level.written = now or before
        if level.mixed or before is None or now is None or before == now or "OR" not in (before, now):
            return
        level.mixed = True
        self.find(
            "Q007", *level.operator_at, f"{before} and {now} are mixed here; put one of them in parentheses"
        )

    # Words and their tags

    def _piece(self, piece: _Piece) -> None:
        """A quoted phrase is a separate term; unquoted words before a tag are one phrase."""
        if self._pieces and (piece.quoted or self._pieces[-1].quoted):
            self._flush()
        glued = None if piece.quoted else _GLUED.match(piece.text)
        if glued and self.text[piece.start - 1 : piece.start] in ("]", ")", '"') and piece.start:
            self._flush()
            at = piece.start
            self.find("Q022", at, at + glued.end(), f"put a space on either side of {glued[1]}")
        elif not self._pieces and not _is_lower_operator(piece) and not _is_elsewhere(piece):
            self._check_joined(piece.start, piece.end)
        self._pieces.append(piece)
        start = piece.start + piece.quoted
        for code, (pattern, remedy) in _CHARACTERS.items():
            for mark in pattern.finditer(piece.text):
                at = start + mark.start()
                self.find(code, at, at + 1, f"write {remedy} for {mark.group()}")
        for mark in _WILDCARD.finditer(piece.text):
            at = start + mark.start()
            self.find("Q023", at, at + 1, f"{mark.group()} is not a wildcard; join all spellings with OR")
        for word in re.finditer(r"\S+", piece.text):
            if _ELSEWHERE.fullmatch(word[0]) or (not piece.quoted and word[0] in _ELSEWHERE_ALONE):
                at = start + word.start()
                remedy = (
                    'write "two words"[tiab:~3], or AND'
                    if word[0] != "XOR"
                    else "write (a OR b) NOT (a AND b)"
                )
                self.find("Q021", at, at + len(word[0]), f"{word[0]} is not a PubMed operator; {remedy}")

    def _flush(self) -> None:
        """Words without a tag: searched in all fields, each by itself unless quoted."""
        pieces, self._pieces = self._pieces, []
        for piece in filter(_is_lower_operator, pieces):
            self._small_operator(piece)
        pieces = [piece for piece in pieces if not _is_lower_operator(piece)]
        if not pieces:
            return
        start, end = pieces[0].start, pieces[-1].end
        if not all(map(_is_elsewhere, pieces)) and not self._opens_with_lost_quote(start):
            words = self.text[start : min(end, start + MOST_SHOWN)]
            self.find("Q016", start, end, f"{words} has no field tag; say where to search, as in [tiab]")
        for piece in pieces:
            self._term(piece.text, piece.quoted, fields()["all"], "", piece.start, piece.end)

    def _opens_with_lost_quote(self, start: int) -> bool:
        at = self._lost_quote
        return at is not None and at < start and not self.text[at + 1 : start].strip()

    def _small_operator(self, piece: _Piece) -> None:
        self.find(
            "Q008", piece.start, piece.end, f'write "{piece.text}" in capitals, or the phrase in quotes'
        )

    def _tag(self, tag: str, start: int, end: int) -> None:
        pieces, self._pieces = self._pieces, []
        if not pieces:
            self.find("Q004", start, end, f"there is no term before [{tag}]; tag each term, not a group")
            return
        text = " ".join(piece.text for piece in pieces)
        known, modifier = self._field(tag, start, end)
        if not (known and known.kind == "values" and _may_be_one_value(pieces)):
            for piece in filter(_is_lower_operator, pieces):
                self._small_operator(piece)
        if pieces[0].quoted and known and known.kind == "words" and not modifier:
            self._check_stopwords(pieces[0])
        self._term(text, pieces[0].quoted, known, modifier, pieces[0].start, end)

    def _check_stopwords(self, piece: _Piece) -> None:
        stops = [word for word in re.findall(r"\w+", piece.text.lower()) if word in stopwords()]
        if stops:
            words, phrase = ", ".join(dict.fromkeys(stops)), piece.text[:MOST_SHOWN]
            message = f'"{phrase}" holds words that PubMed does not index: {words}'
            self.find("Q029", piece.start, piece.end, message)

    def _range(self, match: re.Match[str]) -> None:
        start, end = match.span()
        known, modifier = self._field(match["hightag"], match.start("hightag") - 1, end)
        if match["lowtag"] and self._field(match["lowtag"], match.start("lowtag") - 1, end)[0] != known:
            self.find("Q015", start, end, "both ends of a range need the same field")
        if known and known.kind not in ("date", "uid"):
            self.find("Q015", start, end, f"[{known.name}] does not take a range")
            known = None
        ends = f"{match['low']}:{match['high']}".replace('"', "")
        self._term(ends, False, known, modifier, start, end)

    def _field(self, tag: str, start: int, end: int) -> tuple[Field | None, str]:
        """The field that a tag names, None if there is no such field, and what follows the tag's colon."""
        name, _, modifier = (" ".join(part.split()) for part in tag.lower().partition(":"))
        known = fields_by_tag().get(name)
        if known is None:
            self.find("Q003", start, end, f"[{tag}] is not a field of PubMed{_suggest_tag(name)}")
        elif not known.documented:
            self.find("Q018", start, end, f"[{tag}] is not among PubMed's documented fields; use [tiab]")
        return known, modifier

    def _term(
        self, text: str, quoted: bool, known: Field | None, modifier: str, start: int, end: int
    ) -> None:
        text = " ".join(text.split())
        if known is None:
            node = None
        elif known.kind in ("date", "uid"):
            node = self._number(text, known, modifier, start, end)
        else:
            node = self._words(text, quoted, known, modifier, start, end)
        self._add(node or self._placeholder(start, end))

    def _placeholder(self, start: int, end: int) -> Term:
        """Stands in for what could not be read, so that the rest can still be judged."""
        return Term("?", fields()["all"], start=start, end=end)

    def _number(self, text: str, known: Field, modifier: str, start: int, end: int) -> Node | None:
        if modifier:
            self.find("Q015", start, end, f'[{known.name}] does not take ":{modifier}"')
        if known.kind == "date" and _RECENT.fullmatch(text):
            return Term(text.lower(), known, start=start, end=end)
        low, colon, high = text.partition(":")
        read = _read_date if known.kind == "date" else _read_uid
        first, last = read(low, False), read(high if colon else low, True)
        if first is None or last is None:
            wanted = "a date (YYYY/MM/DD)" if known.kind == "date" else "a PMID"
            self.find("Q015", start, end, f'"{text}" is not {wanted}, or a range of two')
            return None
        if colon and (int(first) > int(last) if known.kind == "uid" else first > last):
            self.find("Q015", start, end, f'"{text}" ends before it begins; write {high}:{low}')
            return None
        if known.kind == "uid" and not colon:
            return Term(first, known, start=start, end=end)
        return Range(first, last, known, start, end)

    def _words(
        self, text: str, quoted: bool, known: Field, modifier: str, start: int, end: int
    ) -> Node | None:
        distance = self._distance(text, quoted, known, modifier, start, end)
        bare, truncated = self._truncation(text, distance is not None, start)
        if not fold_words(bare):
            self.find("Q005", start, end, f'"{text}" holds no letter or digit to search for')
            return None
        if "*" in text:
            distance = None
        exact = quoted or known.kind != "names"
        return Term(bare, known, truncated, exact, modifier != "noexp", distance, start, end)

    def _distance(
        self, text: str, quoted: bool, known: Field, modifier: str, start: int, end: int
    ) -> int | None:
        """The N of [field:~N], or None; notes a modifier that the field does not take."""
        near = re.fullmatch(r"~ ?(\d{1,4})", modifier)
        if not near:
            if modifier and not (modifier == "noexp" and known.noexp):
                self.find("Q015", start, end, f'[{known.name}] does not take ":{modifier}"')
            return None
        if not known.proximity:
            self.find("Q014", start, end, f"[{known.name}] has no proximity search; use [ti], [tiab] or [ad]")
        elif not quoted or len(fold_words(text).split()) < 2:
            self.find("Q014", start, end, "a proximity search needs two or more words in quotes")
        return int(near[1])

    def _truncation(self, text: str, near: bool, start: int) -> tuple[str, bool]:
        """The text without asterisks, and whether one of them truncates it for PubMed."""
        if "*" not in text:
            return text, False
        at = self.text.index("*", start)
        bare = " ".join(text.replace("*", " ").split())
        stem = re.split(r"[\W_]+", text.rstrip("*"))[-1]
        if near:
            self.find("Q013", at, at + 1, f'"{text}": a proximity search cannot be truncated')
        elif "*" in text.rstrip("*") or not text.endswith("*") or not stem:
            self.find("Q012", at, at + 1, f'"{text}": the asterisk must end the last word')
            return bare, False
        elif len(stem) < MIN_TRUNCATED:
            self.find("Q011", at, at + 1, f'"{text}": write 4 or more characters before the asterisk')
        return bare, text.endswith("*") and len(stem) >= MIN_TRUNCATED


def _holds_a_tag(text: str) -> bool:
    return any(
        " ".join(tag.partition(":")[0].lower().split()) in fields_by_tag() for tag in _TAGGED.findall(text)
    )


def _is_elsewhere(piece: _Piece) -> bool:
    """An operator of another database, by itself."""
    return not piece.quoted and (piece.text in _ELSEWHERE_ALONE or bool(_ELSEWHERE.fullmatch(piece.text)))


def _may_be_one_value(pieces: list[_Piece]) -> bool:
    """A heading may hold "and", as ``aged, 80 and over``; two known headings joined by "and" are not one."""
    if _is_lower_operator(pieces[0]) or _is_lower_operator(pieces[-1]):
        return False
    parts = [""]
    for piece in pieces:
        if _is_lower_operator(piece):
            parts.append("")
        else:
            parts[-1] += f" {piece.text}"
    return not all(map(default_tree().knows, parts)) or default_tree().knows(
        " ".join(each.text for each in pieces)
    )


def _is_lower_operator(piece: _Piece) -> bool:
    return not piece.quoted and piece.text.upper() in ("AND", "OR", "NOT")


@lru_cache(maxsize=1024)
def _suggest_tag(name: str) -> str:
    near = get_close_matches(name[:40], fields_by_tag(), n=1, cutoff=0.5)
    return f"; did you mean [{near[0]}]?" if near else ""


def _quote(text: str) -> str:
    return f'"{text}"'


def _depth(node: Node) -> int:
    return node.depth if isinstance(node, Operation) else 0


def _read_date(text: str, last: bool) -> str | None:
    """``2020`` as the first or the last day that it may mean; None if it is not a date."""
    match = _DATE.fullmatch(text)
    if not match:
        return None
    year, month, day = match.groups()
    if not 1 <= int(month or 1) <= 12 or not 1 <= int(day or 1) <= 31:
        return None
    return f"{year}/{int(month or (12 if last else 1)):02}/{int(day or (31 if last else 1)):02}"


def _read_uid(text: str, last: bool) -> str | None:
    return str(int(text)) if re.fullmatch(r"[0-9]{1,10}", text) else None
