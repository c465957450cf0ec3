"""The outbox: what goes to business systems, written in the transaction of the state change that it tells of.

Within a stream (a production order, a ticket) rows go out in the order of `seq`, one at a time. The key makes a fact unique,
whoever writes it again. `insert` is for those who have something to tell, the rest for people; bridge/store/relay.py is the
relay's side; what people mend is in bridge/store/mending.py.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from psycopg.types.json import Jsonb

from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("outbox")


async def insert(
    connection: Connection, *, connector: str, stream: str, kind: str, payload: dict[str, Any], key: str
) -> int | None:
    """Write one event for a business system in the caller's transaction; returns its id, or None where the key is known.

    Takes the next `seq` of (connector, stream) under a lock that is held until the caller's transaction ends, so that writers
    of one stream take turns and a row is never seen before its predecessor. A caller that writes to several streams in one
    transaction does so in the order of their names, so that two callers cannot wait for each other.
    """
    async with connection.transaction():
        stream_key = {"connector": connector, "stream": stream}
        await connection.execute(_QUERIES.lock_stream_for_insert, stream_key)
        event = {**stream_key, "kind": kind, "payload": Jsonb(payload), "key": key}
        row = await (await connection.execute(_QUERIES.insert, event)).fetchone()
    return None if row is None else int(row["id"])


async def open_count(connection: Connection) -> dict[str, int]:
    """How many rows are not done, by state (pending, sending, parked); empty where the relay has nothing left to do."""
    return {row["state"]: row["rows"] async for row in await connection.execute(_QUERIES.open_count)}


async def open_elsewhere(connection: Connection, connectors: Collection[str]) -> dict[str, int]:
    """How many rows wait for connectors that are not among these, by connector: no relay with these carries them."""
    rows = await connection.execute(_QUERIES.open_elsewhere, {"connectors": list(connectors)})
    return {row["connector"]: row["rows"] async for row in rows}


async def replay(connection: Connection, outbox_id: int) -> bool:
    """Give a parked row back to the relay, with the same id; it looks up before it sends. False where it is not parked."""
    return await (await connection.execute(_QUERIES.replay, {"id": outbox_id})).fetchone() is not None


async def listed(
    connection: Connection, *, connector: str | None, stream: str | None, state: str | None, most: int
) -> list[Row]:
    """Open rows, parked ones first: those of a state, or without one those that are parked or failing. `stream`: an order, a ticket."""
    wanted = {"connector": connector, "stream": stream, "state": state, "most": most}
    return await (await connection.execute(_QUERIES.listed, wanted)).fetchall()


async def taken(connection: Connection, *, connector: str | None, stream: str | None, most: int) -> list[Row]:
    """Rows that are done, newest first, with the system's own id of each."""
    wanted = {"connector": connector, "stream": stream, "most": most}
    return await (await connection.execute(_QUERIES.taken, wanted)).fetchall()


async def read(connection: Connection, outbox_id: int) -> Row | None:
    """A row with its payload and checkpoint; None where there is none."""
    return await (await connection.execute(_QUERIES.read, {"id": outbox_id})).fetchone()


async def attempts(connection: Connection, outbox_id: int, most: int) -> list[Row]:
    """The requests of a row with their answers, newest first."""
    return await (await connection.execute(_QUERIES.attempts, {"id": outbox_id, "most": most})).fetchall()


async def edits(connection: Connection, outbox_id: int) -> list[Row]:
    """What people changed in a row, oldest first."""
    return await (await connection.execute(_QUERIES.edits, {"id": outbox_id})).fetchall()


async def settle(connection: Connection, outbox_id: int, document: str | None, actor: str, reason: str) -> bool:
    """Say that a parked row was booked in its system by hand, as `document`, so that its stream goes on. False where it is not parked.

    Nothing is sent, and the row counts as posted from then on, as it stands: what was booked must be what it says.
    """
    values = {"id": outbox_id, "document": document, "actor": actor, "reason": f"booked by hand: {reason}"}
    return await (await connection.execute(_QUERIES.settle, values)).fetchone() is not None
