"""A mail server that tests send to: aiosmtpd on a port of this machine, with what can go wrong with one."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import closing
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import cache
from typing import Any, NamedTuple, cast

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "postman", "a pass/word: with @ and #"
HOST = "mail.example.org"


class Mail(NamedTuple):
    """A message that the server took."""

    to: str
    message: EmailMessage
    data: bytes
    encrypted: bool

    @property
    def id(self) -> str:
        return str(self.message["Message-ID"])

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    def _part(self, kind: str) -> str:
        body = self.message.get_body((kind,))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")


class MailServer:
    """``taken`` are the messages in their order. ``at_data`` answers instead of the server once a message is complete:
    it may raise, kill, or return another answer (None: the usual one); ``at_recipient`` the same for an address."""

    def __init__(
        self, *, encryption: str = "", auth: bool = False, certificate: trustme.LeafCert | None = None
    ) -> None:
        self.taken: list[Mail] = []
        self.at_data: Callable[[SMTP, Mail], str | None] = lambda server, mail: None
        self.at_recipient: Callable[[str], str | None] = lambda address: None
        self.logins: list[bool] = []
        options: dict[str, Any] = {}
        if encryption:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            (certificate or certificate_of(authority(), HOST)).configure_cert(context)
            options["ssl_context" if encryption == "tls" else "tls_context"] = context
        if auth:
            options |= {"authenticator": self._authenticate, "auth_required": True}
            options["auth_require_tls"] = encryption == "starttls"
        self._controller = Controller(self, hostname="127.0.0.1", port=_free_port(), **options)
        self._scheme = "smtps" if encryption == "tls" else "smtp"

    def __enter__(self) -> MailServer:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def port(self) -> int:
        return int(self._controller.port)

    def url(self, host: str = "127.0.0.1", who: str = "") -> str:
        return f"{self._scheme}://{who and who + '@'}{host}:{self.port}"

    # What aiosmtpd calls.

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := self.at_recipient(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        data = cast(bytes, envelope.content)
        message = cast(EmailMessage, message_from_bytes(data, policy=default))
        mail = Mail(envelope.rcpt_tos[0], message, data, session.ssl is not None or self._scheme == "smtps")
        answer = self.at_data(server, mail)
        if answer is None or answer.startswith("2"):
            self.taken.append(mail)
        return answer or "250 OK"

    async def handle_exception(self, error: Exception) -> str:
        return "451 Something went wrong"

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        good = isinstance(data, LoginPassword) and data == LoginPassword(USER.encode(), PASSWORD.encode())
        self.logins.append(good)
        return AuthResult(success=good, handled=good)


def cut(server: SMTP) -> None:
    """Close the connection at once, whatever was still to be said."""
    assert server.transport is not None
    server.transport.abort()


@cache
def authority() -> trustme.CA:
    return trustme.CA()


@cache
def certificate_of(ca: trustme.CA, host: str) -> trustme.LeafCert:
    return ca.issue_cert(host)


class Gone:
    """A server that answers nothing: it accepts connections and closes them."""

    def __enter__(self) -> str:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._close_all, daemon=True)
        self._thread.start()
        return f"smtp://127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _close_all(self) -> None:
        while True:
            try:
                self._socket.accept()[0].close()
            except OSError:
                return


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])
