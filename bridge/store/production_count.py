"""Pieces: each count is traceable to its reading, and is taken by at most one posting."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("production_count")
_KEEP_AFTER: Final = 100  # postings of an order, its total is kept anew


@dataclass(frozen=True, slots=True)
class Unposted:
    """A count that a posting may take. `kind` is that of CountKind; `lot` and `serial` are empty where the machine names none.

    `serial_pieces` is how many pieces were counted at the instant that the serial number was told of: it is this piece's where it is 1.
    """

    id: int
    equipment_id: int
    tag_id: int
    at: datetime
    kind: str
    qty: int
    order_number: str | None
    reason: str
    is_final: bool
    lot: str
    path: str
    equipment_class: str | None
    serial: str = ""
    serial_pieces: int = 0


class Posted(NamedTuple):
    """What was posted of an order so far, with what people corrected in it (posting_correction)."""

    postings: int
    qty: Decimal


class NeverPosted(NamedTuple):
    """Pieces that stay unposted: no order was known, or no rule posted yet."""

    without_order: int
    before_the_rule: int


async def begin_epoch(connection: Connection, *, tag_id: int, epoch: int, at: datetime, cause: str) -> None:
    """Note that a counter began anew."""
    await connection.execute(_QUERIES.begin_epoch, {"tag_id": tag_id, "epoch": epoch, "at": at, "cause": cause})


async def insert(connection: Connection, count: dict[str, Any]) -> int | None:
    """Write a count: the columns of its table and `at`; returns its id, or None where its reading is counted already."""
    row = await (await connection.execute(_QUERIES.insert, count)).fetchone()
    return None if row is None else int(row["id"])


async def posting_since(connection: Connection, rules: Collection[str]) -> dict[str, datetime]:
    """When each of these rules first posted finished goods: what was counted before is not its to post."""
    rows = await connection.execute(_QUERIES.posting_since, {"ids": list(rules)})
    return {row["id"]: row["since"] async for row in rows}


async def never_posted(connection: Connection, since: datetime) -> NeverPosted:
    """How many good pieces of the final operation no posting will take."""
    row = await (await connection.execute(_QUERIES.never_posted, {"since": since})).fetchone()
    assert row is not None, "an aggregate has one row"
    return NeverPosted(row["without_order"], row["before_the_rule"])


async def unposted(
    connection: Connection, since: datetime, is_meant: Callable[[str, str | None], bool]
) -> list[Unposted]:
    """The good pieces of the final operation at or after an instant that wait for a posting, by order and time.

    Only of machines that `is_meant` says yes to, by path and class: what no rule posts is never posted, and becomes more and more.
    """
    machines = await connection.execute(_QUERIES.unposted_machines, {"since": since})
    meant = [row["id"] async for row in machines if is_meant(row["path"], row["class"])]
    rows = await (await connection.execute(_QUERIES.unposted, {"since": since, "machines": meant})).fetchall()
    return [unposted_of(row) for row in rows]


def unposted_of(row: Row) -> Unposted:
    """A count from a row of its table with the path and class of its equipment."""
    return Unposted(
        row["id"], row["equipment_id"], row["tag_id"], row["ts"], row["kind"], row["qty"], row["order_number"],
        row["reason"], row["is_final"], row["lot"], row["path"], row["class"], row["serial"] or "",
        row["serial_pieces"] or 0,
    )  # fmt: skip


async def lock_order(connection: Connection, order_number: str) -> None:
    """Have other postings of the order wait until the transaction ends."""
    await connection.execute(_QUERIES.lock_order, {"order_number": order_number})


async def take_for_posting(
    connection: Connection, order_number: str, ids: Collection[int]
) -> tuple[dict[int, int], Posted]:
    """Lock an order and those of the counts that still wait: their quantities by id, and what was posted before.

    Other postings of the order wait until the transaction ends. Several orders are taken in the order of their numbers.
    """
    await lock_order(connection, order_number)
    rows = await (await connection.execute(_QUERIES.lock_unposted, {"ids": list(ids)})).fetchall()
    row = await (await connection.execute(_QUERIES.posted, {"order_number": order_number})).fetchone()
    assert row is not None, "an aggregate has one row"
    if row["since"] >= _KEEP_AFTER:
        await connection.execute(_QUERIES.keep_total, {"order_number": order_number, **row})
    posted = Posted(row["postings"] + row["postings_moved"], row["qty"] + row["qty_moved"])
    return {found["id"]: found["qty"] for found in rows}, posted


async def set_posted(connection: Connection, ids: Collection[int], outbox_id: int) -> int:
    """Note the posting that took the counts; returns how many it took."""
    cursor = await connection.execute(_QUERIES.set_posted, {"ids": list(ids), "outbox_id": outbox_id})
    return cursor.rowcount
