"""Levels of stock to warehouses and shops: the system that knows the stock is asked, who must know it is told what changed.

A level replaces the one before. So there is at most one of a stream (source, target, item, location) on its way: while a shop is away
its level stands still, and afterwards it hears the newest, not all that were between. The system is asked every `poll_s`, and at once when
an event that moves stock there was verified.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, cast

import structlog

from bridge.config.places import Path, dotted
from bridge.config.settings import ConnectorSettings, StockLevel
from bridge.erp.connector import Connector, Place, TellsStock
from bridge.erp.connectors import make
from bridge.erp.relay.dispatcher import Lane
from bridge.erp.relay.rhythm import pause
from bridge.errors import BusinessError, ConfigError, ConnectorError, Problem
from bridge.model.production import EventKind
from bridge.store import availability, turn
from bridge.store.availability import Stream
from bridge.store.database import Connection

log = structlog.get_logger()

SOONEST: Final = timedelta(seconds=0.5)  # between two questions, however much is posted meanwhile
_TURN: Final = timedelta(seconds=0.2)  # another relay asks: what it hears may be from before our posting


async def tell_levels(
    lane: Lane, levels: Sequence[StockLevel], every: timedelta, connection: Connection, stop: asyncio.Event
) -> None:
    """Tell until `stop`. Raises psycopg errors where the database goes away."""
    stock = Stock(lane, list(dict.fromkeys(Place(level.item, level.location) for level in levels)))
    # One relay at a time asks and writes what it heard: an older answer never follows a newer one.
    mine = f"availability|{lane.name}"
    failures = held_back = 0
    while not stop.is_set():
        await lane.gate.ready(stop)
        if stop.is_set():
            return
        if not await turn.take(connection, mine):
            await pause(stop, _TURN)
            continue
        lane.stock_moved.clear()
        at = datetime.now(UTC)
        try:
            found = await stock.read()
        except ConnectorError as error:
            await turn.end(connection, mine)
            failures += 1
            lane.gate.failed(error)
            wait = lane.rhythm.retry.delay(failures, random.random(), lane.rhythm.asked(error))  # noqa: S311  # jitter
            await lane.gate.pause(stop, max(wait, SOONEST))
            continue
        lane.gate.worked()
        failures = 0
        is_held_back = await _tell(connection, lane.name, levels, found, at)
        await turn.end(connection, mine)
        held_back = held_back + 1 if is_held_back else 0
        await pause(stop, SOONEST)
        again = min(every, SOONEST * 2 ** min(held_back, 16)) if held_back else every
        await pause(stop, again, lane.stock_moved)


async def _tell(
    connection: Connection, source: str, levels: Sequence[StockLevel], found: Mapping[Place, Decimal], at: datetime
) -> bool:
    """Write what changed; whether a level must wait for the one before it."""
    last = await availability.last_levels(connection, source)
    is_held_back = False
    for level, stream in _streams(source, levels):
        place, before = Place(level.item, level.location), last.get(stream)
        if place not in found:
            continue
        available = max(found[place], Decimal(0))  # of what is oversold nothing may be promised
        if before is not None and before.available == available:
            continue
        if before is not None and before.is_on_its_way:
            is_held_back = True
            continue
        sequence = 1 if before is None else before.sequence + 1
        await availability.write(connection, stream, sequence, available, level.uom, at)
    return is_held_back


def check_levels(tables: Sequence[ConnectorSettings]) -> None:
    """Raise ConfigError where a table of levels cannot be carried out; `amor check` says the same with the lines."""
    if not any(table.availability for table in tables):
        return
    if found := mistakes(tables, {table.name: make(table) for table in tables}):
        raise ConfigError([Problem("configuration", 0, 0, dotted(path), message) for path, message in found])


def mistakes(tables: Sequence[ConnectorSettings], connectors: Mapping[str, Connector]) -> list[tuple[Path, str]]:
    """What is wrong with the tables [[connector.availability]]: the place in the file, and what to do. Pure.

    `connectors` are those of the tables by name; one that could not be made is left out, and nothing is said of it.
    """
    found: list[tuple[Path, str]] = []
    told: dict[tuple[str, str, str], str] = {}
    for index, table in enumerate(tables):
        for number, level in enumerate(table.availability):
            place: Path = ("connector", index, "availability", number)
            source = connectors.get(table.name)
            if source is not None and not tells_stock(source):
                found.append((place, f"{table.name} ({table.type}) cannot tell its stock: take the table away"))
            for target in level.to:
                if wrong := _wrong_target(table.name, target, tables, connectors):
                    found.append(((*place, "to"), wrong))
                if first := told.get((target, level.item, level.location)):
                    at = f" at {level.location}" if level.location else ""
                    found.append(((*place, "to"), f"{target} is told of {level.item}{at} by {first} already: one only"))
                told.setdefault((target, level.item, level.location), table.name)
    return found


def tells_stock(connector: object) -> bool:
    """Whether a connector can be asked for stock; a described one only where its description has it."""
    return isinstance(connector, TellsStock) and bool(getattr(connector, "tells_stock", True))


def _wrong_target(
    source: str, target: str, tables: Sequence[ConnectorSettings], connectors: Mapping[str, Connector]
) -> str:
    names = [table.name for table in tables]
    if target not in names:
        return f"there is no connector {target}; there are: {', '.join(names)}"
    if target == source:
        return f"{target} is the one that tells: name another"
    if target in connectors and EventKind.AVAILABILITY not in connectors[target].kinds:
        able = sorted(name for name, each in connectors.items() if EventKind.AVAILABILITY in each.kinds)
        return f"{target} takes no levels; those that do: {', '.join(able) or 'none'}"
    return ""


def _streams(source: str, levels: Iterable[StockLevel]) -> Iterable[tuple[StockLevel, Stream]]:
    for level in levels:
        for target in level.to:
            yield level, Stream(source, target, level.item, level.location)


@dataclass(slots=True)
class Stock:
    """The places that a system is asked for. One that it refuses is asked for alone, so that it keeps no other from being told."""

    lane: Lane
    places: Sequence[Place]
    apart: set[Place] = field(default_factory=set)
    said: dict[Place, str] = field(default_factory=dict)

    async def read(self) -> dict[Place, Decimal]:
        """What is available at each place that can be told. Raises ConnectorErrors, but no BusinessError."""
        found = await self._asked([place for place in self.places if place not in self.apart])
        for place in list(self.apart):
            found |= await self._asked([place])
        self._say_missing(found)
        return found

    async def _asked(self, places: Sequence[Place]) -> dict[Place, Decimal]:
        if not places:
            return {}
        await self.lane.gate.token()
        try:
            found = await cast("TellsStock", self.lane.connector).read_stock(places)
        except BusinessError as error:
            if len(places) == 1:
                self.apart.update(places)
                self._say(places[0], str(error))
                return {}
            half = len(places) // 2
            return await self._asked(places[:half]) | await self._asked(places[half:])
        self.apart.difference_update(places)
        return dict(found)

    def _say_missing(self, found: Mapping[Place, Decimal]) -> None:
        for place in self.places:
            if place in found:
                if self.said.pop(place, None):
                    log.info("level is told again", connector=self.lane.name, **place._asdict())
            elif place not in self.apart:
                self._say(place, "the system does not know this item, or this location")

    def _say(self, place: Place, reason: str) -> None:
        """Once, until it is another."""
        if self.said.get(place) != reason:
            log.warning("level cannot be told", connector=self.lane.name, **place._asdict(), reason=reason)
            self.said[place] = reason
