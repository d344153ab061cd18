"""Datasette leaves connections open by which it looks what SQLite can do: while it is imported, at the first look at
a table's columns, and for /-/versions. Python 3.13 warns of each, and none of them is ours."""

from __future__ import annotations

import warnings
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ResourceWarning)
    from datasette.app import Datasette
    from datasette.utils.sqlite import sqlite_version

    sqlite_version()

_versions = Datasette._versions


def _versions_without_warning(datasette: Datasette) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        return _versions(datasette)


Datasette._versions = _versions_without_warning
