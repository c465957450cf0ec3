"""What SAP tells: production orders and outbound deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bridge.erp.odata import literal
from bridge.erp.posting import posting_day, quantity_of, readable
from bridge.erp.sap_s4.goods import ORDERS, order_state
from bridge.erp.sap_s4.odata import Gateway, Row, day_literal, expanded, local_instant, stamp_literal
from bridge.errors import BusinessError
from bridge.model.production import ProductionOrder, ShipmentStatus

DELIVERIES: Final = "API_OUTBOUND_DELIVERY_SRV;v=0002/A_OutbDeliveryHeader"


# A page of whole orders with whole operations is larger than any answer that is read.
_ORDER: Final = (
    "ManufacturingOrder,Material,TotalQuantity,MfgOrderPlannedEndDate,MfgOrderPlannedEndTime,OrderIsReleased,"
    "OrderIsPartiallyConfirmed,OrderIsTechnicallyCompleted,OrderIsClosed,OrderIsMarkedForDeletion,"
    "to_ProductionOrderOperation/ManufacturingOrderOperation,to_ProductionOrderOperation/WorkCenter"
)
_DELIVERY: Final = (
    "DeliveryDocument,CreationDate,CreationTime,PlannedGoodsIssueDate,DeliveryDate,ActualGoodsMovementDate,"
    "ActualGoodsMovementTime,OverallGoodsMovementStatus,to_DeliveryDocumentItem/ReferenceSDDocument"
)


async def read_orders(gateway: Gateway, plant: str, zone: str, since: datetime | None) -> list[ProductionOrder]:
    """The plant's production orders that changed. Their time of change is a text, YYYYMMDDhhmmss."""
    expression = f"ProductionPlant eq {literal(plant)}"
    if since is not None:
        expression += f" and LastChangeDateTime ge {stamp_literal(since, zone)}"
    query = {"$filter": expression, "$select": _ORDER, "$expand": "to_ProductionOrderOperation"}
    rows = await gateway.rows(ORDERS, query, order="ManufacturingOrder")
    return readable(rows, lambda row: _order(row, zone))


async def read_shipments(gateway: Gateway, zone: str, since: datetime | None) -> list[ShipmentStatus]:
    """The outbound deliveries that changed.

    SAP keeps only the day of a change, so all of that day are read; a delivery that was made and not changed has none.
    """
    query = {"$select": _DELIVERY, "$expand": "to_DeliveryDocumentItem"}
    if since is not None:
        day = day_literal(posting_day(since, zone))
        query["$filter"] = f"LastChangeDate ge {day} or CreationDate ge {day}"
    rows = await gateway.rows(DELIVERIES, query, order="DeliveryDocument")
    return readable(rows, lambda row: _shipment(row, zone))


def _order(row: Row, zone: str) -> ProductionOrder:
    return ProductionOrder(
        number=str(row["ManufacturingOrder"]),
        external_id=str(row["ManufacturingOrder"]),
        product=str(row["Material"]),
        quantity=quantity_of(row["TotalQuantity"]).normalize() + 0,
        due=local_instant(row.get("MfgOrderPlannedEndDate"), row.get("MfgOrderPlannedEndTime"), zone),
        state=order_state(row),
        work_center=_work_center(row),
    )


def _work_center(row: Row) -> str | None:
    """That of the last operation, at which pieces become finished goods."""
    operations = expanded(row, "to_ProductionOrderOperation")
    last = max(operations, key=lambda each: str(each.get("ManufacturingOrderOperation", "")), default={})
    return str(last.get("WorkCenter") or "") or None


def _shipment(row: Row, zone: str) -> ShipmentStatus:
    created = local_instant(row["CreationDate"], row.get("CreationTime"), zone)
    if created is None:
        raise BusinessError(f"delivery {row['DeliveryDocument']} has no creation date in SAP")
    items = expanded(row, "to_DeliveryDocumentItem")
    is_shipped = row.get("OverallGoodsMovementStatus") == "C"
    shipped = local_instant(row.get("ActualGoodsMovementDate"), row.get("ActualGoodsMovementTime"), zone)
    return ShipmentStatus(
        number=str(row["DeliveryDocument"]),
        order_ref=next((str(each.get("ReferenceSDDocument") or "") for each in items), ""),
        state="done" if is_shipped else "open",
        created_at=created,
        planned_at=local_instant(row.get("PlannedGoodsIssueDate"), None, zone),
        due_at=local_instant(row.get("DeliveryDate"), None, zone),
        shipped_at=shipped if is_shipped else None,
    )
