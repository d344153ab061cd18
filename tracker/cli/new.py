"""A tracker for other questions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from tracker.cli.base import main
from tracker.errors import UsageError


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--topic", metavar="TEXT", help="What it is about, in a few words: Salt and blood pressure.")
@click.option(
    "--question",
    "questions",
    metavar="NAME=TEXT",
    multiple=True,
    help="A question, with a name for its file and address: 'salt=Does less salt lower blood pressure?'",
)
@click.option(
    "--search",
    "searches",
    metavar="NAME=STRATEGY",
    multiple=True,
    help="Its search, as you would write it in PubMed: 'salt=salt[tiab] AND hypertension[mh]'",
)
def new(folder: Path, topic: str | None, questions: Sequence[str], searches: Sequence[str]) -> None:
    """Make a tracker for other questions in FOLDER, which is new or empty.

    It holds the questions with their searches, what the site says of itself, and lists for synonyms, headings, tags
    and the words of your topic; nothing in it is code. Every question needs a search. At a terminal, what is not given
    is asked for.
    """
    from tracker.jobs import new as jobs

    asks = sys.stdin.isatty() and sys.stderr.isatty()
    if topic is None:
        topic = _ask("What is it about, in a few words?") if asks else _missing("--topic")
    by_name, found_by = _named("--question", questions), _named("--search", searches)
    if asks and not by_name:
        by_name, found_by = _ask_for_questions(found_by)
    for name in by_name:
        if name not in found_by:
            found_by[name] = (
                _ask(f"How do you search PubMed for {name}?") if asks else _missing(f"--search {name}=…")
            )
    if strangers := [name for name in found_by if name not in by_name]:
        raise UsageError(f"--search {strangers[0]}: there is no question of this name. Give --question, too.")
    asked = [jobs.Asked(name, text, found_by[name]) for name, text in by_name.items()]
    for remark in jobs.make(folder, topic, asked):
        click.echo(remark, err=True)
    click.echo(
        f"{folder}: {len(asked)} {'question' if len(asked) == 1 else 'questions'}. Go on with:", err=True
    )
    click.echo(f"  cd {folder}\n  tracker questions check\n  tracker up", err=True)


def _named(option: str, texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, sign, words = text.partition("=")
        if not sign:
            raise UsageError(
                f"{option} {text!r}: there is no name. Write it as NAME=TEXT, such as salt={text}"
            )
        if name.strip() in found:
            raise UsageError(f"{option} {name.strip()!r}: there are two of this name. Rename one.")
        found[name.strip()] = words.strip()
    return found


def _missing(option: str) -> str:
    raise UsageError(f"{option} is missing. Give it, or run this at a terminal, where it asks.")


def _ask(prompt: str) -> str:
    answer: str = click.prompt(prompt, prompt_suffix=" ", err=True)
    return answer


def _ask_for_questions(found_by: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Questions with their searches, one after another until an empty name."""
    by_name: dict[str, str] = {}
    while name := click.prompt(
        "A short name for a question, such as long-term (Enter when there are no more)?",
        default="",
        show_default=False,
        prompt_suffix=" ",
        err=True,
    ):
        by_name[name] = _ask("The question?")
        found_by.setdefault(name, _ask("How do you search PubMed for it?"))
    return by_name, found_by
