"""What ERPNext tells: Work Orders and Delivery Notes."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bridge.config.settings.erpnext import ErpNextSettings
from bridge.erp.erpnext.issue import frappe_time
from bridge.erp.erpnext.site import Row, Site
from bridge.erp.erpnext.stock_entry import OPEN, ORDER
from bridge.erp.posting import instant_of, quantity_of, readable
from bridge.errors import BusinessError
from bridge.model.production import ProductionOrder, ShipmentStatus

_ORDER_FIELDS: Final = ["production_item", "qty", "status", "docstatus", "planned_end_date"]
_NOTE_FIELDS: Final = ["creation", "posting_date", "posting_time", "lr_date", "docstatus", "status"]
_DONE: Final = frozenset({"Completed", "Closed"})


class Inbound:
    """The reading side of a site."""

    def __init__(self, settings: ErpNextSettings, site: Site) -> None:
        self._settings = settings
        self._site = site

    async def orders(self, since: datetime | None) -> list[ProductionOrder]:
        """Work Orders that changed."""
        extra = [self._settings.work_center_field] if self._settings.work_center_field else []
        return readable(await self._site.rows(ORDER, [*_ORDER_FIELDS, *extra], self._changed(since)), self._order)

    async def shipments(self, since: datetime | None) -> list[ShipmentStatus]:
        """Delivery Notes that changed."""
        extra = [self._settings.order_field] if self._settings.order_field else []
        return readable(
            await self._site.rows("Delivery Note", [*_NOTE_FIELDS, *extra], self._changed(since)), self._shipment
        )

    def _changed(self, since: datetime | None) -> list[list[str]]:
        return [] if since is None else [["modified", ">=", frappe_time(since, self._settings.time_zone)]]

    def _order(self, row: Row) -> ProductionOrder:
        return ProductionOrder(
            number=str(row["name"]),
            external_id=str(row["name"]),
            product=str(row["production_item"]),
            quantity=quantity_of(row["qty"]).normalize() + 0,
            due=instant_of(row["planned_end_date"], self._settings.time_zone),
            state=_state(row),
            work_center=str(row.get(self._settings.work_center_field) or "") or None,
        )

    def _shipment(self, row: Row) -> ShipmentStatus:
        zone = self._settings.time_zone
        created = instant_of(row["creation"], zone)
        if created is None:
            raise BusinessError(f"Delivery Note {row['name']} names no time of its creation")
        posted = instant_of(f"{row['posting_date']} {str(row['posting_time']).partition('.')[0]:0>8}", zone)
        is_shipped = row["docstatus"] == 1
        return ShipmentStatus(
            number=str(row["name"]),
            order_ref=str(row.get(self._settings.order_field) or ""),
            state=str(row["status"]),
            created_at=created,
            planned_at=posted,
            due_at=instant_of(row["lr_date"], zone),
            shipped_at=posted if is_shipped else None,
        )


def _state(row: Row) -> str:
    if row["docstatus"] == 2 or row["status"] in {"Cancelled", "Stopped"}:
        return "cancelled"
    if row["status"] in _DONE:
        return "done"
    return "released" if row["status"] in OPEN else "planned"
