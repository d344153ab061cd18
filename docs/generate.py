"""Write the pages that the code itself can say best: ``make docs``.

docs/commands.md from the commands' help, docs/data-dictionary.md from the schemas. tests/test_docs.py fails where
one of them is out of date.
"""

from __future__ import annotations

import sqlite3
import textwrap
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click
from sqlite_utils import Database

from tracker.cli import main
from tracker.evidence.fulltext import SEARCHED
from tracker.evidence.schema import DERIVED, HISTORY, VIEWS, Table
from tracker.evidence.schema import migrations as schema
from tracker.reading.accuracy import accuracy
from tracker.team import acts

ROOT = Path(__file__).parents[1]
WIDTH = 100

# What people write has its columns in plain SQL; each table's purpose is told here.
ABOUT_ANNOTATIONS = {
    "people": "Who may sign in, and as what",
    "tokens": "Keys for programs; only their hashes are kept",
    "tag_groups": "Groups of tags",
    "tags": "The vocabulary that people tag with",
    "taggings": "Who tagged which article with what, for which question",
    "decisions": (
        "Include, exclude or unsure: one per person, article, question and stage. `basis` is what it was taken from by "
        "title and abstract (`title` where the abstract was not on screen), `labels` whether the machine's were "
        "`shown` or `hidden` then; each is empty where nobody knows"
    ),
    "label_displays": "Whether a person has labels shown or hidden while they screen a question; else its file decides",
    "label_reviews": "What a person says about a label that was read by machine",
    "notes": "Notes on articles",
    "placements": "Where a person moves a record of a question: one a person, article and question",
    "press_reviews": (
        "A peer's review of one version of a question's strategy by PRESS 2015: one a question, `strategy` (its hash), "
        "`reviewer` (the peer's name) and account that entered it. Each element has a judgement and a comment"
    ),
    "alerts_seen": "Which changes a person has already seen",
    "settlements": "How a lead settled a conflict between two reviewers",
    "unsealed": "Records whose blind review was opened because two people had decided",
    "sign_in_failures": "Attempts to sign in that failed in the last day; the name is a hash",
    "ended_sessions": "Sessions that somebody signed out of in the last week, each by a hash",
    "subscriptions": (
        "Who gets mail about what. `name` is the random part of the links in its mails, `questions` a JSON list of "
        "slugs, `told_to` the moment up to which news was told. The row is deleted when its owner unsubscribes, or "
        "has not confirmed within two days"
    ),
    "deliveries": (
        "Each mail, stored before it is sent. Address and message stay only until the server has taken or refused it. "
        "`about` is a keyed hash of what a mail to an address that staff gave is about; `after` and `up_to` are the "
        "moments between which a digest tells news"
    ),
    "subscription_requests": "Who asked for a subscription in the last day, for the limits: keyed hashes only",
    "events": "The log of what people write and of what changes about them, append-only; no subscriber is in it",
}


# -- docs/commands.md ------------------------------------------------------------------------------


def commands_page() -> str:
    sections = [f"## {name}\n\n```text\n{text}\n```\n" for name, text in help_texts()]
    intro = "# Commands\n\nWhat `tracker COMMAND --help` says. Written by `make docs` from the code.\n"
    return "\n".join([intro, *sections])


def help_texts() -> Iterator[tuple[str, str]]:
    """Every command with its ``--help``, groups before what is in them."""

    def walk(command: click.Command, name: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
        settings = {"terminal_width": WIDTH, **command.context_settings}
        context = click.Context(command, info_name=name, parent=parent, **settings)
        yield context.command_path, command.get_help(context).rstrip()
        if isinstance(command, click.Group):
            for child in command.list_commands(context):
                if (found := command.get_command(context, child)) and not found.hidden:
                    yield from walk(found, child, context)

    return walk(main, "tracker", None)


# -- docs/data-dictionary.md -----------------------------------------------------------------------


def dictionary_page() -> str:
    return "\n".join(
        [
            "# Data dictionary",
            "",
            "Written by `make docs` from `tracker/evidence/schema.py` and `tracker/team/acts.py`.",
            "",
            *_wrapped(
                "Two SQLite files. `evidence.db` is what was found: only the command line writes it. `annotations.db` "
                "is what people write: no refresh, load or rebuild ever opens it. Times are UTC and end in Z; dates "
                "may be partial (`2019`, `2019-11`, `2019-11-04`); a PMID is an integer everywhere."
            ),
            "",
            "## evidence.db: derived tables",
            "",
            *_wrapped(
                "Made from the raw records, and made again by `tracker rebuild`. In the tables of an article's parts, "
                "`position` is the place in the record."
            ),
            "",
            *(line for table in DERIVED for line in _table_section(table)),
            "### articles_fts",
            "",
            *_wrapped(
                f"Full-text index (FTS5) of `articles`: {', '.join(SEARCHED)}. Words are stemmed (porter), accents are "
                "ignored, and `rowid` is the PMID. Its column `facets` holds each label, question and year of the "
                "article as one word (`f` and the facet's number), so that a text and any filters are "
                "answered at once. Its content is the view `searched_articles`."
            ),
            "",
            "## evidence.db: history tables",
            "",
            "What happened. A rebuild never touches them.",
            "",
            *(line for table in HISTORY for line in _table_section(table)),
            "## evidence.db: views",
            "",
            *(line for table in VIEWS for line in _table_section(table)),
            "## annotations.db",
            "",
            *(line for name in annotation_tables() for line in _annotation_section(name)),
        ]
    )


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 115, break_on_hyphens=False)


def _table_section(table: Table) -> Iterator[str]:
    yield from (
        f"### {table.name}",
        "",
        f"{table.about}.",
        "",
        "| column | type | what it means |",
        "|---|---|---|",
    )
    for name, (type, about) in table.columns.items():
        yield f"| {name} | {type} | {about.replace('|', chr(92) + '|')} |"
    yield ""
    if table.kind != "view" and (key := _primary_key(table.name)):
        yield from (f"Primary key ({', '.join(key)}).", "")


def _primary_key(table: str) -> list[str]:
    """The columns that together tell its rows apart; empty where one column alone does, as its type says."""
    made = schema.made(len(schema.steps), False)
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute(made[table].sql)
        query = "select name from pragma_table_info(?) where pk order by pk"
        names = [name for (name,) in db.execute(query, (table,))]
    return names if len(names) > 1 else []


def annotation_tables() -> dict[str, list[tuple[str, str]]]:
    """Each table of annotations.db with (column, type) of its columns, as SQLite has them."""
    db = sqlite3.connect(":memory:")
    acts.migrations.apply(Database(db, execute_plugins=False))
    names = [
        name for (name,) in db.execute("select name from sqlite_master where type = 'table' order by rowid")
    ]
    columns = {
        name: [
            (column, f"{type.lower()} not null" if required else type.lower())
            for _, column, type, required, *_ in db.execute(f"pragma table_info({name})")
        ]
        for name in names
        if not name.startswith(("sqlite_", "_sqlite_"))
    }
    db.close()
    return columns


def _annotation_section(name: str) -> Iterator[str]:
    yield from (
        f"### {name}",
        "",
        *_wrapped(f"{ABOUT_ANNOTATIONS[name]}."),
        "",
        "| column | type |",
        "|---|---|",
    )
    for column, type in annotation_tables()[name]:
        yield f"| {column} | {type} |"
    yield ""


def accuracy_page() -> str:
    """What was measured of reading, as ``benchmarks/reading`` wrote it down."""
    return "\n".join(
        [
            "# How accurately records are read",
            "",
            *_wrapped(
                "Written by `make docs` from `queries/topic/accuracy.json`, which `python -m benchmarks.reading` "
                "writes. It compares our labels with those that people gave, on records that no rule was written with "
                "([How records are read](reading.md)). The interval is that of 95 % confidence; exact is the share of "
                "records with something to read in which all values agree; coverage is the share in which we read "
                f"anything. Of a value that under {TOO_FEW} records have, there is too little to say. "
                "Where a set names questions, nothing was measured of the others."
            ),
            "",
            "| group | set | records | measure | interval | exact | coverage |",
            "|---|---|---:|---|---|---:|---:|",
            *(
                f"| {group} | {one.set} | {one.n:,} | {one.measure} {one.score:.2f} | {one.low:.2f} to {one.high:.2f} "
                f"| {_share(one.exact)} | {_share(one.coverage)} |"
                for group, measured in accuracy(ROOT / "queries" / "topic").items()
                for one in measured
            ),
            "",
        ]
    )


TOO_FEW = 30


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.2f}"


def pages() -> dict[str, str]:
    """Each generated file, by its path from the root, as it should be."""
    return {
        "docs/commands.md": commands_page(),
        "docs/data-dictionary.md": dictionary_page(),
        "docs/accuracy.md": accuracy_page(),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        (ROOT / path).write_text(text, encoding="utf-8")
        click.echo(f"{path}: written")
