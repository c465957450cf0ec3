"""What people mend in events that wait for them, so that what else is told of the order stays true.

An event of production says its share and how much the order has with it; a system that knows its total only is asked by that sum. So where a
person gives an event another order or another quantity, all that is told after it is numbered anew, in the same transaction: what waits behind
it, and what rules post later (`posting_correction`). A parked event holds its stream, so nothing behind it can be under way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple, Self

import psycopg
from psycopg.types.json import Jsonb

from bridge.errors import AmorError
from bridge.model.decimals import EXACT, plain
from bridge.model.production import EventKind
from bridge.store import outbox, production_count
from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("posting_correction")
_OUTBOX: Final = load("outbox")
_NUMBERED: Final = frozenset({EventKind.WIP_TO_FG, EventKind.SCRAP, EventKind.CONSUMED, EventKind.PERFORMANCE})
_OWN: Final = ("event_id", "sequence")
_NOTHING: Final = Decimal(0)
_DIGITS: Final = 20  # before the point, or behind it


class Edited(NamedTuple):
    """The payload after an edit, and how many events behind it were numbered anew."""

    after: dict[str, Any]
    renumbered: int


@dataclass(frozen=True, slots=True)
class _Event:
    """An event of production as far as its numbers go. A confirmation has a sequence only: nothing sums it up."""

    order: str
    item: str
    uom: str
    quantity: Decimal
    cumulative: Decimal
    has_sum: bool

    @classmethod
    def of(cls, kind: str, payload: Mapping[str, Any]) -> Self:
        order, item = str(payload.get("order_ref", "")), str(payload.get("item", ""))
        if kind == EventKind.PERFORMANCE:
            return cls(order, "", str(payload.get("uom", "")), _NOTHING, _NOTHING, has_sum=False)
        quantity, cumulative = _number(payload, "quantity"), _number(payload, "cumulative")
        return cls(order, item, str(payload.get("uom", "")), quantity, cumulative, has_sum=True)


async def edit(
    connection: Connection, outbox_id: int, changes: Mapping[str, Any], actor: str, reason: str
) -> Edited | None:
    """Change fields of a parked row's payload, kept with who did it and why; None where it is not parked. Its id stays.

    An event that is given another order goes to the end of that order's stream with the number and the sum that come next there. Where the
    quantity changes, its own sum follows by itself. Raises AmorError for fields that are the fact's own, a serial number that another event
    has, and numbers that cannot be.
    """
    if own := [name for name in _OWN if name in changes]:
        raise AmorError(
            f"{own[0]}: is part of what the event is, and is never changed; the system knows the event by it"
        )
    row = await outbox.read(connection, outbox_id)
    if row is None:
        return None
    try:
        async with connection.transaction():
            return await _edit(connection, row, dict(changes), actor, reason)
    except psycopg.errors.UniqueViolation as error:
        if error.diag.table_name != "posted_serial":
            raise
        raise AmorError(
            f"{error.diag.message_primary}: a piece is posted once; look at it with `amor outbox show`"
        ) from error


async def _edit(connection: Connection, seen: Row, changes: dict[str, Any], actor: str, reason: str) -> Edited | None:
    kind, renumbered = seen["kind"], 0
    if kind in _NUMBERED and {"order_ref", "item", "quantity", "cumulative"} & set(changes):
        orders = {str(payload.get("order_ref", "")) for payload in (seen["payload"], seen["payload"] | changes)}
        for order in sorted(orders):
            await production_count.lock_order(connection, order)
        row = await _parked(connection, seen["id"])
        if row is None:
            return None
        if row["payload"].get("order_ref") != seen["payload"].get("order_ref"):
            raise AmorError("somebody else has changed the event's order at this moment: look at it again")
        renumbered = await _Mending(connection, row, actor, reason).carry(changes)
    values = {"id": seen["id"], "changes": Jsonb(changes), "actor": actor, "reason": reason}
    found = await (await connection.execute(_OUTBOX.edit, values)).fetchone()
    return None if found is None else Edited(found["after"], renumbered)


async def _parked(connection: Connection, outbox_id: int) -> Row | None:
    return await (await connection.execute(_QUERIES.parked, {"id": outbox_id})).fetchone()


class _Mending:
    """One parked row, its order locked."""

    def __init__(self, connection: Connection, row: Row, actor: str, reason: str) -> None:
        self._connection = connection
        self._row = row
        self._who = {"id": row["id"], "actor": actor, "reason": reason}

    async def carry(self, changes: dict[str, Any]) -> int:
        """Number anew what the changes touch, and put the event's own numbers into `changes`; how many events behind it were."""
        kind, payload = self._row["kind"], self._row["payload"]
        after = _Event.of(kind, {**payload, **changes})
        try:
            before = _Event.of(kind, payload)
        except AmorError:
            if "order_ref" in changes:
                raise
            return 0  # it said no numbers that anything could follow from
        if (after.order, after.item) != (before.order, before.item):
            return await self._move(before, after, changes)
        if not before.has_sum:
            return 0
        if "cumulative" not in changes:
            changes["cumulative"] = plain(EXACT.add(before.cumulative, EXACT.subtract(after.quantity, before.quantity)))
        cumulative = _number(changes, "cumulative")
        shift = EXACT.subtract(cumulative, before.cumulative)
        if not shift:
            return 0
        await self._check_sum(before, EXACT.subtract(cumulative, after.quantity))
        await self._correct(before, postings=0, told=shift, moved=_NOTHING)
        return await self._shift(before, shift)

    async def _move(self, before: _Event, after: _Event, changes: dict[str, Any]) -> int:
        """To another order, or of another item: out of the numbers of the one, into those of the other."""
        if "cumulative" in changes:
            raise AmorError("cumulative: follows from the order that the event is given to; leave it out")
        renumbered = await self._shift(before, -before.quantity) if before.has_sum else 0
        await self._correct(before, postings=0, told=-before.quantity, moved=-before.quantity)
        newest = await self._one(_QUERIES.newest, after)  # who posts to the order waits for its lock, which is ours
        if after.order != before.order and self._row["stream"] == before.order:
            stream = {"id": self._row["id"], "connector": self._row["connector"], "stream": after.order}
            await self._connection.execute(_OUTBOX.lock_stream_for_insert, stream)
            await self._connection.execute(_QUERIES.move, stream)
        changes["sequence"] = int(newest["sequence"]) + 1 if newest else 1
        if after.has_sum:
            total = _number(newest, "cumulative") if newest else _NOTHING
            changes["cumulative"] = plain(EXACT.add(total, after.quantity))
        await self._correct(after, postings=1, told=after.quantity, moved=after.quantity)
        return renumbered

    async def _shift(self, event: _Event, shift: Decimal) -> int:
        found = await self._one(_QUERIES.followers, event)
        assert found is not None, "an aggregate has one row"
        if found["under_way"]:
            raise AmorError(
                "an event behind it is on its way already: settle this one, and post the difference by hand"
            )
        if found["unreadable"]:
            raise AmorError("an event behind it says a sum (cumulative) that is no number: mend that one first")
        if found["events"]:
            because = f"event {self._row['id']} before it was mended: {self._who['reason']}"
            values = {**self._purpose(event), **self._who, "shift": shift, "because": because}
            await self._connection.execute(_QUERIES.shift_followers, values)
        return int(found["events"])

    async def _check_sum(self, event: _Event, before: Decimal) -> None:
        """What is said to be there before the event is no less than what its predecessor says."""
        row = await self._one(_QUERIES.before, event)
        least = _number(row, "cumulative") if row else _NOTHING
        if before < least:
            raise AmorError(
                f"cumulative: with it {plain(before)} would be there before this event, and {plain(least)} were told already: "
                "the system would take the event for one that it has"
            )

    async def _correct(self, event: _Event, *, postings: int, told: Decimal, moved: Decimal) -> None:
        values = {**self._purpose(event), **self._who, "uom": event.uom, "postings": postings}
        await self._connection.execute(_QUERIES.insert, {**values, "told": told, "moved": moved})

    async def _one(self, query: bytes, event: _Event) -> Row | None:
        return await (await self._connection.execute(query, self._purpose(event))).fetchone()

    def _purpose(self, event: _Event) -> dict[str, Any]:
        row = self._row
        return {
            "id": row["id"], "connector": row["connector"], "stream": row["stream"], "kind": row["kind"],
            "order_number": event.order, "item": event.item,
        }  # fmt: skip


def _number(payload: Mapping[str, Any], name: str) -> Decimal:
    try:
        number = Decimal(str(payload[name]))
    except (KeyError, InvalidOperation):
        raise AmorError(f"{name}: {str(payload.get(name))[:40]!r} is no number; write it as 12 or 12.5") from None
    if not number.is_finite() or number < 0:
        raise AmorError(f"{name}: {number} is no quantity: a finite number, 0 or above")
    if number and not (number.adjusted() < _DIGITS and int(number.as_tuple().exponent) >= -_DIGITS):
        raise AmorError(f"{name}: {str(number)[:40]} is out of all measure")
    return number
