"""Whether Business Central knows what the configuration names: items with their units, locations, scrap codes and machines."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.config.settings.business_central import BusinessCentralSettings
from bridge.erp.business_central.company import LONGEST_CODE, LONGEST_NUMBER, Company, Row
from bridge.erp.connector import MasterDataProblem
from bridge.erp.odata import literal


async def named(company: Company, path: str, key: str, name: str) -> Row | None:
    """The record of a page with this number or code; None where there is none. A name that is too long is not asked for."""
    longest = LONGEST_CODE if key == "code" else LONGEST_NUMBER
    return await company.first(path, f"{key} eq {literal(name)}") if 0 < len(name) <= longest else None


async def check(
    settings: BusinessCentralSettings, company: Company, equipment: Sequence[str]
) -> list[MasterDataProblem]:
    """What is missing, each with its place in the connector's table."""
    wanted = [
        (f"locations.{ours}", company.standard("locations"), "code", name) for ours, name in settings.locations.items()
    ]
    wanted += [(f"reasons.{ours}", company.own("scrapCodes"), "code", name) for ours, name in settings.reasons.items()]
    machines = [(path, settings.equipment_ids.get(path, path)) for path in equipment]
    wanted += [(f"equipment_ids.{path}", company.own("machines"), "number", number) for path, number in machines]
    problems = []
    for field, page, key, name in wanted:
        if await named(company, page, key, name) is None:
            problems.append(MasterDataProblem(field, f"Business Central has no {name} in {page.rpartition('/')[2]}"))
    for ours, item in settings.items.items():
        row = await named(company, company.standard("items"), "number", item.code)
        if row is None:
            problems.append(MasterDataProblem(f"items.{ours}.code", f"Business Central has no item {item.code}"))
        elif item.uom not in {"", str(row.get("baseUnitOfMeasureCode"))}:
            unit = row.get("baseUnitOfMeasureCode")
            problems.append(MasterDataProblem(f"items.{ours}.uom", f"its base unit there is {unit}, not {item.uom}"))
    return problems
