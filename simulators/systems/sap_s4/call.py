"""One request to a resource of a service, and what the services share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from simulators.systems.business import Booking, Business
from simulators.systems.sap_s4.odata import ODataError, Row, from_date, listing

PLANT: Final = "1010"
STORAGE: Final = "171A"
OPERATIONS: Final = ("0010", "0020")
"""Of every order: what the last one confirms is what the order yields."""
REASONS: Final = {"SURF": "SURFACE", "DIME": "DIMENSION", "OTHR": "OTHER"}
"""Reasons of variance have codes of four characters."""


@dataclass(slots=True)
class Store:
    """What the services share.

    `page`: how many rows an answer has at most; `other_stock`: rows of stock beside that of bookings; `late`: how many answers to
    questions for documents come before the update task has written the newest; `numbers`: how many documents a year has numbers for.
    """

    business: Business
    page: int = 5000
    other_stock: list[Row] = field(default_factory=list)

    late: int = 0
    numbers: int = 10**8

    def movements(self) -> list[Booking]:
        """Items of material documents."""
        return [booking for booking in self.business.bookings if "GoodsMovementType" in booking.fields]

    def shown(self) -> list[Booking]:
        """Those of them that the update task has written."""
        written = self.movements()
        if self.late and written:
            self.late -= 1
            written.pop()
        return written

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
        return text(self.sent, name, longest)

    def listing(self, rows: Iterable[Row]) -> Response:
        """The rows that the query asks for."""
        return listing(list(rows), self.request.query_params, page=self.store.page)


Handler = Callable[[Call], Response]


def text(sent: dict[str, Any], name: str, longest: int) -> str:
    """A property of Edm.String. Raises ODataError where it is none or too long."""
    value = sent.get(name, "")
    if not isinstance(value, str) or len(value) > longest:
        raise ODataError(400, "/IWBEP/CM_MGW_RT/019", f"Property {name} has an invalid value")
    return value


def quantity(item: dict[str, Any], name: str) -> Decimal:
    """Edm.Decimal is a string in JSON; a number is refused, as Gateway does."""
    given = item.get(name, "0")
    if not isinstance(given, str):
        raise ODataError(400, "CX_SXML_PARSE_ERROR/1", f"Property {name}: a string was expected")
    try:
        return Decimal(given)
    except InvalidOperation:
        raise ODataError(400, "/IWBEP/CM_MGW_RT/019", f"Property {name} has the invalid value '{given}'") from None


def posting_day(sent: dict[str, Any]) -> datetime:
    """The posting date, which every posting must have."""
    moment = from_date(sent.get("PostingDate"))
    if moment is None:
        raise ODataError(400, "M7/001", "Check table T001B: entry PostingDate is missing")
    return moment
