"""What KPIs are computed from: sums per machine over a span of time (ISO 22400-2), read from states, counts and the calendar.

Only numerators and denominators leave this module; who shows a KPI divides, after adding up the machines.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("kpi")
_POSTING_TIME: Final = timedelta(minutes=1)


async def current_shift(connection: Connection, now: datetime) -> Row | None:
    """The shift of `now`, else the newest that began: name, starts_at, ends_at, planned_rate_per_h. None without a calendar."""
    return await (await connection.execute(_QUERIES.current_shift, {"now": now})).fetchone()


async def machine_sums(connection: Connection, start: datetime, end: datetime) -> list[Row]:
    """One row for each work unit, by path: its place in the plant, seconds by kind of state, pieces by kind.

    `planned_*` are of planned time only; `posted` are finished goods whose posting the business system confirmed, `due` those
    made more than a minute before the end, whose posting should be through.
    """
    span = {"start": start, "end": end, "posting_time": _POSTING_TIME}
    return await (await connection.execute(_QUERIES.machine_sums, span)).fetchall()


async def plan(connection: Connection, start: datetime, end: datetime) -> Row:
    """The calendar's `hours` in the span and planned good `pieces`; pieces None where no shift names a rate."""
    row = await (await connection.execute(_QUERIES.plan, {"start": start, "end": end})).fetchone()
    assert row is not None, "an aggregate has one row"
    return row


async def counted_before(connection: Connection, before: datetime) -> dict[int, tuple[int, int]]:
    """(good, scrap) per machine since the beginning, up to an instant: a scan of all counts, to be kept by the caller."""
    return await _counted(connection, _QUERIES.counted_before, {"before": before})


async def counted_since(connection: Connection, since: datetime) -> dict[int, tuple[int, int]]:
    """(good, scrap) per machine from an instant on."""
    return await _counted(connection, _QUERIES.counted_since, {"since": since})


async def lead_time(connection: Connection, start: datetime, end: datetime) -> Row:
    """Order to ship over the shipments that left in the span, hours: p50, p90, p95 (None without any) and `shipments`."""
    row = await (await connection.execute(_QUERIES.lead_time, {"start": start, "end": end})).fetchone()
    assert row is not None, "an aggregate has one row"
    return row


async def _counted(connection: Connection, query: bytes, span: dict[str, datetime]) -> dict[int, tuple[int, int]]:
    rows = await connection.execute(query, span)
    return {row["equipment_id"]: (row["good"] or 0, row["scrap"] or 0) async for row in rows}
