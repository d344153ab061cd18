"""Reading for pages, through connections that see both databases and never write."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tracker.site.server.security import SITE

if TYPE_CHECKING:
    from datasette.app import Datasette


async def read(datasette: Datasette, query: Callable[[sqlite3.Connection], Any]) -> Any:
    """The result of calling the query with such a connection."""
    return await datasette.get_database(SITE).execute_fn(query)
