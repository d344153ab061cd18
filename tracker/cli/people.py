"""``tracker people``: who may sign in, and their tokens."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import click

from tracker.cli.base import (
    cell,
    json_option,
    main,
    open_people,
    pass_settings,
    print_json,
    print_table,
    read_people,
)
from tracker.errors import UsageError
from tracker.harmless import harmless
from tracker.settings import Settings

if TYPE_CHECKING:
    from tracker.team.acts import Act


@main.group()
def people() -> None:
    """Manage who may sign in, and their role: reader, tagger, lead or admin. The log records every change."""


name_argument = click.argument("name")
role_help = "reader, tagger, lead or admin: each may also do what the roles before it may."


@people.command("add")
@name_argument
@click.option("--role", default="tagger", show_default=True, help=role_help)
@click.option("--display-name", metavar="TEXT", help="Name shown to others; defaults to NAME.")
@click.option(
    "--identity",
    metavar="ID",
    help="Their identity in another way of signing in, for example github:octocat.",
)
@click.option("--no-password", is_flag=True, help="They sign in only in another way.")
@pass_settings
def people_add(
    settings: Settings,
    name: str,
    role: str,
    display_name: str | None,
    identity: str | None,
    no_password: bool,
) -> None:
    """Add NAME, and ask for a password: twice on a terminal, else one line of standard input."""
    from tracker.site.server.actors import tidy_identity
    from tracker.site.server.passwords import hashed
    from tracker.team import people as store

    # Wrong words are told before anybody thinks of a password.
    with _writing_people(settings, "add") as act:
        store.check_new(act.db, name, role, tidy_identity(identity))
    secret = None if no_password else hashed(_new_password(name, display_name or name))
    with _writing_people(settings, "add") as act:
        made = store.add(act, name, role, display_name, secret, tidy_identity(identity))
    click.echo(f"{made.name}: added as {made.role}", err=True)


@people.command("passwd")
@name_argument
@pass_settings
def people_passwd(settings: Settings, name: str) -> None:
    """Set a new password for NAME, asked for as in 'add'. Sessions that began with the old password end."""
    from tracker.site.server.passwords import hashed
    from tracker.team import people as store

    with _writing_people(settings, "passwd") as act:
        person = store.named(act.db, name)
    secret = hashed(_new_password(person.name, person.display_name))
    with _writing_people(settings, "passwd") as act:
        store.set_password(act, person, secret)
    click.echo(f"{name}: new password", err=True)


@people.command("role")
@name_argument
@click.argument("role")
@pass_settings
def people_role(settings: Settings, name: str, role: str) -> None:
    """Make NAME a reader, tagger, lead or admin, from their next request on."""
    _change_person(settings, "role", name, role=role)


@people.command("change")
@name_argument
@click.option("--display-name", metavar="TEXT", help="Name shown to others from now on; '' for NAME itself.")
@click.option(
    "--identity", metavar="ID", help="Their identity in another way of signing in; '' to remove it."
)
@pass_settings
def people_change(settings: Settings, name: str, display_name: str | None, identity: str | None) -> None:
    """Change the display name of NAME, or their identity in another way of signing in. NAME itself stays."""
    from tracker.site.server.actors import tidy_identity

    if display_name is None and identity is None:
        raise UsageError("say what to change: --display-name, --identity or both.")
    _change_person(settings, "change", name, display_name=display_name, identity=tidy_identity(identity))


@people.command("disable")
@name_argument
@pass_settings
def people_disable(settings: Settings, name: str) -> None:
    """Sign NAME out and stop them from signing in; their tokens stop working. What they wrote stays in their name."""
    _change_person(settings, "disable", name, disabled=True)


@people.command("enable")
@name_argument
@pass_settings
def people_enable(settings: Settings, name: str) -> None:
    """Let NAME sign in again after 'disable'."""
    _change_person(settings, "enable", name, disabled=False)


@people.command("list")
@json_option
@pass_settings
def people_list(settings: Settings, as_json: bool) -> None:
    """List everybody, including disabled people."""
    from tracker.team import people as store

    with closing(read_people(settings)) as db:
        rows = [
            {key: value for key, value in person._asdict().items() if key != "session"}
            | {"password": store.password_hash(db, person) is not None}
            for person in store.everybody(db)
        ]
    if as_json:
        print_json(rows)
        return
    columns = ("name", "display_name", "role", "identity", "password", "created", "disabled")
    print_table(columns, [[cell(row[column]) for column in columns] for row in rows])


@people.group("token")
def people_token() -> None:
    """Make, list and revoke tokens, with which programs read and write in somebody's name."""


@people_token.command("add")
@name_argument
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="SCOPE",
    help="What it allows: read, tag, decide or lead. May be repeated.",
)
@click.option("--days", type=int, default=90, show_default=True, help="Days until it expires, at most 366.")
@click.option("--name", "label", required=True, metavar="WHAT", help="What it is for.")
@pass_settings
def people_token_add(settings: Settings, name: str, scopes: Sequence[str], days: int, label: str) -> None:
    """Make a token for NAME and print it to stdout. It is shown only once, because only its hash is kept."""
    from tracker.team import people as store

    with _writing_people(settings, "token add") as act:
        person = store.named(act.db, name)
        token = store.make_token(act, person, label, scopes, days)
    click.echo(token)
    click.echo(f"{name}: token for {', '.join(scopes)}, {days} days. It is not shown again.", err=True)


@people_token.command("list")
@name_argument
@json_option
@pass_settings
def people_token_list(settings: Settings, name: str, as_json: bool) -> None:
    """List the tokens of NAME, newest first, without their secrets."""
    from tracker.team import people as store

    with closing(read_people(settings)) as db:
        tokens = [token._asdict() for token in store.tokens(db, store.named(db, name))]
    if as_json:
        print_json([{key: value for key, value in row.items() if key != "person"} for row in tokens])
        return
    columns = ("id", "name", "scopes", "created", "expires", "used", "revoked")
    rows = [row | {"scopes": ", ".join(row["scopes"])} for row in tokens]
    print_table(columns, [[cell(row[column]) for column in columns] for row in rows])


@people_token.command("revoke")
@name_argument
@click.argument("id", type=int)
@pass_settings
def people_token_revoke(settings: Settings, name: str, id: int) -> None:
    """Revoke NAME's token with this ID ('token list' shows it), from the next request on."""
    from tracker.team import people as store

    with _writing_people(settings, "token revoke") as act:
        store.revoke_token(act, store.named(act.db, name), id)
    click.echo(f"{name}: token {id} revoked", err=True)


def _change_person(settings: Settings, command: str, name: str, **changes: Any) -> None:
    from tracker.team import people as store

    with _writing_people(settings, command) as act:
        after = store.change(act, name, **changes)
    state = "disabled" if after.disabled else after.role
    elsewhere = f", {after.identity} elsewhere" if after.identity else ""
    click.echo(harmless(f"{after.name}: {after.display_name}, {state}{elsewhere}"), err=True)


def _new_password(*names: str) -> str:
    """Raises UsageError for one that must not be. It never comes as an argument: other users can see those."""
    from tracker.site.server.passwords import check_new

    if sys.stdin.isatty():
        given: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    check_new(given, *names)
    return given


@contextmanager
def _writing_people(settings: Settings, command: str) -> Iterator[Act]:
    from tracker.team.acts import acting

    with closing(open_people(settings)) as db, acting(db, None, f"tracker people {command}") as act:
        yield act
