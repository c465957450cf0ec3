"""`/api/v1/alarm-load`: how many alarms people are called by, per console, area or line, against what ISA-18.2 recommends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from bridge.config.settings import Console
from bridge.model import alarm_load as figures
from bridge.store import alarm_load, equipment
from bridge.store.database import Connection, Row
from dashboard.api.discreet import Discreet
from dashboard.api.tower import TheTower

router: Final = APIRouter(prefix="/api/v1", tags=["operators"], route_class=Discreet)

_PRIORITIES: Final = ("low", "medium", "high", "critical")
_BEFORE: Final = timedelta(hours=2)  # a flood that lasts at the start of the span began before it
_MOST_FLOODS: Final = 50


class By(StrEnum):
    """What the figures are of."""

    CONSOLE = "console"
    AREA = "area"
    LINE = "line"


class Source(BaseModel):
    """A rule on an asset that calls people."""

    rule_id: str
    equipment_id: int
    equipment: str
    alarms: int
    share: float = Field(description="Of all alarms of the unit.")
    last_at: datetime


class FloodSpan(BaseModel):
    """A flood: above 10 alarms in 10 minutes, until fewer than 5; `ends_at` null while it lasts."""

    starts_at: datetime
    ends_at: datetime | None
    alarms: int
    peak: int


class Chatter(BaseModel):
    """A source that called three times or more within a minute."""

    rule_id: str
    equipment_id: int
    equipment: str
    times: int
    last_at: datetime


class Stale(BaseModel):
    """An alarm that has stood for more than 24 h."""

    alarm_id: int
    rule_id: str
    equipment: str
    severity: str
    raised_at: datetime


class UnitLoad(BaseModel):
    """The figures of a unit. `verdicts`: what is within the recommendation and what is not."""

    unit: str
    alarms: int
    per_hour: float
    peak_per_10_min: int
    in_flood: float = Field(description="Share of the time in flood.")
    is_in_flood: bool = Field(description="Whether a flood lasts at the end of the span.")
    floods: list[FloodSpan] = Field(description="The newest first.")
    top_share: float = Field(description="Share of the ten worst sources.")
    worst: list[Source]
    priorities: dict[str, float] = Field(
        description="Share of each priority; about 80/15/5 from low to high and critical."
    )
    chattering: list[Chatter]
    stale: list[Stale]
    verdicts: dict[str, bool]


class LoadAnswer(BaseModel):
    """Alarm load in a span."""

    starts_at: datetime
    ends_at: datetime
    units: list[UnitLoad]


@router.get("/alarm-load")
async def load(
    tower: TheTower,
    by: By = By.CONSOLE,
    hours: Annotated[float, Query(gt=0, le=366 * 24, description="Length of the span that ends now.")] = 24,
) -> LoadAnswer:
    """Rates, floods, worst sources, priorities, chattering and stale alarms, per console, area or line."""
    end = datetime.now(UTC)
    start = end - timedelta(hours=hours)
    async with tower.pool.connection() as connection:
        places = await equipment.all_equipment(connection)
        units = units_of(places, by, tower.settings.alarms.console)
        counts = _by_unit(await alarm_load.counts(connection, start, end), units)
        times = await alarm_load.times(connection, units, start - _BEFORE, end)
        nuisances = await _nuisances(connection, places, units, start, end)
    names = sorted(set(units.values()))
    answers = [_unit(name, counts[name], times.get(name, []), nuisances[name], places, (start, end)) for name in names]
    return LoadAnswer(starts_at=start, ends_at=end, units=answers)


def units_of(places: Sequence[Row], by: By, consoles: Sequence[Console]) -> dict[int, str]:
    """Which unit each piece of equipment counts for. Without consoles in the configuration there is one, of the whole plant."""
    if by is By.CONSOLE:
        tables = [(console.name, path) for console in consoles for path in console.equipment]
        roots = tables or [("plant", place["path"]) for place in places if place["level"] == "enterprise"]
    else:
        level = "area" if by is By.AREA else "work_center"
        roots = [(place["path"], place["path"]) for place in places if place["level"] == level]
    return {
        place["id"]: name
        for name, root in reversed(roots)  # the first console that names a place has it
        for place in places
        if place["path"] == root or place["path"].startswith(root + "/")
    }


Nuisances = dict[str, tuple[list[Chatter], list[Stale]]]


async def _nuisances(
    connection: Connection, places: Sequence[Row], units: Mapping[int, str], start: datetime, end: datetime
) -> Nuisances:
    path_of = {place["id"]: place["path"] for place in places}
    found: Nuisances = defaultdict(lambda: ([], []))
    for row in await alarm_load.chattering(connection, start, end):
        if unit := units.get(row["equipment_id"]):
            found[unit][0].append(Chatter(equipment=path_of[row["equipment_id"]], **row))
    for row in await alarm_load.stale(connection, end - figures.STALE_AFTER):
        if unit := units.get(row["equipment_id"]):
            place = path_of[row["equipment_id"]]
            found[unit][1].append(Stale(alarm_id=row["id"], equipment=place, **{k: row[k] for k in _STALE}))
    return found


_STALE: Final = ("rule_id", "severity", "raised_at")


def _by_unit(rows: Sequence[Row], units: Mapping[int, str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if unit := units.get(row["equipment_id"]):
            found[unit].append(row)
    return found


def _unit(
    name: str,
    counts: Sequence[Row],
    times: Sequence[float],
    nuisances: tuple[list[Chatter], list[Stale]],
    places: Sequence[Row],
    span: tuple[datetime, datetime],
) -> UnitLoad:
    start, end = span[0].timestamp(), span[1].timestamp()
    alarms = sum(row["alarms"] for row in counts)
    sources = _sources(counts, alarms, {place["id"]: place["path"] for place in places})
    floods = figures.floods(times, end)
    inside = [at for at in times if at >= start]
    chattering, stale = nuisances
    load = UnitLoad(
        unit=name,
        alarms=alarms,
        per_hour=alarms / ((end - start) / 3600),
        peak_per_10_min=figures.peak_rate(inside),
        in_flood=figures.time_in_flood(floods, start, end) / (end - start),
        is_in_flood=bool(floods) and floods[-1].ended is None,
        floods=[
            _flood(flood) for flood in reversed(floods[-_MOST_FLOODS:]) if flood.ended is None or flood.ended > start
        ],
        top_share=sum(source.share for source in sources[: figures.TOP]),
        worst=sources[: figures.TOP],
        priorities=_priorities(counts, alarms),
        chattering=chattering,
        stale=stale,
        verdicts={},
    )
    load.verdicts = _verdicts(load)
    return load


def _flood(flood: figures.Flood) -> FloodSpan:
    return FloodSpan(
        starts_at=datetime.fromtimestamp(flood.began, UTC),
        ends_at=None if flood.ended is None else datetime.fromtimestamp(flood.ended, UTC),
        alarms=flood.alarms,
        peak=flood.peak,
    )


def _sources(counts: Sequence[Row], alarms: int, path_of: Mapping[int, str]) -> list[Source]:
    merged: dict[tuple[str, int], tuple[int, datetime]] = {}
    for row in counts:
        key = (row["rule_id"], row["equipment_id"])
        number, last_at = merged.get(key, (0, row["last_at"]))
        merged[key] = (number + row["alarms"], max(last_at, row["last_at"]))
    found = [
        Source(rule_id=rule, equipment_id=place, equipment=path_of[place], alarms=n, share=n / alarms, last_at=last_at)
        for (rule, place), (n, last_at) in merged.items()
    ]
    return sorted(found, key=lambda source: (-source.alarms, source.rule_id, source.equipment))


def _priorities(counts: Sequence[Row], alarms: int) -> dict[str, float]:
    sums = {priority: sum(row["alarms"] for row in counts if row["severity"] == priority) for priority in _PRIORITIES}
    return {priority: number / alarms if alarms else 0.0 for priority, number in sums.items()}


def _verdicts(load: UnitLoad) -> dict[str, bool]:
    return {
        "acceptable rate": load.per_hour <= figures.ACCEPTABLE_PER_H,
        "manageable rate": load.per_hour <= figures.MANAGEABLE_PER_H,
        "no flood": load.peak_per_10_min <= figures.FLOOD_ABOVE,
        "time in flood": load.in_flood < figures.MOST_IN_FLOOD,
        "top sources": load.top_share <= figures.MOST_OF_TOP,
        "stale": len(load.stale) < figures.MOST_STALE,
        "chattering": not load.chattering,
    }
