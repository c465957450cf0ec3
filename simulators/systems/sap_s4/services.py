"""The services: production orders, goods movements, confirmations, notifications, deliveries, master data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from simulators.systems.business import EQUIPMENT, PRODUCT, Booking, Business, Use
from simulators.systems.sap_s4.odata import (
    ODataError,
    Row,
    entity,
    from_date,
    listing,
    one,
    to_date,
    to_time,
)

_NOWHERE: Final = "00000000-0000-0000-0000-000000000000"
_MOVEMENTS: Final[dict[str, tuple[str, Use]]] = {"101": ("02", "good"), "261": ("03", "consumption")}
_REVERSING: Final = {"102": "101", "262": "261"}
PLANT: Final = "1010"
EQUIPMENT_NUMBERS: Final = {str(10_000_001 + index): path for index, path in enumerate(EQUIPMENT)}
"""Equipment has numbers of SAP's own, of 18 characters at most."""
STORAGE: Final = "171A"


@dataclass(slots=True)
class Store:
    """What the services share."""

    business: Business

    def movements(self) -> list[Booking]:
        """Items of material documents."""
        return [booking for booking in self.business.bookings if "GoodsMovementType" in booking.fields]

    def confirmations(self) -> list[Booking]:
        """Confirmations of operations."""
        return [booking for booking in self.business.bookings if "ConfirmationGroup" in booking.fields]


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a resource of a service."""

    store: Store
    request: Request
    key: dict[str, str]
    sent: Any
    navigation: str = ""

    def text(self, name: str, longest: int) -> str:
        """A text of what was sent. Raises ODataError where it is none or too long."""
        value = self.sent.get(name, "")
        if not isinstance(value, str) or len(value) > longest:
            raise ODataError(400, "/IWBEP/CM_MGW_RT/019", f"Property {name} has an invalid value")
        return value


Handler = Callable[[Call], Response]


def serve(store: Store, request: Request, service: str, resource: str, sent: Any) -> Response:
    """The answer of a service's resource. Raises ODataError or RefusedError."""
    segment, _, navigation = resource.partition("/")
    name, key = entity(segment)
    handler = _HANDLERS.get((request.method, service, name))
    if handler is None:
        raise ODataError(404, "/IWFND/MED/170", f"No service found for {request.method} {service}/{name}")
    if request.method in {"POST", "PATCH"} and name not in _FUNCTIONS and not isinstance(sent, dict):
        raise ODataError(400, "CX_SXML_PARSE_ERROR/1", "Error while parsing the request body")
    return handler(Call(store, request, key, sent, navigation))


def _quantity(item: dict[str, Any], name: str) -> Decimal:
    """Edm.Decimal is a string in JSON; a number is refused, as Gateway does."""
    text = item.get(name, "0")
    if not isinstance(text, str):
        raise ODataError(400, "CX_SXML_PARSE_ERROR/1", f"Property {name}: a string was expected")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ODataError(400, "/IWBEP/CM_MGW_RT/019", f"Property {name} has the invalid value '{text}'") from None


def _posting_day(sent: dict[str, Any]) -> datetime:
    moment = from_date(sent.get("PostingDate"))
    if moment is None:
        raise ODataError(400, "M7/001", "Check table T001B: entry PostingDate is missing")
    return moment


# --- Production orders ---------------------------------------------------------------------------------------------------


def _orders(call: Call) -> Response:
    rows = [_order_row(call.store, number) for number in call.store.business.orders]
    if call.key:
        (number,) = call.key.values()
        found = [row for row in rows if row["ManufacturingOrder"] == number]
        return one(found[0]) if found else _not_found(number)
    return listing(rows, call.request.query_params)


def _order_row(store: Store, number: str) -> Row:
    order = store.business.orders[number]
    return {
        "ManufacturingOrder": order.number,
        "Material": order.product,
        "ProductionPlant": PLANT,
        "StorageLocation": STORAGE,
        "MfgOrderPlannedTotalQty": f"{order.quantity:.3f}",
        "MfgOrderConfirmedYieldQty": f"{order.confirmed:.3f}",
        "ProductionUnit": order.unit,
        "ProductionSupervisor": order.work_center,
        "MfgOrderPlannedEndDate": to_date(order.due),
        "MfgOrderPlannedEndTime": to_time(order.due),
        "OrderIsCreated": "X" if order.state == "planned" else "",
        "OrderIsReleased": "X" if order.state == "released" else "",
        "OrderIsTechnicallyCompleted": "X" if order.state == "done" else "",
        "OrderIsMarkedForDeletion": "X" if order.state == "cancelled" else "",
        "LastChangeDateTime": to_date(order.changed_at),
        "__metadata": {"etag": f'W/"{order.changed_at.isoformat()}"'},
    }


# --- Goods movements -----------------------------------------------------------------------------------------------------


def _movement_items(call: Call) -> Response:
    rows = [_movement_row(booking) for booking in call.store.movements()]
    return listing(rows, call.request.query_params)


def _movement_row(booking: Booking) -> Row:
    fields = booking.fields
    header = {
        "MaterialDocument": str(booking.id),
        "MaterialDocumentYear": "2026",
        "ReferenceDocument": booking.reference,
    }
    return {
        **{name: header[name] for name in ("MaterialDocument", "MaterialDocumentYear")},
        "MaterialDocumentItem": "1",
        "Material": booking.item,
        "ManufacturingOrder": booking.order,
        "GoodsMovementType": fields["GoodsMovementType"],
        "QuantityInEntryUnit": f"{abs(booking.quantity):.3f}",
        "EntryUnit": fields["EntryUnit"],
        "Batch": booking.lot,
        "to_MaterialDocumentHeader": header,
    }


def _post_movement(call: Call) -> Response:
    """Deep insert of one header with its items; all of them or none. Only one item is taken here."""
    items = call.sent.get("to_MaterialDocumentItem")
    items = items.get("results") if isinstance(items, dict) else items
    if not isinstance(items, list) or len(items) != 1:
        raise ODataError(400, "M7/003", "The document has no item")
    booking = _book_movement(call, items[0])
    header = {
        "MaterialDocument": str(booking.id),
        "MaterialDocumentYear": "2026",
        "ReferenceDocument": booking.reference,
        "to_MaterialDocumentItem": {"results": [_movement_row(booking)]},
    }
    return one(header, 201)


def _book_movement(call: Call, item: dict[str, Any]) -> Booking:
    business, kind = call.store.business, str(item.get("GoodsMovementType", ""))
    reference, unit = call.text("ReferenceDocument", 16), str(item.get("EntryUnit", business.unit))
    day, quantity = _posting_day(call.sent).date(), _quantity(item, "QuantityInEntryUnit")
    order = str(item.get("ManufacturingOrder", ""))
    fields = {"GoodsMovementType": kind, "EntryUnit": unit}
    code, use = _MOVEMENTS.get(_REVERSING.get(kind, kind), ("", "good"))
    if not code or call.sent.get("GoodsMovementCode") != code:
        raise ODataError(
            400, "M7/064", f"Movement type {kind} does not fit the code {call.sent.get('GoodsMovementCode')}"
        )
    if kind == "101" and item.get("GoodsMovementRefDocType") != "F":
        raise ODataError(400, "M7/018", "Enter an order: GoodsMovementRefDocType F is missing")
    item_code = str(item.get("Material", "")) if use == "consumption" else ""
    if kind in _REVERSING:
        return business.take_back(
            order, use, quantity, reference=reference, unit=unit, posting_date=day, item=item_code, fields=fields
        )
    serials = item.get("to_SerialNumbers", {}).get("results", [])
    return business.book(
        order,
        use,
        quantity,
        reference=reference,
        unit=unit,
        posting_date=day,
        item=item_code,
        lot=str(item.get("Batch", "")),
        fields={**fields, "serials": [serial["SerialNumber"] for serial in serials]},
    )


# --- Confirmations -------------------------------------------------------------------------------------------------------


def _confirmations(call: Call) -> Response:
    return listing([_confirmation_row(booking) for booking in call.store.confirmations()], call.request.query_params)


def _confirmation_row(booking: Booking) -> Row:
    return {
        "OrderID": booking.order,
        "ExternalSystemConfirmation": booking.reference or _NOWHERE,
        "IsReversed": booking.is_reversed,
        "IsReversal": booking.reverses is not None,
        **booking.fields,
    }


def _confirm(call: Call) -> Response:
    yielded, scrapped = (_quantity(call.sent, f"Confirmation{what}Quantity") for what in ("Yield", "Scrap"))
    reference = call.text("ExternalSystemConfirmation", 36) or _NOWHERE
    unit, day = call.text("ConfirmationUnit", 3), _posting_day(call.sent).date()
    fields = {
        "ConfirmationGroup": f"{len(call.store.confirmations()) + 200:010}",
        "ConfirmationCount": "1",
        "OrderOperation": call.text("OrderOperation", 4),
        "ConfirmationYieldQuantity": f"{yielded:.3f}",
        "ConfirmationScrapQuantity": f"{scrapped:.3f}",
        "ConfirmationUnit": unit,
        "VarianceReasonCode": call.text("VarianceReasonCode", 16),
        "IsFinalConfirmation": bool(call.sent.get("IsFinalConfirmation", False)),
    }
    booking = call.store.business.confirm(
        call.text("OrderID", 12), yielded, scrapped, reference=reference, unit=unit, posting_date=day,
        reason=str(fields["VarianceReasonCode"]), fields=fields,
    )  # fmt: skip
    return one(_confirmation_row(booking), 201)


def _cancel_confirmation(call: Call) -> Response:
    query = call.request.query_params
    wanted = {name: query.get(name, "").strip("'") for name in ("ConfirmationGroup", "ConfirmationCount")}
    found = [b for b in call.store.confirmations() if all(b.fields[name] == value for name, value in wanted.items())]
    if not found:
        raise ODataError(404, "RU/155", f"Confirmation {wanted['ConfirmationGroup']} does not exist")
    reference = query.get("ExternalSystemConfirmation", _NOWHERE).removeprefix("guid").strip("'")
    day = from_date(query.get("PostingDate", "").removeprefix("datetime").strip("'")) or call.store.business.now()
    mirrored = call.store.business.reverse(found[0], reference, day.date())
    mirrored.fields = {**found[0].fields, "ConfirmationCount": "2"}
    return one(_confirmation_row(mirrored))


# --- Notifications, deliveries, master data ------------------------------------------------------------------------------


def _notifications(call: Call) -> Response:
    return listing(
        [_notification_row(call.store, r.id) for r in call.store.business.requests], call.request.query_params
    )


def _notification_row(store: Store, number: int) -> Row:
    made = next(request for request in store.business.requests if request.id == number)
    phase = {"open": "1", "in_progress": "3", "done": "4", "cancelled": "5"}[made.state]
    return {
        **made.fields,
        "MaintenanceNotification": f"{made.id:012}",
        "NotificationText": made.title,
        "TechnicalObject": next(number for number, path in EQUIPMENT_NUMBERS.items() if path == made.equipment),
        "MaintNotifExtReferenceNumber": made.reference,
        "NotifProcessingPhase": phase,
        "LastChangeDateTime": to_date(made.changed_at),
        "__metadata": {"etag": f'W/"{made.changed_at.isoformat()}"'},
    }


def _notify(call: Call) -> Response:
    fields = {
        "NotificationType": call.text("NotificationType", 2),
        "MaintPriority": call.text("MaintPriority", 1),
        "MaintNotifLongTextForEdit": call.text("MaintNotifLongTextForEdit", 100_000),
        "MalfunctionStartDate": to_date(from_date(call.sent.get("MalfunctionStartDate"))),
        "MalfunctionStartTime": call.text("MalfunctionStartTime", 20),
    }
    if not fields["NotificationType"]:
        raise ODataError(400, "IM/101", "Enter a notification type")
    technical = call.text("TechnicalObject", 40)
    made = call.store.business.request(
        call.text("MaintNotifExtReferenceNumber", 20),
        EQUIPMENT_NUMBERS.get(technical, technical),
        call.text("NotificationText", 40),
        fields,
    )
    return one(_notification_row(call.store, made.id), 201)


def _change_notification(call: Call) -> Response:
    """A change needs the ETag of what it changes."""
    number = next(iter(call.key.values()), "")
    made = next((r for r in call.store.business.requests if f"{r.id:012}" == number), None)
    if made is None:
        raise ODataError(404, "IM/012", f"Notification {number} does not exist")
    row = _notification_row(call.store, made.id)
    match call.request.headers.get("If-Match"):
        case None:
            raise ODataError(428, "/IWFND/CM_MGW/567", "The request needs an If-Match header")
        case etag if etag not in {"*", row["__metadata"]["etag"]}:
            raise ODataError(412, "/IWFND/CM_MGW/566", "Precondition failed: the data was changed meanwhile")
        case _:
            pass
    made.title = call.sent.get("NotificationText", made.title)
    made.changed_at = call.store.business.now()
    return Response(status_code=204)


def _deliveries(call: Call) -> Response:
    rows = [
        {
            "DeliveryDocument": shipment.number,
            "ReferenceSDDocument": shipment.order_ref,
            "CreationDate": to_date(shipment.created_at.date()),
            "CreationTime": to_time(shipment.created_at),
            "PlannedGoodsIssueDate": to_date(shipment.planned_at.date()),
            "DeliveryDate": to_date(shipment.due_at.date()),
            "ActualGoodsMovementDate": to_date(shipment.shipped_at.date() if shipment.shipped_at else None),
            "ActualGoodsMovementTime": to_time(shipment.shipped_at),
            "OverallGoodsMovementStatus": "C" if shipment.shipped_at else "A",
            "LastChangeDate": to_date(shipment.changed_at.date()),
        }
        for shipment in call.store.business.shipments
    ]
    return listing(rows, call.request.query_params)


def _master(rows: list[Row]) -> Handler:
    def answer(call: Call) -> Response:
        if not call.key:
            return listing(rows, call.request.query_params)
        (value,) = call.key.values()
        found = [row for row in rows if next(iter(row.values())) == value]
        return one(found[0]) if found else _not_found(value)

    return answer


def _not_found(value: str) -> Response:
    raise ODataError(404, "/IWBEP/CM_MGW_RT/020", f"Resource {value} not found")


_FUNCTIONS: Final = frozenset({"CancelProdnOrdConf"})
_ORDERS = "API_PRODUCTION_ORDER_2_SRV"
_MATERIAL = "API_MATERIAL_DOCUMENT_SRV"
_CONFIRM = "API_PROD_ORDER_CONFIRMATION_2_SRV"
_HANDLERS: Final[dict[tuple[str, str, str], Handler]] = {
    ("GET", _ORDERS, "A_ProductionOrder_2"): _orders,
    ("GET", _MATERIAL, "A_MaterialDocumentItem"): _movement_items,
    ("POST", _MATERIAL, "A_MaterialDocumentHeader"): _post_movement,
    ("GET", _CONFIRM, "ProdnOrdConf2"): _confirmations,
    ("POST", _CONFIRM, "ProdnOrdConf2"): _confirm,
    ("POST", _CONFIRM, "CancelProdnOrdConf"): _cancel_confirmation,
    ("GET", "API_MAINTNOTIFICATION", "MaintenanceNotification"): _notifications,
    ("POST", "API_MAINTNOTIFICATION", "MaintenanceNotification"): _notify,
    ("PATCH", "API_MAINTNOTIFICATION", "MaintenanceNotification"): _change_notification,
    ("GET", "API_OUTBOUND_DELIVERY_SRV;v=0002", "A_OutbDeliveryHeader"): _deliveries,
    ("GET", "API_PRODUCT_SRV", "A_Product"): _master(
        [{"Product": PRODUCT, "BaseUnit": "PC"}, {"Product": "BAR-60", "BaseUnit": "PC"}]
    ),
    ("GET", "API_EQUIPMENT", "Equipment"): _master([{"Equipment": number} for number in EQUIPMENT_NUMBERS]),
}
