"""Which message of the other side of a webhook was the newest of its record: what comes late or twice turns nothing back."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("webhook_arrival")


async def take(
    connection: Connection,
    connector: str,
    *,
    type_: str,
    record: str,
    occurred_at: datetime,
    sequence: str,
    message_id: str,
) -> bool:
    """Remember the message as the newest of its record; False where a newer one, or this one, was taken before.

    In the caller's transaction, which stores what the message says: both or none.
    """
    values = {
        "connector": connector,
        "type": type_,
        "record": record,
        "occurred_at": occurred_at,
        "sequence": sequence,
        "message_id": message_id,
    }
    return await (await connection.execute(_QUERIES.take, values)).fetchone() is not None


async def request_is_on_its_way(connection: Connection, connector: str, external_id: str) -> bool:
    """Whether a state is of a request that nobody has here, while one is being sent whose id is not known yet."""
    values = {"connector": connector, "external_id": external_id}
    row = await (await connection.execute(_QUERIES.request_is_on_its_way, values)).fetchone()
    return row is not None and bool(row["is_awaited"])
