"""Gaps: time in which a source or one of its tags was not heard, with the cause."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("gap")


async def insert(
    connection: Connection,
    *,
    source: str,
    tag_id: int | None,
    start: datetime,
    end: datetime,
    cause: str,
    recovered: bool,
) -> None:
    """Write a gap; `tag_id` None means all of the source, `recovered` that what was missed came later."""
    await connection.execute(
        _QUERIES.insert,
        {
            "source": source,
            "tag_id": tag_id,
            "start": start,
            "end": max(start, end),
            "cause": cause,
            "recovered": recovered,
        },
    )
