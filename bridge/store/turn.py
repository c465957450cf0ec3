"""Turns: work that one process at a time does, whichever of them; the server ends a turn in the instant that its process dies."""

from __future__ import annotations

from typing import Final

from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("turn")


async def take(connection: Connection, what: str) -> bool:
    """Take the turn on this session until `end`, or until the session ends; False where another session has it.

    A session that has it takes it once more: each `take` wants an `end` of its own.
    """
    row = await (await connection.execute(_QUERIES.take, {"what": what})).fetchone()
    return row is not None and bool(row["is_taken"])


async def end(connection: Connection, what: str) -> None:
    """Give the turn back."""
    await connection.execute(_QUERIES.end_turn, {"what": what})
