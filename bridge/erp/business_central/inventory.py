"""How much of an item there is: over all locations (page `items` of API v2.0), or at one (page `itemLevels` of the tenant's own)."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from bridge.erp.business_central.company import LONGEST_CODE, Company
from bridge.erp.business_central.master_data import named
from bridge.erp.odata import literal
from bridge.erp.posting import quantity_of


class Inventory(NamedTuple):
    """A quantity in the item's base unit."""

    quantity: Decimal
    unit: str


async def inventory(company: Company, code: str, location: str) -> Inventory | None:
    """What there is of an item; None where Business Central does not know it."""
    item = await named(company, company.standard("items"), "number", code)
    if item is None:
        return None
    unit = str(item.get("baseUnitOfMeasureCode", ""))
    if not location or len(location) > LONGEST_CODE:
        return Inventory(quantity_of(item.get("inventory")), unit)
    expression = f"itemNumber eq {literal(code)} and locationCode eq {literal(location)}"
    rows = await company.rows(company.own("itemLevels"), expression, order="itemNumber")
    return Inventory(sum((quantity_of(row.get("inventory")) for row in rows), Decimal(0)), unit)
