"""Wording for readers: dates, identifiers and what people did."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, cast
from urllib.parse import quote

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from tracker import decision
from tracker.article import named
from tracker.citation import bare_doi
from tracker.decision import DECISION_WORDS, STAGE_WORDS, Decision, Stage
from tracker.directness import directness_words
from tracker.enrich.added import OutsideNotice
from tracker.enrich.trials import State, Trial
from tracker.lists.entries import MARKS
from tracker.lists.methods import SeedState
from tracker.reading.labels import groups
from tracker.reading.notices import Flags
from tracker.reading.notices import words as notice_words

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
# Parts of a log entry that mean nothing to a reader.
_CODES = frozenset({"ui", "category", "registry_number", "initials", "identifiers", "role"})
_MONTHS = "January February March April May June July August September October November December".split()

# Why an article is in a question, for a reader.
REASONS = {
    "newly published": "newly published",
    "newly indexed": "newly indexed: in PubMed before, but found only now",
    "loaded from a file": "loaded from a file",
    "strategy changed": "found because the search strategy changed",
    "first search": "found by the first search",
    "found in another database": "found by a search of another database",
}


class NoticeWords(NamedTuple):
    """What happened to a paper, and what that means, a sentence each."""

    told: str
    means: str


# By the field of a record that says so.
NOTICES = {
    "retracted": NoticeWords(
        "This paper has been retracted.",
        "Its journal or its authors have taken it back, and nobody should rely on what it reports.",
    ),
    "withdrawn": NoticeWords(
        "This paper has been withdrawn, by its title.",
        "Cochrane withdraws reviews that are out of date, publishers withdraw papers that should not have appeared.",
    ),
    "expression_of_concern": NoticeWords(
        "An expression of concern about this paper was published.",
        "Its journal has doubts about the paper that are not settled, so read it with caution.",
    ),
    "corrected": NoticeWords(
        "A correction of this paper was published.",
        "Something in it was wrong, which may be a name or a result; the correction says what.",
    ),
}

# What became of a paper that a search must find.
SEED_WORDS: dict[SeedState, str] = {
    "found": "found",
    "not found": "not found",
    "listed": "here, and matched",
    "stored": "here, but not matched",
    "not stored": "not here",
}


def stage_words(stage: str) -> str:
    return STAGE_WORDS[cast(Stage, stage)]


def decision_words(decision: str | None) -> str:
    return DECISION_WORDS[cast(Decision, decision)].made if decision else "open"


def seen_words(decided: Mapping[str, Any]) -> str:
    """What somebody had before them when they decided, as far as it is worth a word; from what an act logged, too."""
    return decision.seen_words(decided.get("basis"), decided.get("labels"))


# Names of acts: for the person who has just done one, and for the log.
ACTIONS = {
    "tag": "Tagged",
    "untag": "Removed a tag",
    "decide": "Decided",
    "withdraw": "Withdrew a decision",
    "settle": "Settled",
    "note": "Wrote a note",
    "change note": "Changed a note",
    "take note away": "Deleted a note",
    "accept label": "Accepted a label",
    "correct label": "Corrected a label",
    "take label back": "Withdrew what they said about a label",
    "place": "Moved a record",
    "take placement back": "Took back a move",
    "review strategy": "Reviewed a search strategy (PRESS)",
    "take strategy review back": "Took back a review of a search strategy",
    "see alert": "Marked as seen",
    "hide labels": "Hid labels",
    "show labels": "Showed labels",
    "merge tag": "Merged a tag",
}


def action_words(action: str) -> str:
    undone = action.removeprefix("undo ")
    said = ACTIONS.get(undone, undone.capitalize())
    return said if undone == action else f"Undid: {said[0].lower()}{said[1:]}"


def done(act: Mapping[str, Any], refused: str | None = None) -> str:
    """One sentence about what somebody has just done."""
    parts = [action_words(act["action"])]
    if act.get("tag"):
        parts[0] += f": {act['tag']}"
    elif act["kind"] in ("decision", "settlement") and act["after"]:
        parts[0] += f": {decision_words(act['after']['decision'])}"
    elif act["kind"] == "placement" and act["after"]:
        parts[0] += f": {directness_words(act['after']['value'])}"
    if act["count"] > 1:
        parts.append(f"{act['count']:,} papers")
    if refused and refused.isdecimal():
        parts.append(f"{int(refused):,} could not be changed")
    return ", ".join(parts) + "."


# Headings would mix with the page's own; pictures would be fetched from other sites.
_MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True}).disable(
    ["heading", "lheading", "image"]
)
_NOTE_TAGS = {"p", "br", "em", "strong", "code", "pre", "blockquote", "ul", "ol", "li", "a", "hr"}


@lru_cache(maxsize=500)
def markdown(text: str) -> Markup:
    """A person's note as HTML: rendered from Markdown, then reduced to harmless tags.

    Cached, because a note of maximum length made only of brackets takes a quarter of a second.
    """
    made = nh3.clean(
        _MARKDOWN.render(text),
        tags=_NOTE_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer ugc",
    )
    return Markup(made)  # noqa: S704 - sanitised


def reason_words(reason: str) -> str:
    return REASONS.get(reason, reason)


def day(iso: str | None) -> str:
    """``2019-09-20`` as ``20 September 2019``, ``2019-09`` as ``September 2019``, ``2019`` as it is."""
    if not iso:
        return ""
    parts = iso[:10].split("-")
    if len(parts) > 1:
        if not 1 <= int(parts[1]) <= 12:
            return iso
        parts[1] = _MONTHS[int(parts[1]) - 1]
    if len(parts) > 2:
        parts[2] = str(int(parts[2]))
    return " ".join(reversed(parts))


def moment(iso: str | None) -> str:
    """``2026-11-24T20:11:16Z`` as ``24 November 2026, 20:11 UTC``."""
    if not iso:
        return ""
    return f"{day(iso)}, {datetime.fromisoformat(iso):%H:%M} UTC"


def moments(text: str) -> str:
    """A sentence with its ISO times written as ``moment`` writes them."""
    return _MOMENT.sub(lambda match: moment(match[0]), text)


def changed(value: str | None, field: str) -> str:
    """The state before or after a logged change: a flag as yes or no, JSON as the values that it lists."""
    if value is None:
        return ""
    if field in Flags._fields:
        return "yes" if value == "1" else "no"
    try:
        parts = json.loads(value) if value.startswith(("[", "{")) else value
    except ValueError:
        # For example, a title in brackets.
        return value
    if isinstance(parts, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_listed(part)}" for name, part in parts.items() if part)
    return "; ".join(map(_listed, parts)) if isinstance(parts, list) else value


def _listed(part: Any) -> str:
    if isinstance(part, list):
        return ", ".join(map(_listed, part))
    if isinstance(part, dict):
        told = {
            name: each for name, each in part.items() if name not in _CODES and not isinstance(each, bool)
        }
        if "type" in told:
            told["type"] = notice_words(told["type"])
        if "pmid" in told:
            told["pmid"] = named(told["pmid"])
        return " ".join(map(_listed, told.values()))
    return str(part)


def doi_link(doi: str) -> str:
    """A DOI's address; whatever the DOI contains, we set the scheme and host."""
    return "https://doi.org/" + quote(bare_doi(doi), safe="/:;().-_")


def chip(group: str, value: str) -> str:
    """A label's value as an entry of a list shows it: "n = 802"."""
    shown = groups()[group].chip if group in groups() else True
    number = f"{int(value):,}" if value.isdecimal() else value
    return shown.format(number) if isinstance(shown, str) else value


def lower_first(phrase: str) -> str:
    """A phrase as it stands within a sentence."""
    return phrase[:1].lower() + phrase[1:]


def highlighted(snippet: str) -> Markup:
    """A snippet of a record in which the words that a search matched are marked."""
    before, after = MARKS
    return Markup(str(escape(snippet)).replace(before, "<mark>").replace(after, "</mark>"))  # noqa: S704 - escaped


def registry_link(trial: Mapping[str, str]) -> str:
    """The address of a registration: at its registry, or in WHO's search portal."""
    number = quote(trial["number"], safe="")
    if number.startswith("NCT"):
        return f"https://clinicaltrials.gov/study/{number}"
    if number.startswith("ISRCTN"):
        return f"https://www.isrctn.com/{number}"
    return f"https://trialsearch.who.int/Trial2.aspx?TrialID={number}"


# From MARC's codes, which MEDLINE uses, to those of HTML (BCP 47); codes not listed are used as they are.
_TAGS = dict(
    pair.split("=")
    for pair in (
        "ara=ar bul=bg cat=ca chi=zh cze=cs dan=da dut=nl eng=en fin=fi fre=fr ger=de gre=el heb=he hrv=hr hun=hu "
        "ita=it jpn=ja kor=ko nor=no per=fa pol=pl por=pt rum=ro rus=ru slo=sk slv=sl spa=es srp=sr swe=sv "
        "tur=tr ukr=uk"
    ).split()
)


def language_tag(code: str) -> str:
    return _TAGS.get(code, code)


_OUTSIDE_KINDS = {
    "retracted": "Retracted",
    "withdrawn": "Withdrawn",
    "expression of concern": "Expression of concern",
    "corrected": "Corrected",
    "other": "A notice",
}
_STATED_BY = {"publisher": "its publisher", "retraction-watch": "Retraction Watch"}


def outside_words(notice: OutsideNotice) -> str:
    """A notice that PubMed lacks, with who says so: ``Retracted, says Retraction Watch``."""
    return f"{_OUTSIDE_KINDS[notice.kind]}, says {_STATED_BY.get(notice.stated_by, notice.stated_by)}"


_STATES = {
    State.OVERDUE: "ended more than a year ago, no publication naming this number found in PubMed",
    State.ENDED: "ended, no results known",
    State.RUNNING: "running",
    State.REGISTERED: "registered, not begun",
    State.RESULTS_POSTED: "ended, results posted in the registry",
    State.PUBLISHED: "ended, published",
    State.UNKNOWN: "not heard of for long",
    State.WITHDRAWN: "withdrawn before it began",
}


_ALERTS = {
    "retracted": "Retracted",
    "withdrawn": "Withdrawn",
    "expression of concern": "Marked with an expression of concern",
    "corrected": "Corrected",
}


def alert_words(field: str) -> str:
    """What became true of a paper (see ``team.alerts.Alert``), with who says so where PubMed does not."""
    kind, _, stated_by = field.replace("_", " ").partition(" by ")
    return f"{_ALERTS[kind]}, says {_STATED_BY.get(stated_by, stated_by)}," if stated_by else _ALERTS[kind]


def state_words(state: State) -> str:
    """Where a registered trial stands."""
    return _STATES[state]


def trial_words(trial: Trial) -> str:
    """Where this trial stands, with the days since it ended: ``ended, no results known (120 days since)``."""
    words = _STATES[trial.state]
    # A day that is known to the month or year may be yet to come.
    return f"{words} ({trial.days:,} {'day' if trial.days == 1 else 'days'} since)" if trial.days else words
