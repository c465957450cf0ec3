"""Dead letters: input that could not become a reading, kept with its bytes and the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.model.reading import DeadLetter
from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("dead_letter")


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
            "addresses": [_storable(letter.address) for letter in letters],
            "payloads": [letter.payload for letter in letters],
            "reasons": [_storable(letter.reason) for letter in letters],
        },
    )
    return cursor.rowcount


def _storable(text: str) -> str:
    """Text that PostgreSQL takes: no NUL, no half surrogate pairs."""
    return text.replace("\x00", "\\u0000").encode("utf-8", "backslashreplace").decode()
