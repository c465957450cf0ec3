"""What a production used, as events tell it.

Tryton consumes what is planned when an order starts. Where an item is "told" the plan is set aside then (start.py), and each event
is a move of its own. Where it is "planned", events within the plan are in it already, and only what exceeds it becomes moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from bridge.erp.connector import Found, Step
from bridge.erp.quantity import Units
from bridge.erp.tryton82.client import TrytonClient
from bridge.erp.tryton82.lots import check_lot, lot_value
from bridge.erp.tryton82.order import Move, Order, find_by_total, reached
from bridge.erp.tryton82.start import Told, check_open
from bridge.erp.tryton82.taking import Taking, check_stock, discard_lost, entry, take_steps
from bridge.erp.tryton82.unit import FIELDS, Unit
from bridge.errors import BusinessError
from bridge.model.production import MaterialActual

_NOT_STARTED: Final = frozenset({"request", "draft", "waiting", "assigned"})


@dataclass(frozen=True, slots=True)
class Product:
    """An item of Tryton's and the unit that it is kept in."""

    id: int
    code: str
    unit: Unit


async def read_product(client: TrytonClient, code: str) -> Product:
    """The product with the code. Raises BusinessError where there is not exactly one."""
    fields = [f"default_uom.{name}" for name in FIELDS]
    records = await client.search("product.product", [["code", "=", code]], fields, limit=2)
    if len(records) != 1:
        raise BusinessError(
            f"Tryton has {len(records) or 'no'} products with the code {code}: it needs one; our name of an item can "
            "differ, then name Tryton's code in the connector's items"
        )
    return Product(int(records[0]["id"]), code, Unit.from_record(records[0]["default_uom"]))


@dataclass(frozen=True, slots=True)
class Consumption:
    """An event of an order with what of it is to be a move: the rest is consumed as planned."""

    order: Order
    event: MaterialActual
    product: Product
    quantity: Decimal
    cumulative: Decimal
    planned: tuple[Move, ...]

    @classmethod
    def of(cls, order: Order, event: MaterialActual, product: Product, units: Units, told: Told) -> Consumption:
        """Raises BusinessError where units do not fit, or where Tryton consumed what events were to tell."""
        planned = _planned(order, product, told)
        share = sum((move.internal for move in planned), Decimal(0))
        quantity, cumulative = (
            product.unit.amount(units, amount, event.uom, event.item) for amount in (event.quantity, event.cumulative)
        )
        before, after = (max(amount - share, Decimal(0)) for amount in (cumulative - quantity, cumulative))
        return cls(order, event, product, after - before, after, planned)

    def find(self) -> Found:
        """By the total of the item's inputs that events entered; what is planned is in once the order runs."""
        if self.quantity:
            what = f"consumption of {self.product.code} for order {self.order.name}"
            moves = self.order.consumed(self.product.id)
            found = find_by_total(moves, self.quantity, self.cumulative, what)
            if found.is_posted:
                check_lot(self.event, reached(moves, self.cumulative), what)
            return found
        if self.order.state in _NOT_STARTED:
            return Found(is_posted=False)
        return Found(is_posted=True, external_id=self.planned[0].reference)

    def original(self) -> Move:
        """The event's own move. Raises BusinessError where it has none."""
        if not self.quantity:
            raise BusinessError(
                f"order {self.order.name}: this consumption of {self.product.code} was a part of the planned one, and has no move of "
                "its own to take back: take it back by hand"
            )
        return reached(self.order.consumed(self.product.id), self.cumulative)

    async def plan(self, client: TrytonClient, effective: date, place: int | None, start: Sequence[Step]) -> list[Step]:
        """Start, enter, reserve, carry out; `place`: where it is taken from, None: where production picks.

        Raises BusinessError where the stock is not there.
        """
        if self.order.state != "done":  # what was told late is taken of a closed order too
            check_open(self.order, self.quantity)
        if not self.quantity:
            return list(start)
        taking = self._taking()
        source = place if place is not None else await _picking(client, self.order)
        await check_stock(client, self.product.id, source, taking, self.event.lot)
        return [
            *await discard_lost(client, taking),
            *start,
            *take_steps(self.order, taking, "inputs", self._entry(source, effective)),
        ]

    def _entry(self, source: int, effective: date) -> dict[str, Any]:
        new = entry(self.product.id, self.product.unit.id, self.quantity, source, self.order.location, effective)
        return new | {"origin": self.order.anchor} | lot_value(self.product.id, self.event.lot)

    def _taking(self) -> Taking:
        if self.order.anchor is None:
            raise BusinessError(
                f"order {self.order.name} has no outputs in Tryton: its consumption cannot be told from others'"
            )
        domain = [["production_input", "=", self.order.id], ["product", "=", self.product.id], ["origin", "!=", None]]
        return Taking(self.product.code, domain, self.quantity, self.cumulative)


def _planned(order: Order, product: Product, told: Told) -> tuple[Move, ...]:
    """What of an item is, or will be, consumed as planned."""
    if product.id == order.product:
        raise BusinessError(
            f"order {order.name} makes {product.code} in Tryton and cannot consume it: correct this event's item"
        )
    planned = order.planned(product.id)
    if order.state not in _NOT_STARTED:
        planned = [move for move in planned if move.state == "done"]
        if planned and product.code in told:
            raise BusinessError(
                f"order {order.name}: Tryton has consumed {product.code} as planned when the order was started there (move "
                f"{', '.join(str(move.id) for move in planned)}), and the connector's consumption of it is told by events: cancel "
                "what was consumed there, then replay this event"
            )
    elif product.code in told:
        return ()
    return tuple(planned)


async def _picking(client: TrytonClient, order: Order) -> int:
    fields = ["warehouse.storage_location", "warehouse.production_picking_location"]
    [record] = await client.search("production", [["id", "=", order.id]], fields)
    warehouse = record["warehouse"]
    return int(warehouse["production_picking_location"] or warehouse["storage_location"])
