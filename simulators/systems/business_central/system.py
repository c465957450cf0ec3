"""The service: tokens, companies, pages that are read, journals and requests that are written."""

from __future__ import annotations

import re
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulators.systems.business import Business, RefusedError
from simulators.systems.business_central.journal import JOURNALS, Journal
from simulators.systems.business_central.odata import BcError, Row, check_lengths, listing
from simulators.systems.business_central.pages import MACHINES, PAGES, STANDARD, UNIT, requests
from simulators.systems.oauth import Tokens
from simulators.systems.server import document

COMPANY: Final = "0b5d8e5a-1111-4222-8333-944455566677"
_OWN: Final = "amor/production/v1.0"
_KEYED: Final = re.compile(r"(\w+)\(([\w-]+)\)(?:/Microsoft\.NAV\.(\w+))?")
_WORDS: Final = {
    "closed_period": "Posting Date is not within your range of allowed posting dates.",
    "negative_stock": "You have insufficient quantity of Item BAR-60 on inventory.",
    "bad_unit": "The Item Unit of Measure does not exist.",
    "order_closed": "Status must be equal to 'Released' in Production Order.",
}


class BusinessCentral:
    """One company of one environment. `page`: how many rows an answer has at most (20 000 online)."""

    root = "/v2.0/tenant/production/api/"

    def __init__(self, business: Business | None = None, *, page: int = 20_000) -> None:
        self.business = business or Business(UNIT)
        self.page = page
        self.journal = Journal(self.business)
        self.tokens = Tokens("/tenant/oauth2/v2.0/token")
        self._replica: dict[str, list[Row]] = {}

    def hold_replica(self) -> None:
        """The replica stays as it is now; what is read without asking for the database itself is read there."""
        self._replica = {page: rows(self.business) for page, rows in PAGES.items()}

    def answer(self, request: Request, path: str, body: bytes) -> Response:
        """Give a token, or let the client in and hand on."""
        if request.url.path == self.tokens.path:
            return self.tokens.give(request, body)
        if not self.tokens.lets_in(request):
            return BcError(
                401, "Authentication_InvalidCredentials", "The server has rejected the client credentials."
            ).response()
        try:
            return self._serve(request, path, document(body))
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
        return {**self.business.truth(), "journal_lines": len(self.journal.lines)}

    def _serve(self, request: Request, path: str, sent: Any) -> Response:
        route, found, page = path.partition(f"/companies({COMPANY})/")
        if not found:
            raise BcError(404, "Internal_CompanyNotFound", "The company does not exist.")
        keyed = _KEYED.fullmatch(page)
        name = keyed[1] if keyed else page
        if name not in {*PAGES, *JOURNALS} or route != ("v2.0" if name in STANDARD else _OWN):
            raise BcError(404, "BadRequest_ResourceNotFound", f"Resource not found for the segment '{name}'.")
        match request.method, keyed:
            case "GET", None if page in PAGES:
                return self._read(request, page)
            case "POST", None if page in JOURNALS:
                return JSONResponse(self.journal.enter(page, sent), 201)
            case "POST", None if page == "maintenanceRequests":
                return JSONResponse(self._maintain(sent), 201)
            case "POST", re.Match() if name in JOURNALS and keyed[3] == "post":
                self.journal.post(name, keyed[2])
                return Response(status_code=204)
            case "PATCH", re.Match() if name in JOURNALS:
                return JSONResponse(self.journal.change(request, keyed[2], sent))
        raise BcError(405, "BadRequest_MethodNotAllowed", f"'{request.method}' requests for '{name}' are not allowed.")

    def _read(self, request: Request, page: str) -> Response:
        is_current = request.headers.get("Data-Access-Intent", "").lower() == "readwrite"
        rows = self._replica[page] if self._replica and not is_current else PAGES[page](self.business)
        return listing(rows, request, self.page)

    def _maintain(self, sent: Any) -> Row:
        if not isinstance(sent, dict):
            raise BcError(400, "BadRequest", "Invalid Request Body.")
        check_lengths(sent)
        number = str(sent.get("equipmentNumber", ""))
        if any(made.reference == sent.get("externalDocumentNumber") for made in self.business.requests):
            raise BcError(400, "Internal_EntityWithSameKeyExists", "The record already exists.")
        made = self.business.request(
            str(sent.get("externalDocumentNumber", "")), MACHINES.get(number, number), str(sent["description"]), {}
        )
        return next(row for row in requests(self.business) if row["number"] == f"MR{made.id:06}")
