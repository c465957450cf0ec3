"""API_PRODUCTION_ORDER_2_SRV: production orders with their items and operations, under the names of its metadata."""

from __future__ import annotations

from decimal import Decimal

from starlette.responses import Response

from simulators.systems.business import Booking
from simulators.systems.sap_s4.call import OPERATIONS, PLANT, STORAGE, Call, Store
from simulators.systems.sap_s4.odata import ODataError, Row, one, to_date, to_stamp, to_time


def orders(call: Call) -> Response:
    """A_ProductionOrder_2, whole or by its key."""
    rows = [_order(call.store, number) for number in call.store.business.orders]
    if not call.key:
        return call.listing(rows)
    (number,) = call.key.values()
    found = [row for row in rows if row["ManufacturingOrder"] == number]
    if not found:
        raise ODataError(404, "/IWBEP/CM_MGW_RT/020", f"Resource {number} not found")
    return one(found[0])


def _order(store: Store, number: str) -> Row:
    order = store.business.orders[number]
    confirmed = [each for each in store.confirmations() if each.order == number]
    item = {
        "ManufacturingOrder": number,
        "ManufacturingOrderItem": "1",
        "Material": order.product,
        "ProductionUnit": order.unit,
        "MfgOrderItemPlannedTotalQty": f"{order.quantity:.3f}",
        "MfgOrderItemGoodsReceiptQty": f"{order.good:.3f}",
    }
    return {
        "ManufacturingOrder": number,
        "Material": order.product,
        "ProductionPlant": PLANT,
        "StorageLocation": STORAGE,
        "TotalQuantity": f"{order.quantity:.3f}",
        "MfgOrderConfirmedYieldQty": f"{_yielded(confirmed, OPERATIONS[-1]):.3f}",
        "ProductionUnit": order.unit,
        "ProductionSupervisor": "001",
        "MfgOrderPlannedEndDate": to_date(order.due.date()),
        "MfgOrderPlannedEndTime": to_time(order.due),
        "OrderIsCreated": "X" if order.state == "planned" else "",
        "OrderIsReleased": "X" if order.state == "released" else "",
        "OrderIsPartiallyConfirmed": "",
        "OrderIsTechnicallyCompleted": "X" if order.state == "done" else "",
        "OrderIsClosed": "",
        "OrderIsMarkedForDeletion": "X" if order.state == "cancelled" else "",
        "LastChangeDateTime": to_stamp(order.changed_at),
        "to_ProductionOrderItem": [item],
        "to_ProductionOrderOperation": [_operation(store, number, confirmed, name) for name in OPERATIONS],
        "__metadata": {"etag": f'W/"{order.changed_at.isoformat()}"'},
    }


def _operation(store: Store, number: str, confirmed: list[Booking], name: str) -> Row:
    order = store.business.orders[number]
    scrapped = sum((each.scrap for each in confirmed if each.fields["OrderOperation"] == name), Decimal(0))
    return {
        "ManufacturingOrder": number,
        "ManufacturingOrderOperation": name,
        "WorkCenter": order.work_center.upper()[:8],
        "OperationUnit": order.unit,
        "OpTotalConfirmedYieldQty": f"{_yielded(confirmed, name):.3f}",
        "OpTotalConfirmedScrapQty": f"{scrapped:.3f}",
    }


def _yielded(confirmed: list[Booking], operation: str) -> Decimal:
    """What an operation confirmed; cancellations are bookings below 0."""
    return sum((each.quantity for each in confirmed if each.fields["OrderOperation"] == operation), Decimal(0))
