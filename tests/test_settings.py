"""Settings: where they come from, which wins, and what is said of those that cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from tracker.errors import UsageError
from tracker.settings import NCBI_EUTILS, SERVICES, Settings, find_default, load_settings

CHECKOUT = Path(__file__).parents[1]


def in_folder(folder: Path, dotenv: str | None = None, **environ: str) -> Settings:
    if dotenv is not None:
        (folder / ".env").write_text(dotenv, encoding="utf-8")
    return load_settings(environ=environ, cwd=folder)


def test_with_nothing_set_the_defaults_hold(tmp_path: Path) -> None:
    settings = in_folder(tmp_path)
    assert settings.db_dir == Path("db")
    assert settings.evidence_db == Path("db/evidence.db")
    assert settings.annotations_db == Path("db/annotations.db")
    assert settings.email is None
    assert settings.eutils_url == NCBI_EUTILS
    assert settings.timeout == 45
    assert settings.requests_per_second == 3


def test_a_dotenv_file_in_the_working_directory_is_read(tmp_path: Path) -> None:
    settings = in_folder(
        tmp_path, '# ours\nTRACKER_EMAIL = "a@example.org"\nexport NCBI_API_KEY=abc123\nTRACKER_TIMEOUT=9\n'
    )
    assert settings.email == "a@example.org"
    assert settings.api_key == "abc123"
    assert settings.timeout == 9
    assert settings.requests_per_second == 10


def test_the_real_environment_wins_over_the_file_and_an_option_over_both(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TRACKER_EMAIL=file@example.org\nTRACKER_DB_DIR=file\n")
    environ = {"TRACKER_EMAIL": "real@example.org", "TRACKER_DB_DIR": "real"}
    assert load_settings(environ=environ, cwd=tmp_path).email == "real@example.org"
    assert load_settings(environ=environ, cwd=tmp_path).db_dir == Path("real")
    assert load_settings(Path("option"), environ=environ, cwd=tmp_path).db_dir == Path("option")


def test_a_variable_that_is_empty_hides_the_one_in_the_file(tmp_path: Path) -> None:
    assert in_folder(tmp_path, "TRACKER_EMAIL=a@example.org\n", TRACKER_EMAIL="").email is None


def test_the_key_is_in_no_repr_and_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = in_folder(tmp_path, NCBI_API_KEY="abc123secret")
    assert settings.api_key == "abc123secret"
    assert "abc123secret" not in repr(settings) + str(settings)
    with pytest.raises(FrozenInstanceError):
        settings.api_key = None  # type: ignore[misc]


def test_a_base_address_always_ends_in_a_slash(tmp_path: Path) -> None:
    url = "http://127.0.0.1:8765/entrez/eutils"
    assert in_folder(tmp_path, TRACKER_EUTILS_URL=url).eutils_url == f"{url}/"


def test_questions_are_those_of_the_folder_else_those_of_the_checkout(tmp_path: Path) -> None:
    assert in_folder(tmp_path).queries == CHECKOUT / "queries"
    (tmp_path / "queries").mkdir()
    assert in_folder(tmp_path).queries == tmp_path / "queries"
    assert in_folder(tmp_path, TRACKER_QUERIES="elsewhere").queries == Path("elsewhere")
    assert find_default("no-such-thing", tmp_path) == tmp_path / "no-such-thing"


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("none", ()),
        ("", ()),
        ("crossref", ("crossref",)),
        (" crossref, icite ", ("crossref", "icite")),
        ("icite crossref icite", ("icite", "crossref")),
    ],
)
def test_services_are_those_named_or_else_all(tmp_path: Path, value: str, names: tuple[str, ...]) -> None:
    assert in_folder(tmp_path).enrich == tuple(SERVICES)
    assert in_folder(tmp_path, TRACKER_ENRICH=value).enrich == names
    assert in_folder(tmp_path, f"TRACKER_ENRICH={value}\n").enrich == names


UNUSABLE = {
    "an address without a domain": ("TRACKER_EMAIL", "me@hospital"),
    "two addresses": ("TRACKER_EMAIL", "a@example.org, b@example.org"),
    "a key with a line break": ("NCBI_API_KEY", "abc\ndef"),
    "a key in quotes": ("NCBI_API_KEY", "'abc'"),
    "a base address without http": ("TRACKER_EUTILS_URL", "127.0.0.1:8765"),
    "a base address with a query": ("TRACKER_EUTILS_URL", "http://127.0.0.1/?a=b"),
    "a base address with a password": ("TRACKER_EUTILS_URL", "http://me:secret@127.0.0.1/"),
    "a service that is none": ("TRACKER_ENRICH", "icite,openalex"),
    "another service's address without http": ("TRACKER_CTGOV_URL", "127.0.0.1:8765"),
    "a time-out that is no number": ("TRACKER_TIMEOUT", "a minute"),
    "a time-out of nothing": ("TRACKER_TIMEOUT", "0"),
    "a time-out without end": ("TRACKER_TIMEOUT", "inf"),
    "a time-out that is not a number": ("TRACKER_TIMEOUT", "nan"),
}


@pytest.mark.parametrize(("name", "value"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_value_that_cannot_be_used_is_named_with_a_remedy(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        in_folder(tmp_path, **{name: value})
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert len(message.splitlines()) == 1
    assert caught.value.exit_code == 2
    if name == "NCBI_API_KEY":
        assert "abc" not in message, "a key is not repeated, even a wrong one"


def test_a_dotenv_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(UsageError, match=r"\.env: cannot be read .* UTF-8"):
        load_settings(environ={}, cwd=tmp_path)


@pytest.mark.parametrize(
    ("dotenv", "says"),
    [("TRACKER_EMAIL=nobody\n", "TRACKER_EMAIL"), ("TRACKER_TIMEOUT=soon\n", "TRACKER_TIMEOUT")],
)
def test_the_command_line_says_one_line_and_ends_with_2(tmp_path: Path, dotenv: str, says: str) -> None:
    (tmp_path / ".env").write_text(dotenv)
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("TRACKER_", "NCBI_"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "tracker", "status"], cwd=tmp_path, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"Error: {says}: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["TRACKER_DB_DIR", "TRACKER_QUERIES"])
def test_a_tilde_in_a_path_is_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / ".env").write_text(f'{name}="~/evidence"\n')
    found = load_settings(environ={}, cwd=tmp_path)
    assert tmp_path / "home" / "evidence" in (found.db_dir, found.queries)
    (tmp_path / ".env").write_text(f"{name}=~nobody-of-this-name/evidence\n")
    with pytest.raises(UsageError, match=f"{name}: .* no such home folder"):
        load_settings(environ={}, cwd=tmp_path)


@pytest.mark.parametrize(
    "value", ["\u201cme@example.org\u201d", "\u2018me@example.org\u2019", "me@example.org\u201d"]
)
@pytest.mark.parametrize("name", ["TRACKER_EMAIL", "NCBI_API_KEY", "TRACKER_DB_DIR", "TRACKER_SECRET"])
def test_curly_quotation_marks_around_a_value_are_named(tmp_path: Path, name: str, value: str) -> None:
    (tmp_path / ".env").write_text(f"{name}={value}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=f"{name}: its value is in curly quotation marks") as caught:
        load_settings(environ={}, cwd=tmp_path)
    assert "example" not in str(caught.value)


def test_a_byte_order_mark_loses_no_variable(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TRACKER_EMAIL=me@example.org\nTRACKER_TIMEOUT=9\n", encoding="utf-8-sig")
    found = load_settings(environ={}, cwd=tmp_path)
    assert (found.email, found.timeout) == ("me@example.org", 9.0)
