"""What Tryton tells: productions and customer shipments.

An order's number is the production's reference, where it has one, else its number. Tryton plans by days: a due time is the
end of the day where the company is. A shipment has the day on which it left; if it was last changed on that day, the time
of the change stands for the time of leaving, else the day's beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import structlog

from bridge.erp.quantity import from_number
from bridge.erp.tryton82.client import TrytonClient, day_of, instant_of, to_instant
from bridge.errors import BusinessError
from bridge.model.production import ProductionOrder, ShipmentStatus

log = structlog.get_logger()

Found = TypeVar("Found")

_ORDER: Final = [
    "reference", "number", "state", "quantity", "planned_date", "product.code", "product.rec_name", "unit.digits", "company.timezone",
]  # fmt: skip
_SHIPMENT: Final = [
    "reference", "number", "origins", "state", "create_date", "write_date", "planned_date", "effective_date", "company.timezone",
]  # fmt: skip
_STATES: Final = {"request": "planned", "draft": "planned", "done": "done", "cancelled": "cancelled"}


async def read_orders(client: TrytonClient, since: datetime | None) -> list[ProductionOrder]:
    """Each production that changed at or after `since`; a reference that several have is left out."""
    records = await client.search_all("production", [*_own(client), *_changed(since)], _ORDER)
    return list(_each(_order, records))


async def read_shipments(client: TrytonClient, since: datetime | None) -> list[ShipmentStatus]:
    """Each customer shipment that changed at or after `since`."""
    records = await client.search_all("stock.shipment.out", [*_own(client), *_changed(since)], _SHIPMENT)
    return list(_each(_shipment, records))


def _own(client: TrytonClient) -> list[Any]:
    return [["company", "=", client.company]]


def _changed(since: datetime | None) -> list[Any]:
    if since is None:
        return []
    return [["OR", ["write_date", ">=", to_instant(since)], ["create_date", ">=", to_instant(since)]]]


def _each(read: Callable[[dict[str, Any]], Found], records: Iterable[dict[str, Any]]) -> Iterable[Found]:
    """What `read` makes of each; one that cannot be read does not keep the others from being read."""
    for record in records:
        try:
            yield read(record)
        except (LookupError, TypeError, ValueError, ArithmeticError, BusinessError) as error:
            log.warning("left out, cannot be read", reason=f"{type(error).__name__} {error}", record=str(record)[:500])


def _order(record: dict[str, Any]) -> ProductionOrder:
    due = day_of(record["planned_date"])
    product = record["product"]
    return ProductionOrder(
        number=str(record["reference"] or record["number"]),
        external_id=str(record["id"]),
        product=str(product["code"] or product["rec_name"]),
        quantity=from_number(record["quantity"], int(record["unit"]["digits"]), "Tryton"),
        due=None if due is None else _midnight(due + timedelta(days=1), record),
        state=_STATES.get(str(record["state"]), "released"),
    )


def _shipment(record: dict[str, Any]) -> ShipmentStatus:
    created, left = instant_of(record["create_date"]), day_of(record["effective_date"])
    if created is None:
        raise BusinessError(f"shipment {record['number']} has no creation date in Tryton")
    planned = day_of(record["planned_date"])
    return ShipmentStatus(
        number=str(record["number"] or record["reference"] or record["id"]),
        order_ref=str(record["origins"] or record["reference"] or ""),
        state=str(record["state"]),
        created_at=created,
        planned_at=None if planned is None else _midnight(planned, record),
        due_at=None if planned is None else _midnight(planned + timedelta(days=1), record),
        shipped_at=_left(left, record) if left is not None and record["state"] in ("shipped", "done") else None,
    )


def _left(day: date, record: dict[str, Any]) -> datetime:
    changed = instant_of(record["write_date"])
    if changed is not None and changed.astimezone(_zone(record)).date() == day:
        return changed
    return _midnight(day, record)


def _midnight(day: date, record: dict[str, Any]) -> datetime:
    return datetime.combine(day, time(), _zone(record)).astimezone(ZoneInfo("UTC"))


def _zone(record: dict[str, Any]) -> ZoneInfo:
    return ZoneInfo(record["company"]["timezone"] or "UTC")
