"""What Business Central has: totals of orders from their ledger entries, and stock, in our unit.

Entries below 0 take back what others have, ours and those by hand; so the sum is net.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

from bridge.config.settings.business_central import BusinessCentralSettings
from bridge.erp.business_central.company import LONGEST_CODE, LONGEST_NUMBER, Company, Row
from bridge.erp.business_central.journal import ENTRIES
from bridge.erp.connector import OrderTotals, Place
from bridge.erp.posting import quantity_of
from bridge.erp.quantity import Units
from bridge.errors import BusinessError


async def read_totals(company: Company, units: Units, order_refs: Sequence[str]) -> Mapping[str, OrderTotals]:
    """Output and scrap of each order that Business Central knows, of the item that it makes."""
    numbers = [number for number in order_refs if number.strip() and len(number) <= LONGEST_NUMBER]
    orders = await company.rows_of(company.own("productionOrders"), "number", numbers, order="number")
    products = {str(row.get("number")): row for row in orders}
    sums: defaultdict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    page = company.own(ENTRIES)
    for row in await company.rows_of(page, "orderNumber", products, "entryType eq 'Output'", order="entryNumber"):
        number = str(row.get("orderNumber"))
        if number in products and row.get("itemNumber") == products[number].get("sourceNumber"):
            sums[number][0] += quantity_of(row.get("quantity"))
            sums[number][1] += quantity_of(row.get("scrapQuantity"))
    return {number: _totals(number, row, sums[number], units) for number, row in products.items()}


def _totals(number: str, order: Row, sums: list[Decimal], units: Units) -> OrderTotals:
    item, unit = units.ours(str(order.get("sourceNumber", ""))), str(order.get("unitOfMeasureCode", ""))
    if any(sums) and units.unit(item) not in {"", unit}:
        raise BusinessError(
            f"order {number}: Business Central has it in {unit}, the connector's items have {item} in {units.unit(item)}: compare it by "
            "hand"
        )
    good, scrap = (units.counted(quantity, item, f"order {number}") for quantity in sums)
    return OrderTotals(good, scrap)


async def read_stock(
    company: Company, settings: BusinessCentralSettings, units: Units, places: Sequence[Place]
) -> Mapping[Place, Decimal]:
    """Inventory of each item that Business Central knows: of the company (page `items`), or at a location (page `itemLevels`)."""
    codes = {place.item: units.code(place.item) for place in places}
    items = await _items(company, [code for code in codes.values() if code.strip() and len(code) <= LONGEST_NUMBER])
    locations = await _locations(company, settings, places)
    levels = await _levels(company, items) if any(place.location in locations for place in places) else {}
    found = {}
    for place in places:
        code, location = codes[place.item], locations.get(place.location, "")
        if code not in items or bool(place.location) is not bool(location):
            continue
        unit, inventory = items[code]
        if units.unit(place.item) not in {"", unit}:
            raise BusinessError(f"items.{place.item}.uom: its base unit there is {unit}, not {units.unit(place.item)}")
        quantity = levels.get((code, location), Decimal(0)) if location else inventory
        found[place] = units.counted(quantity, place.item, f"stock of {place.item} at {location or 'all locations'}")
    return found


async def _items(company: Company, codes: Sequence[str]) -> dict[str, tuple[str, Decimal]]:
    """Base unit and inventory over all locations, by number."""
    rows = await company.rows_of(company.standard("items"), "number", codes, order="number")
    return {
        str(row.get("number")): (str(row.get("baseUnitOfMeasureCode", "")), quantity_of(row.get("inventory")))
        for row in rows
    }


async def _locations(company: Company, settings: BusinessCentralSettings, places: Sequence[Place]) -> dict[str, str]:
    """Our names of locations and theirs, of those that Business Central knows."""
    theirs = {
        place.location: settings.locations.get(place.location, place.location) for place in places if place.location
    }
    fitting = [code for code in theirs.values() if code.strip() and len(code) <= LONGEST_CODE]
    rows = await company.rows_of(company.standard("locations"), "code", fitting, order="code")
    known = {str(row.get("code")) for row in rows}
    return {ours: code for ours, code in theirs.items() if code in known}


async def _levels(company: Company, items: Mapping[str, object]) -> dict[tuple[str, str], Decimal]:
    """Inventory by item and location; a pair that nothing was ever moved at has no row."""
    rows = await company.rows_of(company.own("itemLevels"), "itemNumber", items, order="itemNumber")
    levels: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        levels[str(row.get("itemNumber")), str(row.get("locationCode"))] += quantity_of(row.get("inventory"))
    return levels
