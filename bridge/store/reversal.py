"""Good pieces that were posted are taken back: which events of the order are reversed, and by how much of each.

A reversal is an event of its own (ISA-95 part 2: what a MaterialActual said is corrected by another one). It names the event that it
reverses, whole, and stands behind it in the same stream, so that it goes out after it; one call may need several, because more may be
taken back than one posting carried. Whoever has pieces to take back, a person or a rule, does it here: under the lock that the
order's postings take, so that never more is taken back than was posted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from bridge.errors import AmorError
from bridge.model.decimals import plain
from bridge.model.production import EventKind, event_id
from bridge.store import outbox
from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("reversal")
_NONE: Final = Decimal(0)
_NEWEST: Final = 200  # events of an order that are looked at first


@dataclass(frozen=True, slots=True)
class Posted:
    """An event that posted good pieces, as row `id` of the outbox: of its `quantity` so much was `taken_back`, in so many `reversals`.

    `state` is that of its row. One that is parked posted nothing yet: a person mends it instead.
    """

    id: int
    stream: str
    state: str
    event_id: str
    quantity: Decimal
    taken_back: Decimal
    reversals: int

    @property
    def left(self) -> Decimal:
        """What may still be taken back of it."""
        return _NONE if self.state == "parked" else max(_NONE, self.quantity - self.taken_back)


@dataclass(frozen=True, slots=True)
class Part:
    """So much is taken back of an event."""

    reverses: Posted
    quantity: Decimal

    @property
    def cumulative(self) -> Decimal:
        """How much of the event is taken back in all, with this part."""
        return self.reverses.taken_back + self.quantity


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked for: so much is taken back, by whom, why, when it turned out so, and the key that makes the call unique."""

    connector: str
    order_number: str
    quantity: Decimal
    reason: str
    actor: str
    at: datetime
    key: str


async def reverse_pieces(
    connection: Connection,
    *,
    connector: str,
    order_number: str,
    quantity: Decimal,
    reason: str,
    actor: str,
    at: datetime,
    key: str,
) -> list[int]:
    """Take `quantity` good pieces of an order back, of its newest events first; returns the numbers of the outbox rows written.

    Everything is written in the caller's transaction: all of it or nothing. `key` makes the call unique: with a key that is known
    nothing more is taken back, and the same numbers are returned. `quantity` may be any fraction, in the unit that the order is
    counted in; `at` is when the pieces turned out not to be good (UTC), `actor` who says so. The order is locked until the
    transaction ends; a caller with several orders takes them in the order of their numbers, as postings do.

    Events that wait, are under way or are done can be reversed; parked ones cannot, a person mends those. Should a person change an
    event after it was reversed (it was under way, was parked, and was edited), the reversal goes on naming it as it was, under the
    same id: the system finds its document, and where that now holds less than is taken back the reversal is parked for a person
    too. What is left counts from the event as it stands, so a quantity that was lowered lowers it.

    Raises AmorError where fewer pieces are left, telling how many; where `key` took something else back; and for a quantity that is
    none, or an empty reason.
    """
    call = Call(connector, order_number, quantity, reason, actor, at, key)
    check(call)
    async with connection.transaction():
        await connection.execute(_QUERIES.lock_order, {"order_number": order_number})
        known = await (await connection.execute(_QUERIES.written, {"key": key})).fetchone()
        if known is not None:
            return _same(known, call)
        parts = await _shared(connection, call)
        row = await (await connection.execute(_QUERIES.insert, asdict(call))).fetchone()
        if row is None:
            raise AmorError(f"the key {key} takes back pieces of another order at this moment: give each call its own")
        # One order of locks for all who write to several streams.
        by_stream = sorted(parts, key=lambda part: part.reverses.stream)
        return [await write(connection, row["id"], call, part) for part in by_stream]


async def _shared(connection: Connection, call: Call) -> list[Part]:
    """Of which events; most often the newest have enough, and an order may have hundreds of thousands."""
    newest = await read_posted(connection, call.connector, call.order_number, _NEWEST)
    if sum((event.left for event in newest), _NONE) < call.quantity and len(newest) == _NEWEST:
        newest = await read_posted(connection, call.connector, call.order_number)
    return share(newest, call.quantity, call.connector, call.order_number)


async def read_posted(
    connection: Connection, connector: str, order_number: str, most: int | None = None
) -> list[Posted]:
    """The events that posted good pieces to an order, newest first, all or the first `most`.

    Without the order's lock it may be otherwise a moment later.
    """
    values = {"connector": connector, "order_number": order_number, "most": most}
    return [_posted(row) async for row in await connection.execute(_QUERIES.posted, values)]


async def is_known(connection: Connection, key: str) -> bool:
    """Whether something was taken back with a key."""
    return await (await connection.execute(_QUERIES.written, {"key": key})).fetchone() is not None


async def read_decision(connection: Connection, outbox_id: int) -> Row | None:
    """Who decided on a reversal and why: key, order_number, quantity in all, reason, actor, at; None where the row is no reversal."""
    return await (await connection.execute(_QUERIES.decision, {"outbox_id": outbox_id})).fetchone()


def share(posted: Sequence[Posted], quantity: Decimal, connector: str, order_number: str) -> list[Part]:
    """How much is taken back of which of the order's events, newest first. Pure. Raises AmorError where not enough is left."""
    parts, missing = [], quantity
    for event in posted:
        if taken := min(missing, event.left):
            parts.append(Part(event, taken))
            missing -= taken
    if missing:
        raise AmorError(_too_many(posted, quantity, connector, order_number))
    return parts


def _too_many(posted: Sequence[Posted], quantity: Decimal, connector: str, order_number: str) -> str:
    if not posted:
        return (
            f"order {order_number}: nothing was posted to {connector} as finished goods, so nothing can be taken back"
        )
    left = sum((event.left for event in posted), _NONE)
    whole = sum((event.quantity for event in posted if event.state != "parked"), _NONE)
    text = (
        f"order {order_number}: {plain(quantity)} cannot be taken back from {connector}, {plain(left)} are left "
        f"(posted {plain(whole)}, taken back {plain(whole - left)})"
    )
    if parked := sum((event.quantity for event in posted if event.state == "parked"), _NONE):
        text += f"; {plain(parked)} more are parked: mend those events with `amor outbox edit`"
    return text


async def write(connection: Connection, reversal_id: int, call: Call, part: Part) -> int:
    """Write one part into the outbox, under the order's lock; returns its number. Raises AmorError where it stands there otherwise."""
    payload = await draft(connection, call, part)
    written = await outbox.insert(
        connection,
        connector=call.connector,
        stream=part.reverses.stream,
        kind=str(EventKind.REVERSAL),
        payload=payload,
        key=payload["event_id"],
    )
    if written is None:
        raise AmorError(
            f"order {call.order_number}: reversal {payload['sequence']} of event {part.reverses.id} is in the outbox already and "
            "was changed there: look at `amor outbox list`"
        )
    values = {"outbox_id": written, "reversal_id": reversal_id, "reverses_id": part.reverses.id}
    await connection.execute(_QUERIES.insert_part, values)
    return written


async def draft(connection: Connection, call: Call, part: Part) -> dict[str, Any]:
    """As Reversal.payload() writes it; the event within as it stands, so that nothing of it is lost on the way through a class."""
    row = await (await connection.execute(_QUERIES.payload, {"id": part.reverses.id})).fetchone()
    assert row is not None, "such a row of the outbox stays"
    number = part.reverses.reversals + 1
    return {
        "event_id": str(event_id("reversal", f"{call.order_number}|{part.reverses.event_id}", number)),
        "order_ref": call.order_number,
        "sequence": number,
        "occurred_at": call.at.isoformat(),
        "quantity": str(part.quantity),
        "cumulative": str(part.cumulative),
        "reason": call.reason,
        "reverses": {"kind": row["kind"], "payload": row["payload"]},
    }


def _posted(row: Row) -> Posted:
    return posted_of(row, quantity_of(row["quantity"]))


def posted_of(row: Row, quantity: Decimal | None) -> Posted:
    """An event of which so much was posted; None where nobody can read how much."""
    taken = [quantity_of(text) for text in row["taken_back"]]
    # A reversal that a person made unreadable may be mended to any quantity: until then nothing more is taken back of its event.
    taken_back = sum((quantity if each is None else each for each in taken), _NONE) if quantity else _NONE
    return Posted(
        row["id"], row["stream"], row["state"], row["event_id"], quantity or _NONE, taken_back, len(taken)
    )  # fmt: skip


def quantity_of(text: str | None) -> Decimal | None:
    """The quantity that a text of an event is; None where it is none."""
    try:
        quantity = Decimal(text or "")
    except InvalidOperation:
        return None
    return quantity if quantity.is_finite() and quantity >= 0 else None


def _same(known: Row, call: Call) -> list[int]:
    asked = (call.connector, call.order_number, call.quantity)
    if (known["connector"], known["order_number"], known["quantity"]) != asked:
        raise AmorError(
            f"the key {call.key} took back {plain(known['quantity'])} of order {known['order_number']} from "
            f"{known['connector']} already: give each call its own"
        )
    return list(known["outbox_ids"])


def check(call: Call) -> None:
    """Raises AmorError for a quantity that is none, and an empty reason."""
    if not (call.quantity.is_finite() and call.quantity > 0):
        raise AmorError(f"{call.quantity} cannot be taken back: give a quantity above 0")
    if not call.reason.strip():
        raise AmorError("give a reason why the pieces are taken back; it is kept")
