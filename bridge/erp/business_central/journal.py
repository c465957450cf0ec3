"""Output and consumption as journal lines: entered under an id of ours, then posted.

A line's SystemId is the event's id, so that it is entered once; a posted line is gone, and its ledger entry carries the id as
its external document number (Code, 35 characters). Posting is the step that must not be sent twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from bridge.config.settings.business_central import BusinessCentralSettings
from bridge.erp.business_central.company import Company, Row, literal
from bridge.erp.connector import Found, Step
from bridge.erp.http import Request, to_step
from bridge.erp.posting import Document, check_total, json_number, order_unit, posting_day, quantity_of
from bridge.erp.quantity import Units
from bridge.errors import BusinessError
from bridge.model.production import EventKind, MaterialActual, ProductionPerformance, Reversal

OUTPUT: Final = "outputJournalLines"
CONSUMPTION: Final = "consumptionJournalLines"
POST: Final = "/Microsoft.NAV.post"

Fact = MaterialActual | ProductionPerformance


class Journal:
    """The production journals of a company."""

    def __init__(self, settings: BusinessCentralSettings, company: Company, units: Units) -> None:
        self._settings = settings
        self._company = company
        self._units = units

    async def find(self, event: Fact | Reversal) -> Found:
        """The ledger entry with the event's id."""
        entry = await self._entry(event)
        return (
            Found(is_posted=False)
            if entry is None
            else Found(is_posted=True, external_id=str(entry.get("entryNumber")))
        )

    async def plan(self, event: Fact | Reversal) -> Sequence[Step]:
        """Enter the line, post it. Raises BusinessError where order, unit, quantity or total do not fit."""
        if (await self.find(event)).is_posted:
            return []
        fact = event.reverses if isinstance(event, Reversal) else event
        order = await self._order(event.order_ref, is_open=not isinstance(event, Reversal))
        unit = self._unit(fact, order)
        if isinstance(event, MaterialActual):
            before = self._quantity(event.cumulative - event.quantity, fact, order)
            check_total(event, await self._documents(event, order), before, unit)
        line = self._line(event, fact, order, unit)
        if isinstance(event, Reversal):
            line |= self._taken_back(event, fact, order)
            line["appliesToEntry"] = await self._original(event)
        page = self._company.own(CONSUMPTION if fact.kind is EventKind.CONSUMED else OUTPUT)
        enter = Request("POST", page, is_repeatable=True, json=line)
        post = Request("POST", f"{page}({event.event_id}){POST}", is_repeatable=False)
        return [to_step("enter journal line", enter), to_step("post journal line", post)]

    def _line(self, event: Fact | Reversal, fact: Fact, order: Row, unit: str) -> dict[str, Any]:
        at = event.ended_at if isinstance(event, ProductionPerformance) else event.occurred_at
        line: dict[str, Any] = {
            "id": str(event.event_id),
            "journalBatchName": self._settings.journal_batch,
            "orderNumber": event.order_ref,
            "itemNumber": self._code(fact, order),
            "postingDate": self.day(at),
            "externalDocumentNumber": _number(event),
        }
        if unit:
            line["unitOfMeasureCode"] = unit
        if isinstance(fact, MaterialActual):
            line |= self._marks(fact)
        if fact.kind is EventKind.CONSUMED:
            return line | {"quantity": self._json(_quantities(fact)[0], fact, order)}
        good, scrap = _quantities(fact)
        line |= {
            "operationNumber": getattr(fact, "segment", "") or self._settings.operation,
            "outputQuantity": self._json(good, fact, order),
            "scrapQuantity": self._json(scrap, fact, order),
        }
        if scrap and fact.reason:
            line["scrapCode"] = self._settings.reasons.get(fact.reason, fact.reason)
        return line | ({"finished": True} if getattr(fact, "is_final", False) else {})

    def _taken_back(self, event: Reversal, fact: Fact, order: Row) -> dict[str, Any]:
        """The quantity, negative, in the field where the original has it. Raises BusinessError where it has two of them."""
        back = -json_number(self._quantity(event.quantity, fact, order))
        if fact.kind is EventKind.CONSUMED:
            return {"quantity": back}
        good, scrap = _quantities(fact)
        if good and scrap:
            raise BusinessError(
                f"order {event.order_ref}: the event {fact.event_id} has {good} good and {scrap} scrap, and which of them are taken "
                "back nothing says: reverse it in Business Central"
            )
        return {"outputQuantity": back if good else 0, "scrapQuantity": back if scrap else 0}

    async def _original(self, event: Reversal) -> int:
        entry = await self._entry(event.reverses)
        if entry is None:
            raise BusinessError(
                f"order {event.order_ref}: Business Central has no entry of the event {event.reverses.event_id}"
            )
        return int(entry["entryNumber"])

    def day(self, at: datetime) -> str:
        """A moment as a posting date."""
        return posting_day(at, self._settings.time_zone).isoformat()

    def _marks(self, fact: MaterialActual) -> dict[str, Any]:
        if len(fact.serials) > 1:
            raise BusinessError(
                f"a journal line has one serial number, the event {fact.event_id} has {len(fact.serials)}"
            )
        marks = {
            "lotNumber": fact.lot,
            "serialNumber": "".join(fact.serials),
            "locationCode": self._settings.locations.get(fact.location, fact.location),
        }
        return {name: value for name, value in marks.items() if value}

    def _code(self, fact: Fact, order: Row) -> str:
        item = getattr(fact, "item", "")
        return self._units.code(item) if item else str(order.get("sourceNumber", ""))

    def _quantity(self, quantity: Decimal, fact: Fact, order: Row) -> Decimal:
        return self._units.posted(quantity, fact.uom, self._item(fact, order), self._settings.digits).quantity

    def _json(self, quantity: Decimal, fact: Fact, order: Row) -> int | float:
        return json_number(self._quantity(quantity, fact, order))

    def _unit(self, fact: Fact, order: Row) -> str:
        """The unit's name there; of a consumption empty where it is the item's own."""
        named = self._units.posted(Decimal(0), fact.uom, self._item(fact, order), 0).uom
        if fact.kind is EventKind.CONSUMED:
            return named
        return order_unit(fact, named, str(order.get("unitOfMeasureCode", "")))

    def _item(self, fact: Fact, order: Row) -> str:
        return getattr(fact, "item", "") or self._units.ours(str(order.get("sourceNumber", "")))

    async def _order(self, order_ref: str, *, is_open: bool) -> Row:
        order = await self._company.first(self._company.own("productionOrders"), f"number eq {literal(order_ref)}")
        if order is None:
            raise BusinessError(f"Business Central has no production order {order_ref}")
        if is_open and order.get("status") != "Released":
            raise BusinessError(
                f"order {order_ref} is {order.get('status')} in Business Central: release one for these pieces, then replay this event"
            )
        return order

    async def _entry(self, event: Fact | Reversal) -> Row | None:
        expression = f"externalDocumentNumber eq {literal(_number(event))}"
        return await self._company.first(self._company.own("productionEntries"), expression)

    async def _documents(self, event: MaterialActual, order: Row) -> list[Document]:
        """The order's entries of the event's kind; what was taken back takes nothing from what events counted."""
        kind = "Consumption" if event.kind is EventKind.CONSUMED else "Output"
        expression = f"orderNumber eq {literal(event.order_ref)} and entryType eq '{kind}'"
        if event.kind is EventKind.CONSUMED:
            expression += f" and itemNumber eq {literal(self._code(event, order))}"
        rows = await self._company.rows(self._company.own("productionEntries"), expression, order="entryNumber")
        field = "scrapQuantity" if event.kind is EventKind.SCRAP else "quantity"
        alone = [row for row in rows if event.kind is not EventKind.SCRAP or not quantity_of(row.get("quantity"))]
        amounts = [(str(row.get("entryNumber")), quantity_of(row.get(field))) for row in alone]
        return [Document(number, "", amount) for number, amount in amounts if amount > 0]


def _number(event: Fact | Reversal) -> str:
    """The event's id as a Code: upper case, without dashes."""
    return event.event_id.hex.upper()


def _quantities(fact: Fact) -> tuple[Decimal, Decimal]:
    """Good (or consumed) and scrap."""
    if isinstance(fact, ProductionPerformance):
        return fact.yielded, fact.scrapped
    return (Decimal(0), fact.quantity) if fact.kind is EventKind.SCRAP else (fact.quantity, Decimal(0))
