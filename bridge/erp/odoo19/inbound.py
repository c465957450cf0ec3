"""What Odoo tells: production orders and deliveries.

A number here is what machines and people of the plant call an order: the origin of its productions, because a partial
completion renames them. Where an order has no origin it is the production's name without the chain's numbering.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from bridge.erp.odoo19.client import OdooClient
from bridge.erp.odoo19.production import FIELDS, OPEN_STATES, number_of, read_by_name, read_by_origin
from bridge.erp.odoo19.values import from_odoo, instant, odoo_time, shown
from bridge.erp.posting import readable
from bridge.errors import BusinessError
from bridge.model.production import ProductionOrder, ShipmentStatus

_PICKING_FIELDS: Final = ["name", "origin", "state", "create_date", "scheduled_date", "date_deadline", "date_done"]


async def read_orders(client: OdooClient, since: datetime | None) -> list[ProductionOrder]:
    """Each order of which a production changed at or after `since`, with the whole of its chain."""
    changed = [record async for record in client.pages("mrp.production", FIELDS, _changed(since))]
    records = {record["id"]: record for record in changed}
    if since is not None:
        # A backorder's predecessors did not change with it, and an order's quantity is that of all.
        origins = {str(record["origin"]) for record in changed if record.get("origin")}
        names = {number_of(record) for record in changed} - origins
        for whole in (read_by_origin(client, sorted(origins)), read_by_name(client, sorted(names))):
            records |= {record["id"]: record async for record in whole}
    ordered = sorted(records.values(), key=lambda record: (number_of(record), record["id"]))
    chains = [list(chain) for _, chain in groupby(ordered, key=number_of)]
    return readable(chains, _order)


async def read_shipments(client: OdooClient, since: datetime | None) -> list[ShipmentStatus]:
    """Each outgoing delivery that changed at or after `since`."""
    domain = [["picking_type_code", "=", "outgoing"], *_changed(since)]
    records = [record async for record in client.pages("stock.picking", _PICKING_FIELDS, domain)]
    return readable(records, _shipment)


def _changed(since: datetime | None) -> list[Any]:
    return [] if since is None else [["write_date", ">=", odoo_time(since)]]


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
