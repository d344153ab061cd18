"""Sending by SMTP (RFC 5321), and telling what may be tried again from what is final.

Encryption is required: from the first byte (``smtps``) or by STARTTLS (RFC 3207), with a certificate that is checked.
Only with a server on this machine itself, where nobody listens in between, may it be missing, or the certificate be
anybody's.
"""

from __future__ import annotations

import ipaddress
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from tracker.errors import WorkRemains

PORTS = {"smtp": 587, "smtps": 465}
WAITS = "Nothing was lost: the mail waits for the next 'tracker digest'."


# The answers to RCPT that say so of the address itself.
NO_SUCH_ADDRESS = (550, 551, 553)


class NotSent(Exception):
    """The server did not take a message, and may do so later: the message stays to be sent."""


class Rejected(Exception):
    """The server refused a message for good. ``recipient`` tells whether it refused the address, not the message."""

    def __init__(self, reason: str, *, recipient: bool) -> None:
        super().__init__(reason)
        self.recipient = recipient


class NoServer(WorkRemains):
    """No message can be sent at present: the server is away, or does not let us in."""


class Server(NamedTuple):
    """Where mail is handed over. ``timeout`` is in seconds, for each answer of the server."""

    host: str
    port: int
    is_tls: bool
    user: str | None
    password: str | None
    timeout: float

    def __repr__(self) -> str:
        return f"Server({self.host}:{self.port})"

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine, where nobody listens in between."""
        if self.host == "localhost":
            return True
        with suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return False


def server_of(url: str, timeout: float) -> Server:
    """The server that TRACKER_SMTP_URL names, which settings have checked."""
    parts = urlsplit(url)
    return Server(
        parts.hostname or "",
        parts.port or PORTS[parts.scheme],
        parts.scheme == "smtps",
        parts.username and unquote(parts.username),
        parts.password and unquote(parts.password),
        timeout,
    )


@contextmanager
def connected(server: Server) -> Iterator[smtplib.SMTP]:
    """A connection on which messages can be sent. Raises NoServer, saying what is wrong, without the password."""
    where = f"The mail server {server.host}:{server.port}"
    with ExitStack() as closing:
        try:
            smtp = _opened(server)
            closing.callback(smtp.close)
            _secured(smtp, server, where)
        except (OSError, smtplib.SMTPException) as error:
            raise NoServer(f"{where} cannot be used ({_plain(error)}). {WAITS}") from None
        yield smtp
        with suppress(OSError, smtplib.SMTPException):
            smtp.quit()


def send(smtp: smtplib.SMTP, sender: str, to: str, message: bytes) -> None:
    """Hand over one message.

    Raises NotSent if it may be tried again, Rejected if it may not, and NoServer if our sender is refused.
    """
    try:
        smtp.sendmail(sender, [to], message)
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        raise _refused_recipient(code, _words(text)) from None
    except smtplib.SMTPSenderRefused as error:
        if _is_final(error.smtp_code):
            raise NoServer(
                f"The mail server refuses the sender {sender} ({_plain(error)}). Change TRACKER_MAIL_FROM. {WAITS}"
            ) from None
        raise NotSent(_plain(error)) from None
    except smtplib.SMTPDataError as error:
        raise _refusal(error.smtp_code, error.smtp_error, recipient=False) from None
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent(_plain(error)) from None


def _refused_recipient(code: int, words: str) -> NotSent | Rejected | NoServer:
    """What is wrong with this address is told from what is wrong with us, which would be said of every address.

    Policy and relaying are 5.7.x (RFC 3463); an address that does not exist is refused by 550, 551 or 553 (RFC 5321).
    """
    if _is_final(code) and words.startswith("5.7."):
        return NoServer(f"The mail server does not take mail from us ({code} {words}). {WAITS}")
    if code in NO_SUCH_ADDRESS:
        return Rejected(f"{code} {words}", recipient=True)
    return NotSent(f"{code} {words}")


def _opened(server: Server) -> smtplib.SMTP:
    if server.is_tls:
        return smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout, context=_context(server))
    return smtplib.SMTP(server.host, server.port, timeout=server.timeout)


def _secured(smtp: smtplib.SMTP, server: Server, where: str) -> None:
    smtp.ehlo_or_helo_if_needed()
    if not server.is_tls and smtp.has_extn("starttls"):
        smtp.starttls(context=_context(server))
        smtp.ehlo()
    elif not server.is_tls and not server.is_here:
        raise NoServer(f"{where} offers no encryption (STARTTLS). Use smtps://, or another server. {WAITS}")
    if server.user:
        smtp.login(server.user, server.password or "")


def _context(server: Server) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if server.is_here:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_final(code: int) -> bool:
    return 500 <= code < 600


def _refusal(code: int, text: bytes | str, *, recipient: bool) -> NotSent | Rejected:
    reason = f"{code} {_words(text)}"
    return Rejected(reason, recipient=recipient) if _is_final(code) else NotSent(reason)


def _plain(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"it did not accept user and password: {error.smtp_code}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_words(error.smtp_error)}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return _words(str(error) or type(error).__name__)


def _words(text: bytes | str) -> str:
    """What a server said, as one short line."""
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join(said.split())[:200]
