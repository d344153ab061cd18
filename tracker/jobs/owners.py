"""What the owner of a search should look at: seed papers that it does not find, and lines that have drifted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tracker.errors import TrackerError
from tracker.harmless import harmless
from tracker.jobs.watch import about_searches, look
from tracker.mail.messages import is_address
from tracker.questions import load_questions
from tracker.settings import Settings

# It names no question: others may see the subject.
SUBJECT = "Evidence tracker: searches to look at"
_AFTER = """
'tracker status --searches' shows each line with its counts, and 'tracker questions diff QUESTION' what an edit would
change. No refresh fails because of this. You get this mail once a week, as long as there is something to look at,
because the file of the question names you as its owner.
"""


def texts(settings: Settings) -> Iterator[tuple[str, str]]:
    """Each owner's address with the text for them; those with nothing to look at are left out.

    What the question files cannot tell, because one of them cannot be used, is told to nobody.
    """
    try:
        by_owner: dict[str, list[str]] = {}
        for question in load_questions(settings.queries):
            if question.owner and is_address(question.owner):
                by_owner.setdefault(question.owner, []).append(question.slug)
        rows = (
            {row["question"]: row for row in look(settings, searches=True)["questions"]} if by_owner else {}
        )
    except TrackerError:
        return
    for owner, slugs in by_owner.items():
        lines = [f"{slug}: {words}" for slug in slugs if slug in rows for words in about_searches(rows[slug])]
        if lines:
            yield owner, _text(lines)


def _text(lines: Sequence[str]) -> str:
    listed = "\n".join(f"- {harmless(line)}" for line in lines)
    return f"Your searches have something to look at:\n\n{listed}\n{_AFTER}"
