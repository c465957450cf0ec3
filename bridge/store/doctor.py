"""Facts about the database itself, and about what waits in it for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("doctor")


@dataclass(frozen=True, slots=True)
class Server:
    """Versions, and TimescaleDB's edition: `apache` or `timescale`; empty strings where the database does not have it yet.

    `can_have_timescale`: the server's machine has its package, so that a migration brings it into the database.
    """

    postgres: str
    timescale: str
    edition: str
    can_have_timescale: bool


async def server(connection: Connection) -> Server:
    """What the server is."""
    row = await (await connection.execute(_QUERIES.server)).fetchone()
    assert row is not None, "the query has one row"
    return Server(row["postgres"], row["timescale"] or "", row["edition"] or "", row["can_have_timescale"])


async def sources(connection: Connection) -> list[Row]:
    """When each source was heard last: source, newest."""
    return await (await connection.execute(_QUERIES.sources)).fetchall()


async def waiting(connection: Connection) -> Row:
    """dead_letters, open and parked outbox rows."""
    row = await (await connection.execute(_QUERIES.waiting)).fetchone()
    assert row is not None, "the query has one row"
    return row
