"""The pages that are read: orders, entries, requests, shipments, items with their levels, and other master data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from simulators.systems.business import COMPONENT, EQUIPMENT, PRODUCT, REASONS, Booking, Business
from simulators.systems.business_central.odata import Row

UNIT: Final = "PCS"
LOCATION: Final = "MAIN"
LOCATIONS: Final = (LOCATION, "EMPTY")
MACHINES: Final = {f"M-{index:03}": path for index, path in enumerate(EQUIPMENT, 1)}
_STATUS: Final = {"planned": "Firm_x0020_Planned", "released": "Released", "done": "Finished", "cancelled": "Simulated"}
_REQUEST_STATUS: Final = {
    "open": "Open",
    "in_progress": "In_x0020_Progress",
    "done": "Finished",
    "cancelled": "Cancelled",
}


def _orders(business: Business) -> list[Row]:
    return [
        {
            "number": order.number,
            "sourceNumber": order.product,
            "status": _STATUS[order.state],
            "quantity": float(order.quantity),
            "unitOfMeasureCode": order.unit,
            "dueDate": f"{order.due:%Y-%m-%d}",
            "workCenter": order.work_center,
            "lastModifiedDateTime": f"{order.changed_at:%Y-%m-%dT%H:%M:%S.%f}Z",
        }
        for order in business.orders.values()
    ]


def _entries(business: Business) -> list[Row]:
    return [_entry(booking) for booking in business.bookings]


def _entry(booking: Booking) -> Row:
    is_scrap = booking.use == "scrap"
    return {
        "entryNumber": booking.id,
        "entryType": "Consumption" if booking.use == "consumption" else "Output",
        "orderNumber": booking.order,
        "itemNumber": booking.item,
        "quantity": 0.0 if is_scrap else float(booking.quantity),
        "scrapQuantity": float(booking.quantity) if is_scrap else float(booking.scrap),
        "lotNumber": booking.lot,
        "serialNumber": booking.fields.get("serialNumber", ""),
        "externalDocumentNumber": booking.reference,
    }


def requests(business: Business) -> list[Row]:
    """Requests for maintenance."""
    return [
        {
            "number": f"MR{made.id:06}",
            "externalDocumentNumber": made.reference,
            "description": made.title,
            "status": _REQUEST_STATUS[made.state],
            "lastModifiedDateTime": f"{made.changed_at:%Y-%m-%dT%H:%M:%S.%f}Z",
        }
        for made in business.requests
    ]


def _sales_orders(business: Business) -> list[Row]:
    return [
        {
            "number": shipment.order_ref,
            "orderDate": f"{shipment.created_at:%Y-%m-%d}",
            "requestedDeliveryDate": f"{shipment.due_at:%Y-%m-%d}",
            "fullyShipped": False,
            "lastModifiedDateTime": f"{shipment.changed_at:%Y-%m-%dT%H:%M:%S.%f}Z",
        }
        for shipment in business.shipments
        if shipment.shipped_at is None
    ]


def _shipments(business: Business) -> list[Row]:
    """Posted shipments; the order of a full one is invoiced and gone."""
    return [
        {
            "number": shipment.number,
            "orderNumber": shipment.order_ref,
            "orderDate": f"{shipment.created_at:%Y-%m-%d}",
            "requestedDeliveryDate": f"{shipment.due_at:%Y-%m-%d}",
            "postingDate": f"{shipment.shipped_at:%Y-%m-%d}",
            "lastModifiedDateTime": f"{shipment.changed_at:%Y-%m-%dT%H:%M:%S.%f}Z",
        }
        for shipment in business.shipments
        if shipment.shipped_at is not None
    ]


def _items(business: Business) -> list[Row]:
    return [
        {"number": code, "baseUnitOfMeasureCode": UNIT, "inventory": float(business.stock[code])}
        for code in (PRODUCT, COMPONENT)
    ]


def _levels(business: Business) -> list[Row]:
    """A row for each item and location that entries are of; what was there before is in the main one."""
    levels: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for booking in business.bookings:
        if booking.use in {"good", "consumption"}:
            sign = 1 if booking.use == "good" else -1
            levels[booking.item, str(booking.fields.get("locationCode") or LOCATION)] += sign * booking.quantity
    for item in (PRODUCT, COMPONENT):
        elsewhere = sum((level for place, level in levels.items() if place[0] == item), Decimal(0))
        levels[item, LOCATION] += business.stock[item] - elsewhere
    return [
        {"itemNumber": item, "locationCode": location, "inventory": float(level)}
        for (item, location), level in levels.items()
    ]


PAGES: Final[dict[str, Callable[[Business], list[Row]]]] = {
    "productionOrders": _orders,
    "productionEntries": _entries,
    "maintenanceRequests": requests,
    "salesOrders": _sales_orders,
    "salesShipments": _shipments,
    "items": _items,
    "itemLevels": _levels,
    "locations": lambda _: [{"code": code} for code in LOCATIONS],
    "scrapCodes": lambda _: [{"code": code} for code in REASONS],
    "machines": lambda _: [{"number": number} for number in MACHINES],
}
STANDARD: Final = frozenset({"salesOrders", "salesShipments", "items", "locations"})
"""Pages of API v2.0; the others are the tenant's own."""
