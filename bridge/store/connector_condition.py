"""How relays find their connectors: what works, what fails, whose key is refused; told again and again while a relay runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

from bridge.model.text import storable
from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("connector_condition")

EVERY: Final = timedelta(seconds=5)
FRESH: Final = timedelta(seconds=16)  # of a relay that has said nothing for so long nobody knows whether it runs


class Told(NamedTuple):
    """A connector as its relay finds it: state works, failing or refused; `wait` until it is tried again, None while it works.

    `is_proven`: it works, and has taken a request since it failed last, or since the relay began.
    """

    connector: str
    state: str
    reason: str
    wait: timedelta | None
    is_proven: bool = False


async def tell(connection: Connection, relay: UUID, told: Sequence[Told], *, is_news: bool) -> None:
    """Write how a relay finds its connectors now; `is_news`: who looks is to see it at once."""
    columns = {
        "relay": relay,
        "connectors": [each.connector for each in told],
        "states": [each.state for each in told],
        "reasons": [storable(each.reason) for each in told],
        "waits": [each.wait for each in told],
        "proven": [each.is_proven for each in told],
    }
    async with connection.transaction():
        await connection.execute(_QUERIES.tell, columns)
        if is_news:
            await connection.execute(_QUERIES.forget_old)
            await connection.execute(_QUERIES.say_so)


async def forget(connection: Connection, relay: UUID) -> None:
    """A relay ends: its word holds no longer."""
    async with connection.transaction():
        await connection.execute(_QUERIES.forget, {"relay": relay})
        await connection.execute(_QUERIES.say_so)
