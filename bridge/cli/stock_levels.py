"""`amor check`: whether the levels that [[connector.availability]] names can be told."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bridge.config import Settings, places
from bridge.config.settings import ConnectorSettings
from bridge.erp.connector import Connector, Place
from bridge.erp.connectors import make
from bridge.erp.relay.availability import mistakes
from bridge.errors import ConnectorError, Problem


def level_problems(settings: Settings, file: Path) -> list[Problem]:
    """What can be told without asking anybody: names, and who tells and takes levels. The connectors' own files are right."""
    connectors = {table.name: make(table) for table in settings.connector}
    return _placed(file, mistakes(settings.connector, connectors))


def unknown_levels(settings: Settings, file: Path) -> list[Problem]:
    """The levels whose item or location the system that tells them does not know, or cannot tell in our unit."""
    found: list[tuple[places.Path, str]] = []
    for index, table in enumerate(settings.connector):
        if table.availability:
            found += asyncio.run(_asked(index, table))
    return _placed(file, found)


async def _asked(index: int, table: ConnectorSettings) -> list[tuple[places.Path, str]]:
    found: list[tuple[places.Path, str]] = []
    async with make(table) as system:
        for number, level in enumerate(table.availability):
            path: places.Path = ("connector", index, "availability", number, "item")
            if wrong := await _wrong(system, Place(level.item, level.location)):
                found.append((path, f"{table.name}: {wrong}"))
    return found


async def _wrong(system: Connector, place: Place) -> str:
    at = f" at {place.location}" if place.location else ""
    try:
        known = await system.read_stock([place])  # type: ignore[attr-defined]  # it tells stock, or it is a mistake already
    except ConnectorError as error:
        return f"the stock of {place.item}{at} cannot be told: {error}"
    return (
        "" if place in known else f"knows no stock of {place.item}{at}: correct the item, the location, or their tables"
    )


def _placed(file: Path, found: list[tuple[places.Path, str]]) -> list[Problem]:
    lines = places.places(file.read_text(encoding="utf-8"))
    return [Problem(str(file), places.line_of(lines, path), 0, places.dotted(path), message) for path, message in found]
