"""Dead letters: input that could not become a reading, kept with its bytes and the reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from bridge.model.reading import DeadLetter
from bridge.model.text import storable
from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("dead_letter")


class OpenLetter(NamedTuple):
    """A dead letter that was not replayed yet."""

    id: int
    received_at: datetime
    address: str
    payload: bytes
    reason: str


class Wanted(NamedTuple):
    """Which letters of a source; `reason` is a LIKE pattern. None: all."""

    source: str
    reason: str | None = None
    ids: Sequence[int] | None = None


async def insert(
    connection: Connection, source: str, letters: Sequence[DeadLetter], *, only_unknown: bool = False
) -> int:
    """Keep dead letters of one source; `only_unknown` leaves out those that an equal one is there for. Returns how many."""
    if not letters:
        return 0
    query = _QUERIES.insert_unknown if only_unknown else _QUERIES.insert
    cursor = await connection.execute(
        query,
        {
            "source": source,
            "received_at": [letter.received_at for letter in letters],
            "addresses": [storable(letter.address) for letter in letters],
            "payloads": [letter.payload for letter in letters],
            "reasons": [storable(letter.reason) for letter in letters],
        },
    )
    return cursor.rowcount


async def newest(connection: Connection) -> int:
    """The id of the newest letter; 0 where there is none."""
    row = await (await connection.execute(_QUERIES.newest)).fetchone()
    assert row is not None, "a maximum is one row"
    return int(row["id"])


async def read_open(connection: Connection, wanted: Wanted, *, after: int, last: int, most: int) -> list[OpenLetter]:
    """At most `most` open letters, oldest first, with ids after one and up to another."""
    values: dict[str, object] = {
        "source": wanted.source,
        "reason": wanted.reason,
        "after": after,
        "last": last,
        "most": most,
    }
    values["ids"] = None if wanted.ids is None else list(wanted.ids)
    rows = await connection.execute(_QUERIES.open, values)
    return [OpenLetter(**{**row, "payload": bytes(row["payload"])}) async for row in rows]


async def mark_replayed(connection: Connection, ids: Sequence[int]) -> None:
    """Close letters whose readings are stored in the same transaction."""
    await connection.execute(_QUERIES.mark_replayed, {"ids": list(ids)})
