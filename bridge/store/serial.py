"""Serial numbers: which counted piece a reading named, and which numbers a business system was given already."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("serial")


async def give(
    connection: Connection,
    *,
    equipment_id: int,
    counted_at: datetime,
    serial: str,
    tag_id: int,
    at: datetime,
    ordinal: int,
) -> dict[int, int]:
    """Note the reading (tag_id, at, ordinal) that named what a machine counted at an instant.

    Returns how many pieces they are, by the counts that had no name yet: more than one piece has no serial number of its own.
    """
    values = {
        "equipment_id": equipment_id, "counted_at": counted_at, "serial": serial, "tag_id": tag_id, "at": at,
        "ordinal": ordinal,
    }  # fmt: skip
    rows = await connection.execute(_QUERIES.give, values)
    return {row["count_id"]: row["pieces"] async for row in rows}


async def posted(connection: Connection, connector: str, order_number: str, serials: Collection[str]) -> dict[str, int]:
    """Those of some serial numbers that a system was given for what the order makes: the outbox row that has each."""
    values = {"connector": connector, "order_number": order_number, "serials": list(serials)}
    rows = await connection.execute(_QUERIES.posted, values)
    return {row["serial"]: row["outbox_id"] async for row in rows}
