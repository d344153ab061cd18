"""A list's filters in its address: from the query string to a Selection, and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, cast
from urllib.parse import urlencode

from tracker.article import parse_key
from tracker.decision import DECISION_WORDS, STAGE_WORDS
from tracker.directness import directness_words
from tracker.errors import UsageError, either
from tracker.evidence import search
from tracker.evidence.facets import ANSWERS, FACTS
from tracker.lists.selection import TOP, Key, Selection, Sort
from tracker.reading.labels import groups
from tracker.site.server import access
from tracker.site.server.compat import BadRequest, Request
from tracker.team import placements
from tracker.team.boxes import BOXES, Box
from tracker.team.decisions import TODO, TODO_FULL, UNDECIDED

MOST_CHARACTERS = 300
# Maximum values of one group; each is shown as a filter to remove, with the address of the list without it.
MOST_VALUES = 20
DECISION_FILTERS: dict[str, str] = {
    **{decision: words.filter for decision, words in DECISION_WORDS.items()},
    UNDECIDED: "not looked at",
}
# What is left for the viewer to do.
MY_FILTERS = {
    todo: f"for me to decide by {words}"
    for todo, words in zip((TODO, TODO_FULL), STAGE_WORDS.values(), strict=True)
}
SORTS: dict[Sort, str] = {
    "published": "date of publication",
    "entered": "date of entry into this list",
    "pmid": "PMID",
}
_KEY = re.compile(r"([0-9TZ:-]{0,20}),(x?[1-9]\d{0,9})")


class Chip(NamedTuple):
    """An active filter: its text, and the address of the list without it."""

    text: str
    without: str


def selection(
    request: Request, question: str | None, choices: Mapping[str, Collection[str]], *, strict: bool = False
) -> Selection:
    """What the address asks for. ``choices`` are the existing facets, by group; other parameters are ignored.

    What a page cannot filter by is left out, and ``ignored`` says so. ``strict`` is for answers with no place to say
    so, such as a file: then unknown values are kept, which match nothing, and too many are refused.

    Raises BadRequest if a value does not have the form of its field.
    """
    text, sort, tag = _text(request), _sort(request), request.args.get("tag") or None
    decision, viewer = _decision(request, question), access.viewer(request)
    given = {group: _given(request.args.getlist(group)) for group in choices}
    if strict and (crowded := [group for group, values in given.items() if len(values) > MOST_VALUES]):
        raise BadRequest(f"{crowded[0]}: a list is filtered by at most {MOST_VALUES} values of a group.")
    return Selection(
        question,
        {
            group: tuple(values)
            for group, asked in given.items()
            if (values := asked if strict else _known(asked, choices[group])[:MOST_VALUES])
        },
        _year(request, "from"),
        _year(request, "to"),
        text,
        _day(request, "new"),
        tag=tag,
        decision=decision,
        # By people: tags, decisions and, of a question, to what directness they moved its records.
        viewer=viewer if tag or question else None,
        sort=sort if question else "published",
    )


def without_labels(chosen: Selection) -> Selection:
    """The list as it is screened with labels hidden: by PMID, filtered by nothing that the machine read."""
    facts = {group: values for group, values in chosen.labels.items() if group in FACTS}
    return chosen._replace(labels=facts, sort="pmid")


def _text(request: Request) -> str:
    text = (request.args.get("q") or "").strip()
    if len(text) > MOST_CHARACTERS:
        raise BadRequest(
            f"A search may have {MOST_CHARACTERS} characters; this one has {len(text):,}. Shorten it."
        )
    try:
        search.check(text)
    except UsageError as error:
        raise BadRequest(f"Too much to search for at once: {error}") from None
    return text


def _sort(request: Request) -> Sort:
    sort = request.args.get("sort") or "published"
    if sort not in SORTS:
        raise BadRequest(f"Unknown sort order {sort!r}. Use {either(SORTS)}.")
    return cast(Sort, sort)


def _decision(request: Request, question: str | None) -> str | None:
    decision = request.args.get("decision") or None
    if decision and question is None:
        raise BadRequest("decision: decisions belong to a question. Use a question's page.")
    known = DECISION_FILTERS | (MY_FILTERS if access.viewer(request) else {})
    if decision and decision not in known and Box.parse(decision) is None:
        raise BadRequest(f"Unknown decision {decision!r}. Use {either((*known, *BOXES))}.")
    return decision


def ignored(request: Request, choices: Mapping[str, Collection[str]]) -> list[str]:
    """The filters of the address that a page leaves out, in sentences."""
    args = request.args
    given = {group: _given(args.getlist(group)) for group in choices}
    known = {group: _known(values, choices[group]) for group, values in given.items()}
    unknown = sum(len(values) - len(known[group]) for group, values in given.items())
    remarks = [
        f"{group_title(group)}: only the first {MOST_VALUES} of {len(values)} values count."
        for group, values in known.items()
        if len(values) > MOST_VALUES
    ]
    if unknown:
        remarks.append(
            "One filter value is unknown here and was ignored."
            if unknown == 1
            else f"{unknown:,} filter values are unknown here and were ignored."
        )
    return remarks


def _given(values: Sequence[str]) -> list[str]:
    """The address's values for a group, each once."""
    return list(dict.fromkeys(filter(None, values)))


def _known(values: Sequence[str], choices: Collection[str]) -> list[str]:
    known = frozenset(choices)
    return [value for value in values if value in known]


def after(request: Request) -> Key:
    """Where in the list the page starts; anything other than one of our keys means the top."""
    key = _KEY.fullmatch(request.args.get("after") or "")
    return (key[1], parse_key(key[2])) if key else TOP


def query(chosen: Selection, **more: str | None) -> str:
    """The list as a query string, including ``?`` unless it is empty; ``more`` is added to it."""
    pairs = [*_pairs(chosen), *((name, value) for name, value in more.items() if value)]
    return f"?{urlencode(pairs)}" if pairs else ""


def only(chosen: Selection, group: str, *values: str) -> str:
    """The query string of the whole question with these values of one group."""
    return query(Selection(chosen.question, {group: values}))


def with_text(chosen: Selection, text: str) -> str:
    """The query string of the list with another text in its place."""
    return query(chosen._replace(text=text))


def chips(chosen: Selection, path: str, to_query: Callable[[Selection], str] | None = None) -> list[Chip]:
    """Every active filter; ``to_query`` makes the query string of the list without it, if ``query`` does not."""
    as_query = to_query or query
    return [Chip(text, path + as_query(without)) for text, without in _parts(chosen)]


def _parts(chosen: Selection) -> Iterator[tuple[str, Selection]]:
    if chosen.text:
        yield f"“{chosen.text}”", chosen._replace(text="")
    for group, values in chosen.labels.items():
        for value in values:
            rest = {group: tuple(other for other in values if other != value)}
            labels = {name: each for name, each in {**chosen.labels, **rest}.items() if each}
            yield f"{group_title(group)}: {value_title(group, value)}", chosen._replace(labels=labels)
    if chosen.first_year is not None:
        yield f"from {chosen.first_year}", chosen._replace(first_year=None)
    if chosen.last_year is not None:
        yield f"to {chosen.last_year}", chosen._replace(last_year=None)
    if chosen.created_since:
        yield f"in PubMed since {chosen.created_since}", chosen._replace(created_since=None)
    if chosen.tag:
        yield f"tag: {chosen.tag}", chosen._replace(tag=None)
    if chosen.decision:
        box = Box.parse(chosen.decision)
        words = box.words if box else (DECISION_FILTERS | MY_FILTERS)[chosen.decision]
        yield words, chosen._replace(decision=None)


def decisions(chosen: Selection, viewer: int | None) -> dict[str, str]:
    """The decisions that a list can be filtered by, with their words; that of the list is one of them."""
    box = Box.parse(chosen.decision or "")
    return (
        DECISION_FILTERS | (MY_FILTERS if viewer else {}) | ({str(box): box.words} if box is not None else {})
    )


def group_title(group: str) -> str:
    """The words for a group: those of the registry, or of what PubMed states."""
    known = groups().get(group)
    return known.title if known else (FACTS | ANSWERS).get(group) or group.replace("_", " ").capitalize()


def value_title(group: str, value: str) -> str:
    if group == placements.GROUP:
        return directness_words(value)
    return LANGUAGES.get(value, value) if group == "language" else value


def _pairs(chosen: Selection) -> Iterator[tuple[str, Any]]:
    fields: Mapping[str, Any] = {
        "q": chosen.text,
        "from": chosen.first_year,
        "to": chosen.last_year,
        "new": chosen.created_since,
        "tag": chosen.tag,
        "decision": chosen.decision,
        "sort": chosen.sort if chosen.sort != "published" else None,
    }
    for group, values in chosen.labels.items():
        yield from ((group, value) for value in values)
    yield from ((name, value) for name, value in fields.items() if value not in (None, ""))


def _year(request: Request, name: str) -> int | None:
    text = (request.args.get(name) or "").strip()
    if not text:
        return None
    if not re.fullmatch("[12][0-9]{3}", text):
        raise BadRequest(f"{name}={text!r} is not a year. Write four digits, such as 2015.")
    return int(text)


def _day(request: Request, name: str) -> str | None:
    text = (request.args.get(name) or "").strip()
    if not text:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise BadRequest(f"{name}={text!r} is not a day. Write it as 2026-01-31.") from None


# MARC's codes as MEDLINE uses them: https://www.nlm.nih.gov/bsd/language_table.html
LANGUAGES = dict(
    pair.split("=")
    for pair in (
        "afr=Afrikaans alb=Albanian ara=Arabic arm=Armenian aze=Azerbaijani bos=Bosnian bul=Bulgarian cat=Catalan "
        "chi=Chinese cze=Czech dan=Danish dut=Dutch eng=English epo=Esperanto est=Estonian fin=Finnish fre=French "
        "geo=Georgian ger=German gle=Irish gre=Greek heb=Hebrew hin=Hindi hrv=Croatian hun=Hungarian ice=Icelandic "
        "ind=Indonesian ita=Italian jpn=Japanese kin=Kinyarwanda kor=Korean lat=Latin lav=Latvian lit=Lithuanian "
        "mac=Macedonian mal=Malayalam mul=several may=Malay nor=Norwegian per=Persian pol=Polish por=Portuguese "
        "rum=Romanian rus=Russian san=Sanskrit slo=Slovak slv=Slovenian spa=Spanish srp=Serbian swe=Swedish "
        "tha=Thai tur=Turkish ukr=Ukrainian und=unknown urd=Urdu vie=Vietnamese wel=Welsh"
    ).split()
)
