"""Whether Odoo knows the items, units, locations, reasons and equipment of the connector's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.config.settings import OdooSettings
from bridge.erp.connector import MasterDataProblem
from bridge.erp.odoo19.client import OdooClient
from bridge.erp.odoo19.maintenance import find_equipment
from bridge.erp.odoo19.values import shown
from bridge.erp.quantity import Units
from bridge.errors import BusinessError

REASON: tuple[str, str] = ("stock.scrap.reason.tag", "name")
LOCATION: tuple[str, str] = ("stock.location", "complete_name")
PRODUCT: tuple[str, str] = ("product.product", "default_code")


async def check(client: OdooClient, settings: OdooSettings, equipment: Sequence[str]) -> list[MasterDataProblem]:
    """Every name of the table that Odoo does not have, in the table's order, then the equipment."""
    problems = await _items(client, settings)
    units = {"product_uom": settings.product_uom, **_fields("units", settings.units)}
    problems += await _names(client, ("uom.uom", "name"), units)
    problems += await _names(client, LOCATION, _fields("locations", settings.locations))
    problems += await _names(client, REASON, _fields("reasons", settings.reasons))
    codes = Units(settings)
    told = {f"consumed_by_events.{item}": codes.code(item) for item in settings.consumed_by_events}
    problems += await _names(client, PRODUCT, told)
    for path in equipment:
        try:
            await find_equipment(client, settings.equipment_ids.get(path, path))
        except BusinessError as error:
            problems.append(MasterDataProblem(f"equipment_ids.{path}", str(error)))
    return problems


async def named(client: OdooClient, what: tuple[str, str], name: str) -> int:
    """The id of the only record of a model with this name. Raises BusinessError where there is not one."""
    model, field = what
    records = await client.read(f"{model}/search_read", {"domain": [[field, "=", name]], "fields": [field], "limit": 2})
    if len(records) != 1:
        raise BusinessError(f"Odoo has {len(records) or 'no'} {model} with the {field} {name}: it needs one")
    return int(records[0]["id"])


async def _items(client: OdooClient, settings: OdooSettings) -> list[MasterDataProblem]:
    problems = []
    for ours, item in settings.items.items():
        body = {"domain": [["default_code", "=", item.code]], "fields": ["default_code", "uom_id"], "limit": 2}
        records = await client.read("product.product/search_read", body)
        if len(records) != 1:
            told = f"Odoo has {len(records) or 'no'} products with the internal reference {item.code}: correct it, or create one"
            problems.append(MasterDataProblem(f"items.{ours}.code", told))
        elif item.uom and shown(records[0]["uom_id"]) != item.uom:
            told = f"Odoo keeps {item.code} in {shown(records[0]['uom_id'])}, not in {item.uom}: post in its unit"
            problems.append(MasterDataProblem(f"items.{ours}.uom", told))
    return problems


async def _names(client: OdooClient, what: tuple[str, str], fields: Mapping[str, str]) -> list[MasterDataProblem]:
    problems = []
    for field, name in fields.items():
        try:
            await named(client, what, name)
        except BusinessError as error:
            problems.append(MasterDataProblem(field, f"{error}: use its name there, or create it"))
    return problems


def _fields(table: str, names: Mapping[str, str]) -> dict[str, str]:
    return {f"{table}.{ours}": theirs for ours, theirs in names.items()}
