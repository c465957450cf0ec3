"""Work in progress becomes finished goods: an order's pieces as completed productions (mrp.production).

A partial completion closes the production with what was made and leaves the rest in a backorder, which Odoo renames; what
stays is the origin, so an order here is the chain of all productions of one origin. Odoo has no place for an event's id on
a production. The event's cumulative quantity stands in for it: the chain's own total says whether the event is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Self

from bridge.erp.connector import Found, Step
from bridge.erp.odoo19.client import OdooClient
from bridge.erp.odoo19.numbers import from_odoo, to_odoo
from bridge.erp.quantity import PIECES
from bridge.errors import BusinessError
from bridge.model.production import MaterialActual

FIELDS: Final = [
    "name", "origin", "state", "product_id", "product_uom_id", "product_qty", "qty_produced", "picking_type_id", "date_deadline",
]  # fmt: skip
MARK_DONE: Final = "mrp.production/button_mark_done"
OPEN_STATES: Final = frozenset({"confirmed", "progress", "to_close"})


@dataclass(frozen=True, slots=True)
class Production:
    """One production of an order's chain; `quantity` is what it was to make, `produced` what it made."""

    id: int
    name: str
    origin: str
    state: str
    product: str
    uom: str
    quantity: Decimal
    produced: Decimal

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
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BusinessError(
                f"Odoo gives a production that cannot be read: {type(error).__name__} {error}"
            ) from error


def shown(many2one: Any) -> str:
    """The name that a many2one field `[id, name]` shows; empty where there is none."""
    return str(many2one[1]) if many2one else ""


def base_name(name: str) -> str:
    """A production's name before Odoo numbered it as one of a chain: WH/MO/00007-002 -> WH/MO/00007."""
    head, dash, tail = name.rpartition("-")
    return head if dash and len(tail) == 3 and tail.isdigit() else name


async def read_chain(client: OdooClient, order_ref: str) -> list[Production]:
    """All productions of an order, oldest first, cancelled ones left out; by name only where no origin is of that order.

    Raises BusinessError where there are none, or where they are of several products (an origin that is not one order's).
    """
    records = await _search(client, [["origin", "=", order_ref]])
    if not records:
        records = await _search(client, [["origin", "=", False], ["name", "like", order_ref]])
        records = [record for record in records if base_name(str(record.get("name"))) == order_ref]
    chain = [Production.from_record(record) for record in records]
    chain = [production for production in chain if production.state != "cancel"]
    if not chain:
        raise BusinessError(f"Odoo has no production with the origin {order_ref}, or it is cancelled")
    if products := sorted({production.product for production in chain})[1:]:
        raise BusinessError(
            f"the origin {order_ref} is of several products in Odoo, {chain[0].product} and {products[0]}: give each order its own"
        )
    return chain


async def _search(client: OdooClient, domain: list[Any]) -> list[dict[str, Any]]:
    return await client.read("mrp.production/search_read", {"domain": domain, "fields": FIELDS, "order": "id"})


def find(chain: Sequence[Production], event: MaterialActual) -> Found:
    """Whether the chain's total has the event's pieces; the id is the production that they completed.

    Raises BusinessError where the total is neither that before the event nor one with it: somebody posted by hand, or an
    event is missing.
    """
    done = [production for production in chain if production.state == "done"]
    total = sum((production.produced for production in done), Decimal(0))
    before = event.cumulative - event.quantity
    if total == before:
        return Found(is_posted=False)
    if total < event.cumulative:
        raise BusinessError(
            f"order {event.order_ref}: Odoo has {_plain(total)} done, neither the {_plain(before)} before this event nor the "
            f"{_plain(event.cumulative)} after it: compare the postings and correct Odoo or this event"
        )
    running = Decimal(0)
    for production in done:
        running += production.produced
        if running >= event.cumulative:
            return Found(is_posted=True, external_id=str(production.id))
    raise AssertionError("the sum of the done productions reaches their total")


def plan(chain: Sequence[Production], event: MaterialActual, product_uom: str) -> list[Step]:
    """Complete the chain's open production with the event's pieces, in part or in full; no steps where they are in already.

    More pieces than the production has left complete it with all of them: Odoo books what was made, not what was ordered.
    Raises BusinessError where nothing is open, or where units or digits do not fit.
    """
    if find(chain, event).is_posted:
        return []
    target = _open_production(chain, event)
    check_unit(target, event, product_uom)
    ids = {"ids": [target.id]}
    context: dict[str, Any] = {"skip_backorder": True, "skip_redirection": True}
    if event.quantity < target.quantity:
        context["mo_ids_to_backorder"] = [target.id]
    quantity = {"vals": {"qty_producing": to_odoo(event.quantity)}}
    return [
        Step("write quantity", "mrp.production/write", ids | quantity, is_repeatable=True),
        Step("pick components", "mrp.production/set_qty_producing", ids, is_repeatable=True),
        Step("mark done", MARK_DONE, ids | {"context": context}, is_repeatable=False),
    ]


def check_unit(target: Production, event: MaterialActual, uom: str) -> None:
    """Raise BusinessError where the production does not count in `uom`, which the event's pieces stand for."""
    if event.uom not in PIECES or target.uom != uom:
        raise BusinessError(
            f"order {event.order_ref}: the event counts in {event.uom or uom}, Odoo's production in {target.uom}: name its unit "
            "in the connector's product_uom or units, or the factor in items"
        )


def product_code(production: Production) -> str:
    """The internal reference of what it makes, which Odoo shows before the name: `[HSG-L1] Bearing housing`."""
    code, bracket, _ = production.product.removeprefix("[").partition("]")
    return code if bracket and production.product.startswith("[") else production.product


def _open_production(chain: Sequence[Production], event: MaterialActual) -> Production:
    for production in chain:
        if production.state in OPEN_STATES:
            return production
    if any(production.state == "draft" for production in chain):
        raise BusinessError(f"order {event.order_ref} is a draft in Odoo: confirm it, then replay this event")
    raise BusinessError(
        f"order {event.order_ref} is complete in Odoo, and {_plain(event.quantity)} more pieces were made: release an order "
        "with this origin for them, then replay this event"
    )


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"
