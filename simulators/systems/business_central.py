"""Business Central: OAuth 2 tokens that expire, OData V4, journal lines that are entered and then posted, its error documents.

Standard pages are those of API v2.0; the pages of production are a tenant's own, as docs/connectors.md describes them. A
journal line vanishes when it is posted; posting one that is not there answers 404. A change needs `If-Match`.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulators.systems.business import EQUIPMENT, PRODUCT, Booking, Business, RefusedError
from simulators.systems.server import document

Row = dict[str, Any]
COMPANY: Final = "0b5d8e5a-1111-4222-8333-944455566677"
CLIENT: Final = "amor-client"
SECRET: Final = "simulated-key"  # noqa: S105  # of a simulator
UNIT: Final = "PCS"
_CLAUSE: Final = re.compile(r"(\w+) (eq|ne|ge|gt|le|lt) (?:'((?:[^']|'')*)'|([\w.:+-]+))")
_KEYED: Final = re.compile(r"(\w+)\(([\w-]+)\)(?:/Microsoft\.NAV\.(\w+))?")
_STATUS: Final = {"planned": "Firm Planned", "released": "Released", "done": "Finished", "cancelled": "Simulated"}
_WORDS: Final = {
    "closed_period": "Posting Date is not within your range of allowed posting dates.",
    "negative_stock": "You have insufficient quantity of Item BAR-60 on inventory.",
    "bad_unit": "The Item Unit of Measure does not exist.",
    "order_closed": "Status must be equal to 'Released' in Production Order.",
}


class BcError(Exception):
    """A refusal with its status and code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code = status, code
        super().__init__(message)

    def response(self) -> Response:
        """The error document."""
        return JSONResponse({"error": {"code": self.code, "message": f"{self}  CorrelationId:  5f0c."}}, self.status)


class BusinessCentral:
    """One company of one environment."""

    root = "/v2.0/tenant/production/api/"

    def __init__(self, business: Business | None = None) -> None:
        self.business = business or Business(UNIT)
        self._tokens: set[str] = set()
        self._lines: dict[str, Row] = {}

    def expire_tokens(self) -> None:
        """All tokens end."""
        self._tokens.clear()

    def answer(self, request: Request, path: str, body: bytes) -> Response:
        """Give a token, or let the client in and hand on."""
        if request.url.path == "/tenant/oauth2/v2.0/token":
            return self._token(request, body)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._tokens:
            return BcError(
                401, "Authentication_InvalidCredentials", "The server has rejected the client credentials."
            ).response()
        try:
            return self._serve(request, request.path_params["path"], document(body))
        except BcError as error:
            return error.response()
        except RefusedError as error:
            return BcError(400, "Application_DialogException", _WORDS.get(error.code, str(error))).response()

    def broken(self) -> Response:
        """Locked by another user, rolled back."""
        return BcError(
            500, "Internal_ServerError", "The operation could not complete because a record was locked."
        ).response()

    def throttled(self, seconds: float) -> Response:
        """Too many requests of this environment."""
        answer = BcError(429, "Application_TooManyRequests", "Too many requests reached.").response()
        answer.headers["Retry-After"] = str(max(int(seconds), 1))
        return answer

    def truth(self) -> dict[str, Any]:
        """What was booked, and which lines were entered and not posted."""
        return {**self.business.truth(), "journal_lines": len(self._lines)}

    def _token(self, request: Request, body: bytes) -> Response:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        known = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {known}" or form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "invalid_client", "error_description": "AADSTS7000215"}, 401)
        token = secrets.token_urlsafe(16)
        self._tokens.add(token)
        return JSONResponse({"token_type": "Bearer", "expires_in": 3599, "access_token": token})

    def _serve(self, request: Request, path: str, sent: Any) -> Response:
        company = f"companies({COMPANY})/"
        _, found, page = path.partition(company)
        if not found:
            raise BcError(404, "BadRequest_NotFound", "The company does not exist.")
        keyed = _KEYED.fullmatch(page)
        if request.method == "GET" and page in _PAGES:
            return JSONResponse({"value": _query(_PAGES[page](self), request)})
        if request.method == "POST" and page in _JOURNALS:
            return JSONResponse(self._enter(page, sent), 201)
        if request.method == "POST" and page == "maintenanceRequests":
            return JSONResponse(self._maintain(sent), 201)
        if keyed and keyed[1] in _JOURNALS and request.method == "POST" and keyed[3] == "post":
            self._post(keyed[1], keyed[2])
            return Response(status_code=204)
        if keyed and keyed[1] in _JOURNALS and request.method == "PATCH":
            return JSONResponse(self._change(request, keyed[2], sent))
        raise BcError(404, "BadRequest_NotFound", f"No HTTP resource was found that matches {request.method} {page}.")

    def _enter(self, page: str, sent: Any) -> Row:
        if not isinstance(sent, dict) or unknown(sent, _JOURNALS[page]):
            raise BcError(
                400, "BadRequest", f"The property '{unknown(sent, _JOURNALS[page])}' does not exist on type '{page}'."
            )
        number = str(sent.get("id") or secrets.token_hex(16)).lower()
        if number in self._lines:
            raise BcError(400, "Internal_EntityWithSameKeyExists", "The record already exists.")
        if len(str(sent.get("externalDocumentNumber", ""))) > 35:
            raise BcError(400, "Application_StringExceededLength", "The length of the string exceeds 35 characters.")
        self.business.order(str(sent.get("orderNumber")))
        self._lines[number] = {**sent, "id": number, "@odata.etag": f'W/"{secrets.token_hex(4)}"'}
        return self._lines[number]

    def _change(self, request: Request, number: str, sent: Row) -> Row:
        line = self._line(number)
        if request.headers.get("If-Match") not in {"*", line["@odata.etag"]}:
            raise BcError(409, "Request_EntityChanged", "Another user has already changed the record.")
        line |= sent
        return line

    def _line(self, number: str) -> Row:
        if number not in self._lines:
            raise BcError(404, "Internal_RecordNotFound", "The line does not exist.")
        return self._lines[number]

    def _post(self, page: str, number: str) -> None:
        line = self._line(number)
        common: dict[str, Any] = {
            "reference": str(line.get("externalDocumentNumber", "")).upper(),
            "unit": str(line.get("unitOfMeasureCode") or UNIT),
            "posting_date": date.fromisoformat(str(line["postingDate"])),
        }
        order = str(line["orderNumber"])
        good, scrap = _number(line.get("outputQuantity", 0)), _number(line.get("scrapQuantity", 0))
        if page == "consumptionJournalLines":
            self._consume(order, _number(line["quantity"]), str(line["itemNumber"]), line, common)
        elif good < 0 or scrap < 0:
            if good and scrap:
                raise RefusedError("bad_quantity", "Reverse output and scrap by lines of their own.")
            use = "good" if good else "scrap"
            self.business.take_back(order, use, -(good or scrap), reverses=int(line["appliesToEntry"]), **common)  # type: ignore[arg-type]
        elif good:
            self.business.book_with_loss(order, good, scrap, **common, reason=str(line.get("scrapCode", "")))
        else:
            self.business.book(order, "scrap", scrap, **common, reason=str(line.get("scrapCode", "")))
        del self._lines[number]

    def _consume(self, order: str, quantity: Decimal, item: str, line: Row, common: dict[str, Any]) -> None:
        if quantity < 0:
            applies = int(line["appliesToEntry"])
            self.business.take_back(order, "consumption", -quantity, item=item, reverses=applies, **common)
        else:
            self.business.book(order, "consumption", quantity, item=item, **common)

    def _maintain(self, sent: Any) -> Row:
        number = str(sent.get("equipmentNumber", ""))
        path = next((path for known, path in MACHINES.items() if known == number), number)
        if any(made.reference == sent.get("externalDocumentNumber") for made in self.business.requests):
            raise BcError(400, "Internal_EntityWithSameKeyExists", "The record already exists.")
        made = self.business.request(str(sent.get("externalDocumentNumber", "")), path, str(sent["description"]), {})
        return _requests(self)[[r.id for r in self.business.requests].index(made.id)]


def unknown(sent: Any, known: frozenset[str]) -> str:
    """The first property that the page does not have; empty: none."""
    return next((name for name in sent if name not in known), "") if isinstance(sent, dict) else "body"


def _query(rows: list[Row], request: Request) -> list[Row]:
    query = request.query_params
    found = rows
    for clause in filter(None, query.get("$filter", "").split(" and ")):
        match = _CLAUSE.fullmatch(clause)
        if match is None or (rows and match[1] not in rows[0]):
            raise BcError(400, "BadRequest", f"Could not find a property or operator in '{clause}'.")
        name, operator, wanted = (
            match[1],
            match[2],
            (match[3] or "").replace("''", "'") if match[4] is None else match[4],
        )
        found = [row for row in found if _meets(row[name], operator, wanted)]
    first, most = int(query.get("$skip", 0)), int(query.get("$top", 20000))
    return sorted(found, key=lambda row: str(row[query["$orderby"]]) if "$orderby" in query else "")[
        first : first + most
    ]


def _meets(value: Any, operator: str, wanted: str) -> bool:
    if operator in {"eq", "ne"}:
        return (str(value).lower() == wanted.lower()) is (operator == "eq")
    if isinstance(value, int | float):
        return {"gt": value > float(wanted), "ge": value >= float(wanted), "lt": value < float(wanted)}.get(
            operator, False
        )
    return {"ge": str(value) >= wanted, "gt": str(value) > wanted}.get(operator, False)


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BcError(400, "BadRequest", f"Cannot convert {value!r} to Edm.Decimal.")
    return Decimal(repr(value))


def _orders(bc: BusinessCentral) -> list[Row]:
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
        for order in bc.business.orders.values()
    ]


def _entries(bc: BusinessCentral) -> list[Row]:
    return [_entry(booking) for booking in bc.business.bookings]


def _entry(booking: Booking) -> Row:
    is_scrap = booking.use == "scrap"
    return {
        "entryNumber": booking.id,
        "entryType": "Consumption" if booking.use == "consumption" else "Output",
        "orderNumber": booking.order,
        "itemNumber": booking.item,
        "quantity": 0.0 if is_scrap else float(booking.quantity),
        "scrapQuantity": float(booking.quantity) if is_scrap else float(booking.scrap),
        "externalDocumentNumber": booking.reference,
    }


MACHINES: Final = {f"M-{index:03}": path for index, path in enumerate(EQUIPMENT, 1)}


def _requests(bc: BusinessCentral) -> list[Row]:
    return [
        {
            "number": f"MR{made.id:06}",
            "externalDocumentNumber": made.reference,
            "description": made.title,
            "status": {"open": "Open", "in_progress": "In Progress", "done": "Finished", "cancelled": "Cancelled"}[
                made.state
            ],
            "lastModifiedDateTime": f"{made.changed_at:%Y-%m-%dT%H:%M:%S.%f}Z",
        }
        for made in bc.business.requests
    ]


def _sales_orders(bc: BusinessCentral) -> list[Row]:
    return [
        {
            "number": shipment.order_ref,
            "orderDate": f"{shipment.created_at:%Y-%m-%d}",
            "requestedDeliveryDate": f"{shipment.due_at:%Y-%m-%d}",
            "fullyShipped": False,
            "lastModifiedDateTime": f"{shipment.changed_at:%Y-%m-%dT%H:%M:%S.%f}Z",
        }
        for shipment in bc.business.shipments
        if shipment.shipped_at is None
    ]


def _shipments(bc: BusinessCentral) -> list[Row]:
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
        for shipment in bc.business.shipments
        if shipment.shipped_at is not None
    ]


_PAGES: Final[dict[str, Callable[[BusinessCentral], list[Row]]]] = {
    "productionOrders": _orders,
    "productionEntries": _entries,
    "maintenanceRequests": _requests,
    "salesOrders": _sales_orders,
    "salesShipments": _shipments,
    "items": lambda _: [{"number": code, "baseUnitOfMeasureCode": UNIT} for code in (PRODUCT, "BAR-60")],
    "locations": lambda _: [{"code": "MAIN"}],
    "scrapCodes": lambda _: [{"code": code} for code in ("SURFACE", "DIMENSION", "OTHER")],
    "machines": lambda _: [{"number": number} for number in MACHINES],
}
_COMMON = "id journalBatchName orderNumber itemNumber postingDate externalDocumentNumber unitOfMeasureCode appliesToEntry lotNumber serialNumber locationCode"
_JOURNALS: Final = {
    "outputJournalLines": frozenset(
        f"{_COMMON} operationNumber outputQuantity scrapQuantity scrapCode finished".split()
    ),
    "consumptionJournalLines": frozenset(f"{_COMMON} quantity".split()),
}
