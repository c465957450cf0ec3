"""What rules post besides finished goods (ISA-95 part 2: scrap, consumed material, performance, what is taken back).

Each count is taken at most once for each purpose, by constraint, in the transaction that writes the outbox rows which carry it.
Sequence and cumulative quantity run by order and purpose, under the lock that all postings of the order take.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from psycopg.types.json import Jsonb

from bridge.model.production import EventKind
from bridge.store import production_count
from bridge.store.database import Connection, Row
from bridge.store.production_count import Unposted
from bridge.store.queries import load

_QUERIES: Final = load("posting")
# Scrap is told to a system in one of these ways.
_EXCLUSIVE: Final = (str(EventKind.SCRAP), str(EventKind.REVERSAL), str(EventKind.PERFORMANCE))


class Purpose(NamedTuple):
    """What a posting is for: one connector, one kind, of what was consumed one item."""

    connector: str
    kind: str
    item: str = ""

    @property
    def excludes(self) -> list[str]:
        """The kinds of posting, of this connector and item, that leave nothing of a count for this one."""
        return list(_EXCLUSIVE) if self.kind in _EXCLUSIVE else [self.kind]


class Taken(NamedTuple):
    """Counts that a posting may take: their pieces by id and kind; and what was posted of the order for the purpose before.

    `cumulative` is in the unit that was asked for: what was posted in another one is not in it.
    """

    pieces: dict[int, int]
    kinds: dict[int, str]
    sequence: int
    cumulative: Decimal


@dataclass(frozen=True, slots=True)
class NewPosting:
    """A posting as it is written; `quantity` and `cumulative` in `uom`."""

    connector: str
    kind: str
    item: str
    order_number: str
    sequence: int
    rule_id: str
    equipment_id: int
    quantity: Decimal
    cumulative: Decimal
    uom: str
    is_final: bool = False


async def since(connection: Connection, rule_id: str, purpose: Purpose, connectors: Collection[str]) -> datetime | None:
    """When a rule first was active with a posting for this purpose, to any of the connectors; None where it is not yet."""
    posting = {"kind": purpose.kind, **({"item": purpose.item} if purpose.item else {})}
    actions = [Jsonb([{"erp_posting": {"connector": name, **posting}}]) for name in connectors]
    row = await (await connection.execute(_QUERIES.since, {"rule_id": rule_id, "actions": actions})).fetchone()
    return None if row is None else row["since"]


async def marks(connection: Connection, rules: Collection[str]) -> dict[tuple[str, Purpose], int]:
    """Up to which count each purpose of these rules is settled."""
    rows = await connection.execute(_QUERIES.marks, {"rules": list(rules)})
    return {
        (row["rule_id"], Purpose(row["connector"], row["kind"], row["item"])): row["settled_to"] async for row in rows
    }


async def set_mark(connection: Connection, rule_id: str, purpose: Purpose, settled_to: int) -> None:
    """Note that every count up to this one is posted for the purpose, or not meant by it."""
    await connection.execute(_QUERIES.set_mark, {**_columns(purpose), "rule_id": rule_id, "settled_to": settled_to})


async def newest_count(connection: Connection) -> int:
    """The id of the newest count; 0 where there is none."""
    row = await (await connection.execute(_QUERIES.newest_count)).fetchone()
    return 0 if row is None else int(row["id"])


async def untaken(
    connection: Connection,
    purpose: Purpose,
    connectors: Collection[str],
    counted: Collection[str],
    settled_to: int,
    since: datetime,
) -> list[Unposted]:
    """The counts of orders, of the kinds in `counted`, that no posting of these connectors took for the purpose, by order and time.

    Only those behind `settled_to` and at or after `since`.
    """
    values = {
        "connectors": list(connectors), "kinds": purpose.excludes, "item": purpose.item, "counted": list(counted),
        "settled_to": settled_to, "since": since,
    }  # fmt: skip
    rows = await (await connection.execute(_QUERIES.untaken, values)).fetchall()
    return [production_count.unposted_of(row) for row in rows]


async def take(connection: Connection, purpose: Purpose, uom: str, order_number: str, ids: Collection[int]) -> Taken:
    """Lock an order and those of the counts that no posting took for the purpose; what was posted before is told in `uom`.

    Other postings of the order wait until the transaction ends. Several orders are taken in the order of their numbers.
    """
    await production_count.lock_order(connection, order_number)
    wanted = {**_columns(purpose), "kinds": purpose.excludes, "ids": list(ids)}
    rows = await (await connection.execute(_QUERIES.lock_untaken, wanted)).fetchall()
    key = {**_columns(purpose), "order_number": order_number, "uom": uom}
    newest = await (await connection.execute(_QUERIES.newest, key)).fetchone()
    assert newest is not None, "it always has one row"
    return Taken(
        {row["id"]: row["qty"] for row in rows},
        {row["id"]: row["kind"] for row in rows},
        newest["sequence"],
        newest["cumulative"],
    )


async def is_performance_open(connection: Connection, connector: str, order_number: str, equipment_id: int) -> bool:
    """Whether a machine's performance of an order was posted, and not as the final one."""
    key = {"connector": connector, "order_number": order_number, "equipment_id": equipment_id}
    row = await (await connection.execute(_QUERIES.is_performance_open, key)).fetchone()
    return row is not None and bool(row["is_open"])


async def insert(
    connection: Connection, posting: NewPosting, outbox_ids: Sequence[int], counts: Collection[int]
) -> None:
    """Write a posting, the outbox rows that carry it and the counts that it takes."""
    values = {**asdict(posting), "outbox_ids": list(outbox_ids), "counts": list(counts)}
    await connection.execute(_QUERIES.insert, values)


async def traced(connection: Connection, outbox_id: int, most: int) -> list[Row]:
    """The counts that an event posts, oldest first, each with its reading and batch; those are None where they are no longer kept."""
    values = {"outbox_id": outbox_id, "most": most}
    return await (await connection.execute(_QUERIES.traced, values)).fetchall()


def _columns(purpose: Purpose) -> dict[str, str]:
    return {"connector": purpose.connector, "kind": purpose.kind, "item": purpose.item}
