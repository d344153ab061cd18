"""The command that mails what is new: digest."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime

import click

from tracker.cli.base import EXIT_WORK_REMAINS, after_readers, main, pass_settings
from tracker.errors import UsageError
from tracker.harmless import harmless
from tracker.settings import Settings


@main.command()
@click.option(
    "--to",
    metavar="ADDRESS",
    help="Mail to this address, or post to one of apprise (ntfy://…), instead of to those who subscribed.",
)
@click.option(
    "--question",
    "questions",
    metavar="SLUG",
    multiple=True,
    help="With --to: only this question; repeatable.",
)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="With --to: what is new since this day (UTC), instead of since the last such mail.",
)
@click.option("--dry-run", is_flag=True, help="Print the mails as text; nothing is stored or sent.")
@pass_settings
def digest(
    settings: Settings, to: str | None, questions: Sequence[str], since: datetime | None, dry_run: bool
) -> None:
    """Mail what is new to everybody who subscribed on the site and is due; nothing new, no mail.

    Needs TRACKER_SMTP_URL, TRACKER_MAIL_FROM and TRACKER_SITE_URL. Retractions come first, then new papers, then what
    changed. A mail that could not be sent waits for the next run. Exit code 3: some mail was refused or waits.
    """
    from tracker.jobs import digest as job

    if to is None and (questions or since):
        raise UsageError("--question and --since go with --to. Subscribers have chosen for themselves.")
    after_readers()
    day = f"{since:%Y-%m-%d}" if since else None
    if dry_run:
        texts = (
            job.texts_for_address(settings, to, questions, day)
            if to is not None
            else job.texts_for_subscribers(settings)
        )
        _print_mails(list(texts))
        return
    report = job.to_address(settings, to, questions, day) if to is not None else job.to_subscribers(settings)
    sent = report.sent
    click.echo(f"{report.made:,} new, {sent.sent:,} sent, {sent.put_off:,} put off, {sent.refused:,} refused")
    for reason in sent.reasons:
        click.echo(f"The mail server said: {harmless(reason)}", err=True)
    if sent.put_off or sent.refused:
        sys.exit(EXIT_WORK_REMAINS)


def _print_mails(texts: Sequence[str]) -> None:
    for text in texts:
        click.echo(harmless(text))
    if not texts:
        click.echo("Nothing new: no mail would be sent.", err=True)
