"""What Business Central tells: production orders, sales orders with their shipments, and states of requests.

It has dates of shipments, no times. An order that is shipped and invoiced is gone, and its posted shipments stay; so a
shipment here is a sales order, which is done when its posted shipments are all that is left of it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bridge.erp.business_central.company import Company, Row, changed, words
from bridge.erp.posting import instant_of, quantity_of, readable
from bridge.errors import BusinessError
from bridge.model.production import ProductionOrder, RequestState, ShipmentStatus, WorkRequestState

_ORDER_STATES: Final = {"Released": "released", "Finished": "done", "Firm Planned": "planned", "Planned": "planned"}
_REQUEST_STATES: Final = {
    "Open": RequestState.OPEN,
    "In Progress": RequestState.IN_PROGRESS,
    "Finished": RequestState.DONE,
    "Cancelled": RequestState.CANCELLED,
}


class Inbound:
    """The reading side of a company; `zone` is that of its dates."""

    def __init__(self, company: Company, zone: str) -> None:
        self._company = company
        self._zone = zone

    async def orders(self, since: datetime | None) -> list[ProductionOrder]:
        """Production orders that changed."""
        rows = await self._company.rows(self._company.own("productionOrders"), changed(since), order="number")
        return readable(rows, self._order)

    async def shipments(self, since: datetime | None) -> list[ShipmentStatus]:
        """Sales orders that changed, and those whose shipments were posted."""
        posted = await self._company.rows(self._company.standard("salesShipments"), changed(since), order="number")
        still = await self._company.rows(self._company.standard("salesOrders"), changed(since), order="number")
        shipped = {
            str(row.get("orderNumber")): row for row in sorted(posted, key=lambda row: str(row.get("postingDate")))
        }
        open_rows = {str(row.get("number")): row for row in still}
        done = [{**row, "number": number} for number, row in shipped.items() if number not in open_rows]
        waiting = [
            {**row, "postingDate": (shipped.get(number) or {}).get("postingDate")} for number, row in open_rows.items()
        ]
        return readable(done, self._shipped) + readable(waiting, self._waiting)

    async def states(self, since: datetime | None) -> list[WorkRequestState]:
        """Requests that changed."""
        rows = await self._company.rows(self._company.own("maintenanceRequests"), changed(since), order="number")
        return readable(rows, self._state)

    def _order(self, row: Row) -> ProductionOrder:
        return ProductionOrder(
            number=str(row["number"]),
            external_id=str(row["number"]),
            product=str(row["sourceNumber"]),
            quantity=quantity_of(row["quantity"]).normalize() + 0,
            due=instant_of(row.get("dueDate"), self._zone),
            state=_ORDER_STATES.get(words(row["status"]), "planned"),
            work_center=str(row.get("workCenter") or "") or None,
        )

    def _shipped(self, row: Row) -> ShipmentStatus:
        return self._shipment(row, "done", instant_of(row["postingDate"], self._zone))

    def _waiting(self, row: Row) -> ShipmentStatus:
        is_shipped = row.get("fullyShipped") is True
        return self._shipment(
            row, "done" if is_shipped else "open", instant_of(row["postingDate"], self._zone) if is_shipped else None
        )

    def _shipment(self, row: Row, state: str, shipped_at: datetime | None) -> ShipmentStatus:
        created, due = (
            instant_of(row["orderDate"], self._zone),
            instant_of(row.get("requestedDeliveryDate"), self._zone),
        )
        if created is None:
            raise BusinessError(f"sales order {row['number']} has no order date")
        return ShipmentStatus(str(row["number"]), str(row["number"]), state, created, due, due, shipped_at)

    def _state(self, row: Row) -> WorkRequestState:
        at, said = instant_of(row["lastModifiedDateTime"], ""), words(row["status"])
        if at is None:
            raise BusinessError(f"request {row['number']} names no time of its change")
        return WorkRequestState(str(row["number"]), _REQUEST_STATES.get(said, RequestState.IN_PROGRESS), said, at)
