"""What was posted is taken back: a move the other way, from where the event's move went to where it came from.

Its origin is the move that it takes back, and the total of the moves of that origin says whether a reversal is in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from bridge.erp.connector import Found, Step
from bridge.erp.quantity import Units
from bridge.erp.tryton82.client import TrytonClient
from bridge.erp.tryton82.order import Move, Order, find_by_total
from bridge.erp.tryton82.taking import TAKE, Taking, check_stock, discard_lost, entry, read_kind, take_steps
from bridge.model.production import MaterialActual, Reversal


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A reversal and the done move that it takes back, wholly or in part."""

    order: Order
    original: Move
    taking: Taking

    @classmethod
    def of(cls, order: Order, event: Reversal, original: Move, units: Units) -> TakenBack:
        """Raises BusinessError where units do not fit."""
        stock = order.stock_unit if original.product == order.product else None
        named = event.reverses.item if isinstance(event.reverses, MaterialActual) else ""
        item, uom = named or units.ours(order.product_code), event.reverses.uom
        quantity, cumulative = (
            original.unit.amount(units, amount, uom, item, stock) for amount in (event.quantity, event.cumulative)
        )
        domain = [["origin", "=", original.reference], ["product", "=", original.product]]
        return cls(order, original, Taking(original.product_code, domain, quantity, cumulative))

    async def find(self, client: TrytonClient) -> Found:
        """By the total of the moves that took the original back."""
        taking = self.taking
        moves = await read_kind(client, taking)
        return find_by_total(moves, taking.quantity, taking.cumulative, f"reversal of {self.original.reference}")

    async def plan(self, client: TrytonClient, effective: date) -> list[Step]:
        """Scrap comes back outside of the order's moves: Tryton takes no inputs from waste, and scrap bears no cost.

        Raises BusinessError where the stock is not there.
        """
        original, taking = self.original, self.taking
        new = entry(
            original.product, original.unit.id, taking.quantity, original.to_location, original.from_location, effective
        )
        new["origin"] = original.reference
        if original.lot is not None:
            new["lot"] = original.lot
        lost = await discard_lost(client, taking)
        if original.is_waste:
            enter = Step("enter move", "POST stock.move", new | {"company": client.company}, is_repeatable=False)
            return [*lost, enter, Step("carry out", TAKE, taking.to_json(), is_repeatable=True)]
        if original.to_location == self.order.location:  # what was consumed comes out again
            new |= {"currency": self.order.currency, "unit_price": {"__class__": "Decimal", "decimal": str(Decimal(0))}}
            return [*lost, *take_steps(self.order, taking, "outputs", new)]
        await check_stock(client, original.product, original.to_location, taking, original.lot_number)
        return [*lost, *take_steps(self.order, taking, "inputs", new)]
