"""Output and consumption as journal lines: entered under an id of ours, then posted.

A line's SystemId is the id of a part of the event (parts.py), so that it is entered once; a posted line is gone, and its ledger entry
carries the id as its external document number (Code, 35 characters). Posting is the step that must not be sent twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from bridge.config.settings.business_central import BusinessCentralSettings
from bridge.erp.business_central.company import Company, Row, words
from bridge.erp.business_central.inventory import inventory
from bridge.erp.business_central.parts import Fact, Part, parts_of
from bridge.erp.connector import Found, Step
from bridge.erp.http import Request, to_step
from bridge.erp.odata import literal
from bridge.erp.posting import Document, check_same, check_total, json_number, order_unit, posting_day, quantity_of
from bridge.erp.quantity import Units
from bridge.errors import BusinessError
from bridge.model.production import EventKind, MaterialActual, ProductionPerformance, Reversal

OUTPUT: Final = "outputJournalLines"
CONSUMPTION: Final = "consumptionJournalLines"
POST: Final = "/Microsoft.NAV.post"
ENTRIES: Final = "productionEntries"


class Journal:
    """The production journals of a company."""

    def __init__(self, settings: BusinessCentralSettings, company: Company, units: Units) -> None:
        self._settings = settings
        self._company = company
        self._units = units

    async def find(self, event: Fact | Reversal) -> Found:
        """The ledger entries of all parts of the event; the first one's number stands for them.

        Where one is missing no step counts as done, so that the event is planned anew: a line that was posted is gone, and the step
        that enters it, sent again from an old plan, would enter another.
        """
        parts = parts_of(event)
        entries = await self._entries(parts)
        self._check_same(event, parts, entries)
        if any(part.number not in entries for part in parts):
            return Found(is_posted=False, steps_done=0)
        return Found(is_posted=True, external_id=str(entries[parts[0].number].get("entryNumber")))

    async def plan(self, event: Fact | Reversal) -> Sequence[Step]:
        """Enter a line, post it, for each part that is missing. Raises BusinessError where order, unit, quantity or total do not fit."""
        parts = parts_of(event)
        entries = await self._entries(parts)
        self._check_same(event, parts, entries)
        missing = [part for part in parts if part.number not in entries]
        if not missing:
            return []
        fact = event.reverses if isinstance(event, Reversal) else event
        order = await self._order(event.order_ref, is_open=not isinstance(event, Reversal))
        unit = self._unit(fact, order)
        if isinstance(event, MaterialActual):
            before = self._quantity(event.cumulative - event.quantity, fact, order)
            check_total(event, await self._documents(event, order, parts), before, unit)
            await self._check_stock(event, order, sum(part.good for part in missing))
        originals = await self._originals(event) if isinstance(event, Reversal) else {}
        steps = []
        for part in missing:
            line = self._line(event, fact, part, order, unit)
            if part.of is not None:
                line["appliesToEntry"] = originals[part.of.hex.upper()]
            elif part is parts[-1] and getattr(fact, "is_final", False):
                line["finished"] = True
            steps += self._steps(part, line, CONSUMPTION if fact.kind is EventKind.CONSUMED else OUTPUT)
        return steps

    def day(self, at: datetime) -> str:
        """A moment as a posting date."""
        return posting_day(at, self._settings.time_zone).isoformat()

    def _steps(self, part: Part, line: Mapping[str, Any], journal: str) -> list[Step]:
        page = self._company.own(journal)
        enter = Request("POST", page, is_repeatable=True, json=line)
        post = Request("POST", f"{page}({part.id}){POST}", is_repeatable=False)
        return [to_step("enter journal line", enter), to_step("post journal line", post)]

    def _line(self, event: Fact | Reversal, fact: Fact, part: Part, order: Row, unit: str) -> dict[str, Any]:
        at = event.ended_at if isinstance(event, ProductionPerformance) else event.occurred_at
        line: dict[str, Any] = {
            "id": str(part.id),
            "journalBatchName": self._settings.journal_batch,
            "orderNumber": event.order_ref,
            "itemNumber": self._code(fact, order),
            "postingDate": self.day(at),
            "externalDocumentNumber": part.number,
        }
        marks = {"unitOfMeasureCode": unit, "serialNumber": part.serial}
        if isinstance(fact, MaterialActual):
            marks |= {"lotNumber": fact.lot, "locationCode": self._settings.locations.get(fact.location, fact.location)}
        line |= {name: value for name, value in marks.items() if value}
        if fact.kind is EventKind.CONSUMED:
            return line | {"quantity": self._json(part.good, fact, order)}
        if part.scrap and fact.reason and part.of is None:
            line["scrapCode"] = self._settings.reasons.get(fact.reason, fact.reason)
        return line | {
            "operationNumber": getattr(fact, "segment", "") or self._settings.operation,
            "outputQuantity": self._json(part.good, fact, order),
            "scrapQuantity": self._json(part.scrap, fact, order),
        }

    async def _check_stock(self, event: MaterialActual, order: Row, wanted: Decimal | int) -> None:
        """Business Central lets stock go below 0 without a word unless it is told otherwise (Prevent Negative Inventory)."""
        if event.kind is not EventKind.CONSUMED or not self._settings.check_stock:
            return
        item, there = (
            self._item(event, order),
            await inventory(
                self._company, self._code(event, order), self._settings.locations.get(event.location, event.location)
            ),
        )
        needed = self._units.posted(Decimal(wanted), event.uom, item, self._settings.digits)
        if there is not None and needed.uom in {"", there.unit} and needed.quantity > there.quantity:
            raise BusinessError(
                f"order {event.order_ref}: {needed.quantity:f} {there.unit} of {item} were consumed and {there.quantity:f} are in stock "
                f"in Business Central at {event.location or 'all locations'}: post the missing receipt there, then replay this event"
            )

    async def _originals(self, event: Reversal) -> dict[str, int]:
        """The entry of each part of the reversed event."""
        parts = parts_of(event.reverses)
        entries = await self._entries(parts)
        if any(part.number not in entries for part in parts):
            raise BusinessError(
                f"order {event.order_ref}: Business Central has no entry of the event {event.reverses.event_id}"
            )
        return {number: int(entry["entryNumber"]) for number, entry in entries.items()}

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
        if is_open and (status := words(order.get("status"))) != "Released":
            raise BusinessError(
                f"order {order_ref} is {status} in Business Central: release one for these pieces, then replay this event"
            )
        return order

    async def _entries(self, parts: Sequence[Part]) -> dict[str, Row]:
        """The ledger entries of parts, by their external document numbers."""
        numbers = [part.number for part in parts]
        page = self._company.own(ENTRIES)
        rows = await self._company.rows_of(page, "externalDocumentNumber", numbers, order="entryNumber")
        found: dict[str, Row] = {}
        for row in rows:
            found.setdefault(str(row.get("externalDocumentNumber")), row)
        return found

    def _check_same(self, event: Fact | Reversal, parts: Sequence[Part], entries: Mapping[str, Row]) -> None:
        """Raise BusinessError where an entry that carries a part's number is of other pieces."""
        fact = event.reverses if isinstance(event, Reversal) else event
        for part in parts:
            if (entry := entries.get(part.number)) is not None:
                item = getattr(fact, "item", "") or self._units.ours(str(entry.get("itemNumber", "")))
                amounts = (abs(part.good), abs(part.scrap))
                ours = [self._units.posted(each, fact.uom, item, self._settings.digits).quantity for each in amounts]
                there = [abs(quantity_of(entry.get(field) or 0)) for field in ("quantity", "scrapQuantity")]
                check_same(event.order_ref, str(entry.get("entryNumber")), there, ours)

    async def _documents(self, event: MaterialActual, order: Row, parts: Sequence[Part]) -> list[Document]:
        """The order's entries of the event's kind, but its own; what was taken back takes nothing from what events counted."""
        kind = "Consumption" if event.kind is EventKind.CONSUMED else "Output"
        expression = f"orderNumber eq {literal(event.order_ref)} and entryType eq '{kind}'"
        if event.kind is EventKind.CONSUMED:
            expression += f" and itemNumber eq {literal(self._code(event, order))}"
        rows = await self._company.rows(self._company.own(ENTRIES), expression, order="entryNumber")
        field = "scrapQuantity" if event.kind is EventKind.SCRAP else "quantity"
        own = {part.number for part in parts}
        alone = [
            row
            for row in rows
            if row.get("externalDocumentNumber") not in own
            and (event.kind is not EventKind.SCRAP or not quantity_of(row.get("quantity")))
        ]
        amounts = [(str(row.get("entryNumber")), quantity_of(row.get(field))) for row in alone]
        return [Document(number, "", amount) for number, amount in amounts if amount > 0]
