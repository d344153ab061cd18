"""Datasette leaves connections open by which it looks what SQLite can do: while it is imported, at the first look at
a table's columns, and for /-/versions. Python 3.13 warns of each, and none of them is ours."""

from __future__ import annotations

import gc
import warnings
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ResourceWarning)
    from datasette.app import Datasette
    from datasette.utils.sqlite import sqlite_version

    sqlite_version()
    # Some lie in a cycle: they go here, and not in the middle of some test.
    gc.collect()

_versions = Datasette._versions


def _versions_without_warning(datasette: Datasette) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        found = _versions(datasette)
        gc.collect()
        return found


Datasette._versions = _versions_without_warning
