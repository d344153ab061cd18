"""Commands that show what is stored: search, show, export."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import click

from tracker.cli.base import (
    evidence_with_annotations,
    json_option,
    main,
    open_evidence,
    pass_settings,
    print_json,
)
from tracker.errors import UsageError
from tracker.harmless import harmless
from tracker.settings import Settings

if TYPE_CHECKING:
    from tracker.lists.finding import Asked, Instead
    from tracker.lists.selection import Count


@main.command()
@click.argument("text", nargs=-1, required=True)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Show at most this many."
)
@json_option
@pass_settings
def search(settings: Settings, text: Sequence[str], limit: int, as_json: bool) -> None:
    """Search the stored articles for TEXT: every word, "phrases", a word's beginning*. Newest first.

    One or more PMIDs, PMCIDs, DOIs or NCT numbers find their papers. Questions that TEXT names come first; where
    nothing holds all of it, searches with one word less follow.
    """
    from tracker.evidence import identifiers
    from tracker.evidence import search as store
    from tracker.lists import finding
    from tracker.lists.selection import Selection

    words = " ".join(text)
    if not identifiers.identifiers(words):
        words = " ".join(f'"{part}"' if _is_phrase(part) else part for part in text)
    store.check(words)
    with closing(evidence_with_annotations(settings)) as db:
        hits, count = store.search(db, words, limit), store.count(db, words)
        asked = finding.asked(db, words)
        instead = finding.unfound(db, Selection(text=words)) if not count else None
        named = identifiers.named(db, words) or identifiers.identifiers(words)
    for identifier in named:
        if not identifier.pmids:
            click.echo(
                f"no stored paper has {identifier.kind} {identifier.value}; look in PubMed: {identifier.at_pubmed}",
                err=True,
            )
    if not named and (borrowed := store.borrowed(words)):
        click.echo(
            harmless(
                f"{', '.join(borrowed)} ignored: this search finds papers that contain all words and phrases. "
                f"The same search in PubMed: {identifiers.PUBMED}?term={quote(words, safe='')}"
            ),
            err=True,
        )
    if as_json:
        print_json(
            {
                "count": min(count, 1000),
                "more": count > 1000,
                "questions": [question._asdict() for question in asked],
                "hits": [_hit(hit._asdict()) for hit in hits],
                "instead": [_other(each) for each in instead.searches] if instead else [],
            }
        )
        return
    for question in asked:
        click.echo(harmless(_question_line(question)))
    for hit in hits:
        _print_hit(hit._asdict())
    click.echo(f"{'1,000+' if count > 1000 else f'{count:,}'} found, {len(hits)} shown", err=True)
    if instead:
        click.echo(instead.says, err=True)
        for each in instead.searches:
            what = f"without {each.without}" if each.without else "with the words of each phrase apart"
            click.echo(harmless(f"{_number(each.number)} found {what}: {each.text}"), err=True)


def _hit(hit: dict[str, Any]) -> dict[str, Any]:
    """A hit as JSON: what PubMed lacks has no PMID there, and a key."""
    from tracker.article import pmid_of, spelt

    return hit | {"pmid": pmid_of(hit["pmid"]), "key": spelt(hit["pmid"])}


def _question_line(question: Asked) -> str:
    from tracker.directness import directness_words

    numbers = (f"{n:,} {directness_words(value).lower()}" for value, n in question.directness.items())
    matching = f"{question.matching:,} record{'' if question.matching == 1 else 's'}"
    told = ", ".join(numbers)
    return f"Question {question.slug}, {question.title}: {matching}{'; sorted by machine: ' if told else ''}{told}\n"


def _other(each: Instead) -> dict[str, Any]:
    """Another search as JSON."""
    return {
        "text": each.text,
        "without": each.without or None,
        "count": each.number.n,
        "more": not each.number.exact,
    }


def _number(count: Count) -> str:
    return f"{count.n:,}{'' if count.exact else '+'}"


def _is_phrase(part: str) -> bool:
    """One argument with spaces is a phrase, as the shell took its quotes; not where it is a whole search."""
    from tracker.evidence.search import borrowed

    return " " in part and '"' not in part and not borrowed(part)


def _mark(mark: str, hit: dict[str, Any]) -> str:
    by_title = " (by its title)" if hit["by_title"] and hit["title_says"] == mark else ""
    return f"{mark.replace('_', ' ').upper()}{by_title}"


def _print_hit(hit: dict[str, Any]) -> None:
    from tracker.article import spelt

    marks = ("retracted", "withdrawn", "expression_of_concern")
    warning = "".join(f"[{_mark(mark, hit)}] " for mark in marks if hit[mark])
    source = ". ".join(
        part.removesuffix(".") for part in (hit["authors"], hit["journal"], hit["published"]) if part
    )
    snippet = " ".join(hit["snippet"].split())
    click.echo(harmless(f"{spelt(hit['pmid'])}  {warning}{hit['title']}\n  {source}\n  {snippet}\n"))


@main.command()
@click.argument("pmid")
@json_option
@pass_settings
def show(settings: Settings, pmid: str, as_json: bool) -> None:
    """Show everything that is stored about the record PMID, or x12: a record of another database."""
    from tracker.article import given_key, named, pmid_of, spelt
    from tracker.evidence.show import show as store_show

    try:
        number = given_key(pmid)
    except ValueError as error:
        raise UsageError(f"{error}.") from None
    with closing(open_evidence(settings)) as db:
        record = store_show(db, number)
    if record is None:
        raise UsageError(f"{named(number)} is not stored. Find stored papers with 'tracker search'.")
    if as_json:
        print_json(record | {"pmid": pmid_of(number), "key": spelt(number)})
    else:
        click.echo(harmless(_record_text(record)))


def _record_text(record: dict[str, Any]) -> str:
    from tracker.article import named

    lines = [f"{named(record['pmid'])}  {record['title'] or '[no title]'}"]
    lines += [f"*** {text}" for text in record["warnings"]]
    source = (record["journal"], record["published"] or record["published_raw"])
    lines += [record["authors_text"] or "", ". ".join(part for part in source if part)]
    lines += [f"{name} {record[key]}" for name, key in (("DOI", "doi"), ("PMC", "pmcid")) if record[key]]
    lines += ["", record["abstract"] or "[no abstract]", ""]
    for name, key in (("MeSH", "mesh_text"), ("Keywords", "keywords_text")):
        if record[key]:
            lines.append(f"{name}: {record[key]}")
    lines += [f"Registered: {entry['bank']} {entry['number'] or ''}" for entry in record["registrations"]]
    lines += [
        f"{label['label_group']}: {label['value']} (read by machine from the {label['basis']}: {label['quote']})"
        for label in record["labels"]
    ]
    lines += [f"Question: {entry['question']} ({entry['reason']})" for entry in record["questions"]]
    lines += [
        f"In {entry['source']} {entry['accession'] or ''}, searched {entry['searched']} for {entry['question']}"
        for entry in record["other_databases"]
    ]
    lines += [
        f"Changed {change['noticed']}: {change['field']}: {change['before']} -> {change['after']}"
        for change in record["changes"]
    ]
    return "\n".join(line for line in lines if line is not None)


class _ExportFormat(click.Choice[str]):
    """The name of a format. The names are read when one is asked for, since what writes the formats loads slowly."""

    def __init__(self) -> None:
        super().__init__(())
        # What was put there would hide the property.
        del self.choices

    @cached_property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        from tracker.export.formats import FORMATS

        return tuple(FORMATS)


@main.command()
@click.argument("question")
@click.option(
    "--format",
    "format",
    required=True,
    type=_ExportFormat(),
    help="Format to write.",
)
@click.option(
    "--filter",
    "filters",
    metavar="GROUP=VALUE",
    multiple=True,
    help="Only articles with this label, such as design=cohort. May be repeated: any value of a group, every group.",
)
@click.option(
    "--years", metavar="FROM-TO", help="Only articles published in these years: 2015-2020, 2015-, -2020."
)
@click.option("--search", "text", default="", metavar="TEXT", help="Only articles that contain these words.")
@click.option(
    "--since",
    type=click.DateTime(("%Y-%m-%d",)),
    help="Only articles that PubMed created on this day or later.",
)
@click.option(
    "--sort",
    type=click.Choice(("published", "entered")),
    default="published",
    show_default=True,
    help="Newest publication, or newest entry into the question, first.",
)
@click.option("--newest", type=click.IntRange(min=1), metavar="N", help="Only the first N.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="File to write, whole or not at all. Without it, or with -, write to stdout.",
)
@pass_settings
def export(
    settings: Settings,
    question: str,
    format: str,
    filters: Sequence[str],
    years: str | None,
    text: str,
    since: datetime | None,
    sort: Literal["published", "entered"],
    newest: int | None,
    output: Path | None,
) -> None:
    """Export all articles of QUESTION for a reference manager, spreadsheet, program or feed reader.

    In every format, each article carries its retractions, expressions of concern and corrections. It also carries
    tags, screening results and people's corrections of labels, as far as the site shows them to everybody.
    """
    from tracker.export.files import export as run_export
    from tracker.export.files import parse_labels, parse_years, whole_file
    from tracker.export.formats import FORMATS
    from tracker.lists.selection import Selection

    first, last = parse_years(years)
    created = f"{since:%Y-%m-%d}" if since else None
    wanted = Selection(question, parse_labels(filters), first, last, text, created, sort=sort)
    to_stdout = output is None or str(output) == "-"
    if to_stdout and (file := FORMATS[format].binary_file) and sys.stdout.isatty():
        raise UsageError(f"{file} cannot be shown on a terminal. Name a file with -o.")
    with closing(evidence_with_annotations(settings)) as db:
        if to_stdout:
            count = run_export(db, wanted, format, sys.stdout.buffer, newest)
        else:
            assert output is not None
            with whole_file(output) as out:
                count = run_export(db, wanted, format, out, newest)
    where = "" if to_stdout else f" to {output}"
    click.echo(f"{question}: {count:,} articles written{where}", err=True)
