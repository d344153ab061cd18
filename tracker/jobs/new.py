"""A tracker for other questions: a folder with all that is data, ready to be refreshed and served."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from tracker.errors import UsageError
from tracker.questions import check, json_schema, load_questions
from tracker.topic.files import json_schemas, load_topic

SLUG = re.compile(r"[a-z][a-z0-9-]{0,39}")
# Files by their place in the new folder; the questions are beside them.
_FILES = (
    "README.md",
    "metadata.yml",
    "db/starter/citations.csv",
    *(f"queries/topic/{name}.yml" for name in ("site", "synonyms", "headings", "labels", "tags", "words")),
)


class Asked(NamedTuple):
    """A question with the name of its file, its words, and its search in PubMed's syntax."""

    slug: str
    question: str
    search: str


def make(folder: Path, topic: str, questions: Sequence[Asked]) -> list[str]:
    """Write the folder, all of it or nothing; returns what is worth mending in its searches.

    Raises UsageError for a folder that holds anything, a name that is no slug or is there twice, or nothing to ask;
    InvalidQuestions for a search that PubMed could not run.
    """
    _check(folder, topic, questions)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as part:
            made = Path(part) / "tracker"
            _write(made, " ".join(topic.split()), questions)
            remarks = _remarks(made)
            made.chmod(0o755)
            if folder.exists():
                folder.rmdir()
            shutil.move(made, folder)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written ({error.strerror}). Choose another folder.") from None
    return remarks


def _check(folder: Path, topic: str, questions: Sequence[Asked]) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: there is something in it already. Name a folder that is empty or new.")
    if not topic.strip():
        raise UsageError("--topic: it is empty. Say in a few words what the tracker is about.")
    if not questions:
        raise UsageError(
            "There is no question. Give one: --question 'salt=Does less salt lower blood pressure?'"
        )
    slugs = [each.slug for each in questions]
    for slug, question, search in questions:
        if not SLUG.fullmatch(slug):
            raise UsageError(
                f"--question {slug!r}: use up to 40 small letters, digits and hyphens, such as long-term."
            )
        if slugs.count(slug) > 1:
            raise UsageError(f"--question {slug!r}: there are two of this name. Rename one.")
        if not question.strip():
            raise UsageError(f"--question {slug!r}: the question is empty. Write {slug}=Does it work?")
        if not search.strip():
            raise UsageError(f"--search {slug!r}: the search is empty. Write it as you would in PubMed.")


def _write(folder: Path, topic: str, questions: Sequence[Asked]) -> None:
    env = Environment(
        loader=PackageLoader("tracker.jobs", "new_tracker"),
        autoescape=False,  # noqa: S701 - YAML and Markdown, quoted by the filters
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters |= {"quoted": _quoted, "cell": _cell}
    given = {"topic": topic, "about": _about(topic), "questions": questions}
    for place in _FILES:
        _put(folder / place, env.get_template(place).render(given))
    _put(folder / ".gitignore", env.get_template("gitignore").render())
    for order, asked in enumerate(questions, 1):
        text = env.get_template("queries/question.yml").render(
            order=order,
            title=asked.slug.replace("-", " ").capitalize(),
            question=" ".join(asked.question.split()),
            search=" ".join(asked.search.split()),
            harms=False,
        )
        _put(folder / "queries" / f"{asked.slug}.yml", text)
    _put(folder / "queries" / "schema.json", json_schema())
    for name, schema in json_schemas().items():
        _put(folder / "queries" / "topic" / "schemas" / f"{name}.json", schema)


def _remarks(folder: Path) -> list[str]:
    """Everything is read as a refresh will read it; what PubMed could not run is refused."""
    load_topic(folder / "queries" / "topic")
    found = [(each.slug, problem) for each in load_questions(folder / "queries") for problem in check(each)]
    if wrong := [
        f"--search {slug}: {problem.message}" for slug, problem in found if problem.severity == "error"
    ]:
        raise UsageError("\n".join(wrong))
    return [f"{slug}: {problem.message}" for slug, problem in found]


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _about(topic: str) -> str:
    """As it stands within a sentence: an abbreviation keeps its capitals."""
    first = topic.split()[0]
    return topic if first[1:] != first[1:].lower() else topic[:1].lower() + topic[1:]


def _quoted(text: str) -> str:
    """As YAML takes it, whatever is in it."""
    return json.dumps(text, ensure_ascii=False)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
