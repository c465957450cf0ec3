"""Whether a person stopped a connector: what is in hand ends, nothing more is taken until somebody lets it go on."""

from __future__ import annotations

from typing import Final

from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("connector_control")


async def is_stopped(connection: Connection, connector: str) -> bool:
    """Whether it is stopped."""
    return await (await connection.execute(_QUERIES.is_stopped, {"connector": connector})).fetchone() is not None


async def stop(connection: Connection, connector: str, reason: str, actor: str) -> bool:
    """Stop it; false where it is stopped already."""
    values = {"connector": connector, "reason": reason, "actor": actor}
    return await (await connection.execute(_QUERIES.stop, values)).fetchone() is not None


async def go(connection: Connection, connector: str, actor: str) -> bool:
    """Let it go on; false where it was not stopped. Relays hear of it at once."""
    values = {"connector": connector, "actor": actor}
    return await (await connection.execute(_QUERIES.go, values)).fetchone() is not None


async def stopped(connection: Connection) -> list[Row]:
    """Those that are stopped: connector, reason, actor, at."""
    return await (await connection.execute(_QUERIES.stopped)).fetchall()
