"""What may be promised: unrestricted stock of the plant (API_MATERIAL_STOCK_SRV, A_MatlStkInAcctMod), in our unit.

Stock in inspection, blocked stock and special stocks (of a customer's order, of a project, on consignment) are not counted. What is
reserved for deliveries is still in it: SAP keeps that in requirements, not in stock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from bridge.config.settings.sap_s4 import SapS4Settings
from bridge.erp.connector import Place
from bridge.erp.odata import any_of, literal
from bridge.erp.posting import quantity_of
from bridge.erp.quantity import Units
from bridge.erp.sap_s4.master_data import PRODUCTS
from bridge.erp.sap_s4.odata import Gateway
from bridge.errors import BusinessError

STOCK: Final = "API_MATERIAL_STOCK_SRV/A_MatlStkInAcctMod"
_UNRESTRICTED: Final = "01"
_LONGEST_LOCATION: Final = 4
_KEY: Final = (
    "Material,StorageLocation,Batch,Supplier,Customer,WBSElementInternalID,SDDocument,SDDocumentItem,"
    "InventorySpecialStockType,InventoryStockType"
)


async def read_stock(
    gateway: Gateway, settings: SapS4Settings, units: Units, places: Sequence[Place]
) -> Mapping[Place, Decimal]:
    """Per place whose item SAP knows and whose location has had stock; an empty location is the whole plant."""
    codes = {place.item: units.code(place.item) for place in places}
    known = await _base_units(gateway, codes.values())
    levels = await _levels(gateway, settings.plant, known)
    locations = await _locations(gateway, settings, levels, places)
    found = {}
    for place in places:
        code = codes[place.item]
        if code not in known or place.location not in locations:
            continue
        if units.unit(place.item) not in {"", known[code]}:
            raise BusinessError(
                f"items.{place.item}.uom: SAP keeps stock of {code} in {known[code]}, not in {units.unit(place.item)}"
            )
        where = locations[place.location]
        quantity = sum(level for (at, there), level in levels.items() if at == code and where in {"", there})
        found[place] = units.counted(Decimal(quantity), place.item, f"stock of {place.item} at {where or 'the plant'}")
    return found


async def _base_units(gateway: Gateway, codes: Iterable[str]) -> dict[str, str]:
    """The base unit of each product that SAP knows."""
    known = {}
    for expression in any_of("Product", codes):
        query = {"$filter": expression, "$select": "Product,BaseUnit"}
        for row in await gateway.rows(PRODUCTS, query, order="Product"):
            known[str(row.get("Product"))] = str(row.get("BaseUnit", ""))
    return known


async def _locations(
    gateway: Gateway, settings: SapS4Settings, levels: Mapping[tuple[str, str], Decimal], places: Sequence[Place]
) -> dict[str, str]:
    """Our names of locations and SAP's. It lists no storage locations: one is known where anything has ever been in stock there."""
    seen = {location for _, location in levels}
    found = {"": ""}
    for ours in dict.fromkeys(place.location for place in places if place.location):
        theirs = settings.locations.get(ours, ours)
        expression = f"Plant eq {literal(settings.plant)} and StorageLocation eq {literal(theirs)}"
        if theirs in seen or (
            len(theirs) <= _LONGEST_LOCATION and await gateway.first(STOCK, {"$filter": expression}) is not None
        ):
            found[ours] = theirs
    return found


async def _levels(gateway: Gateway, plant: str, known: Mapping[str, str]) -> dict[tuple[str, str], Decimal]:
    """What there is at each storage location, over all batches."""
    levels: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    rest = (
        f"Plant eq {literal(plant)}",
        f"InventoryStockType eq {literal(_UNRESTRICTED)}",
        f"InventorySpecialStockType eq {literal('')}",
    )
    for expression in any_of("Material", known, *rest):
        for row in await gateway.rows(STOCK, {"$filter": expression}, order=_KEY):
            material, unit = str(row.get("Material")), row.get("MaterialBaseUnit")
            quantity = quantity_of(row.get("MatlWrhsStkQtyInMatlBaseUnit"))
            if quantity and unit != known.get(material):
                raise BusinessError(
                    f"SAP gives stock of {material} in {unit}, and its base unit is {known.get(material)}"
                )
            levels[material, str(row.get("StorageLocation"))] += quantity
    return dict(levels)
