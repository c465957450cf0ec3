"""Whether a person stopped a connector: what is in hand ends, nothing more is taken until somebody lets it go on.

Who lets it go on says as well that it is to be tried now: its relays end its pauses (bridge/erp/relay/listening.py).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("connector_control")

_RECENT: Final = timedelta(minutes=1)


class Goes(NamedTuple):
    """So many times a person said go; `is_recent`: the last time within a minute."""

    times: int
    is_recent: bool


async def is_stopped(connection: Connection, connector: str) -> bool:
    """Whether it is stopped."""
    return await (await connection.execute(_QUERIES.is_stopped, {"connector": connector})).fetchone() is not None


async def stop(connection: Connection, connector: str, reason: str, actor: str) -> bool:
    """Stop it; false where it is stopped already."""
    values = {"connector": connector, "reason": reason, "actor": actor}
    return await (await connection.execute(_QUERIES.stop, values)).fetchone() is not None


async def go(connection: Connection, connector: str, actor: str) -> bool:
    """Let it go on, and end its pauses; false where it was not stopped, but paused at most. Relays hear of it within a second."""
    values = {"connector": connector, "actor": actor}
    row = await (await connection.execute(_QUERIES.go, values)).fetchone()
    return bool(row and row["ended"])


async def goes(connection: Connection, connector: str) -> Goes:
    """How often a person has said that it is to be tried now."""
    values = {"connector": connector, "recent": _RECENT}
    row = await (await connection.execute(_QUERIES.goes, values)).fetchone()
    return Goes(0, False) if row is None else Goes(row["times"], row["is_recent"])


async def stopped(connection: Connection) -> list[Row]:
    """Those that are stopped: connector, reason, actor, at."""
    return await (await connection.execute(_QUERIES.stopped)).fetchall()
