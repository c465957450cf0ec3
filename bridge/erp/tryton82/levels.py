"""How much of an item may be promised: what is in stock today, less what is reserved to leave.

Tryton computes a product's `quantity` for the locations in the request's context, with all below them and without forecasts;
`stock_assign` takes off what moves that are not yet done have reserved. Without a location: all warehouses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import structlog

from bridge.config.settings import TrytonSettings
from bridge.erp.connector import Place
from bridge.erp.quantity import Units, from_number
from bridge.erp.tryton82.client import TrytonClient
from bridge.erp.tryton82.master_data import named
from bridge.erp.tryton82.totals import batches
from bridge.errors import TransientError

log = structlog.get_logger()


async def read_stock(
    client: TrytonClient, settings: TrytonSettings, units: Units, places: Sequence[Place]
) -> dict[Place, Decimal]:
    """Levels by place, in our unit; items and locations that Tryton does not know, or not as one, are left out."""
    items: dict[str, list[str]] = defaultdict(list)
    for place in dict.fromkeys(places):
        items[place.location].append(place.item)
    levels: dict[Place, Decimal] = {}
    for location, named_there in items.items():
        ids = await _locations(client, settings.locations.get(location, location))
        if not ids:
            log.warning("location is not known, or not as one: its stock is left out", location=location)
            continue
        stock = await _quantities(client, ids, [units.code(item) for item in named_there])
        levels |= {
            Place(item, location): units.counted(stock[code], item, f"stock of {item}")
            for item in named_there
            if (code := units.code(item)) in stock
        }
    return levels


async def _locations(client: TrytonClient, name: str) -> list[int]:
    if name:
        found = await named(client, name)
        return [found[0][0]] if len(found) == 1 else []
    return [
        int(each["id"]) for each in await client.search_all("stock.location", [["type", "=", "warehouse"]], ["type"])
    ]


async def _quantities(client: TrytonClient, locations: list[int], codes: Sequence[str]) -> dict[str, Decimal]:
    """Stock by product code; a code that several products have is left out."""
    found: dict[str, list[Decimal]] = defaultdict(list)
    for batch in batches(codes):
        records = await client.search_all(
            "product.product",
            [["code", "in", batch]],
            ["code", "quantity", "default_uom.digits"],
            locations=locations,
            stock_assign=True,
        )
        for record in records:
            found[str(record.get("code"))].append(_quantity(record))
    return {code: quantities[0] for code, quantities in found.items() if len(quantities) == 1 and code in codes}


def _quantity(record: dict[str, Any]) -> Decimal:
    try:
        return from_number(record["quantity"], int(record["default_uom"]["digits"]), "Tryton")
    except (KeyError, TypeError, ValueError) as error:
        raise TransientError(f"product {record['id']} was answered without its quantity") from error
