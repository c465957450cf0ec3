"""Whether Tryton knows the items, units and locations of the connector's table."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.config.settings import TrytonSettings
from bridge.erp.connector import MasterDataProblem
from bridge.erp.tryton82.client import TrytonClient
from bridge.errors import BusinessError


async def check(client: TrytonClient, settings: TrytonSettings) -> list[MasterDataProblem]:
    """Every name of the table that Tryton does not have, in the table's order."""
    problems = [*await _company(client, settings), *await _items(client, settings)]
    problems += await _consumed(client, settings)
    problems += await _units(client, {f"units.{ours}": theirs for ours, theirs in settings.units.items()})
    problems += await _locations(client, {f"locations.{ours}": name for ours, name in settings.locations.items()})
    waste = {f"reasons.{reason}": name for reason, name in settings.reasons.items()}
    if settings.waste_location:
        waste["waste_location"] = settings.waste_location
    return problems + await _locations(client, waste, kind="lost_found")


async def location(client: TrytonClient, name: str) -> int:
    """The id of the storage location with the code, or else the name. Raises BusinessError where there is not one."""
    found = await named(client, name)
    if len(found) != 1:
        raise BusinessError(
            f"Tryton has {len(found) or 'no'} locations {name}: name one by its code in the connector's locations"
        )
    return found[0][0]


async def _company(client: TrytonClient, settings: TrytonSettings) -> list[MasterDataProblem]:
    records = await client.search("company.company", [], ["rec_name"])
    if settings.company in (int(record["id"]) for record in records):
        return []
    known = ", ".join(sorted(f"{record['id']} ({record['rec_name']})" for record in records)[:12])
    return [MasterDataProblem("company", f"Tryton has no company {settings.company}; there are {known}")]


async def _items(client: TrytonClient, settings: TrytonSettings) -> list[MasterDataProblem]:
    problems = []
    fields = ["code", "default_uom.symbol", "default_uom.name"]
    for ours, item in settings.items.items():
        records = await client.search("product.product", [["code", "=", item.code]], fields, limit=2)
        if len(records) != 1:
            told = f"Tryton has {len(records) or 'no'} products with the code {item.code}: correct it, or create one"
            problems.append(MasterDataProblem(f"items.{ours}.code", told))
        elif item.uom and item.uom not in (records[0]["default_uom"]["symbol"], records[0]["default_uom"]["name"]):
            told = f"Tryton keeps {item.code} in {records[0]['default_uom']['symbol']}, not in {item.uom}: post in its unit"
            problems.append(MasterDataProblem(f"items.{ours}.uom", told))
    return problems


async def _consumed(client: TrytonClient, settings: TrytonSettings) -> list[MasterDataProblem]:
    problems = []
    for ours in settings.consumption_of:
        code = settings.items[ours].code if ours in settings.items else ours
        if not await client.search("product.product", [["code", "=", code]], ["code"], limit=1):
            told = f"Tryton has no product with the code {code}: correct the item, or name Tryton's code in the connector's items"
            problems.append(MasterDataProblem(f"consumption_of.{ours}", told))
    return problems


async def _units(client: TrytonClient, wanted: dict[str, str]) -> list[MasterDataProblem]:
    records = await client.search("product.uom", [], ["symbol", "name"])
    known = {str(record[key]) for record in records for key in ("symbol", "name")}
    return [
        MasterDataProblem(field, f"Tryton has no unit {name}: use its symbol or its name, one of {_some(known)}")
        for field, name in wanted.items()
        if name not in known
    ]


async def _locations(client: TrytonClient, wanted: dict[str, str], *, kind: str = "") -> list[MasterDataProblem]:
    problems = []
    for field, name in wanted.items():
        found = [place for place in await named(client, name) if not kind or place[1] == kind]
        if len(found) != 1:
            of_type = f" of the type {kind}" if kind else ""
            told = f"Tryton has {len(found) or 'no'} locations {name}{of_type}: use the code of one"
            problems.append(MasterDataProblem(field, told))
    return problems


async def named(client: TrytonClient, name: str) -> list[tuple[int, str]]:
    """Id and type of the locations with the code, or else the name."""
    for field in ("code", "name"):
        records = await client.search("stock.location", [[field, "=", name]], ["type"], limit=2)
        if records:
            return [(int(record["id"]), str(record["type"])) for record in records]
    return []


def _some(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:12])
