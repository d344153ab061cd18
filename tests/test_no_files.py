"""Where a file is meant and a pipe or a device has its name, a command says so and does not wait for ever."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Desk, Result

PUT: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
}


def plain(done: Result, code: int, name: str) -> None:
    assert done.code == code, done.err
    assert name in done.err and "Traceback" not in done.err


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, "http://127.0.0.1:9/")


@pytest.mark.parametrize("put", PUT.values(), ids=PUT)
def test_a_question_file_that_is_none(desk: Desk, put: Callable[[Path], None]) -> None:
    put(desk.own_queries() / "aaa.yml")
    plain(desk.shell("questions", "check"), 2, "aaa.yml")


@pytest.mark.parametrize("put", PUT.values(), ids=PUT)
def test_a_file_to_load_that_is_none(desk: Desk, put: Callable[[Path], None]) -> None:
    put(desk.home / "records.xml")
    plain(desk.shell("load", "records.xml"), 2, "records.xml")


@pytest.mark.parametrize("put", PUT.values(), ids=PUT)
@pytest.mark.parametrize("name", ["db/.secret", "metadata.yml"])
def test_what_the_site_reads_that_is_no_file(desk: Desk, name: str, put: Callable[[Path], None]) -> None:
    from tests.helpers_load import open_evidence

    open_evidence(desk.home / "db").close()
    put(desk.home / name)
    plain(desk.shell("serve", "--port", "1"), 2, name)
