"""What Odoo tells: production orders and deliveries.

A number here is what machines and people of the plant call an order: the origin of its productions, because a partial
completion renames them. Where an order has no origin it is the production's name without the chain's numbering.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any, Final, TypeVar

import structlog

from bridge.erp.odoo19.client import PAGE, OdooClient
from bridge.erp.odoo19.production import FIELDS, OPEN_STATES, number_of
from bridge.erp.odoo19.values import from_odoo, instant, odoo_time, shown
from bridge.errors import BusinessError
from bridge.model.production import ProductionOrder, ShipmentStatus

log = structlog.get_logger()

Raw = TypeVar("Raw")
Found = TypeVar("Found")

_PICKING_FIELDS: Final = ["name", "origin", "state", "create_date", "scheduled_date", "date_deadline", "date_done"]


async def read_orders(client: OdooClient, since: datetime | None) -> list[ProductionOrder]:
    """Each order of which a production changed at or after `since`, with the whole of its chain."""
    changed = [record async for record in client.pages("mrp.production", FIELDS, _changed(since))]
    records = {record["id"]: record for record in changed}
    if since is not None:
        # A backorder's predecessors did not change with it, and an order's quantity is that of all.
        origins = sorted({str(record["origin"]) for record in changed if record.get("origin")})
        for first in range(0, len(origins), PAGE):
            async for record in client.pages(
                "mrp.production", FIELDS, [["origin", "in", origins[first : first + PAGE]]]
            ):
                records[record["id"]] = record
    ordered = sorted(records.values(), key=lambda record: (number_of(record), record["id"]))
    chains = [list(chain) for _, chain in groupby(ordered, key=number_of)]
    return [order for chain in chains if (order := _readable(_order, chain)) is not None]


async def read_shipments(client: OdooClient, since: datetime | None) -> list[ShipmentStatus]:
    """Each outgoing delivery that changed at or after `since`."""
    domain = [["picking_type_code", "=", "outgoing"], *_changed(since)]
    records = [record async for record in client.pages("stock.picking", _PICKING_FIELDS, domain)]
    return [shipment for record in records if (shipment := _readable(_shipment, record)) is not None]


def _changed(since: datetime | None) -> list[Any]:
    return [] if since is None else [["write_date", ">=", odoo_time(since)]]


def _readable(read: Callable[[Raw], Found], raw: Raw) -> Found | None:
    """What `read` makes of it; None where it cannot be read, which must not keep the others from being read."""
    try:
        return read(raw)
    except (LookupError, TypeError, ValueError, ArithmeticError, BusinessError) as error:
        log.warning("left out, cannot be read", reason=f"{type(error).__name__} {error}", record=str(raw)[:500])
        return None


def _order(chain: list[dict[str, Any]]) -> ProductionOrder:
    """A chain as one order: its id is that of the first production, which never changes; its state is the liveliest one's."""
    counted = [record for record in chain if record["state"] != "cancel"] or chain
    return ProductionOrder(
        number=number_of(chain[0]),
        external_id=str(chain[0]["id"]),
        product=shown(chain[0]["product_id"]),
        quantity=sum((from_odoo(record["product_qty"]) for record in counted), Decimal(0)),
        due=min(filter(None, (instant(record["date_deadline"]) for record in counted)), default=None),
        state=_state(record["state"] for record in counted),
        # Odoo shows an operation type as "warehouse: operation"; a line's orders have one of their own.
        work_center=shown(chain[0]["picking_type_id"]).rpartition(": ")[2] or None,
    )


def _state(states: Iterable[str]) -> str:
    found = set(states)
    if found & OPEN_STATES:
        return "released"
    if "draft" in found:
        return "planned"
    return "done" if "done" in found else "cancelled"


def _shipment(record: dict[str, Any]) -> ShipmentStatus:
    created = instant(record["create_date"])
    if created is None:
        raise BusinessError(f"delivery {record['name']} has no creation date in Odoo")
    return ShipmentStatus(
        number=str(record["name"]),
        order_ref=str(record["origin"] or ""),
        state=str(record["state"]),
        created_at=created,
        planned_at=instant(record["scheduled_date"]),
        due_at=instant(record["date_deadline"]),
        shipped_at=instant(record["date_done"]) if record["state"] == "done" else None,
    )
