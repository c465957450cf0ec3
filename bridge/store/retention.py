"""What is no longer kept of what went to business systems; the events themselves, which are the accounting, stay.

Each function deletes one page at most and is called again until it has nothing left: no statement holds anything for long.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("retention")

PAGE: Final = 2000  # rows of one transaction


class Page(NamedTuple):
    """So many attempts were deleted of a page that ends with the attempt `last`; `is_last`: nothing behind it is old enough."""

    deleted: int
    last: int
    is_last: bool


async def forget_attempts(connection: Connection, before: datetime, after: int) -> Page:
    """Delete requests and answers of events that were done before an instant (UTC), of those with higher numbers than `after`."""
    values = {"before": before, "after": after, "most": PAGE}
    row = await (await connection.execute(_QUERIES.forget_attempts, values)).fetchone()
    assert row is not None, "a sum is one row"
    return Page(row["deleted"], row["last"] or after, row["is_last"])


async def forget_messages(connection: Connection, before: datetime) -> int:
    """Delete messages to people, levels and tag writes that were carried before an instant (UTC); returns how many."""
    row = await (await connection.execute(_QUERIES.forget_messages, {"before": before, "most": PAGE})).fetchone()
    assert row is not None, "a sum is one row"
    return int(row["messages"])


async def forget_nobody(connection: Connection, before: datetime) -> int:
    """Delete what was to be told, and was told to nobody, before an instant (UTC); returns how many."""
    row = await (await connection.execute(_QUERIES.forget_nobody, {"before": before, "most": PAGE})).fetchone()
    assert row is not None, "a sum is one row"
    return int(row["told"])
