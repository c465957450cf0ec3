"""States of machines (ISO 22400-2 time model): intervals that never overlap, the present one open."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("machine_state")


async def begin(connection: Connection, equipment_id: int, at: datetime, state: str, reason: str) -> bool:
    """End the present interval and begin the next; one that began at the same instant is replaced.

    False, and nothing changes, where an interval that is there already reaches beyond `at`.
    """
    values = {"equipment_id": equipment_id, "at": at, "state": state, "reason": reason}
    await connection.execute(_QUERIES.close_open, values)
    await connection.execute(_QUERIES.end_open, values)
    return await (await connection.execute(_QUERIES.begin, values)).fetchone() is not None


async def set_reason(connection: Connection, equipment_id: int, reason: str) -> None:
    """Give the present interval its reason."""
    await connection.execute(_QUERIES.set_reason, {"equipment_id": equipment_id, "reason": reason})


async def split(connection: Connection, equipment_id: int, tag_id: int, at: datetime, state: str) -> bool:
    """Lay a state that came to be known late into the interval that is there, until the machine's next word in it.

    False where nothing is to change: no interval is there, it says the same, or it began at that instant.
    """
    there = await _one(connection, _QUERIES.containing, {"equipment_id": equipment_id, "at": at})
    if there is None or there["state"] == state or there["began"] == at:
        return False
    found = await _one(connection, _QUERIES.next_reading, {"tag_id": tag_id, "at": at, "until": there["ended"]})
    until: datetime | None = (found and found["at"]) or there["ended"]
    await connection.execute(_QUERIES.shorten, {"id": there["id"], "at": at})
    await _insert(connection, equipment_id, there, began=at, ended=until, state=state, reason="")
    if until != there["ended"]:
        await _insert(
            connection, equipment_id, there, began=until, ended=there["ended"], state=there["state"],
            reason=there["reason"],
        )  # fmt: skip
    return True


async def state_map(connection: Connection) -> dict[str, dict[str, str]]:
    """What machines say -> canonical state, per source; the source "" is any."""
    found: dict[str, dict[str, str]] = {}
    async for row in await connection.execute(_QUERIES.state_map):
        found.setdefault(row["source"], {})[row["raw"]] = row["canonical"]
    return found


async def _insert(connection: Connection, equipment_id: int, there: Row, **part: Any) -> None:
    await connection.execute(
        _QUERIES.insert_part, {"equipment_id": equipment_id, "revision": there["revision"] + 1, **part}
    )


async def _one(connection: Connection, query: bytes, values: dict[str, Any]) -> Row | None:
    return await (await connection.execute(query, values)).fetchone()
