"""What a site holds: of Work Orders by their submitted Stock Entries, of items by their Bins.

A Work Order's own `produced_qty` keeps what was disassembled since (work_order/services/status.py counts Manufacture entries only),
and `disassembled_qty` is not there in every version: so the entries are added up. Whatever is cancelled is not counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from bridge.config.settings.erpnext import ErpNextSettings
from bridge.erp.connector import OrderTotals, Place
from bridge.erp.erpnext.site import Filter, Row, Site
from bridge.erp.erpnext.stock_entry import CONSUME, DISASSEMBLE, ENTRY, MANUFACTURE, ORDER
from bridge.erp.quantity import Units, from_number
from bridge.errors import BusinessError

_SYSTEM: Final = "ERPNext"
_TOGETHER: Final = 40  # names in one question: it is an address, and web servers take 8 kB of one


class Balances:
    """Totals and stock of a site."""

    def __init__(self, settings: ErpNextSettings, site: Site, units: Units) -> None:
        self._settings = settings
        self._site = site
        self._units = units

    async def totals(self, order_refs: Sequence[str]) -> Mapping[str, OrderTotals]:
        """Made less disassembled, and what was lost, of each Work Order that the site has. Raises only ConnectorErrors."""
        found: dict[str, OrderTotals] = {}
        for names in _chunks(order_refs):
            orders = await self._site.rows(ORDER, ["production_item"], [["name", "in", names]])
            if not orders:
                continue
            known: list[Filter] = [["work_order", "in", [row["name"] for row in orders]], ["docstatus", "=", 1]]
            purposes: list[Filter] = [["purpose", "in", [MANUFACTURE, CONSUME, DISASSEMBLE]]]
            fields = ["work_order", "purpose", "fg_completed_qty", "process_loss_qty"]
            entries = await self._site.rows(ENTRY, fields, [*known, *purposes])
            found |= {str(order["name"]): self._of(order, entries) for order in orders}
        return {name: total for name, total in found.items() if name in order_refs}

    async def stock(self, places: Sequence[Place]) -> Mapping[Place, Decimal]:
        """Actual less reserved; 0 where more is reserved than there is. Raises only ConnectorErrors."""
        units: dict[str, str] = {}
        bins: list[Row] = []
        for codes in _chunks(self._units.code(place.item) for place in places):
            items = await self._site.rows("Item", ["stock_uom"], [["name", "in", codes]])
            units |= {str(row["name"]): str(row.get("stock_uom")) for row in items}
            if items:
                fields = ["item_code", "warehouse", "actual_qty", "reserved_qty"]
                bins += await self._site.rows("Bin", fields, [["item_code", "in", codes]])
        warehouses = {""}
        for names in _chunks(name for place in places if (name := self._warehouse(place))):
            warehouses |= {str(row["name"]) for row in await self._site.rows("Warehouse", [], [["name", "in", names]])}
        known = [
            place for place in places if self._units.code(place.item) in units and self._warehouse(place) in warehouses
        ]
        return {place: self._free(place, bins, units) for place in known}

    def _warehouse(self, place: Place) -> str:
        return self._settings.locations.get(place.location, place.location)

    def _of(self, order: Row, entries: Sequence[Row]) -> OrderTotals:
        name = str(order["name"])
        sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        for entry in entries:
            if entry.get("work_order") == name:
                loss = self._number(entry.get("process_loss_qty") or 0)
                sums[str(entry.get("purpose"))] += self._number(entry.get("fg_completed_qty")) - loss
                sums["lost"] += loss
        item = self._units.ours(str(order.get("production_item", "")))
        good, lost = (
            self._units.counted(quantity, item, f"Work Order {name}")
            for quantity in (sums[MANUFACTURE] - sums[DISASSEMBLE], sums["lost"])
        )
        return OrderTotals(good, lost)

    def _free(self, place: Place, bins: Iterable[Row], units: Mapping[str, str]) -> Decimal:
        code, warehouse = self._units.code(place.item), self._warehouse(place)
        named = self._settings.items[place.item].uom if place.item in self._settings.items else ""
        if named not in ("", units[code]):
            raise BusinessError(
                f"{place.item}: ERPNext keeps the stock of {code} in {units[code]}, and the connector's items has {named}: "
                "give the item the unit of its stock, with its factor"
            )
        held = [row for row in bins if row.get("item_code") == code and warehouse in ("", row.get("warehouse"))]
        free = sum(
            (self._number(row.get("actual_qty")) - self._number(row.get("reserved_qty") or 0) for row in held),
            Decimal(0),
        )
        return max(self._units.counted(free, place.item, f"stock of {place.item}"), Decimal(0))

    def _number(self, value: object) -> Decimal:
        return from_number(value, self._settings.digits, _SYSTEM)


def _chunks(names: Iterable[str]) -> Iterator[list[str]]:
    """Each name once, in lists that an address can carry."""
    each = list(dict.fromkeys(names))
    for first in range(0, len(each), _TOGETHER):
        yield each[first : first + _TOGETHER]
