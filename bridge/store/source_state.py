"""What a source must remember to go on where it stopped, by key."""

from __future__ import annotations

from typing import Any, Final

from psycopg.types.json import Jsonb

from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("source_state")


async def read(connection: Connection, source: str) -> dict[str, dict[str, Any]]:
    """All that a source remembers."""
    rows = await connection.execute(_QUERIES.all, {"source": source})
    return {row["key"]: row["state"] async for row in rows}


async def put(connection: Connection, source: str, key: str, state: dict[str, Any]) -> None:
    """Remember one thing, in place of what stood under the key."""
    await connection.execute(_QUERIES.put, {"source": source, "key": key, "state": Jsonb(state)})
