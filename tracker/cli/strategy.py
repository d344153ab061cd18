"""Commands that test a question's search: what it misses of what reviews cite, and which words it may lack."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from tracker.cli.base import (
    evidence_with_annotations,
    json_option,
    pass_settings,
    print_json,
    print_table,
    questions_named,
)
from tracker.cli.questions import questions
from tracker.harmless import harmless
from tracker.settings import Settings

if TYPE_CHECKING:
    from tracker.lists.recall import Recall
    from tracker.questions import Question

PUBMED = "https://pubmed.ncbi.nlm.nih.gov"


@questions.command()
@click.argument("question")
@click.option(
    "--look", is_flag=True, help="Show what is missed one by one: open it, add it as a seed, or go on."
)
@json_option
@pass_settings
def recall(settings: Settings, question: str, look: bool, as_json: bool) -> None:
    """Show which papers that the direct reviews of QUESTION cite its search does not find.

    Of the papers on their reference lists in PubMed, those count that are about the question: judged by their record if
    it is stored here, else by their title, if the list has it. What is missed is a candidate to look at.
    """
    from tracker.lists.recall import recall as recall_of

    (chosen,) = questions_named(settings, (question,))
    with closing(evidence_with_annotations(settings)) as db:
        found = recall_of(db, chosen.slug)
    if as_json:
        print_json(found and _as_json(found))
        return
    if found is None:
        click.echo(
            f"{chosen.slug}: no direct review with a reference list is stored. Nothing can be told.", err=True
        )
        return
    if look:
        _look(chosen, found)
    else:
        columns = ("pmid", "cited by", "here", "seed", "words")
        print_table(columns, [_cells(item) for item in found.missed])
    click.echo(_summary(chosen.slug, found), err=True)


def _as_json(found: Recall) -> dict[str, Any]:
    low, high = found.found.interval
    return {
        "reviews": found.reviews,
        "reviews_with_references": found.with_references,
        "cited": found.cited,
        "judged": found.judged,
        "about": found.found.whole,
        "found": found.found.part,
        "interval": [round(low, 3), round(high, 3)],
        "searched": found.is_searched,
        "missed": [
            {
                "pmid": item["pmid"],
                "cited_by": item["reviews"],
                "words": item["words"],
                "stored": bool(item["is_stored"]),
                "fits_search": bool(item["fits"]),
                "seed": bool(item["is_seed"]),
            }
            for item in found.missed
        ],
    }


def _cells(item: dict[str, Any]) -> list[str]:
    here = "yes" if item["is_stored"] else "no"
    return [str(item["pmid"]), str(item["reviews"]), here, "yes" if item["is_seed"] else "", item["words"]]


def _summary(slug: str, found: Recall) -> str:
    low, high = found.found.interval
    part, whole = found.found
    where = "finds" if found.is_searched else "has here"
    unsearched = (
        ""
        if found.is_searched
        else " PubMed was not searched to the end yet, so others may only not be loaded."
    )
    share = (
        f" ({100 * part / whole:.0f} %, 95 % interval {100 * low:.0f} to {100 * high:.0f} %)" if whole else ""
    )
    return (
        f"{slug}: {found.with_references} of {found.reviews} direct reviews have a reference list; of {found.cited:,} "
        f"papers on them {found.judged:,} could be judged, and {whole:,} are about the question. The search {where} "
        f"{part:,}{share}.{unsearched}"
    )


def _look(question: Question, found: Recall) -> None:
    """One after the other, by keys, in a terminal."""
    from tracker.article import ArticleKey, Pmid
    from tracker.errors import UsageError
    from tracker.questionfile import add_seed

    if not sys.stdin.isatty():
        raise UsageError(
            "Only somebody at a terminal can look through them. Leave out --look, or use --json."
        )
    for number, item in enumerate(found.missed, 1):
        click.echo(f"\n{number} of {len(found.missed)}: PMID {item['pmid']}, cited by {item['reviews']}")
        click.echo(harmless(item["words"]))
        click.echo(f"{PUBMED}/{item['pmid']}/")
        while True:
            click.echo("[s] add as a seed  [o] open in PubMed  [n] next  [q] stop ", nl=False)
            key = click.getchar().lower()
            click.echo(key)
            if key == "o":
                click.launch(f"{PUBMED}/{item['pmid']}/")
            elif key == "s":
                title = item["words"] if item["is_stored"] else None
                is_new = add_seed(question.path, Pmid(ArticleKey(item["pmid"])), title)
                click.echo(f"Added to {question.path.name}." if is_new else "It is a seed already.")
                break
            elif key == "n":
                break
            elif key in ("q", "\x03", "\x04"):
                return


@questions.command()
@click.argument("question")
@json_option
@pass_settings
def terms(settings: Settings, question: str, as_json: bool) -> None:
    """Suggest words and headings that the search of QUESTION may lack.

    They stand in more of the records that people judged relevant than of the question's others, and the search does
    not ask for them.
    """
    from tracker.lists.terms import suggestions

    (chosen,) = questions_named(settings, (question,))
    with closing(evidence_with_annotations(settings)) as db:
        found = suggestions(db, chosen.slug, chosen.strategy)
    if as_json:
        print_json(
            {
                "relevant": found.relevant,
                "others": found.others,
                "terms": [each._asdict() for each in found.terms],
            }
        )
        return
    if found.terms:
        rows = [[f"{each.term}[{each.field}]", str(each.relevant), str(each.others)] for each in found.terms]
        print_table(("term", f"of {found.relevant} relevant", f"of {found.others} others"), rows)
    click.echo(
        f"{chosen.slug}: {len(found.terms)} suggested, from {found.relevant:,} records judged relevant and "
        f"{found.others:,} others",
        err=True,
    )
