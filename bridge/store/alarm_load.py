"""Figures of alarm load, from the history of alarms: every number is a count of its lines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from bridge.model.alarm_load import CHATTERING_PER_MIN
from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("alarm_load")


async def counts(connection: Connection, start: datetime, end: datetime) -> list[Row]:
    """How often each source called people: rule_id, equipment_id, severity, alarms, last_at."""
    return await (await connection.execute(_QUERIES.counts, {"start": start, "end": end})).fetchall()


async def times(
    connection: Connection, units: Mapping[int, str], start: datetime, end: datetime
) -> dict[str, list[float]]:
    """When people were called in each unit: seconds since 1970, oldest first. `units`: equipment -> unit."""
    values = {"equipment": list(units), "units": list(units.values()), "start": start, "end": end}
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(_QUERIES.times, values)
        return {row["unit"]: sorted(row["times"]) for row in await cursor.fetchall()}


async def chattering(connection: Connection, start: datetime, end: datetime) -> list[Row]:
    """Sources that called three times or more within a minute: rule_id, equipment_id, times, last_at."""
    values = {"start": start, "end": end, "more": CHATTERING_PER_MIN - 1}
    return await (await connection.execute(_QUERIES.chattering, values)).fetchall()


async def stale(connection: Connection, before: datetime) -> list[Row]:
    """Alarms that stand since before an instant: id, rule_id, equipment_id, severity, raised_at."""
    return await (await connection.execute(_QUERIES.stale, {"before": before})).fetchall()


async def for_groups(connection: Connection, window: timedelta, earliest: datetime) -> list[Row]:
    """Alarms among which to look for the first-up: id, raised_at, is_open, position, line_id. Those over since long are left out."""
    return await (await connection.execute(_QUERIES.for_groups, {"span": window, "earliest": earliest})).fetchall()
