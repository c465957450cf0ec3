"""The site: who is let in, `/api/resource` and `/api/method`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulators.systems.business import COMPONENT, EQUIPMENT, PRODUCT, REASONS, Business, RefusedError
from simulators.systems.business import Request as WorkRequest
from simulators.systems.erpnext import stock
from simulators.systems.erpnext.frappe import FrappeError, Row, listing
from simulators.systems.erpnext.stock import EVENT_ID
from simulators.systems.server import document

KEY: Final = "simulated"
SECRET: Final = "simulated-key"  # noqa: S105  # of a simulator
UNIT: Final = "Nos"
_KINDS: Final = {
    "negative_stock": "NegativeStockError",
    "closed_period": "ClosedAccountingPeriod",
    "bad_unit": "UOMMustBeIntegerError",
    "order_closed": "StockOverProductionError",
}
_STATES: Final = {"planned": "Draft", "released": "In Process", "done": "Completed", "cancelled": "Cancelled"}


class ErpNext:
    """One site. `queues` so many polls pass before a submitted Stock Entry is worked on; 0: at once."""

    root = "/"

    def __init__(self, business: Business | None = None, *, queues: int = 0) -> None:
        self.business = business or Business(UNIT)
        self.drafts = stock.Drafts(self.business, queues)
        self.is_field_unique = True
        self.shows_custom_fields = True  # to System Managers only
        self.reserved: dict[str, Decimal] = {}  # by open sales orders

    def answer(self, request: Request, path: str, body: bytes) -> Response:
        """Let the client in and hand on."""
        if request.headers.get("authorization") != f"token {KEY}:{SECRET}":
            return FrappeError(401, "AuthenticationError", "", told=False).response()
        try:
            return self._serve(request, request.path_params["path"], document(body))
        except FrappeError as error:
            return error.response()
        except RefusedError as error:
            return FrappeError(417, _KINDS.get(error.code, "ValidationError"), str(error)).response()

    def broken(self) -> Response:
        """A deadlock, rolled back."""
        return FrappeError(500, "QueryDeadlockError", "(1213, 'Deadlock found')", told=False).response()

    def throttled(self, seconds: float) -> Response:
        """The site's rate limit."""
        wait = str(max(int(seconds), 1))
        limits = {"X-RateLimit-Limit": "600000000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": wait}
        return FrappeError(429, "TooManyRequestsError", "", told=False).response({**limits, "Retry-After": wait})

    def truth(self) -> dict[str, Any]:
        """What was booked."""
        return self.business.truth()

    def _serve(self, request: Request, path: str, sent: Any) -> Response:
        area, _, rest = path.removeprefix("api/").partition("/")
        if area == "method":
            if rest == stock.MAKE and request.method == "POST":
                return JSONResponse({"message": stock.make_stock_entry(self.business, sent or {})})
            raise FrappeError(417, "ValidationError", f"Failed to get method for command {rest}")
        doctype, _, name = rest.partition("/")
        if area != "resource" or doctype not in _TABLES:
            raise FrappeError(404, "DoesNotExistError", f"DocType {doctype} not found")
        if request.method == "POST" and doctype in {"Stock Entry", "Issue", "Batch"}:
            return JSONResponse({"data": self._insert(doctype, sent)})
        if request.method == "PUT" and doctype == "Stock Entry":
            return JSONResponse({"data": self.drafts.cancel(name, sent or {})})
        if request.method != "GET":
            raise FrappeError(403, "PermissionError", f"Not permitted: {request.method} {doctype}")
        if doctype == "Custom Field" and not self.shows_custom_fields:
            raise FrappeError(403, "PermissionError", f"User is not permitted to read {doctype}")
        rows = _TABLES[doctype](self)
        if not name:
            return listing(rows, _FIELDS[doctype], request.query_params)
        found = [row for row in rows if row["name"] == name]
        if not found:
            raise FrappeError(404, "DoesNotExistError", f"{doctype} {name} not found")
        return JSONResponse({"data": found[0]})

    def _insert(self, doctype: str, sent: Any) -> Row:
        if not isinstance(sent, dict):
            raise FrappeError(417, "ValidationError", "The body is not a document")
        if doctype == "Stock Entry":
            return self.drafts.insert(sent)
        if doctype == "Batch":
            return self.drafts.enter_batch(sent)
        reference = str(sent.get(EVENT_ID, ""))
        if any(made.reference == reference for made in self.business.requests):
            raise FrappeError(417, "UniqueValidationError", "Event of amor must be unique")
        asset = str(sent.get("custom_asset", ""))
        path = next((path for number, path in ASSETS.items() if number == asset), asset)
        made = self.business.request(reference, path, str(sent.get("subject", "")), {})
        return _issue(made)


def _local(moment: datetime | None) -> str | None:
    """Frappe's times name no zone; this site stands in UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}" if moment else None


def _orders(site: ErpNext) -> list[Row]:
    return [
        {
            "name": order.number,
            "production_item": order.product,
            "qty": float(order.quantity),
            "produced_qty": float(order.good),
            "process_loss_qty": float(order.scrap),
            "stock_uom": order.unit,
            "status": _STATES[order.state],
            "docstatus": 0 if order.state == "planned" else 2 if order.state == "cancelled" else 1,
            "planned_end_date": _local(order.due),
            "custom_work_center": order.work_center,
            "modified": _local(order.changed_at),
        }
        for order in site.business.orders.values()
    ]


def _entries(site: ErpNext) -> list[Row]:
    site.drafts.work()
    return [
        stock.row(booking) for booking in site.business.bookings if "purpose" in booking.fields
    ] + site.drafts.rows()


ASSETS: Final = {f"ACC-ASS-{index:05}": path for index, path in enumerate(EQUIPMENT, 1)}


def _issue(made: WorkRequest) -> Row:
    said = {"open": "Open", "in_progress": "Replied", "done": "Resolved", "cancelled": "Closed"}[made.state]
    return {
        "name": f"ISS-2026-{made.id:05}",
        "subject": made.title,
        "status": said,
        "custom_asset": next(number for number, path in ASSETS.items() if path == made.equipment),
        EVENT_ID: made.reference,
        "modified": _local(made.changed_at),
    }


def _notes(site: ErpNext) -> list[Row]:
    return [
        {
            "name": shipment.number,
            "custom_order": shipment.order_ref,
            "creation": _local(shipment.created_at),
            "posting_date": f"{shipment.planned_at:%Y-%m-%d}"
            if not shipment.shipped_at
            else f"{shipment.shipped_at:%Y-%m-%d}",
            "posting_time": "0:00:00" if not shipment.shipped_at else f"{shipment.shipped_at:%H:%M:%S}",
            "lr_date": f"{shipment.due_at:%Y-%m-%d}",
            "docstatus": 1 if shipment.shipped_at else 0,
            "status": "Completed" if shipment.shipped_at else "Draft",
            "modified": _local(shipment.changed_at),
        }
        for shipment in site.business.shipments
    ]


def _bins(site: ErpNext) -> Iterator[Row]:
    """Components in the stores, all else where it was made."""
    for item, quantity in site.business.stock.items():
        yield {
            "name": f"bin {item}",
            "item_code": item,
            "warehouse": stock.STORES if item == COMPONENT else stock.FINISHED,
            "actual_qty": float(quantity),
            "reserved_qty": float(site.reserved.get(item, 0)),
        }


_TABLES: Final[dict[str, Callable[[ErpNext], list[Row]]]] = {
    "Work Order": _orders,
    "Stock Entry": _entries,
    "Issue": lambda site: [_issue(made) for made in site.business.requests],
    "Delivery Note": _notes,
    "Asset": lambda _: [{"name": number, "asset_name": path} for number, path in ASSETS.items()],
    "Item": lambda _: [{"name": code, "stock_uom": UNIT} for code in (PRODUCT, COMPONENT)],
    "UOM": lambda _: [{"name": UNIT}],
    "Warehouse": lambda _: [{"name": name} for name in (stock.STORES, stock.FINISHED, "Scrap - A")],
    "Bin": lambda site: list(_bins(site)),
    "Custom Field": lambda site: [
        {"name": f"{doctype}-{EVENT_ID}", "unique": int(site.is_field_unique)} for doctype in ("Stock Entry", "Issue")
    ],
    "Batch": lambda site: [{"name": name, "item": item} for name, item in site.drafts.batches.items()],
    "Scrap Reason": lambda _: [{"name": reason} for reason in REASONS],
}
_FIELDS: Final = {
    "Work Order": frozenset(
        [
            "name",
            "production_item",
            "qty",
            "produced_qty",
            "process_loss_qty",
            "stock_uom",
            "status",
            "docstatus",
            "planned_end_date",
            "custom_work_center",
            "modified",
        ]
    ),
    "Stock Entry": frozenset(stock.FIELDS),
    "Issue": frozenset(["name", "subject", "status", "custom_asset", EVENT_ID, "modified"]),
    "Delivery Note": frozenset(
        [
            "name",
            "custom_order",
            "creation",
            "posting_date",
            "posting_time",
            "lr_date",
            "docstatus",
            "status",
            "modified",
        ]
    ),
    "Asset": frozenset(["name", "asset_name"]),
    "Item": frozenset(["name", "stock_uom"]),
    "Bin": frozenset(["name", "item_code", "warehouse", "actual_qty", "reserved_qty"]),
    "Batch": frozenset(["name", "item"]),
    "Custom Field": frozenset(["name", "unique"]),
    "UOM": frozenset(["name"]),
    "Warehouse": frozenset(["name"]),
    "Scrap Reason": frozenset(["name"]),
}
