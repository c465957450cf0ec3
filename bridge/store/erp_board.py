"""Business systems as people see them: connectors, what waits for a person, what an event is made of. Reading only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from bridge.store.connector_condition import FRESH
from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("erp_board")


async def connectors(connection: Connection, configured: Sequence[str], today: datetime) -> list[Row]:
    """Each connector with what waits, what was posted since `today` began, who stopped it, and how its relay finds it.

    `condition` is None where no relay has said anything for some seconds: none runs. Looks at every open row.
    """
    values = {"configured": list(configured), "today": today, "fresh": FRESH}
    return await (await connection.execute(_QUERIES.connectors, values)).fetchall()


async def attention(connection: Connection, most: int) -> list[Row]:
    """What waits for a person, then what fails and is tried again, each the oldest first. Looks at every open row."""
    return await (await connection.execute(_QUERIES.attention, {"most": most})).fetchall()


async def parked(connection: Connection, connector: str, most: int) -> list[int]:
    """The numbers of a connector's events that wait for a person, oldest first."""
    rows = await connection.execute(_QUERIES.parked, {"connector": connector, "most": most})
    return [row["id"] async for row in rows]


async def of_stream(connection: Connection, connectors: Sequence[str], stream: str, most: int) -> list[Row]:
    """The events of a stream (an order's number, a ticket's), the newest first."""
    values = {"connectors": list(connectors), "stream": stream, "most": most}
    return await (await connection.execute(_QUERIES.of_stream, values)).fetchall()


async def latest(connection: Connection, connectors: Sequence[str], most: int) -> list[Row]:
    """What these systems took last."""
    values = {"connectors": list(connectors), "most": most}
    return await (await connection.execute(_QUERIES.latest, values)).fetchall()


async def taken_back(connection: Connection, outbox_id: int, most: int) -> list[Row]:
    """Reversals of an event, or of a reversal what it takes back of: outbox_id takes back of reverses_id."""
    values = {"outbox_id": outbox_id, "most": most}
    return await (await connection.execute(_QUERIES.taken_back, values)).fetchall()


async def counts(connection: Connection, outbox_id: int, most: int) -> tuple[list[Row], int, int]:
    """The counts that a posting is made of, oldest first, at most so many; how many they are in all, and their pieces."""
    values = {"outbox_id": outbox_id, "most": most}
    rows = await (await connection.execute(_QUERIES.counts, values)).fetchall()
    return (rows, rows[0]["counts"], rows[0]["pieces"]) if rows else ([], 0, 0)
