"""Whether SAP knows what the configuration names: items with their units, and equipment.

Reasons and storage locations have no API that every tenant releases; the first posting tells what their lengths do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.config.settings.sap_s4 import SapS4Settings
from bridge.erp.connector import MasterDataProblem
from bridge.erp.odata import literal
from bridge.erp.sap_s4.notification import Notifications
from bridge.erp.sap_s4.odata import Gateway

_LONGEST: Final = 4  # of a reason of variance, and of a storage location
PRODUCTS: Final = "API_PRODUCT_SRV/A_Product"


async def check(
    settings: SapS4Settings, gateway: Gateway, notifications: Notifications, equipment: Sequence[str]
) -> list[MasterDataProblem]:
    """What is missing, each with its place in the connector's table."""
    problems = [
        MasterDataProblem(f"{table}.{ours}", f"{theirs!r} is longer than SAP's {_LONGEST} characters")
        for table, names in (("reasons", settings.reasons), ("locations", settings.locations))
        for ours, theirs in names.items()
        if len(theirs) > _LONGEST
    ]
    for ours, item in settings.items.items():
        row = await gateway.first(PRODUCTS, {"$filter": f"Product eq {literal(item.code)}"})
        if row is None:
            problems.append(MasterDataProblem(f"items.{ours}.code", f"SAP has no product {item.code}"))
        elif item.uom not in {"", str(row.get("BaseUnit", ""))}:
            problems.append(
                MasterDataProblem(
                    f"items.{ours}.uom", f"SAP keeps {item.code} in {row.get('BaseUnit')}, not in {item.uom}"
                )
            )
    for path in equipment:
        number = settings.equipment_ids.get(path, path)
        if not await notifications.knows(number):
            problems.append(MasterDataProblem(f"equipment_ids.{path}", f"SAP has no equipment {number} for {path}"))
    return problems
