"""Where things are and who we are to NCBI: one frozen object, read once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

from tracker.errors import UsageError

NCBI_EUTILS = "https://eutils.ncbi.nlm.nih.gov/entrez/eutils/"
# What else may be asked (docs/enrich.md): each service's name, and the base of its addresses.
SERVICES = {
    "icite": "https://icite.od.nih.gov/api/",
    "clinicaltrials": "https://clinicaltrials.gov/api/v2/",
    "europepmc": "https://www.ebi.ac.uk/europepmc/webservices/rest/",
    "crossref": "https://api.crossref.org/",
}
_SERVICE_URLS = {
    "icite": "TRACKER_ICITE_URL",
    "clinicaltrials": "TRACKER_CTGOV_URL",
    "europepmc": "TRACKER_EUROPEPMC_URL",
    "crossref": "TRACKER_CROSSREF_URL",
}
TOOL = "evidence-tracker"
PACKAGE = Path(__file__).parent
CURLY = tuple("\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f")
YES, NO = ("1", "yes", "true", "on"), ("0", "no", "false", "off")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True, slots=True)
class Settings:
    """What every part may ask for.

    ``email`` and ``api_key`` identify us to NCBI (each user supplies their own; the key never
    appears in a repr, a log or an error). ``timeout`` is in seconds: how long to wait for a
    connection or for the next bytes of an answer. ``secret`` signs the site's cookies. A ``closed``
    site shows nothing to those who are not signed in. ``base_path`` is the site's path on its host, and
    ``site_url`` that host as readers reach it (``https://example.org``). ``enrich`` names the services that are asked
    besides PubMed, and ``service_urls`` where each of ``SERVICES`` is. ``smtp_url`` is the server that
    takes our mail, with its password, and ``mail_from`` the sender, an address with or without a name. ``ping_url`` is
    called after a good night; it may hold a secret, and is shown nowhere.
    """

    db_dir: Path = Path("db")
    queries: Path = Path("queries")
    email: str | None = None
    api_key: str | None = field(default=None, repr=False)
    eutils_url: str = NCBI_EUTILS
    timeout: float = 45.0
    secret: str | None = field(default=None, repr=False)
    closed: bool = False
    base_path: str = "/"
    site_url: str | None = None
    enrich: tuple[str, ...] = tuple(SERVICES)
    service_urls: Mapping[str, str] = field(default_factory=lambda: dict(SERVICES))
    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str | None = None
    ping_url: str | None = field(default=None, repr=False)

    @property
    def evidence_db(self) -> Path:
        return self.db_dir / "evidence.db"

    @property
    def annotations_db(self) -> Path:
        return self.db_dir / "annotations.db"

    @property
    def topic(self) -> Path:
        """The folder that says what the questions are about (see ``tracker.topic``)."""
        return self.queries / "topic"

    @property
    def requests_per_second(self) -> int:
        """NCBI's limit for one address (NBK25497): 3, or 10 with an API key."""
        return 10 if self.api_key else 3


def load_settings(
    db_dir: Path | None = None,
    queries: Path | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Settings:
    """Settings from options, the environment and ``.env`` in the working directory, in that order.

    Raises UsageError for a value that cannot be used, naming the variable.
    """
    cwd = cwd or Path.cwd()
    real = os.environ if environ is None else environ
    values = {**_dotenv(cwd / ".env"), **real}

    def get(name: str) -> str | None:
        return _plain(name, (values.get(name) or "").strip()) or None

    return Settings(
        db_dir=_at_home("TRACKER_DB_DIR", db_dir or Path(get("TRACKER_DB_DIR") or "db")),
        queries=_at_home("TRACKER_QUERIES", queries or _find(get("TRACKER_QUERIES"), "queries", cwd)),
        email=_email(get("TRACKER_EMAIL")),
        api_key=_api_key(get("NCBI_API_KEY")),
        eutils_url=_base_url("TRACKER_EUTILS_URL", get("TRACKER_EUTILS_URL") or NCBI_EUTILS),
        secret=get("TRACKER_SECRET"),
        closed=_yes("TRACKER_CLOSED", get("TRACKER_CLOSED") or "0"),
        base_path=base_path("TRACKER_BASE_PATH", get("TRACKER_BASE_PATH") or "/"),
        site_url=_origin(get("TRACKER_SITE_URL")),
        enrich=_services(get("TRACKER_ENRICH") if "TRACKER_ENRICH" in values else ",".join(SERVICES)),
        service_urls={
            service: _base_url(name, get(name) or SERVICES[service])
            for service, name in _SERVICE_URLS.items()
        },
        smtp_url=_smtp_url(get("TRACKER_SMTP_URL")),
        mail_from=_mail_from(get("TRACKER_MAIL_FROM")),
        ping_url=_address("TRACKER_PING_URL", get("TRACKER_PING_URL")),
        timeout=_seconds("TRACKER_TIMEOUT", get("TRACKER_TIMEOUT") or "45"),
    )


def find_default(name: str, cwd: Path | None = None) -> Path:
    """``queries``, ``metadata.yml``, ``db/starter``: the working directory's, else the wheel's, else the checkout's."""
    places = [(cwd or Path.cwd()) / name, PACKAGE / "defaults" / name, PACKAGE.parent / name]
    return next((place for place in places if place.exists()), places[0])


def _find(given: str | None, name: str, cwd: Path) -> Path:
    return Path(given) if given else find_default(name, cwd)


def _plain(name: str, value: str) -> str:
    """The value; no real one begins or ends with a curly quotation mark, which no program strips."""
    if value[:1] in CURLY or value[-1:] in CURLY:
        raise UsageError(f"{name}: its value is in curly quotation marks. Use straight ones, or none.")
    return value


def _at_home(name: str, path: Path) -> Path:
    """The path with ``~`` replaced by the home folder, as in a shell."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise UsageError(f"{name}: {str(path)!r}: no such home folder. Write the path in full.") from None


def _dotenv(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        return {
            name: value
            for name, value in dotenv_values(path, encoding="utf-8-sig").items()
            if value is not None
        }
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}). Save it as plain UTF-8 text.") from None


def _email(value: str | None) -> str | None:
    if value and not EMAIL.fullmatch(value):
        raise UsageError(
            f"TRACKER_EMAIL: {value!r} is not an e-mail address. Give the one NCBI may write to."
        )
    return value


def _api_key(value: str | None) -> str | None:
    if value and not re.fullmatch(r"[A-Za-z0-9]+", value):
        raise UsageError(
            "NCBI_API_KEY: it contains something other than letters and digits. "
            "Copy it again from your NCBI account settings, or unset it."
        )
    return value


def _base_url(name: str, value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", value):
        raise UsageError(
            f"{name}: {value!r} is not a base address. Give one such as http://127.0.0.1:8765/entrez/eutils/"
        )
    return value if value.endswith("/") else value + "/"


def _services(value: str | None) -> tuple[str, ...]:
    """The services named; none if the value is empty or ``none``."""
    names = [] if value in (None, "none") else re.split(r"[\s,]+", (value or "").strip(" ,"))
    if unknown := [name for name in names if name not in SERVICES]:
        raise UsageError(
            f"TRACKER_ENRICH: {unknown[0]!r} is none of the services. Name any of {', '.join(SERVICES)}, with commas "
            "between, or none."
        )
    return tuple(dict.fromkeys(names))


def _origin(value: str | None) -> str | None:
    if value and not re.fullmatch(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?", value):
        raise UsageError(
            f"TRACKER_SITE_URL: {value!r} is not the address of a host. Give one such as https://example.org; where "
            "the site begins below it is TRACKER_BASE_PATH."
        )
    return value and value.rstrip("/")


def _smtp_url(value: str | None) -> str | None:
    """Never repeats the value, as it may hold a password."""
    if value:
        try:
            parts = urlsplit(value)
            is_fine = (
                parts.scheme in ("smtp", "smtps")
                and bool(parts.hostname)
                and parts.port != 0
                and parts.path in ("", "/")
                and not (parts.query or parts.fragment)
                and (parts.username is None) == (parts.password is None)
            )
        except ValueError:
            is_fine = False
        if not is_fine:
            raise UsageError(
                "TRACKER_SMTP_URL: it is not the address of a mail server. Give one such as "
                "smtp://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST, with each special character of user and "
                "password percent-encoded (@ is %40, : is %3A, / is %2F, # is %23)."
            )
    return value


def _mail_from(value: str | None) -> str | None:
    if value:
        _, address = parseaddr(value)
        if not (value.isascii() and value.isprintable() and EMAIL.fullmatch(address)):
            raise UsageError(
                f"TRACKER_MAIL_FROM: {value!r} is not a sender. Give an address in ASCII, such as "
                "tracker@example.org or Evidence tracker <tracker@example.org>."
            )
    return value


def _address(name: str, value: str | None) -> str | None:
    # The value may hold a secret, so it is not repeated.
    if value and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s#]*)?", value):
        raise UsageError(
            f"{name}: this is not an address. Give one such as https://hc-ping.com/your-own-number."
        )
    return value


def base_path(name: str, value: str) -> str:
    """A path with a slash at both ends. Raises UsageError, naming the setting, if it is not a path."""
    if not re.fullmatch(r"/|/?[A-Za-z0-9_~-][A-Za-z0-9._~-]*(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?", value):
        raise UsageError(
            f"{name}: {value!r} is not a path of letters, digits and . _ ~ -. Give one such as /evidence-tracker/"
        )
    inner = value.strip("/")
    return f"/{inner}/" if inner else "/"


def _seconds(name: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 600:
        raise UsageError(f"{name}: {value!r} is not a number of seconds. Give one from 1 to 600.")
    return seconds


def _yes(name: str, value: str) -> bool:
    # Anything other than a known "yes" must not count as "no": a site that was meant to be closed would be open.
    if value.lower() not in YES + NO:
        raise UsageError(f"{name}: {value!r} is neither yes nor no. Give 1 or 0.")
    return value.lower() in YES
