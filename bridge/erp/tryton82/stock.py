"""What is taken out of stock for a production: consumed material, and pieces that a reversal takes back.

A new input move is entered, reserved (Tryton looks whether the stock is there) and carried out. Its id does not exist when the
steps are planned: they name it by what it is, and nothing is done once the total of its kind has the event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, Self

from bridge.erp.connector import Found, Step
from bridge.erp.quantity import Units, to_number
from bridge.erp.tryton82.client import TrytonClient, to_date
from bridge.erp.tryton82.order import Move, Order, Unit, done, find_by_total, plain, reached, read_moves
from bridge.erp.tryton82.output import begin, check_open
from bridge.errors import BusinessError
from bridge.model.production import Disposition, MaterialActual, MaterialUse, Reversal

TAKE: Final = "POST stock.move/{id}/do"


@dataclass(frozen=True, slots=True)
class Taking:
    """A move to be carried out, by what it is: what, with which origin, how much, and the total of its kind after it."""

    item: str
    origin: str
    quantity: Decimal
    cumulative: Decimal

    def to_json(self) -> dict[str, Any]:
        """As the body of a step."""
        return {
            "item": self.item,
            "origin": self.origin,
            "quantity": str(self.quantity),
            "cumulative": str(self.cumulative),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(body["item"], body["origin"], Decimal(body["quantity"]), Decimal(body["cumulative"]))

    def pending(self, moves: Sequence[Move]) -> list[Move]:
        """What of the moves of its kind is still to be carried out: nothing where the total has it already."""
        total = done(moves)
        taken: list[Move] = []
        for move in moves:
            if move.state != "done" and total + move.quantity <= self.cumulative:
                taken.append(move)
                total += move.quantity
        return taken if total == self.cumulative else []


async def read_kind(client: TrytonClient, taking: Taking) -> list[Move]:
    """The moves of a taking's kind, done and not, by id."""
    return await read_moves(client, [["origin", "=", taking.origin], ["product.code", "=", taking.item]])


@dataclass(frozen=True, slots=True)
class Product:
    """An item of Tryton's and the unit that it is kept in."""

    id: int
    code: str
    unit: Unit


async def read_product(client: TrytonClient, code: str) -> Product:
    """The product with the code. Raises BusinessError where there is not exactly one."""
    fields = [f"default_uom.{name}" for name in ("symbol", "name", "digits")]
    records = await client.search("product.product", [["code", "=", code]], fields, limit=2)
    if len(records) != 1:
        raise BusinessError(
            f"Tryton has {len(records) or 'no'} products with the code {code}: it needs one; our name of an item can "
            "differ, then name Tryton's code in the connector's items"
        )
    return Product(int(records[0]["id"]), code, Unit.from_record(records[0]["default_uom"]))


def find_consumed(order: Order, event: MaterialActual, product: Product, units: Units) -> Found:
    """By the total of the item's inputs."""
    taking = _consumption(order, event, product, units)
    what = f"consumption of {taking.item} for order {order.name}"
    return find_by_total(order.consumed(taking.item), taking.quantity, taking.cumulative, what)


async def plan_consumed(
    client: TrytonClient,
    order: Order,
    event: MaterialActual,
    product: Product,
    units: Units,
    effective: date,
    place: int | None,
) -> list[Step]:
    """Enter, reserve, carry out. Raises BusinessError where the stock is not there."""
    taking = _consumption(order, event, product, units)
    check_open(order, taking.quantity)
    source = place if place is not None else await _picking(client, order)
    await _check_stock(client, product.id, source, taking)
    entry = _entry(product.id, product.unit.id, taking.quantity, source, order.location, effective)
    entry["origin"] = taking.origin
    lost = await _discard_lost(client, taking)
    return [*lost, *begin(order, effective), *_steps(order, taking, "inputs", entry)]


async def find_reversed(client: TrytonClient, order: Order, event: Reversal, original: Move, units: Units) -> Found:
    """By the total of the moves that took the original back."""
    taking = _reversal(order, event, original, units)
    return find_by_total(
        await read_kind(client, taking), taking.quantity, taking.cumulative, f"reversal of {taking.origin}"
    )


async def plan_reversed(
    client: TrytonClient, order: Order, event: Reversal, original: Move, units: Units, effective: date
) -> list[Step]:
    """The way back of the original move: from where it went to where it came from.

    Scrap comes back outside of the order's moves: Tryton takes no inputs from waste, and scrap bears no cost.
    """
    taking = _reversal(order, event, original, units)
    entry = {
        **_entry(
            original.product, original.unit.id, taking.quantity, original.to_location, original.from_location, effective
        ),
        "origin": taking.origin,
    }
    lost = await _discard_lost(client, taking)
    if original.is_waste:
        enter = Step("enter move", "POST stock.move", entry | {"company": client.company}, is_repeatable=False)
        return [*lost, enter, Step("carry out", TAKE, taking.to_json(), is_repeatable=True)]
    if original.to_location == order.location:  # what was consumed comes out again
        entry |= {"currency": order.currency, "unit_price": {"__class__": "Decimal", "decimal": "0"}}
        return [*lost, *_steps(order, taking, "outputs", entry)]
    await _check_stock(client, original.product, original.to_location, taking)
    return [*lost, *_steps(order, taking, "inputs", entry)]


def original_of(order: Order, event: MaterialActual, units: Units) -> Move:
    """The done move that an event of this order became. Raises BusinessError where there is none."""
    moves = order.scrap() if event.disposition is Disposition.SCRAP else order.good()
    if event.use is MaterialUse.CONSUMED:
        moves = order.consumed(units.code(event.item))
    if not moves:
        raise BusinessError(f"order {order.name} has no such posting in Tryton to take back")
    item = event.item or units.ours(order.product_code)
    return reached(moves, moves[0].unit.amount(units, event.cumulative, event.uom, item))


def _consumption(order: Order, event: MaterialActual, product: Product, units: Units) -> Taking:
    if order.consumption_origin is None:
        raise BusinessError(f"order {order.name} has no outputs in Tryton: its consumption cannot be told from others'")
    if any(move.origin is None and move.product == product.id for move in order.inputs):
        raise BusinessError(
            f"Tryton consumes {product.code} for order {order.name} by its bill of materials: take it out there, or leave these "
            "events out"
        )
    quantity, cumulative = (
        product.unit.amount(units, amount, event.uom, event.item) for amount in (event.quantity, event.cumulative)
    )
    return Taking(product.code, order.consumption_origin, quantity, cumulative)


def _reversal(order: Order, event: Reversal, original: Move, units: Units) -> Taking:
    assert isinstance(event.reverses, MaterialActual), "the connector refuses others"
    item, uom = event.reverses.item or units.ours(order.product_code), event.reverses.uom
    quantity, cumulative = (
        original.unit.amount(units, amount, uom, item) for amount in (event.quantity, event.cumulative)
    )
    return Taking(original.product_code, f"stock.move,{original.id}", quantity, cumulative)


def _entry(product: int, unit: int, quantity: Decimal, source: int, target: int, effective: date) -> dict[str, Any]:
    return {
        "product": product,
        "unit": unit,
        "quantity": to_number(quantity),
        "from_location": source,
        "to_location": target,
        "effective_date": to_date(effective),
    }


def _steps(order: Order, taking: Taking, side: str, entry: dict[str, Any]) -> list[Step]:
    path = f"production/{order.id}"
    enter = Step("enter move", f"PUT {path}", {side: [["create", [entry]]]}, is_repeatable=False)
    reserve = Step("reserve", f"POST {path}/assign_try", {}, is_repeatable=True)
    take = Step("carry out", TAKE, taking.to_json(), is_repeatable=True)
    return [enter, reserve, take]


async def _discard_lost(client: TrytonClient, taking: Taking) -> list[Step]:
    """Cancel what attempts before entered and nobody carried out: it would hold stock, and be taken for a later event's."""
    lost = [move for move in await read_kind(client, taking) if move.state != "done"]
    return [Step("discard lost move", f"POST stock.move/{move.id}/cancel", {}, is_repeatable=True) for move in lost]


async def _picking(client: TrytonClient, order: Order) -> int:
    fields = ["warehouse.storage_location", "warehouse.production_picking_location"]
    [record] = await client.search("production", [["id", "=", order.id]], fields)
    warehouse = record["warehouse"]
    return int(warehouse["production_picking_location"] or warehouse["storage_location"])


async def _check_stock(client: TrytonClient, product: int, location: int, taking: Taking) -> None:
    there = await client.quantity(product, location)
    if there < taking.quantity:
        raise BusinessError(
            f"Tryton has {plain(there)} of {taking.item} where {plain(taking.quantity)} are to be taken: book the stock that is "
            "there, then replay this event"
        )
