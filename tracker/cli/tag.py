"""``tracker tag``: what people say about papers, on the command line, to files and from files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from tracker.article import named, shown, spelt
from tracker.cli.base import (
    EXIT_WORK_REMAINS,
    check_people,
    evidence_if_any,
    json_option,
    main,
    open_evidence,
    open_people,
    pass_settings,
    pmid_of,
    print_json,
    read_people,
)
from tracker.decision import STAGES, Stage, seen_words
from tracker.directness import DIRECTNESS
from tracker.errors import UsageError
from tracker.harmless import harmless
from tracker.settings import Settings

if TYPE_CHECKING:
    from tracker.article import ArticleKey
    from tracker.exchange import foreign, ours


@main.group()
def tag() -> None:
    """Tag papers; export what people wrote about them, and import it again."""


as_option = click.option(
    "--as",
    "person",
    metavar="NAME",
    required=True,
    help="The person in whose name to write ('tracker people list').",
)
question_option = click.option("--question", metavar="SLUG", help="For this question only.")
output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="File to write, whole or not at all. Without it, or with -, write to stdout.",
)
file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
pmid_argument = click.argument("pmid", type=click.UNPROCESSED, callback=lambda *given: pmid_of(given[2]))


@tag.command("add")
@pmid_argument
@click.argument("name", metavar="TAG")
@as_option
@question_option
@click.option("--note", metavar="TEXT", help="A short note on why.")
@pass_settings
def tag_add(
    settings: Settings, pmid: ArticleKey, name: str, person: str, question: str | None, note: str | None
) -> None:
    """Put TAG on the paper PMID. In a single-choice group it replaces your earlier tag.

    As on the site, a blind review hides the tag until two people have decided.
    """
    from tracker.exchange import single

    with closing(open_people(settings)) as db, evidence_if_any(settings) as evidence:
        changed = single.tag(db, evidence, pmid, name, person, question, note)
    click.echo(f"{named(pmid)}: {'tagged' if changed else 'already tagged'}", err=True)


@tag.command("remove")
@pmid_argument
@click.argument("name", metavar="TAG")
@as_option
@question_option
@pass_settings
def tag_remove(settings: Settings, pmid: ArticleKey, name: str, person: str, question: str | None) -> None:
    """Remove TAG from the paper PMID, if that person put it there. The log keeps both events."""
    from tracker.exchange import single

    with closing(open_people(settings)) as db:
        changed = single.untag(db, pmid, name, person, question)
    click.echo(
        f"{named(pmid)}: {'tag removed' if changed else 'this person has not put that tag on it'}", err=True
    )


@tag.command("place")
@pmid_argument
@click.argument("value", metavar="DIRECTNESS", type=click.Choice(DIRECTNESS))
@as_option
@click.option("--question", metavar="SLUG", required=True, help="The question whose record it is.")
@click.option("--reason", metavar="TEXT", required=True, help="Why, in a line.")
@pass_settings
def tag_place(
    settings: Settings, pmid: ArticleKey, value: str, person: str, question: str, reason: str
) -> None:
    """Move the record PMID of a question to DIRECTNESS: direct, indirect or off.

    What was read by machine stays beside it; what counts for everybody is what was said last. As on the site, a review
    in which two people are blind to each other hides it until both have decided.
    """
    from tracker.exchange import single

    with closing(open_people(settings)) as db, evidence_if_any(settings) as evidence:
        changed = single.place(db, evidence, pmid, value, person, question, reason)
    click.echo(f"{named(pmid)}: {'moved' if changed else 'was there already'}", err=True)


@tag.command("unplace")
@pmid_argument
@as_option
@click.option("--question", metavar="SLUG", required=True, help="The question whose record it is.")
@pass_settings
def tag_unplace(settings: Settings, pmid: ArticleKey, person: str, question: str) -> None:
    """Take back where that person moved the record PMID of a question. The log keeps both."""
    from tracker.exchange import single

    with closing(open_people(settings)) as db:
        changed = single.unplace(db, pmid, person, question)
    click.echo(f"{named(pmid)}: {'taken back' if changed else 'they had not moved it'}", err=True)


@tag.command("list")
@click.argument("pmid", required=False, callback=lambda *given: given[2] and pmid_of(given[2]))
@click.option("--question", metavar="SLUG", help="Only what was said for this question.")
@click.option("--person", metavar="NAME", help="Only what this person said.")
@click.option(
    "--as",
    "viewer",
    metavar="NAME",
    help="As this person sees it: their own statements included, others' hidden by a blind review.",
)
@json_option
@pass_settings
def tag_list(
    settings: Settings,
    pmid: ArticleKey | None,
    question: str | None,
    person: str | None,
    viewer: str | None,
    as_json: bool,
) -> None:
    """List tags, decisions, notes, label reviews and moves: all of them, or those of one paper, question or person.

    What a blind review still hides is left out and counted.
    """
    from tracker.exchange.ours import as_told
    from tracker.exchange.single import Statements

    with closing(read_people(settings)) as db, evidence_if_any(settings) as evidence:
        check_people(db, person, viewer)
        statements_of = Statements(db, evidence, viewer)
        rows = statements_of.rows(pmid, question, person)
        if as_json:
            print_json([as_told(row, evidence) for row in rows])
        else:
            for row in rows:
                what = (
                    row.tag,
                    row.group,
                    row.machine_value,
                    row.value,
                    row.reason,
                    row.text,
                    seen_words(row.basis, row.labels),
                )
                wording = " | ".join(" ".join(part.split()) for part in what if part)
                where = "/".join(part for part in (row.question, row.stage) if part)
                parts = (row.when, spelt(row.pmid), row.person, row.kind, where, wording)
                click.echo(harmless("  ".join(part for part in parts if part)))
    if statements_of.hidden:
        click.echo(f"{statements_of.hidden:,} more are hidden by a blind review.", err=True)


@tag.command("export")
@output_option
@click.option(
    "--format",
    "format",
    type=click.Choice(("csv", "jsonl")),
    help="Defaults to the ending of FILE's name, else csv.",
)
@click.option("--question", metavar="SLUG", help="Only what was said for this question.")
@pass_settings
def tag_export(
    settings: Settings,
    output: Path | None,
    format: Literal["csv", "jsonl"] | None,
    question: str | None,
) -> None:
    """Export everything that people wrote about papers, one row each, for 'tracker tag import'.

    It includes what a blind review still hides: do not give it to anybody who has yet to decide.
    """
    from tracker.exchange.ours import export as run_export
    from tracker.export.files import whole_file

    to_stdout = output is None or str(output) == "-"
    chosen = format or ("jsonl" if output and output.suffix == ".jsonl" else "csv")
    with closing(read_people(settings)) as db, evidence_if_any(settings) as evidence:
        if to_stdout:
            count = run_export(db, sys.stdout.buffer, chosen, question, evidence)
        else:
            assert output is not None
            with whole_file(output) as out:
                count = run_export(db, out, chosen, question, evidence)
    click.echo(f"{count:,} rows written{'' if to_stdout else f' to {output}'}", err=True)


@tag.command("import")
@file_argument
@click.option(
    "--from",
    "tool",
    type=click.Choice(("rayyan", "asreview")),
    help="The tool that exported FILE, if it was not ours.",
)
@click.option("--question", metavar="SLUG", help="With --from: the question that was screened.")
@click.option(
    "--stage",
    type=click.Choice(STAGES),
    default="title-abstract",
    show_default=True,
    help="With --from: the stage that was screened.",
)
@click.option(
    "--as", "person", metavar="NAME", help="With --from: the person behind whatever has no name in the file."
)
@click.option(
    "--reviewer",
    "reviewers",
    metavar="THERE=NAME",
    multiple=True,
    help="With --from: a reviewer's name in the file, and their name here. May be repeated.",
)
@click.option(
    "--add-tags", metavar="GROUP", help="With --from: add labels that are not tags yet to this group as tags."
)
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@json_option
@pass_settings
def tag_import(
    settings: Settings,
    file: Path,
    tool: str | None,
    question: str | None,
    stage: Stage,
    person: str | None,
    reviewers: Sequence[str],
    add_tags: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import FILE: written by 'tracker tag export' or, with --from, by Rayyan or ASReview (CSV or RIS).

    The file is imported whole, or not at all if a line is wrong. Existing entries are never overwritten. Exit code 3:
    some entries could not be imported; they are listed.
    """
    if tool is None:
        if question or person or reviewers or add_tags or stage != "title-abstract":
            raise UsageError(
                "our own files name the person, question and stage of each entry. These options need --from."
            )
        complete = _import_ours(settings, file, dry_run=dry_run, as_json=as_json)
    else:
        from tracker.exchange import asreview, foreign, rayyan

        records = (rayyan if tool == "rayyan" else asreview).read(file)
        mapping = dict(_pair(text) for text in reviewers)
        plan = foreign.Plan(file.name, tool, question, stage, mapping, person, add_tags, dry_run)
        with closing(open_evidence(settings)) as evidence, closing(open_people(settings)) as db:
            brought = foreign.bring_in(db, evidence, records, plan)
        if as_json:
            print_json(brought.as_dict())
        else:
            _print_brought_in(brought)
        complete = brought.is_complete
    if not complete:
        sys.exit(EXIT_WORK_REMAINS)


def _import_ours(settings: Settings, file: Path, *, dry_run: bool, as_json: bool) -> bool:
    """Import a file of ours and say what came of it; whether all of it could be imported."""
    from tracker.exchange.ours import import_rows

    with closing(open_people(settings)) as db, evidence_if_any(settings) as evidence:
        report = import_rows(db, file, evidence=evidence, dry_run=dry_run)
    if as_json:
        print_json(report._asdict())
    else:
        _print_imported(report)
    return not report.conflicts


def _pair(text: str) -> tuple[str, str]:
    there, sign, here = text.rpartition("=")
    if not (there.strip() and sign and here.strip()):
        raise UsageError(f"--reviewer {text!r}: write it as 'Alice=a.meier', the name in the file first.")
    return there.strip(), here.strip()


def _print_imported(report: ours.Report) -> None:
    for conflict in report.conflicts:
        wording = conflict["value"] or conflict["tag"] or conflict["text"] or ""
        click.echo(
            harmless(
                f"line {conflict['line']}: {named(conflict['pmid'])}: {conflict['kind']} of {conflict['person']}: "
                f"there is {conflict['there'] or 'nothing'}, not {wording or 'nothing'}; left as it is"
            )
        )
    for what, names in (("people added, disabled", report.people_added), ("tags added", report.tags_added)):
        if names:
            click.echo(harmless(f"{what}: {', '.join(names)}"), err=True)
    _print_counts(report.written, report.unchanged, len(report.conflicts), report.dry_run)


def _print_brought_in(report: foreign.Report) -> None:
    for entry in report.conflicts:
        click.echo(
            harmless(
                f"{entry['place']}: {named(entry['pmid'])}: {entry['person']} said {entry['there']} already, "
                f"not {entry['found']}; left as it is"
            )
        )
    for entry in report.refused:
        click.echo(harmless(f"{entry['place']}: {named(entry['pmid'])}: {entry['person']}: {entry['why']}"))
    for entry in report.ambiguous:
        pmids = ", ".join(map(str, entry["pmids"]))
        click.echo(harmless(f"{entry['place']}: may be any of PMIDs {pmids}: {entry['title']}"))
    for entry in report.outside:
        click.echo(
            harmless(
                f"{entry['place']}: {named(entry['pmid'])} is not in {report.question}: {entry['title']}"
            )
        )
    for entry in report.unmatched:
        click.echo(harmless(f"{entry['place']}: not stored: {entry['title']}"))
    for what, counts in (
        ("reviewers without a person here (name them with --reviewer)", report.unmapped_reviewers),
        ("labels that are not tags (add them with --add-tags)", report.unknown_labels),
    ):
        if counts:
            listed = ", ".join(f"{name} ({count})" for name, count in counts.items())
            click.echo(harmless(f"{what}: {listed}"), err=True)
    if report.tags_added:
        click.echo(harmless(f"tags added: {', '.join(report.tags_added)}"), err=True)
    by = ", ".join(f"{count:,} by {how}" for how, count in report.matched.items()) or "none"
    click.echo(
        f"{report.records:,} records: matched {by}; {len(report.unmatched):,} not stored, "
        f"{len(report.ambiguous):,} ambiguous, {len(report.outside):,} not in the question, "
        f"{report.undecided:,} without a decision, label or note",
        err=True,
    )
    _print_counts(
        report.written, report.unchanged, len(report.conflicts) + len(report.refused), report.dry_run
    )


def _print_counts(counts: dict[str, int], unchanged: int, left: int, dry_run: bool) -> None:
    wording = ", ".join(f"{count:,} {what.removesuffix('s')}s" for what, count in counts.items())
    verb = "would be written" if dry_run else "written"
    click.echo(
        f"{wording or 'nothing new'} {verb}; {unchanged:,} already there, {left:,} left out as contradictory",
        err=True,
    )


@tag.command("log")
@click.option(
    "--pmid", callback=lambda *given: given[2] and pmid_of(given[2]), metavar="PMID", help="Of this paper."
)
@click.option("--person", metavar="NAME", help="Of what this person did.")
@click.option("--day", type=click.DateTime(("%Y-%m-%d",)), help="Of this day (UTC).")
@click.option("--question", metavar="SLUG", help="Of this question.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines to stdout, one event per line.")
@pass_settings
def tag_log(
    settings: Settings,
    pmid: ArticleKey | None,
    person: str | None,
    day: datetime | None,
    question: str | None,
    as_json: bool,
) -> None:
    """Print the log of everything that people did, oldest first: who, when, what, before and after.

    It includes what a blind review still hides: do not show it to anybody who has yet to decide.
    """
    from tracker.team import statements

    with closing(read_people(settings)) as db:
        check_people(db, person)
        chosen = f"{day:%Y-%m-%d}" if day else None
        for event in statements.log(db, pmid=pmid, person=person, day=chosen, question=question):
            if as_json:
                print_json(event | {"pmid": event["pmid"] and shown(event["pmid"])}, indent=None)
            else:
                click.echo(harmless(_event_text(event)))


def _event_text(event: dict[str, Any]) -> str:
    subject = " ".join(
        f"{value}" for name, value in (event["subject"] or {}).items() if name not in ("person", "id")
    )
    states = [
        " ".join(f"{name}={value!r}" for name, value in (state or {}).items() if value not in (None, ""))
        for state in (event["before"], event["after"])
    ]
    parts = (
        event["happened"],
        event["person"] or "-",
        event["action"],
        named(event["pmid"]) if event["pmid"] else "",
        event["question"] or "",
        subject,
        " -> ".join(state or "nothing" for state in states) if any(states) else "",
        f"({event['origin']})",
    )
    return "  ".join(" ".join(part.split()) for part in parts if part)


@tag.group("vocabulary")
def tag_vocabulary() -> None:
    """Export and import the groups and their tags as YAML."""


@tag_vocabulary.command("export")
@output_option
@pass_settings
def tag_vocabulary_export(settings: Settings, output: Path | None) -> None:
    """Export the groups and tags as YAML."""
    from tracker.export.files import whole_file
    from tracker.team.vocabulary import exported

    with closing(read_people(settings)) as db:
        text = exported(db)
    if output is None or str(output) == "-":
        click.echo(text, nl=False)
    else:
        with whole_file(output) as out:
            out.write(text.encode())


@tag_vocabulary.command("import")
@file_argument
@json_option
@pass_settings
def tag_vocabulary_import(settings: Settings, file: Path, as_json: bool) -> None:
    """Import groups and tags from a YAML file: add new ones, update descriptions and colours.

    Nothing is deleted: groups and tags that the file does not name stay.
    """
    from tracker.exchange.files import read_text
    from tracker.team.acts import acting
    from tracker.team.vocabulary import imported

    text = read_text(file)
    with closing(open_people(settings)) as db, acting(db, None, "tracker tag vocabulary import") as act:
        report = imported(act, text, str(file))
    if as_json:
        print_json(report._asdict())
    else:
        click.echo(f"{report.added:,} groups and tags added, {report.changed:,} changed", err=True)
