"""What the system holds of orders and items, as the description's tables `totals` and `stock` ask for it.

An answer that does not say the quantity is none: it is never taken for 0, after which somebody would post everything again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from bridge.config.settings.declarative import DeclarativeSettings
from bridge.erp.connector import OrderTotals, Place
from bridge.erp.declarative.description import Description, StockTable, TotalsTable
from bridge.erp.declarative.documents import at, is_met, listed
from bridge.erp.declarative.endpoint import Endpoint, lookup_in
from bridge.erp.posting import quantity_of
from bridge.erp.quantity import Units
from bridge.errors import BusinessError, TransientError

# Pages of one question; a cursor that never ends is a mistake of somebody's.
_MOST_PAGES: Final = 200


class Balances:
    """Totals and stock of a described system. Raises only ConnectorErrors."""

    def __init__(
        self, settings: DeclarativeSettings, description: Description, endpoint: Endpoint, units: Units
    ) -> None:
        self._settings = settings
        self._description = description
        self._endpoint = endpoint
        self._units = units

    async def totals(self, order_refs: Sequence[str]) -> Mapping[str, OrderTotals]:
        """By order. Raises BusinessError where the description has no table for it."""
        table = self._description.totals
        if table is None:
            raise self._missing("totals")
        found: dict[str, OrderTotals] = {}
        for known in _questions(table, order_refs):
            async for number, record in self._records(table, known):
                if number in order_refs:
                    found[number] = self._total(table, number, record)
        return found

    async def stock(self, places: Sequence[Place]) -> Mapping[Place, Decimal]:
        """By place; 0 where the system says that less is there. Raises BusinessError where the description has no table for it."""
        table = self._description.stock
        if table is None:
            raise self._missing("stock")
        found: dict[Place, Decimal] = {}
        for place in dict.fromkeys(places):
            location = self._settings.locations.get(place.location, place.location)
            known = {"item": self._units.code(place.item), "location": location}
            answer = await self._endpoint.ask(table.request, lookup_in(known, self._settings.time_zone))
            if answer is not None and (table.known is None or is_met(at(answer, table.known), None)):
                found[place] = self._level(table, place, answer)
        return found

    async def _records(self, table: TotalsTable, known: dict[str, Any]) -> AsyncIterator[tuple[str, Any]]:
        """Orders with what the answers say of them."""
        for _ in range(_MOST_PAGES):
            answer = await self._endpoint.ask(table.request, lookup_in(known, self._settings.time_zone))
            if "order_ref" in known:
                if answer is not None:
                    yield str(known["order_ref"]), answer
                return
            records = at(answer, table.items or "")
            if answer is None or (table.items and records is None):
                raise TransientError(
                    f"the question for totals was answered without a list at {table.items or 'the top'}"
                )
            for record in listed(records):
                yield str(at(record, table.order)), record
            cursor = None if table.next is None else at(answer, table.next)
            if not is_met(cursor, None) or cursor == known["cursor"]:
                return
            known["cursor"] = cursor
        raise BusinessError(f"the question for totals was answered with more than {_MOST_PAGES} pages")

    def _total(self, table: TotalsTable, number: str, record: Any) -> OrderTotals:
        item = self._item(table, number, record)
        good = self._quantity(record, table.good, f"order {number}")
        scrap = None if table.scrap is None else self._quantity(record, table.scrap, f"order {number}")
        return OrderTotals(
            self._units.counted(good, item, f"order {number}"),
            None if scrap is None else self._units.counted(scrap, item, f"order {number}"),
        )

    def _level(self, table: StockTable, place: Place, answer: Any) -> Decimal:
        what = f"stock of {place.item}"
        return max(self._units.counted(self._quantity(answer, table.available, what), place.item, what), Decimal(0))

    def _item(self, table: TotalsTable, number: str, record: Any) -> str:
        """Our item that an order makes; empty where no item has a factor, so that it does not matter."""
        if table.item is not None:
            code = at(record, table.item)
            if code in (None, ""):
                raise TransientError(f"order {number}: the answer names no item at {table.item}")
            return self._units.ours(str(code))
        if any(item.numerator != item.denominator for item in self._settings.items.values()):
            raise BusinessError(
                f"order {number}: the connector's items have factors, and which item the order makes is not known: give the table "
                f"totals in {self._settings.file.name} an `item`"
            )
        return ""

    def _quantity(self, record: Any, path: str, what: str) -> Decimal:
        value = at(record, path)
        if value in (None, ""):
            raise TransientError(f"{what}: the answer has no quantity at {path}")
        return quantity_of(value)

    def _missing(self, table: str) -> BusinessError:
        name = self._settings.file.name
        return BusinessError(
            f"{name} does not say how {table} are asked for: give it a table [{table}] (docs/connectors/declarative.md)"
        )


def _questions(table: TotalsTable, order_refs: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What fills the placeholders, question by question."""
    each = list(dict.fromkeys(order_refs))
    if table.items is None:
        yield from ({"order_ref": number} for number in each)
        return
    for first in range(0, len(each), table.at_once):
        yield {"order_refs": each[first : first + table.at_once], "cursor": ""}
