"""The comparison of what was made, what was posted, and what a business system has, order by order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("reconciliation")


@dataclass(frozen=True, slots=True)
class OrderLedger:
    """An order's good pieces. `unposted` were made and are in no posting yet; `waiting` and `parked` stand in the outbox."""

    order_number: str
    made: Decimal
    unposted: Decimal
    posted: Decimal
    waiting: Decimal
    parked: Decimal


@dataclass(frozen=True, slots=True)
class Difference:
    """An order that does not agree, and what a person might do. `erp` None: the system was not asked or does not tell."""

    ledger: OrderLedger
    erp: Decimal | None
    proposal: str


async def read_ledger(connection: Connection, connector: str, since: datetime) -> list[OrderLedger]:
    """The orders that had pieces or postings since an instant, with the quantities of all their time."""
    rows = await connection.execute(_QUERIES.ledger, {"connector": connector, "since": since})
    return [OrderLedger(**row) async for row in rows]


async def keep(
    connection: Connection, connector: str, since: datetime, orders: int, differences: Sequence[Difference], actor: str
) -> int:
    """Keep a comparison; returns its number."""
    values = {
        "connector": connector,
        "since": since,
        "orders": orders,
        "differences": len(differences),
        "actor": actor,
    }
    async with connection.transaction():
        row = await (await connection.execute(_QUERIES.insert, values)).fetchone()
        assert row is not None, "the query returns one row"
        for found in differences:
            line = {
                "id": row["id"],
                "order_number": found.ledger.order_number,
                "made": found.ledger.made,
                "posted": found.ledger.posted,
                "waiting": found.ledger.waiting + found.ledger.unposted,
                "parked": found.ledger.parked,
                "erp": found.erp,
                "proposal": found.proposal,
            }
            await connection.execute(_QUERIES.insert_line, line)
    return int(row["id"])


async def newest(connection: Connection, connector: str) -> tuple[Row, list[Row]] | None:
    """The newest comparison with a system and its lines; None where there was none."""
    row = await (await connection.execute(_QUERIES.newest, {"connector": connector})).fetchone()
    if row is None:
        return None
    return row, await (await connection.execute(_QUERIES.lines, {"id": row["id"]})).fetchall()
