"""Which resource of which service is whose, and the small ones: notifications, deliveries, master data."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from simulators.systems.business import COMPONENT, EQUIPMENT, PRODUCT
from simulators.systems.sap_s4 import confirmations, movements, orders
from simulators.systems.sap_s4.call import PLANT, STORAGE, Call, Handler, Store
from simulators.systems.sap_s4.odata import ODataError, Row, entity, from_date, one, to_date, to_time

__all__ = ["EQUIPMENT_NUMBERS", "PLANT", "STORAGE", "Store", "serve"]

EQUIPMENT_NUMBERS: Final = {str(10_000_001 + index): path for index, path in enumerate(EQUIPMENT)}
"""Equipment has numbers of SAP's own, of 18 characters at most."""


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


def _notifications(call: Call) -> Response:
    return call.listing(_notification_row(call.store, made.id) for made in call.store.business.requests)


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
        "MaintNotifLongTextForEdit": call.text("MaintNotifLongTextForEdit", 1333),
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
            "CreationDate": to_date(shipment.created_at.date()),
            "CreationTime": to_time(shipment.created_at),
            "PlannedGoodsIssueDate": to_date(shipment.planned_at.date()),
            "DeliveryDate": to_date(shipment.due_at.date()),
            "ActualGoodsMovementDate": to_date(shipment.shipped_at.date() if shipment.shipped_at else None),
            "ActualGoodsMovementTime": to_time(shipment.shipped_at),
            "OverallGoodsMovementStatus": "C" if shipment.shipped_at else "A",
            # Of a delivery that nobody changed since it was made it is empty.
            "LastChangeDate": to_date(shipment.changed_at.date() if shipment.shipped_at else None),
            "to_DeliveryDocumentItem": [{"DeliveryDocumentItem": "10", "ReferenceSDDocument": shipment.order_ref}],
        }
        for shipment in call.store.business.shipments
    ]
    return call.listing(rows)


def _master(rows: list[Row]) -> Handler:
    def answer(call: Call) -> Response:
        if not call.key:
            return call.listing(rows)
        (value,) = call.key.values()
        found = [row for row in rows if next(iter(row.values())) == value]
        return one(found[0]) if found else _not_found(value)

    return answer


def _not_found(value: str) -> Response:
    raise ODataError(404, "/IWBEP/CM_MGW_RT/020", f"Resource {value} not found")


_FUNCTIONS: Final = frozenset({"CancelProdnOrdConf"})
_MATERIAL: Final = "API_MATERIAL_DOCUMENT_SRV"
_CONFIRM: Final = "API_PROD_ORDER_CONFIRMATION_2_SRV"
_HANDLERS: Final[dict[tuple[str, str, str], Handler]] = {
    ("GET", "API_PRODUCTION_ORDER_2_SRV", "A_ProductionOrder_2"): orders.orders,
    ("GET", _MATERIAL, "A_MaterialDocumentItem"): movements.items,
    ("POST", _MATERIAL, "A_MaterialDocumentHeader"): movements.post,
    ("GET", "API_MATERIAL_STOCK_SRV", "A_MatlStkInAcctMod"): movements.stock,
    ("GET", _CONFIRM, "ProdnOrdConf2"): confirmations.confirmations,
    ("POST", _CONFIRM, "ProdnOrdConf2"): confirmations.confirm,
    ("POST", _CONFIRM, "CancelProdnOrdConf"): confirmations.cancel,
    ("GET", "API_MAINTNOTIFICATION", "MaintenanceNotification"): _notifications,
    ("POST", "API_MAINTNOTIFICATION", "MaintenanceNotification"): _notify,
    ("PATCH", "API_MAINTNOTIFICATION", "MaintenanceNotification"): _change_notification,
    ("GET", "API_OUTBOUND_DELIVERY_SRV;v=0002", "A_OutbDeliveryHeader"): _deliveries,
    ("GET", "API_PRODUCT_SRV", "A_Product"): _master(
        [{"Product": code, "BaseUnit": "PC"} for code in (PRODUCT, COMPONENT)]
    ),
    ("GET", "API_EQUIPMENT", "Equipment"): _master([{"Equipment": number} for number in EQUIPMENT_NUMBERS]),
}
