"""The journals of output and consumption: lines that are entered, changed, posted, and gone then."""

from __future__ import annotations

import secrets
from datetime import date
from decimal import Decimal
from typing import Any, Final

from starlette.requests import Request

from simulators.systems.business import Business, RefusedError
from simulators.systems.business_central.odata import BcError, Row, check_lengths
from simulators.systems.business_central.pages import LOCATIONS, UNIT

_COMMON: Final = (
    "id journalBatchName orderNumber itemNumber postingDate externalDocumentNumber unitOfMeasureCode appliesToEntry lotNumber "
    "serialNumber locationCode"
)
JOURNALS: Final = {
    "outputJournalLines": frozenset(
        f"{_COMMON} operationNumber outputQuantity scrapQuantity scrapCode finished".split()
    ),
    "consumptionJournalLines": frozenset(f"{_COMMON} quantity".split()),
}


class Journal:
    """The lines that wait."""

    def __init__(self, business: Business) -> None:
        self._business = business
        self.lines: dict[str, Row] = {}

    def enter(self, page: str, sent: Any) -> Row:
        """A new line; its SystemId may be given, and is unique."""
        if not isinstance(sent, dict) or (odd := sorted(set(sent) - JOURNALS[page])):
            raise BcError(400, "BadRequest", f"The property '{odd[:1]}' does not exist on type '{page}'.")
        check_lengths(sent)
        number = str(sent.get("id") or secrets.token_hex(16)).lower()
        if number in self.lines:
            raise BcError(400, "Internal_EntityWithSameKeyExists", "The record already exists.")
        if sent.get("locationCode") not in {None, *LOCATIONS}:
            raise BcError(
                400, "Internal_InvalidTableRelation", "The field Location Code contains a value that cannot be found."
            )
        self._business.order(str(sent.get("orderNumber")))
        self.lines[number] = {**sent, "id": number, "@odata.etag": f'W/"{secrets.token_hex(4)}"'}
        return self.lines[number]

    def change(self, request: Request, number: str, sent: Row) -> Row:
        """A change needs the ETag of what it changes, or `*`."""
        line = self._line(number)
        match request.headers.get("If-Match"):
            case None:
                raise BcError(
                    400,
                    "BadRequest_InvalidToken",
                    "Could not validate the client concurrency token required by the service.",
                )
            case etag if etag not in {"*", line["@odata.etag"]}:
                raise BcError(409, "Request_EntityChanged", "Another user has already changed the record.")
            case _:
                check_lengths(sent)
                line |= {**sent, "@odata.etag": f'W/"{secrets.token_hex(4)}"'}
        return line

    def post(self, page: str, number: str) -> None:
        """Post one line alone: it becomes an entry and is gone."""
        line = self._line(number)
        quantities = [amount(line.get(name, 0)) for name in ("outputQuantity", "scrapQuantity", "quantity")]
        if line.get("serialNumber") and max(map(abs, quantities)) != 1:
            raise RefusedError("bad_quantity", "Quantity must be -1, 0 or 1 when Serial No. is stated.")
        common: dict[str, Any] = {
            "reference": str(line.get("externalDocumentNumber", "")).upper(),
            "unit": str(line.get("unitOfMeasureCode") or UNIT),
            "posting_date": date.fromisoformat(str(line["postingDate"])),
            "fields": {name: line[name] for name in ("serialNumber", "locationCode", "finished") if name in line},
        }
        if page == "consumptionJournalLines":
            self._consume(line, quantities[2], common)
        else:
            self._put_out(line, quantities[0], quantities[1], common)
        del self.lines[number]

    def _put_out(self, line: Row, good: Decimal, scrap: Decimal, common: dict[str, Any]) -> None:
        order, reason, lot = str(line["orderNumber"]), str(line.get("scrapCode", "")), str(line.get("lotNumber", ""))
        if good < 0 or scrap < 0:
            if good and scrap:
                raise RefusedError("bad_quantity", "Reverse output and scrap by lines of their own.")
            applies = int(line["appliesToEntry"])
            self._business.take_back(order, "good" if good else "scrap", -(good or scrap), reverses=applies, **common)
        elif not good and not scrap and line.get("finished"):
            self._business.confirm(order, good, scrap, is_end=True, **common)
        elif good:
            self._business.book_with_loss(order, good, scrap, **common, reason=reason, lot=lot)
        else:
            self._business.book(order, "scrap", scrap, **common, reason=reason, lot=lot)

    def _consume(self, line: Row, quantity: Decimal, common: dict[str, Any]) -> None:
        order, item = str(line["orderNumber"]), str(line["itemNumber"])
        if quantity < 0:
            applies = int(line["appliesToEntry"])
            self._business.take_back(order, "consumption", -quantity, item=item, reverses=applies, **common)
        else:
            self._business.book(order, "consumption", quantity, item=item, lot=str(line.get("lotNumber", "")), **common)

    def _line(self, number: str) -> Row:
        if number not in self.lines:
            raise BcError(404, "Internal_RecordNotFound", "The line does not exist.")
        return self.lines[number]


def amount(value: Any) -> Decimal:
    """Edm.Decimal is a number in JSON."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BcError(400, "BadRequest", f"Cannot convert {value!r} to Edm.Decimal.")
    return Decimal(repr(value))
