"""One machine in detail: its tags with their newest readings and limits, its history."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bridge.model import quality
from bridge.store import board, live
from bridge.store.database import Connection, Row
from dashboard.api.limits import limits_of
from dashboard.api.models import (
    AlarmAnswer,
    Limit,
    MachineAnswer,
    MachineDetail,
    PlantSummary,
    TagAnswer,
    TicketAnswer,
    WatchedTag,
)

_NEWEST_SPAN: Final = timedelta(days=7)


async def read_machine(
    connection: Connection, machine_id: int, summary: PlantSummary, now: datetime
) -> MachineDetail | None:
    """The machine, or None where there is none of that id."""
    row = next((row for row in await live.machines(connection, now) if row["id"] == machine_id), None)
    if row is None:
        return None
    return MachineDetail(
        machine=MachineAnswer.of(row),
        kpis=next((unit for unit in summary.machines if unit.id == machine_id), None),
        tags=await read_tags(connection, row, now),
        alarms=[AlarmAnswer.of(found) for found in await board.alarms(connection, equipment_id=machine_id)],
        tickets=[TicketAnswer.of(found) for found in await board.tickets(connection, equipment_id=machine_id)],
    )


async def read_tags(connection: Connection, machine: Row, now: datetime) -> list[TagAnswer]:
    """A machine's tags by name, with their newest readings of the last week and the limits of the active rules."""
    tags = [tag for tag in await live.tags(connection) if tag["equipment_id"] == machine["id"]]
    rules = await live.rules(connection)
    readings = await live.newest_readings(connection, [tag["id"] for tag in tags], now - _NEWEST_SPAN)
    newest = {reading["tag_id"]: reading for reading in readings}
    return [
        _tag(tag, newest.get(tag["id"]), limits_of(rules, tag["name"], machine["class"], machine["path"]))
        for tag in tags
    ]


async def read_watched(connection: Connection, now: datetime) -> list[WatchedTag]:
    """The tags that active rules compare with a number, in the order of lines and flow."""
    rules = await live.rules(connection)
    tags = await live.tags(connection)
    return [
        WatchedTag(id=tag["id"], name=tag["name"], unit=tag["unit"], machine=MachineAnswer.of(machine), limits=limits)
        for machine in await live.machines(connection, now)
        for tag in tags
        if tag["equipment_id"] == machine["id"]
        and (limits := limits_of(rules, tag["name"], machine["class"], machine["path"]))
    ]


async def find_tag(connection: Connection, tag_id: int, now: datetime) -> tuple[Row, Row, list[Limit]] | None:
    """A tag with its machine and limits; None where there is none of that id."""
    tag = next((row for row in await live.tags(connection) if row["id"] == tag_id), None)
    machines = await live.machines(connection, now)
    machine = next((row for row in machines if tag is not None and row["id"] == tag["equipment_id"]), None)
    if tag is None or machine is None:
        return None
    return tag, machine, limits_of(await live.rules(connection), tag["name"], machine["class"], machine["path"])


def _tag(tag: Row, reading: Row | None, limits: list[Limit]) -> TagAnswer:
    value: float | str | None = None
    if reading is not None:
        value = reading["text"] if reading["value"] is None else reading["value"]
    return TagAnswer(
        id=tag["id"],
        equipment_id=tag["equipment_id"],
        name=tag["name"],
        unit=tag["unit"],
        kind=tag["kind"],
        datatype=tag["datatype"],
        ts=reading["ts"] if reading else None,
        value=value,
        quality=reading["quality"] if reading else None,
        severity=quality.severity(reading["quality"]) if reading else "none",
        limits=limits,
    )
