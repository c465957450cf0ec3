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
_AT_ONCE: Final = 200  # orders of one question: however many there are, each is answered soon


_NONE: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class OrderLedger:
    """An order's pieces, by our own books.

    Good: `made` is what was counted, `unposted` of it is in no posting yet and will be; `posted` the system has, `waiting` and `parked`
    stand in the outbox. `reversed_...` is what was taken back of it later, as posted, waiting and parked. Scrap: the same;
    `scrap_made` is None where scrap is nobody's to post there; `scrap_reversed_...` is what a person took back of it.
    """

    order_number: str
    made: Decimal
    unposted: Decimal
    posted: Decimal
    waiting: Decimal
    parked: Decimal
    reversed_posted: Decimal = _NONE
    reversed_waiting: Decimal = _NONE
    reversed_parked: Decimal = _NONE
    scrap_made: Decimal | None = None
    scrap_unposted: Decimal = _NONE
    scrap_posted: Decimal = _NONE
    scrap_waiting: Decimal = _NONE
    scrap_parked: Decimal = _NONE
    scrap_reversed_posted: Decimal = _NONE
    scrap_reversed_waiting: Decimal = _NONE
    scrap_reversed_parked: Decimal = _NONE

    @property
    def reversed(self) -> Decimal:
        """What was taken back, or will be."""
        return self.reversed_posted + self.reversed_waiting + self.reversed_parked

    @property
    def made_net(self) -> Decimal:
        """What is good in the end."""
        return self.made - self.reversed

    @property
    def posted_net(self) -> Decimal:
        """What the system has in the end, by our books."""
        return self.posted - self.reversed_posted

    @property
    def on_the_way(self) -> Decimal:
        """What will be added there by itself; below 0 where more is taken back."""
        return self.unposted + self.waiting - self.reversed_waiting

    @property
    def scrap_made_net(self) -> Decimal | None:
        """What is scrap in the end; None where it is nobody's to post."""
        if self.scrap_made is None:
            return None
        return self.scrap_made - self.scrap_reversed_posted - self.scrap_reversed_waiting - self.scrap_reversed_parked

    @property
    def scrap_posted_net(self) -> Decimal:
        """What the system has of it in the end, by our books."""
        return self.scrap_posted - self.scrap_reversed_posted

    @property
    def scrap_on_the_way(self) -> Decimal:
        """What will be added there by itself; below 0 where more is taken back."""
        return self.scrap_unposted + self.scrap_waiting - self.scrap_reversed_waiting


@dataclass(frozen=True, slots=True)
class Difference:
    """An order that does not agree, and what a person might do. `erp` and `erp_scrap` None: not asked, or it does not tell."""

    ledger: OrderLedger
    erp: Decimal | None
    proposal: str
    erp_scrap: Decimal | None = None


async def read_ledger(connection: Connection, connector: str, since: datetime) -> list[OrderLedger]:
    """The orders that had pieces or postings since an instant, with the quantities of all their time."""
    asked = {"connector": connector, "since": since}
    orders = [row["order_number"] async for row in await connection.execute(_QUERIES.orders, asked)]
    scrapping = [row["equipment_id"] async for row in await connection.execute(_QUERIES.scrapping, asked)]
    ledgers: list[OrderLedger] = []
    for begin in range(0, len(orders), _AT_ONCE):
        values = {"connector": connector, "orders": orders[begin : begin + _AT_ONCE], "scrapping": scrapping}
        ledgers += [OrderLedger(**row) async for row in await connection.execute(_QUERIES.ledger, values)]
    return ledgers


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
            ledger = found.ledger
            line = {
                "id": row["id"],
                "order_number": ledger.order_number,
                "made": ledger.made_net,
                "posted": ledger.posted_net,
                "waiting": ledger.on_the_way,
                "parked": ledger.parked + ledger.reversed_parked,
                "reversed": ledger.reversed,
                "erp": found.erp,
                "scrap_made": ledger.scrap_made_net,
                "scrap_posted": ledger.scrap_posted_net,
                "scrap_waiting": ledger.scrap_on_the_way,
                "scrap_parked": ledger.scrap_parked + ledger.scrap_reversed_parked,
                "scrap_erp": found.erp_scrap,
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
