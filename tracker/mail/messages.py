"""What our mails say, as plain data, and the messages made of it: text and HTML.

Patients read these mails, on screens that others see: subject, sender and the first lines name no condition, treatment
or question. The words of the mails are in ``templates/``.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import cache
from typing import NamedTuple

import css_inline
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

SENDER_NAME = "Evidence tracker"
LONGEST_ADDRESS = 254
LONGEST_LINE = 998
# What the HTML standard takes for an address: no quoted or commented ones, no line breaks, ASCII only.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
ADDRESS = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}")


class Item(NamedTuple):
    """A paper in a digest: ``why`` it is there, where to read it, and what it is (``facts``: journal, design, people).

    ``findings`` are sentences of its abstract; ``unquoted`` tells that it has findings which the mail only links to,
    and ``is_notice`` that it is there because it was withdrawn or corrected.
    """

    why: str
    title: str
    link: str
    facts: Sequence[str] = ()
    findings: Sequence[str] = ()
    unquoted: bool = False
    is_notice: bool = False


class Part(NamedTuple):
    """Items under a heading, and a sentence on what is not named there."""

    heading: str
    items: Sequence[Item]
    more: str = ""


class Section(NamedTuple):
    """What is new in one thing that somebody follows: its title, its page, its parts, and what waits for people."""

    title: str
    link: str
    parts: Sequence[Part]
    waiting: str = ""

    @property
    def items(self) -> list[Item]:
        return [item for part in self.parts for item in part.items]


class Digest(NamedTuple):
    """All that one digest tells. ``papers`` and ``notices`` are the numbers in its subject; days are for people."""

    sections: Sequence[Section]
    papers: int
    notices: int
    after: str
    up_to: str

    @property
    def subject(self) -> str:
        """``Evidence tracker: 3 papers, 1 notice``."""
        numbers = [
            _number(self.papers, "paper"),
            _number(self.notices, "notice"),
        ]
        return f"{SENDER_NAME}: {', '.join(filter(None, numbers)) or 'something waits for you'}"


def digest(sender: str, to: str, told: Digest, leaving: str | None) -> EmailMessage:
    """A digest. ``leaving`` is the page that asks whether to unsubscribe, and takes a POST at once (RFC 8058); None for
    an address that staff gave."""
    message = _message(sender, to, told.subject, "digest", {"digest": told, "leaving": leaving})
    message["Precedence"] = "list"
    if leaving:
        message["List-Unsubscribe"] = f"<{leaving}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return message


def confirmation(sender: str, to: str, link: str, hours: int) -> EmailMessage:
    """The only mail before consent: ``link`` leads to a page whose button confirms, for so many hours."""
    told = {"link": link, "hours": hours}
    return _message(sender, to, f"{SENDER_NAME}: please confirm", "confirmation", told)


def note(sender: str, to: str, subject: str, text: str) -> EmailMessage:
    """A plain text to somebody who works here. Raises ValueError for a subject with a line break."""
    message = _headed(sender, to, subject)
    message.set_content(text)
    return message


def text_of(message: EmailMessage) -> str:
    """The plain text of a message."""
    body = message.get_body(("plain",))
    return body.get_content() if body else ""


def subject_and_text(stored: bytes) -> tuple[str, str]:
    """What a stored message says, for a channel that takes plain text."""
    message = message_from_bytes(stored, _class=EmailMessage, policy=SMTP)
    return str(message["Subject"]), text_of(message).replace("\r\n", "\n")


def in_bytes(message: EmailMessage) -> bytes:
    """As it is sent: lines that end in CR LF, and headers folded only where RFC 5322 demands it, as not every mail
    program unfolds List-Unsubscribe."""
    return message.as_bytes(policy=SMTP.clone(max_line_length=LONGEST_LINE))


def is_address(text: str) -> bool:
    return len(text) <= LONGEST_ADDRESS and ADDRESS.fullmatch(text) is not None


def _message(sender: str, to: str, subject: str, template: str, told: dict[str, object]) -> EmailMessage:
    message = _headed(sender, to, subject)
    text = _templates().get_template(f"{template}.txt").render(subject=subject, **told)
    message.set_content(re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", cte="quoted-printable")
    html = _templates().get_template(f"{template}.html").render(subject=subject, **told)
    message.add_alternative(_inlined(html), subtype="html", cte="quoted-printable")
    return message


def _headed(sender: str, to: str, subject: str) -> EmailMessage:
    message = EmailMessage()
    name, address = parseaddr(sender)
    message["From"] = Address(name or SENDER_NAME, addr_spec=address)
    message["To"] = Address(addr_spec=to)
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<{secrets.token_hex(16)}@{address.rpartition('@')[2]}>"
    # So that nobody's automatic reply answers (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    return message


def _inlined(html: str) -> str:
    """Mail programs drop style sheets: each rule goes to the elements that it is for. Nothing is fetched."""
    inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=False, keep_at_rules=True)
    return inliner.inline(html)


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("tracker.mail"),
        autoescape=select_autoescape(("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _number(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}" if n else ""
