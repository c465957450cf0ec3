"""An order in Odoo: the chain of its productions (mrp.production), and what of it is done.

A partial completion leaves the rest in a backorder, which Odoo renames; what stays is the origin, so an order here is the chain of
all productions of one origin. Odoo has no place for an event's id on a production. The event's cumulative quantity stands in for
it: the chain's own total says whether the event is in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Self

from bridge.erp.connector import Found
from bridge.erp.odoo19.client import PAGE, OdooClient
from bridge.erp.odoo19.values import as_pattern, from_odoo, shown
from bridge.erp.quantity import PIECES
from bridge.errors import BusinessError, TransientError
from bridge.model.decimals import plain
from bridge.model.production import MaterialActual

FIELDS: Final = [
    "name", "origin", "state", "product_id", "product_uom_id", "product_qty", "qty_produced", "picking_type_id", "date_deadline",
    "product_tracking", "consumption", "location_dest_id", "workorder_ids",
    "backorder_sequence",
]  # fmt: skip
_NAMES: Final = 50  # orders by name in one question
OPEN_STATES: Final = frozenset({"confirmed", "progress", "to_close"})


@dataclass(frozen=True, slots=True)
class Production:
    """One production of an order's chain; `quantity` is what it was to make, `produced` what it made.

    `tracking` is none, lot or serial; `consumption` what its bill of materials says of other components than its own: flexible,
    warning or strict; `receives_at` the location that its pieces go to; `operations` the ids of its work orders.
    """

    id: int
    name: str
    origin: str
    state: str
    product: str
    uom: str
    quantity: Decimal
    produced: Decimal
    product_id: int = 0
    tracking: str = "none"
    consumption: str = "flexible"
    receives_at: str = ""
    operations: tuple[int, ...] = ()

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """Read what `FIELDS` asked for. Raises BusinessError where a field is missing or no quantity."""
        try:
            return cls(
                id=int(record["id"]),
                name=str(record["name"]),
                origin=str(record["origin"] or ""),
                state=str(record["state"]),
                product=shown(record["product_id"]),
                uom=shown(record["product_uom_id"]),
                quantity=from_odoo(record["product_qty"]),
                produced=from_odoo(record["qty_produced"]),
                product_id=int(record["product_id"][0]),
                tracking=str(record["product_tracking"]),
                consumption=str(record["consumption"]),
                receives_at=shown(record["location_dest_id"]),
                operations=tuple(record["workorder_ids"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BusinessError(
                f"Odoo gives a production that cannot be read: {type(error).__name__} {error}"
            ) from error


def number_of(record: Mapping[str, Any]) -> str:
    """The order's number: the origin of its productions, or their name before Odoo numbered them as a chain.

    WH/MO/00007-002 -> WH/MO/00007. Odoo says itself which number it put behind a name (`backorder_sequence`; 0: none), with three
    digits at least.
    """
    name, sequence = str(record.get("name")), record.get("backorder_sequence") or 0
    return str(record.get("origin") or (name.removesuffix(f"-{sequence:03d}") if sequence else name))


async def read_by_origin(client: OdooClient, numbers: Sequence[str]) -> AsyncIterator[dict[str, Any]]:
    """The productions whose origin is one of the numbers. Raises TransientError for an answer that nobody asked for."""
    for first in range(0, len(numbers), PAGE):
        some = list(numbers[first : first + PAGE])
        async for record in client.pages("mrp.production", FIELDS, [["origin", "in", some]]):
            if record.get("origin") not in some:
                raise TransientError(f"Odoo answers with an order {record.get('origin')!r} that nobody asked for")
            yield record


async def read_by_name(client: OdooClient, numbers: Sequence[str]) -> AsyncIterator[dict[str, Any]]:
    """The productions without an origin whose name, before Odoo numbered it as one of a chain, is one of the numbers."""
    for first in range(0, len(numbers), _NAMES):
        some = numbers[first : first + _NAMES]
        terms = [term for number in some for term in _named(number)]
        domain = [["origin", "=", False], *["|"] * (len(terms) - 1), *terms]
        async for record in client.pages("mrp.production", FIELDS, domain):
            if number_of(record) in some:
                yield record


def _named(number: str) -> list[list[Any]]:
    return [["name", "=", number], ["name", "=like", f"{as_pattern(number)}-%"]]


async def read_chain(client: OdooClient, order_ref: str, *, with_cancelled: bool = False) -> list[Production]:
    """All productions of an order, oldest first, cancelled ones left out; by name only where no origin is of that order.

    Raises BusinessError where there are none, or where they are of several products (an origin that is not one order's).
    """
    records = [record async for record in read_by_origin(client, [order_ref])]
    records = records or [record async for record in read_by_name(client, [order_ref])]
    chain = [Production.from_record(record) for record in records]
    chain = [production for production in chain if with_cancelled or production.state != "cancel"]
    if not chain:
        raise BusinessError(f"Odoo has no production with the origin {order_ref}, or it is cancelled")
    if products := sorted({production.product for production in chain})[1:]:
        raise BusinessError(
            f"the origin {order_ref} is of several products in Odoo, {chain[0].product} and {products[0]}: give each order its own"
        )
    return chain


def find(chain: Sequence[Production], event: MaterialActual) -> Found:
    """Whether the chain's total has the event's pieces; the id is the production that they completed.

    Raises BusinessError where the total is neither that before the event nor one with it: somebody posted by hand, or an
    event is missing.
    """
    done = [(production.id, production.produced) for production in chain if production.state == "done"]
    return found_by_total(done, event, "done")


def found_by_total(booked: Sequence[tuple[int, Decimal]], event: MaterialActual, what: str) -> Found:
    """Whether `booked` (records and their quantities, oldest first) reach the event's cumulative quantity, and which record does.

    Pure. Raises BusinessError, saying `what` they are, where the total is neither that before the event nor one with it.
    """
    total = sum((quantity for _, quantity in booked), Decimal(0))
    before = event.cumulative - event.quantity
    if total == before:
        return Found(is_posted=False)
    if total < event.cumulative:
        raise BusinessError(
            f"order {event.order_ref}: Odoo has {plain(total)} {what}, neither the {plain(before)} before this event nor the "
            f"{plain(event.cumulative)} after it: compare the postings and correct Odoo or this event"
        )
    running = Decimal(0)
    for record, quantity in booked:
        running += quantity
        if running >= event.cumulative:
            return Found(is_posted=True, external_id=str(record))
    raise AssertionError("the sum of the records reaches their total")


def check_unit(target: Production, order_ref: str, ours: str, uom: str) -> None:
    """Raise BusinessError where the production does not count in `uom`, which `ours` (converted: empty) stands for."""
    if ours not in PIECES or target.uom != uom:
        raise BusinessError(
            f"order {order_ref}: the event counts in {ours or uom}, Odoo's production in {target.uom}: name its unit "
            "in the connector's product_uom or units, or the factor in items"
        )


def product_code(production: Production) -> str:
    """The internal reference of what it makes, which Odoo shows before the name: `[HSG-L1] Bearing housing`."""
    code, bracket, _ = production.product.removeprefix("[").partition("]")
    return code if bracket and production.product.startswith("[") else production.product
