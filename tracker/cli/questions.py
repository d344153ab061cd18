"""Commands about the questions: list, check, versions, diff, adopt, rollback."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click

from tracker.cli.base import (
    EXIT_WORK_REMAINS,
    cell,
    evidence_with_annotations,
    json_option,
    main,
    open_evidence,
    pass_settings,
    print_json,
    print_table,
    questions_named,
)
from tracker.errors import UsageError, WorkRemains, choose_one
from tracker.harmless import harmless
from tracker.settings import Settings

if TYPE_CHECKING:
    from tracker.evidence.versions import How
    from tracker.jobs.comparison import Comparison, LineChange, Paper, Side, Tally
    from tracker.questions import Question


@main.group(invoke_without_command=True)
@json_option
@click.pass_context
def questions(context: click.Context, as_json: bool) -> None:
    """List the questions, check their files, or adopt what their searches were changed to."""
    if context.invoked_subcommand:
        return
    settings = context.find_object(Settings)
    assert settings is not None
    chosen = questions_named(settings, ())
    if as_json:
        print_json(
            [
                {
                    "slug": q.slug,
                    "title": q.title,
                    "question": q.question,
                    "strategy": q.strategy,
                    "strategy_hash": q.strategy_hash,
                    "seeds": {int(pmid): title for pmid, title in q.seeds.items()},
                    "recheck_days": q.recheck_days,
                }
                for q in chosen
            ]
        )
    else:
        print_table(("question", "title", "asks"), [[q.slug, q.title, q.question] for q in chosen])


@questions.command()
@click.argument("slugs", metavar="[QUESTION]...", nargs=-1)
@json_option
@pass_settings
def check(settings: Settings, slugs: Sequence[str], as_json: bool) -> None:
    """Check question files: is the YAML valid, and would PubMed search for what you mean?"""
    from tracker import topic
    from tracker.questions import check as check_question
    from tracker.topic.files import check as check_topic

    chosen = questions_named(settings, slugs)
    # What cannot be used at all ends here.
    topic.current()
    problems = [problem for question in chosen for problem in check_question(question)]
    problems += check_topic(topic.folder())
    if as_json:
        print_json([problem._asdict() for problem in problems])
    else:
        for problem in problems:
            click.echo(harmless(str(problem)))
    serious = [problem for problem in problems if problem.severity != "note"]
    names = ", ".join(question.slug for question in chosen)
    click.echo(f"{names}: {len(serious)} to fix, {len(problems) - len(serious)} to note", err=True)
    if serious:
        sys.exit(EXIT_WORK_REMAINS)


# -- the versions of a search ----------------------------------------------------------------------

MOST_PAPERS = 20

by_option = click.option(
    "--by",
    "person",
    metavar="NAME",
    help="Who adopts it, as readers of /methods will see (default: your login name).",
)
note_option = click.option("--note", help="Why (default: 'note' in the question's file).")
yes_option = click.option("--yes", is_flag=True, help="Do not ask on the terminal.")


@questions.command()
@click.argument("slug", metavar="QUESTION")
@json_option
@pass_settings
def versions(settings: Settings, slug: str, as_json: bool) -> None:
    """List the versions of QUESTION's search: who adopted which, when and why, and which is run."""
    from tracker.evidence import versions as store

    question = _file_of(settings, slug)
    with closing(open_evidence(settings)) as db:
        _check_known(settings, db, slug, question)
        known = store.log(db, slug)
    is_edited = bool(question and known and question.strategy_hash not in {version.hash for version in known})
    if as_json:
        print_json([version._asdict() for version in known])
    else:
        columns = ("version", "hash", "first_run", "adopted", "by", "why", "how", "run_now")
        print_table(
            columns,
            [
                [
                    *map(cell, (version.number, version.short, version.first_run, version.adopted)),
                    *map(cell, (version.person, version.note, version.how, version.is_adopted)),
                ]
                for version in known
            ],
        )
    if is_edited:
        click.echo(
            f"{slug}: its file has another search, which is not adopted and so is no version yet", err=True
        )


@questions.command()
@click.argument("slug", metavar="QUESTION")
@click.option(
    "--from", "before", metavar="V", default="adopted", help="A version: its number, or how its hash begins."
)
@click.option(
    "--to", "after", metavar="V", default="file", help="Another version (default: what the file has)."
)
@click.option("--online", is_flag=True, help="Also ask PubMed for its counts, and for the seed papers.")
@json_option
@pass_settings
def diff(settings: Settings, slug: str, before: str, after: str, online: bool, as_json: bool) -> None:
    """Compare two versions of QUESTION's search: the adopted one with the file's, or those that you name.

    It says which lines changed, what each finds and adds, and which stored records enter and leave. A line adds what
    the whole search finds only by it.
    """
    question = _file_of(settings, slug)
    with closing(evidence_with_annotations(settings)) as db:
        _check_known(settings, db, slug, question)
        comparison = _compared(settings, db, slug, question, (before, after), online)
    if as_json:
        print_json(comparison.report())
    else:
        click.echo(harmless("\n".join(_told(comparison))))


@questions.command()
@click.argument("slug", metavar="QUESTION")
@by_option
@note_option
@yes_option
@pass_settings
def adopt(settings: Settings, slug: str, person: str | None, note: str | None, yes: bool) -> None:
    """Adopt the search that QUESTION's file has: every refresh runs it from then on.

    It first says what changes by that, as 'tracker questions diff' does, and on a terminal asks.
    """
    from tracker.evidence.versions import How

    (question,) = questions_named(settings, [slug])
    _adopt(settings, slug, question, "file", How.ADOPTED, person, note, yes)


@questions.command()
@click.argument("slug", metavar="QUESTION")
@click.option(
    "--to", "version", metavar="V", help="A version's number, or how its hash begins (default: the last one)."
)
@by_option
@click.option("--note", help="Why.")
@yes_option
@pass_settings
def rollback(
    settings: Settings, slug: str, version: str | None, person: str | None, note: str | None, yes: bool
) -> None:
    """Adopt an earlier version of QUESTION's search again: without --to, the one that was adopted before.

    The question's file stays as it is; until it is adopted again, the earlier version is run.
    """
    from tracker.evidence import versions as store
    from tracker.evidence.versions import How

    question = _file_of(settings, slug)
    with closing(open_evidence(settings)) as db:
        _check_known(settings, db, slug, question)
        earlier = store.named(db, slug, version) if version else store.adopted_before(db, slug)
    if earlier is None:
        raise UsageError(
            f"{slug}: no version was adopted before this one. 'tracker questions versions {slug}' lists all."
        )
    _adopt(settings, slug, question, str(earlier.number), How.ROLLED_BACK, person, note, yes)


def _adopt(
    settings: Settings,
    slug: str,
    question: Question | None,
    name: str,
    how: How,
    person: str | None,
    note: str | None,
    yes: bool,
) -> None:
    from tracker.jobs.adopt import adopt as run_adopt

    person = person or _login_name()
    why = note or (question.note if question and how == "adopted" else None)
    chosen = _chosen(settings, slug, question, name, None if note else why)
    if chosen is None:
        return
    if not yes and sys.stdin and sys.stdin.isatty() and not click.confirm(f"Have {chosen} run?", err=True):
        raise WorkRemains("nothing was adopted.")
    version = run_adopt(
        settings,
        slug,
        chosen.strategy,
        person=person,
        note=why,
        how=how,
        in_file=question.in_file if question else None,
    )
    click.echo(harmless(f"{slug}: {version} adopted by {person}{f': {why}' if why else ''}"))
    click.echo("The next refresh runs it.", err=True)


def _chosen(
    settings: Settings, slug: str, question: Question | None, name: str, note_of_file: str | None
) -> Side | None:
    """The search to adopt, once it is said what changes by it; None if it is adopted already."""
    from tracker.evidence import versions as store
    from tracker.jobs.adopt import side
    from tracker.jobs.comparison import Side

    if not settings.evidence_db.is_file():
        assert question is not None
        click.echo(f"{slug}: its first search; nothing is stored to compare it with")
        return Side(question.in_file, None)
    with closing(evidence_with_annotations(settings)) as db:
        now_adopted = store.adopted(db, slug)
        chosen = side(db, slug, name, question)
        if now_adopted is None:
            click.echo(f"{slug}: its first search; there is no other to compare it with")
            return chosen
        if now_adopted.hash == chosen.strategy.hash:
            click.echo(f"{slug}: {now_adopted} is adopted already; nothing to do")
            return None
        if note_of_file and note_of_file == now_adopted.note:
            click.echo(f"Note: the file's note is that of {now_adopted}. Is it still the reason?", err=True)
        comparison = _compared(settings, db, slug, question, ("adopted", name), online=False)
    click.echo(harmless("\n".join(_told(comparison))))
    return chosen


def _login_name() -> str:
    from tracker.jobs.adopted import login_name

    if name := login_name():
        return name
    if sys.stdin and sys.stdin.isatty():
        return str(click.prompt("Who adopts it", err=True))
    raise UsageError("the system does not know who you are. Name who adopts it with --by.")


def _file_of(settings: Settings, slug: str) -> Question | None:
    """The question of a file, or None where there is no such file: its versions are stored all the same."""
    from tracker.questions import load_question

    paths = [path for ending in ("yml", "yaml") if (path := settings.queries / f"{slug}.{ending}").is_file()]
    return load_question(paths[0]) if paths else None


def _check_known(settings: Settings, db: sqlite3.Connection, slug: str, question: Question | None) -> None:
    """Raises UsageError for a question that is neither in a file nor in the database."""
    stored = [name for (name,) in db.execute("select distinct question from strategy_versions order by 1")]
    if question is None and slug not in stored:
        names = choose_one(dict.fromkeys([*(each.slug for each in questions_named(settings, ())), *stored]))
        raise UsageError(f"Unknown question {slug!r} in {settings.queries}. {names}")


def _compared(
    settings: Settings,
    db: sqlite3.Connection,
    slug: str,
    question: Question | None,
    names: tuple[str, str],
    online: bool,
) -> Comparison:
    from tracker.evidence.questions import seeds
    from tracker.jobs.adopt import side
    from tracker.jobs.comparison import compare, count
    from tracker.jobs.console import Console
    from tracker.pubmed.entrez import PubMed

    console = Console()
    before, after = (side(db, slug, name, question) for name in names)
    wanted = question.all_seeds if question else {pmid: title for pmid, title, *_ in seeds(db, slug)}
    comparison = compare(db, slug, before, after, wanted, console)
    if online:
        if not settings.email:
            raise UsageError("NCBI asks for an e-mail address with every request. Set TRACKER_EMAIL.")
        with PubMed(settings, on_wait=console.waiting) as pubmed:
            count(comparison, pubmed)
    return comparison


# -- a comparison in words -------------------------------------------------------------------------


def _told(comparison: Comparison) -> Iterator[str]:
    yield f"{comparison.question}: from {comparison.before} to {comparison.after}"
    if comparison.before.strategy.hash == comparison.after.strategy.hash:
        yield "The same search."
    combined = [side.strategy.combine for side in (comparison.before, comparison.after)]
    if combined[0] != combined[1]:
        yield f"combine: {combined[0] or 'not known'} -> {combined[1] or 'not known'}"
    for line in comparison.lines:
        yield from _line_told(line)
    yield ""
    yield from _papers_told(comparison)
    yield from _pubmed_told(comparison)
    yield from _seeds_told(comparison)
    for remark in comparison.remarks:
        yield f"Note: {remark}"


def _line_told(line: LineChange) -> Iterator[str]:
    yield f"line {line.name}, {line.change}: {_tallies(line)}"
    for sign, side in (("-", line.before), ("+", line.after)):
        if side and line.change in ("added", "removed"):
            yield f"  {sign} {side.query}"
        elif side and line.change == "changed":
            for term in side.terms:
                yield f"  {sign} {term.term}{_tally_told(term.stored)}"
    if (
        line.change == "changed"
        and line.before
        and line.after
        and not (line.before.terms or line.after.terms)
    ):
        yield f"  - {line.before.query}"
        yield f"  + {line.after.query}"


def _tallies(line: LineChange) -> str:
    of_stored = _both(*(side.stored if side else None for side in (line.before, line.after)))
    of_pubmed = _both(*(side.pubmed if side else None for side in (line.before, line.after)))
    told = [f"{where} {both}" for where, both in (("here", of_stored), ("at PubMed", of_pubmed)) if both]
    return "; ".join(told) or "not counted"


def _both(before: Tally | None, after: Tally | None) -> str:
    one = after or before
    if one is None:
        return ""
    earlier = before or one
    return f"finds {_step(earlier.finds, one.finds)}, adds {_step(earlier.adds, one.adds)}"


def _step(before: int, after: int) -> str:
    return f"{after:,}" if before == after else f"{before:,} -> {after:,}"


def _tally_told(tally: Tally | None) -> str:
    return f"  (here finds {tally.finds:,}, adds {tally.adds:,})" if tally else ""


def _papers_told(comparison: Comparison) -> Iterator[str]:
    if comparison.judged is None:
        return
    for verb, papers in (("enter", comparison.entering), ("leave", comparison.leaving)):
        yield f"Of {comparison.judged:,} stored records, {len(papers):,} {verb}{_relevant_told(papers)}"
        # What people found relevant is what a reader must not miss.
        for paper in sorted(papers, key=lambda paper: not paper.is_relevant)[:MOST_PAPERS]:
            yield f"  {paper.pmid}  {'[judged relevant] ' if paper.is_relevant else ''}{paper.title}"
        if len(papers) > MOST_PAPERS:
            yield f"  and {len(papers) - MOST_PAPERS:,} more; --json lists all"


def _relevant_told(papers: Sequence[Paper]) -> str:
    relevant = sum(paper.is_relevant for paper in papers)
    return f"; people judged {relevant:,} of these relevant" if papers else ""


def _pubmed_told(comparison: Comparison) -> Iterator[str]:
    if counts := comparison.pubmed:
        yield (
            f"PubMed counts {counts.before:,} before and {counts.after:,} after; {counts.entering:,} enter, "
            f"{counts.leaving:,} leave"
        )
        if counts.not_found:
            yield f"PubMed does not know: {', '.join(counts.not_found)}"


def _seeds_told(comparison: Comparison) -> Iterator[str]:
    seeds = comparison.seeds
    if not seeds:
        return
    unclear = sum(seed.after is None for seed in seeds)
    yield (
        f"Seed papers found, of {len(seeds):,}: {sum(seed.before is True for seed in seeds):,} before, "
        f"{sum(seed.after is True for seed in seeds):,} after"
        + (f"; {unclear:,} not stored, so that only PubMed knows" if unclear else "")
    )
    for seed in seeds:
        if seed.after is not None and seed.before is not None and seed.before != seed.after:
            yield f"  {seed.pmid}  {'lost' if seed.before else 'won'}: {seed.title}"
