"""One event is taken back, whole or in part: good pieces, scrap, a consumption, a confirmation that was wrong.

As reverse_pieces (bridge/store/reversal.py) does with the newest events of an order: under the lock that the order's postings take, never
more than was posted, by an event of its own behind it in its stream. Which event, a person says here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from bridge.errors import AmorError
from bridge.model.decimals import plain
from bridge.model.production import EventKind
from bridge.store import reversal
from bridge.store.database import Connection, Row
from bridge.store.queries import load
from bridge.store.reversal import Call, Part, Posted

_QUERIES: Final = load("reversal")

REVERSIBLE: Final = (EventKind.WIP_TO_FG, EventKind.SCRAP, EventKind.CONSUMED, EventKind.PERFORMANCE)


@dataclass(frozen=True, slots=True)
class Reversible:
    """An event that can be taken back; of a confirmation its quantity is yield and scrap together."""

    connector: str
    order_number: str
    kind: EventKind
    posted: Posted


async def read_reversible(connection: Connection, outbox_id: int) -> Reversible:
    """An event with what is left of it. Without its order's lock it may be otherwise a moment later.

    Raises AmorError where there is none, where it is of a kind that is not taken back, and where it posted nothing yet.
    """
    row = await (await connection.execute(_QUERIES.event, {"id": outbox_id})).fetchone()
    if row is None:
        raise AmorError(f"there is no event {outbox_id} in the outbox")
    if row["kind"] == EventKind.REVERSAL:
        raise AmorError(f"event {outbox_id} takes something back itself: what was taken back too much is posted anew")
    if row["kind"] not in REVERSIBLE or not row["order_number"]:
        kinds = ", ".join(REVERSIBLE)
        raise AmorError(f"event {outbox_id} is of kind {row['kind']}: of an order are taken back {kinds}")
    if row["state"] == "parked":
        raise AmorError(f"event {outbox_id} is parked and posted nothing yet: mend it with `amor outbox edit`")
    posted = reversal.posted_of(row, _quantity(row))
    return Reversible(row["connector"], row["order_number"], EventKind(row["kind"]), posted)


async def reverse_event(
    connection: Connection,
    *,
    outbox_id: int,
    quantity: Decimal | None,
    reason: str,
    actor: str,
    at: datetime,
    key: str,
) -> int:
    """Take `quantity` of an event back, all that is left of it where it is None; returns the number of the outbox row written.

    In the caller's transaction, and with the guarantees of `reversal.reverse_pieces`: the order is locked until the transaction ends, and with
    a `key` that is known nothing more is taken back. Raises AmorError as `read_reversible`, where less is left, where `key` took something else
    back, and for a quantity that is none or an empty reason.
    """
    order_number = (await read_reversible(connection, outbox_id)).order_number
    async with connection.transaction():
        await connection.execute(_QUERIES.lock_order, {"order_number": order_number})
        event = await read_reversible(connection, outbox_id)
        if event.order_number != order_number:
            raise AmorError(f"event {outbox_id} was moved to another order at this moment: look at it again")
        known = await (await connection.execute(_QUERIES.written, {"key": key})).fetchone()
        if known is not None:
            return _same(known, outbox_id, quantity, key)
        call, part = _asked(event, quantity, reason, actor, at, key)
        row = await (await connection.execute(_QUERIES.insert, asdict(call))).fetchone()
        if row is None:
            raise AmorError(f"the key {key} takes back something else at this moment: give each call its own")
        return await reversal.write(connection, row["id"], call, part)


async def draft_reversal(
    connection: Connection, *, outbox_id: int, quantity: Decimal | None, reason: str, actor: str, at: datetime
) -> dict[str, Any]:
    """The payload that `reverse_event` would write now, of kind reversal; nothing is written. Raises AmorError as it does."""
    event = await read_reversible(connection, outbox_id)
    call, part = _asked(event, quantity, reason, actor, at, "")
    return await reversal.draft(connection, call, part)


def _asked(
    event: Reversible, quantity: Decimal | None, reason: str, actor: str, at: datetime, key: str
) -> tuple[Call, Part]:
    left = event.posted.left
    if not left:
        raise AmorError(
            f"of event {event.posted.id} nothing is left to take back (posted {plain(event.posted.quantity)})"
        )
    taken = left if quantity is None else quantity
    call = Call(event.connector, event.order_number, taken, reason, actor, at, key)
    reversal.check(call)
    if taken > left:
        raise AmorError(
            f"{plain(taken)} of event {event.posted.id} cannot be taken back: {plain(left)} are left (posted "
            f"{plain(event.posted.quantity)}, taken back {plain(event.posted.taken_back)})"
        )
    return call, Part(event.posted, taken)


def _quantity(row: Row) -> Decimal | None:
    if row["kind"] != EventKind.PERFORMANCE:
        return reversal.quantity_of(row["quantity"])
    yielded, scrapped = reversal.quantity_of(row["yielded"]), reversal.quantity_of(row["scrapped"])
    return None if yielded is None or scrapped is None else yielded + scrapped


def _same(known: Row, outbox_id: int, quantity: Decimal | None, key: str) -> int:
    if known["reverses_ids"] != [outbox_id] or quantity not in (None, known["quantity"]):
        raise AmorError(
            f"the key {key} took back {plain(known['quantity'])} of order {known['order_number']} from {known['connector']} "
            "already: give each call its own"
        )
    return int(known["outbox_ids"][0])
