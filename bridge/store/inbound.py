"""How far what a business system tells of itself was read: kept, so that a new relay goes on where the last one was."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("inbound")


@dataclass(frozen=True, slots=True)
class Mark:
    """When a system was last read, with little overlap, with much, and whole: instants (UTC) at which the reading began."""

    system: str
    read_at: datetime
    wide_at: datetime
    full_at: datetime


async def read_mark(connection: Connection, connector: str, what: str) -> Mark | None:
    """How far orders, shipments or states of a connector were read; None where they never were."""
    row = await (await connection.execute(_QUERIES.mark, {"connector": connector, "what": what})).fetchone()
    return None if row is None else Mark(**row)


async def keep_mark(connection: Connection, connector: str, what: str, mark: Mark) -> None:
    """Note how far they were read, once what was read is committed."""
    await connection.execute(_QUERIES.keep_mark, {"connector": connector, "what": what, **dataclasses.asdict(mark)})
