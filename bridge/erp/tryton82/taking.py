"""Moves that are carried out by what they are, since their ids do not exist when an event is planned.

A new move is entered, reserved (Tryton looks whether the stock is there) and carried out; nothing is done once the total of its
kind has the event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, Self

from bridge.erp.connector import Step
from bridge.erp.quantity import to_number
from bridge.erp.tryton82.client import TrytonClient, to_date
from bridge.erp.tryton82.lots import find_lot, stock_of_lot
from bridge.erp.tryton82.order import Move, Order, done, read_moves
from bridge.erp.tryton82.start import CANCEL
from bridge.errors import BusinessError
from bridge.model.decimals import plain

TAKE: Final = "POST stock.move/{id}/do"


@dataclass(frozen=True, slots=True)
class Taking:
    """A move to be carried out, by what it is: the domain of its kind, how much, and the total of its kind after it."""

    item: str
    domain: Sequence[Any]
    quantity: Decimal
    cumulative: Decimal

    def to_json(self) -> dict[str, Any]:
        """As the body of a step."""
        return {
            "item": self.item,
            "domain": list(self.domain),
            "quantity": str(self.quantity),
            "cumulative": str(self.cumulative),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(body["item"], body["domain"], Decimal(body["quantity"]), Decimal(body["cumulative"]))

    def pending(self, moves: Sequence[Move]) -> list[Move]:
        """What of the moves of its kind is still to be carried out: nothing where the total has it already."""
        total = done(moves)
        taken: list[Move] = []
        for move in moves:
            if move.state != "done" and move.quantity and total + move.quantity <= self.cumulative:
                taken.append(move)
                total += move.quantity
        return taken if total == self.cumulative else []


async def read_kind(client: TrytonClient, taking: Taking) -> list[Move]:
    """The moves of a taking's kind, done and not, by id."""
    return await read_moves(client, taking.domain)


def entry(product: int, unit: int, quantity: Decimal, source: int, target: int, effective: date) -> dict[str, Any]:
    """A new move."""
    return {
        "product": product,
        "unit": unit,
        "quantity": to_number(quantity),
        "from_location": source,
        "to_location": target,
        "effective_date": to_date(effective),
    }


def take_steps(order: Order, taking: Taking, side: str, new: dict[str, Any]) -> list[Step]:
    """Enter a move on a side of the order (inputs, outputs), reserve it, carry it out."""
    path = f"production/{order.id}"
    enter = Step("enter move", f"PUT {path}", {side: [["create", [new]]]}, is_repeatable=False)
    reserve = Step("reserve", f"POST {path}/assign_try", {}, is_repeatable=True)
    take = Step("carry out", TAKE, taking.to_json(), is_repeatable=True)
    return [enter, reserve, take]


async def discard_lost(client: TrytonClient, taking: Taking) -> list[Step]:
    """Cancel what attempts before entered and nobody carried out: it would hold stock, and be taken for a later event's."""
    lost = [move.id for move in await read_kind(client, taking) if move.state != "done"]
    return [Step("discard lost moves", CANCEL, {"moves": lost}, is_repeatable=True)] if lost else []


async def check_stock(client: TrytonClient, product: int, location: int, taking: Taking, lot: str = "") -> None:
    """Raise BusinessError where less is in a location, and of a lot if one is named, than is to be taken."""
    there, what = await client.quantity(product, location), taking.item
    if lot:
        number = await find_lot(client, product, lot)
        there = Decimal(0) if number is None else await stock_of_lot(client, number, location)
        what = f"lot {lot} of {taking.item}"
    if there < taking.quantity:
        raise BusinessError(
            f"Tryton has {plain(there)} of {what} where {plain(taking.quantity)} are to be taken: book the stock that is "
            "there, then replay this event"
        )
