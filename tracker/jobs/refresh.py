"""The main job: bring the database up to date with PubMed, so that no paper is ever lost.

Read ``refresh`` from top to bottom: search in full, compare, fetch, check the lines, close, enrich. The watermark of a
question moves when it closes, and only where everything before it succeeded; whatever fails leaves the question
incomplete, with the reason, and the next refresh that succeeds completes it.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from tracker import __version__
from tracker.article import ArticleKey, Pmid
from tracker.clock import now
from tracker.enrich.runs import Asked
from tracker.errors import RecordError, ServiceError, UsageError
from tracker.evidence import (
    articles,
    connect,
    known_items,
    lines,
    records,
    runs,
    schema,
    starter,
    versions,
    wrongclock,
)  # fmt: skip
from tracker.evidence import questions as store
from tracker.jobs import adopted, ingest
from tracker.jobs.console import Console
from tracker.jobs.enrich import ask_services
from tracker.jobs.lock import writing_job
from tracker.pubmed.entrez import BATCH, FetchedBatch, PubMed, SearchAnswer, SearchResult
from tracker.pubmed.records import split
from tracker.query import Loss, QueryError, losses, parse
from tracker.questions import Question
from tracker.settings import Settings
from tracker.strategy import Strategy

# What PubMed says was withdrawn; it is combined with ``[lr]``, the date of NLM's last revision.
WITHDRAWN = '"retracted publication"[pt] OR "expression of concern"[pt]'
# PubMed dropped these words, or searched a quoted phrase word by word; the strategy says whether that matters.
DROPPED, BROKEN = ("PhraseNotFound", "PhraseIgnored"), ("QuotedPhraseNotFound",)
# Remarks that PubMed may make without having changed what was searched for.
HARMLESS = "OutputMessage: No items found"
# A search that suddenly finds less than half is accepted only when the next one finds as few.
PLAUSIBLE_DROP, SMALL = 0.5, 20
SECONDS_A_BATCH = 3.0


class Remedy(StrEnum):
    """What would make an incomplete question complete, the most urgent first."""

    EDIT = "edit"
    RUN_AGAIN = "run again"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a question is incomplete, and what helps."""

    text: str
    remedy: Remedy = Remedy.RUN_AGAIN

    @classmethod
    def of(cls, error: ServiceError) -> Reason:
        return cls(str(error), Remedy.NONE if error.final else Remedy.RUN_AGAIN)


@dataclass(slots=True)
class Progress:
    """What a refresh has done for one question so far."""

    question: Question
    adopted: adopted.Search
    before: store.Completeness
    version: int | None
    newest_held: str | None = None
    search: SearchResult | None = None
    found: frozenset[Pmid] = frozenset()
    entering: frozenset[Pmid] = frozenset()
    left: frozenset[Pmid] = frozenset()
    kept: frozenset[Pmid] = frozenset()
    altered: frozenset[Pmid] = frozenset()
    entered: int = 0
    fetched: int = 0
    changed: int = 0
    notices: int = 0
    seeds_missing: list[Pmid] = field(default_factory=list)
    failures: list[Reason] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    drift: list[str] = field(default_factory=list)

    @property
    def slug(self) -> str:
        return self.question.slug

    @property
    def strategy(self) -> Strategy:
        """The search that this refresh runs."""
        return self.adopted.strategy

    @property
    def complete(self) -> bool:
        return not self.failures

    @property
    def reasons(self) -> list[str]:
        return [failure.text for failure in self.failures]

    @property
    def remedy(self) -> Remedy | None:
        return next((r for r in Remedy if any(failure.remedy is r for failure in self.failures)), None)

    def fail(self, reason: Reason) -> None:
        if reason not in self.failures:
            self.failures.append(reason)

    def summary(self) -> dict[str, Any]:
        return {
            "question": self.slug,
            "counted": self.search.count if self.search else None,
            "entered": self.entered,
            "left": len(self.left),
            "kept": len(self.kept),
            "fetched": self.fetched,
            "changed": self.changed,
            "notices": self.notices,
            "seeds": len(self.question.all_seeds),
            "seeds_missing": self.seeds_missing,
            "complete": self.complete,
            "reasons": self.reasons,
            "remedy": self.remedy,
            "remarks": self.remarks,
            "strategy": self.strategy.hash,
            "version": self.version,
            "edited": self.adopted.is_edited,
            "drift": self.drift,
        }


@dataclass(slots=True)
class Refresh:
    """A refresh in progress; ``report`` is its result."""

    db: sqlite3.Connection
    pubmed: PubMed
    console: Console
    run: int
    started: str
    questions: list[Progress]
    recheck_days: int | None = None
    full: bool = False
    all_lines: bool = False
    interrupted: bool = False
    due: int = 0
    enriched: list[Asked] = field(default_factory=list)
    totals: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("fetched", "new", "changed", "notices", "missing", "refused"), 0
        )
    )
    clock: float = field(default_factory=time.monotonic)

    @property
    def complete(self) -> bool:
        return not self.interrupted and all(progress.complete for progress in self.questions)

    @property
    def reason(self) -> str | None:
        slugs: dict[str, list[str]] = {}
        for progress in self.questions:
            for each in progress.reasons:
                slugs.setdefault(each, []).append(progress.slug)
        reasons = ["interrupted"] if self.interrupted else []
        reasons += [f"{', '.join(some)}: {reason}" for reason, some in slugs.items()]
        return "; ".join(reasons) or None

    def report(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "started": self.started,
            "outcome": runs.COMPLETE if self.complete else runs.INCOMPLETE,
            "reason": self.reason,
            "interrupted": self.interrupted,
            "seconds": round(time.monotonic() - self.clock, 1),
            "requests": self.pubmed.requests,
            "due": self.due,
            **self.totals,
            "questions": [progress.summary() for progress in self.questions],
            "enriched": [asdict(asked) for asked in self.enriched],
        }


def refresh(
    settings: Settings,
    questions: Sequence[Question],
    console: Console,
    *,
    full: bool = False,
    recheck_days: int | None = None,
    run_edited: bool = False,
    all_lines: bool = False,
) -> dict[str, Any]:
    """Bring these questions up to date and return the report that ``tracker refresh --json`` prints.

    Each question runs the search that was adopted; with ``run_edited`` the one in its file, which is adopted by that.
    ``full`` fetches every stored record again; ``recheck_days`` replaces the interval of the question files;
    ``all_lines`` checks the lines of every search, due or not.
    Raises UsageError without an e-mail address, LockHeld if another job is running, and what opening the
    database raises. A failing service raises nothing: the report says what is incomplete, and why.
    """
    if not settings.email:
        raise UsageError(
            "NCBI asks for an e-mail address with every request. Set TRACKER_EMAIL in the environment or in .env."
        )
    with writing_job(settings.db_dir):
        db = connect.open_for_writing(settings.evidence_db, schema.migrations, "NORMAL")
        try:
            for words in wrongclock.put_right(db):
                console.say(words)
            if older := articles.read_by_older_rules(db):
                console.say(articles.say_older_rules(older))
            with PubMed(settings, on_wait=console.waiting) as pubmed:
                options = Options(full, recheck_days, run_edited, all_lines)
                job = _open(db, pubmed, console, questions, options)
                try:
                    search_in_full(job)
                    compare(job)
                    fetch(job)
                    check_lines(job)
                except KeyboardInterrupt:
                    job.interrupted = True
                except BaseException as error:
                    _abandon(job, error)
                    raise
                close(job)
                enrich(job, settings)
                return job.report()
        except sqlite3.DatabaseError as error:
            raise connect.plain_error(settings.evidence_db, error) from None
        finally:
            db.close()


class Options(NamedTuple):
    """What ``refresh`` was asked to do besides."""

    full: bool
    recheck_days: int | None
    run_edited: bool
    all_lines: bool


def _open(
    db: sqlite3.Connection,
    pubmed: PubMed,
    console: Console,
    questions: Sequence[Question],
    options: Options,
) -> Refresh:
    run = runs.start(
        db, "refresh", __version__, {"questions": [q.slug for q in questions], **options._asdict()}
    )
    with connect.transaction(db):
        store.describe(db, questions)
        for question in questions:
            versions.note_file(db, question.slug, question.in_file)
    progress = [_progress(db, question, options.run_edited) for question in questions]
    for each in progress:
        if words := each.adopted.remark:
            console.say(words)
    return Refresh(
        db, pubmed, console, run, now(), progress, options.recheck_days, options.full, options.all_lines
    )


def _progress(db: sqlite3.Connection, question: Question, run_edited: bool) -> Progress:
    before = store.completeness(db, question.slug)
    # What an unsuccessful run has stored since must not make the rest look old.
    held = store.newest_created(db, before.complete_to) if before.complete_to else None
    search = adopted.search(db, question, run_edited)
    return Progress(question, search, before, search.number, held)


# -- 1. search each question in full ---------------------------------------------------------------


def search_in_full(job: Refresh) -> None:
    for progress in job.questions:
        started = now()
        try:
            progress.search = job.pubmed.search(progress.strategy.text)
        except ServiceError as error:
            progress.fail(Reason.of(error))
            _log_failed_search(job, progress, started, str(error))
            continue
        job.console.say(f"{progress.slug}: PubMed counts {progress.search.count:,} records")
        for problem in _problems(job, progress, progress.search):
            progress.fail(problem)
        progress.found = frozenset(progress.search.pmids)


def _problems(job: Refresh, progress: Progress, search: SearchResult) -> Iterable[Reason]:
    """Why the answer must not be used; mere remarks by PubMed are kept for the report."""
    if search.reason:
        yield Reason(search.reason)
    phrases: dict[str, list[str]] = {}
    for remark in (*search.errors, *search.warnings):
        kind, _, phrase = remark.partition(": ")
        if kind in (*DROPPED, *BROKEN):
            phrases.setdefault(kind, []).append(phrase)
            progress.remarks.append(remark)
        elif remark.startswith(HARMLESS):
            progress.remarks.append(remark)
        else:
            yield Reason(
                f"PubMed did not run the search as written ({remark}). Check the strategy", Remedy.EDIT
            )
    yield from _lost_parts(progress.strategy, phrases)
    before = len(store.matching(job.db, progress.slug))
    if before < SMALL or search.count >= before * PLAUSIBLE_DROP:
        return
    strategy = progress.strategy.hash
    last = runs.last_count(job.db, progress.slug, strategy)
    if strategy == progress.before.strategy and (last is None or last >= before * PLAUSIBLE_DROP):
        yield Reason(
            f"PubMed counted {search.count:,} records where {before:,} matched before. "
            "The next search that says the same will be believed"
        )


def _lost_parts(strategy: Strategy, phrases: Mapping[str, Sequence[str]]) -> Iterable[Reason]:
    """For each part of the strategy with words unknown to PubMed: why it was not searched for as written."""
    if not phrases:
        return
    dropped, broken = ([p for kind in kinds for p in phrases.get(kind, ())] for kinds in (DROPPED, BROKEN))
    try:
        lost = losses(parse(strategy.text), dropped, broken)
    except QueryError:
        lost = [Loss((*dropped, *broken), None)]
    for words, part in lost:
        named = f"PubMed does not know {', '.join(words)}"
        if part is None:
            yield Reason(
                f"{named}, and we cannot tell what it searched for instead. Check the strategy", Remedy.EDIT
            )
            continue
        text = strategy.text[part.start : part.end]
        line = next((f"search.{name}" for name, query in strategy.lines if text in query), "the strategy")
        yield Reason(
            f"{named}, so it searched for something other than what {line} says. Correct or remove the words",
            Remedy.EDIT,
        )


def what_helps(report: Mapping[str, Any], folder: Path) -> str:
    """What to do about an incomplete refresh: edit question files in ``folder``, or run it again."""
    to_edit = [row for row in report["questions"] if row["remedy"] == Remedy.EDIT]
    if to_edit:
        files = ", ".join(str(folder / f"{row['question']}.yml") for row in to_edit)
        adopting = [f"'tracker questions adopt {row['question']}'" for row in to_edit if row["version"]]
        then = f", have the edit run with {', '.join(adopting)}" if adopting else ""
        return f"Edit {files}{then}, then run it again."
    if report["interrupted"] or any(row["remedy"] == Remedy.RUN_AGAIN for row in report["questions"]):
        return "Run it again to continue."
    return "Running it again does not help."


def _log_failed_search(job: Refresh, progress: Progress, started: str, reason: str) -> None:
    with connect.transaction(job.db):
        runs.log_search(
            job.db,
            job.run,
            progress.slug,
            "strategy",
            query=progress.strategy.text,
            errors=[],
            warnings=[],
            slices=[],
            reconciled=False,
            reason=reason,
            started=started,
        )


# -- 2. compare with what matched before -----------------------------------------------------------


def compare(job: Refresh) -> None:
    for progress in job.questions:
        if progress.search and progress.complete:
            before = store.matching(job.db, progress.slug)
            progress.entering = progress.found - before
            progress.left = frozenset(before - progress.found)
            progress.kept = frozenset(before & progress.found)
        with connect.transaction(job.db):
            _log_comparison(job, progress)
            if progress.complete:
                progress.version = adopted.keep(job.db, progress.question, progress.adopted, job.started)
                progress.left -= store.keep_for_others(job.db, progress.slug, progress.left)
                with store.relabelling(job.db, progress.left):
                    store.leave(job.db, progress.slug, progress.left, job.started)
                # Why they left is news, too: they may have been changed or deleted.
                records.check_at_once(job.db, progress.left)
                _enter(job, progress, records.stored(job.db, progress.entering))
        if progress.complete and progress.kept:
            _look_for_altered(job, progress)


def _log_comparison(job: Refresh, progress: Progress) -> None:
    search = progress.search
    if search is None:
        return
    runs.log_search(
        job.db,
        job.run,
        progress.slug,
        "strategy",
        strategy=progress.strategy.hash,
        entered=len(progress.entering),
        left_count=len(progress.left),
        kept=len(progress.kept),
        reason="; ".join(progress.reasons) or None,
        started=job.started,
        **_answer(search),
    )


def _answer(search: SearchResult) -> dict[str, Any]:
    return {
        "query": search.query,
        "translation": search.translation,
        "errors": search.errors,
        "warnings": search.warnings,
        "count": search.count,
        "slices": [(part.first, part.last, part.count) for part in search.slices],
        "reconciled": search.reconciled,
        "seconds": round(search.seconds, 3),
    }


def _look_for_altered(job: Refresh, progress: Progress) -> None:
    """Search once for changes in records that we hold: withdrawn, or revised later than any of our records.

    It is a quick look (PubMed knows the revision date of completed records only); the re-checks in rotation find
    what it misses.
    """
    wanted = WITHDRAWN
    if newest := store.newest_revision(job.db, progress.slug):
        wanted += f" OR {date.fromisoformat(newest) + timedelta(days=1):%Y/%m/%d}:3000[lr]"
    try:
        search = job.pubmed.search(f"({progress.strategy.text}) AND ({wanted})")
    except ServiceError as error:
        reason = Reason.of(error)
        progress.fail(replace(reason, text=f"retractions could not be searched for: {reason.text}"))
        return
    if search.reason:
        progress.fail(Reason(f"retractions could not be searched for: {search.reason}"))
    with connect.transaction(job.db):
        runs.log_search(
            job.db,
            job.run,
            progress.slug,
            "altered",
            reason=search.reason,
            started=job.started,
            **_answer(search),
        )
    known = job.db.execute(
        "select distinct pmid from publication_types where lower(name) in "
        "('retracted publication', 'expression of concern') and pmid in (select value from json_each(:pmids))",
        {"pmids": json.dumps(search.pmids)},
    )
    progress.altered = progress.kept & (
        frozenset(search.pmids) - {Pmid(ArticleKey(pmid)) for (pmid,) in known}
    )


def _enter(job: Refresh, progress: Progress, pmids: Collection[ArticleKey]) -> None:
    """Add stored records to the question, each with its reason, inside the caller's transaction."""
    rows = job.db.execute(
        """
        select pmid, coalesce(created, entered, '') from articles
        where pmid in (select value from json_each(:pmids))
        """,
        {"pmids": json.dumps(list(pmids))},
    )
    reasons = {ArticleKey(pmid): _reason(progress, created) for pmid, created in rows}
    with store.relabelling(job.db, reasons.keys()):
        store.enter(job.db, progress.slug, progress.strategy.hash, reasons, job.started)
    progress.entered += len(reasons)


def _reason(progress: Progress, created: str) -> str:
    """Why a record enters: was it created in PubMed since the question was last complete?

    If PubMed's dates lag behind our clock, PubMed's count: a record newer than all that we held then is new.
    """
    before = progress.before
    if before.complete_to is None:
        return "first search"
    if not created or created >= min(before.complete_to[:10], progress.newest_held or created):
        return "newly published"
    return "newly indexed" if before.strategy == progress.strategy.hash else "strategy changed"


# -- 3. fetch what entered and what is due, one transaction per batch ------------------------------


def fetch(job: Refresh) -> None:
    wanted = _wanted(job)
    if not wanted:
        job.console.say("nothing to fetch")
        return
    batches = [wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH)]
    job.console.say(
        f"{_plural(len(wanted), 'record')} to fetch, in {_plural(len(batches), 'request')}: "
        f"about {_duration(len(batches) * SECONDS_A_BATCH)}"
    )
    failed_in_a_row = 0
    with job.console.progress("records", len(wanted)) as advance:
        for number, batch in enumerate(batches):
            try:
                _store(job, job.pubmed.fetch_batch(batch))
                failed_in_a_row = 0
            except ServiceError as error:
                _blame(job, batch, Reason.of(error))
                failed_in_a_row += 1
            advance(len(batch))
            if failed_in_a_row == 2:
                rest = [pmid for left_over in batches[number + 1 :] for pmid in left_over]
                _blame(job, rest, Reason("not fetched because PubMed kept failing"))
                return


def _wanted(job: Refresh) -> list[Pmid]:
    """Records that entered and are not stored (or were gone), then altered ones, then those due; newest first."""
    slugs = [progress.slug for progress in job.questions]
    entering = {pmid for progress in job.questions for pmid in progress.entering}
    altered = {pmid for progress in job.questions for pmid in progress.altered}
    states = records.states(job.db, entering)
    new = {p for p in entering if p not in states or states[p].gone or not states[p].stored}
    due = records.due(job.db, job.started, slugs, job.recheck_days, job.full)
    job.due = len(due)
    urgent = sorted(new, reverse=True) + sorted(altered, reverse=True)
    return list(dict.fromkeys((*urgent, *due)))


def _store(job: Refresh, batch: FetchedBatch) -> None:
    started = now()
    readings, refused = _read(batch)
    pmids = {reading.pmid for reading in readings}
    with connect.transaction(job.db) as db:
        stored = ingest.store(
            db, readings, run=job.run, when=started, recheck_days=_recheck_days(job), source="pubmed"
        )
        gone = records.missing(db, batch.missing, started, _recheck_days(job), "pubmed")
        records.note_changes(db, ((pmid, "record", "present", "gone") for pmid in gone), started, job.run)
        for progress in job.questions:
            _enter(job, progress, progress.entering & pmids)
        runs.log_fetch(
            db,
            job.run,
            asked=len(batch.asked),
            returned=len(pmids),
            missing=batch.missing,
            refused=refused,
            bytes=batch.bytes,
            started=started,
            seconds=round(batch.seconds, 3),
        )
    _count(job, stored, pmids)
    job.totals["missing"] += len(batch.missing)
    job.totals["refused"] += len(refused)
    for pmid, reason in refused.items():
        _blame(job, [pmid], Reason(f"PMID {pmid} cannot be read: {reason}"))
    _note_undelivered(job, batch.missing)


def _note_undelivered(job: Refresh, pmids: Sequence[Pmid]) -> None:
    """Records that a search lists but no fetch returns: missing at first; once confirmed, only a remark."""
    states = records.states(job.db, pmids)
    entering = {pmid for progress in job.questions for pmid in progress.entering}
    hoped_for = [pmid for pmid in pmids if pmid in entering and not states[pmid].gone]
    _blame(job, hoped_for, Reason("listed but not delivered"))
    for progress in job.questions:
        for pmid in progress.entering.intersection(pmids).difference(hoped_for):
            progress.remarks.append(f"PubMed lists PMID {pmid}, but again did not deliver it")


def _read(batch: FetchedBatch) -> tuple[list[ingest.Reading], dict[Pmid, str]]:
    readings, refused = [], dict(batch.refused)
    for document in batch.bodies:
        for raw in split(BytesIO(document)):
            try:
                readings.append(ingest.read(raw.body))
            except RecordError as error:
                if pmid := raw.pmid:
                    refused[pmid] = str(error)
    return readings, refused


def _recheck_days(job: Refresh) -> int:
    return job.recheck_days or min(progress.question.recheck_days for progress in job.questions)


def _count(job: Refresh, stored: ingest.Stored, pmids: set[ArticleKey]) -> None:
    job.totals["fetched"] += len(pmids)
    job.totals["new"] += len(stored.new)
    job.totals["changed"] += len(stored.changed)
    job.totals["notices"] += len(stored.noticed)
    belongs = store.questions_of(job.db, pmids)
    for progress in job.questions:
        mine = {pmid for pmid in pmids if progress.slug in belongs.get(pmid, ())}
        progress.fetched += len(mine)
        progress.changed += len(mine.intersection(stored.changed))
        progress.notices += len(mine.intersection(stored.noticed))


def _blame(job: Refresh, pmids: Sequence[Pmid], reason: Reason) -> None:
    """A record that could not be fetched leaves each of its questions incomplete."""
    if not pmids:
        return
    belongs = store.questions_of(job.db, pmids)
    for progress in job.questions:
        mine = [p for p in pmids if p in progress.entering or progress.slug in belongs.get(p, ())]
        if mine:
            progress.fail(replace(reason, text=f"{_plural(len(mine), 'record')} missing ({reason.text})"))


# -- 4. ask what PubMed makes of each line, now and then -------------------------------------------


def check_lines(job: Refresh) -> None:
    """Count each line of a new version, and after that of every version once in 30 days; name what has drifted.

    None of it makes a question incomplete. Where PubMed fails, the next refresh asks again.
    """
    # Questions share lines.
    answers: dict[str, SearchAnswer] = {}
    for progress in job.questions:
        if not progress.complete or not progress.strategy.lines:
            continue
        if not job.all_lines and not lines.are_due(
            job.db, progress.slug, progress.strategy.hash, job.started
        ):
            continue
        try:
            _check_lines_of(job, progress, answers)
        except ServiceError as error:
            job.console.say(
                f"{progress.slug}: its lines could not be counted; the next refresh tries again ({error})"
            )
            return


def _check_lines_of(job: Refresh, progress: Progress, answers: dict[str, SearchAnswer]) -> None:
    for line in progress.strategy.lines:
        if line.query not in answers:
            answers[line.query] = job.pubmed.count(line.query)
    with connect.transaction(job.db):
        for line in progress.strategy.lines:
            answer = answers[line.query]
            runs.log_search(
                job.db,
                job.run,
                progress.slug,
                lines.PURPOSE,
                line=line.name,
                strategy=progress.strategy.hash,
                query=line.query,
                translation=answer.translation,
                errors=answer.errors,
                warnings=answer.warnings,
                count=answer.count,
                slices=[],
                reconciled=True,
                started=job.started,
            )
    checks = lines.checks(job.db, progress.slug, progress.strategy.hash)
    progress.drift = [f"line {name}: {words}" for name, check in checks.items() for words in check.drift]
    for words in progress.drift:
        job.console.say(f"{progress.slug}: {words}")


# -- 5. close: the watermark -----------------------------------------------------------------------


def close(job: Refresh) -> None:
    with connect.transaction(job.db) as db:
        for progress in job.questions:
            if job.interrupted:
                progress.fail(Reason("interrupted"))
            if progress.complete and progress.before.complete_to is None:
                starter.leave_question(db, progress.slug)
        for progress in job.questions:
            if progress.complete:
                store.complete(db, progress.question, progress.strategy.hash, job.started, progress.found)
                _check_seeds(job, progress)
            else:
                store.incomplete(db, progress.slug, job.started, "; ".join(progress.reasons))
        known_items.fill_due(db)
        report = job.report()
        runs.finish(db, job.run, report["outcome"], job.reason, report)
    connect.tidy(job.db, job.console.say)


# -- 6. ask the other services: nothing of it changes what the refresh came to ----------------------


def enrich(job: Refresh, settings: Settings) -> None:
    if job.interrupted:
        return
    questions = [progress.question for progress in job.questions]
    try:
        job.enriched = ask_services(job.db, job.run, settings, questions, job.console, names=settings.enrich)
    except KeyboardInterrupt:
        job.console.say("the other services were not asked to the end; the refresh itself is done")
    except Exception as error:
        job.console.say(
            f"the other services could not be asked ({type(error).__name__}: {error}); the refresh itself is done"
        )


def _check_seeds(job: Refresh, progress: Progress) -> None:
    for pmid, _, found, record_title in store.seeds(job.db, progress.slug):
        if not found:
            progress.seeds_missing.append(pmid)
        elif record_title:
            progress.remarks.append(f"seed {pmid} has a different title in PubMed: {record_title}")


def _abandon(job: Refresh, error: BaseException) -> None:
    """An unforeseen error: the run records it, and no watermark moves."""
    try:
        with connect.transaction(job.db) as db:
            for progress in job.questions:
                store.incomplete(
                    db, progress.slug, job.started, f"the refresh failed ({type(error).__name__})"
                )
            runs.finish(db, job.run, runs.FAILED, f"{type(error).__name__}: {error}", job.report())
    except sqlite3.DatabaseError:
        job.console.say("the run log could not be written either")


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"
