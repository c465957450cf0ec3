"""`/api/v1`, history: trends, states, and the figures that the pages draw of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query

from bridge.store import live
from bridge.store.database import Connection
from dashboard.api.discreet import Discreet
from dashboard.api.machine import find_tag, read_watched
from dashboard.api.models import StateSpan, TrendAnswer, TrendPoint, WatchedTag
from dashboard.api.tower import TheTower
from dashboard.api.window import Window, WindowName, read_window
from dashboard.control_tower import figures

router: Final = APIRouter(prefix="/api/v1", tags=["history"], route_class=Discreet)

InWindow = Annotated[WindowName, Query(description="shift (the current one), 15m, 1h or 24h.")]
# More points than this no screen can show.
_MOST_POINTS: Final = 900
_NARROWEST: Final = timedelta(milliseconds=100)


@router.get("/watched")
async def watched(tower: TheTower) -> list[WatchedTag]:
    """The tags that active rules watch, with their limits."""
    async with tower.pool.connection() as connection:
        return await read_watched(connection, datetime.now(UTC))


@router.get("/tags/{tag_id}/trend")
async def trend(tag_id: int, tower: TheTower, window: InWindow = WindowName.MINUTES_15) -> TrendAnswer:
    """A tag's history, thinned to what a screen can show."""
    async with tower.pool.connection() as connection:
        return (await _trend(connection, tag_id, window))[0]


@router.get("/machines/{machine_id}/states")
async def states(machine_id: int, tower: TheTower, window: InWindow = WindowName.SHIFT) -> list[StateSpan]:
    """What the machine was doing."""
    async with tower.pool.connection() as connection:
        return (await _states(connection, machine_id, window))[0]


@router.get("/figures/trend/{tag_id}")
async def trend_figure(tag_id: int, tower: TheTower, window: InWindow = WindowName.MINUTES_15) -> dict[str, Any]:
    """The trend as a Plotly figure, with its limits."""
    async with tower.pool.connection() as connection:
        answer, span = await _trend(connection, tag_id, window)
    return figures.trend(answer, span.starts_at, span.ends_at)


@router.get("/figures/states/{machine_id}")
async def states_figure(machine_id: int, tower: TheTower, window: InWindow = WindowName.SHIFT) -> dict[str, Any]:
    """The machine's states as a Plotly figure: one lane, from left to right."""
    async with tower.pool.connection() as connection:
        answer, span = await _states(connection, machine_id, window)
    return figures.states(answer, span.starts_at, span.ends_at)


async def _trend(connection: Connection, tag_id: int, name: WindowName) -> tuple[TrendAnswer, Window]:
    now = datetime.now(UTC)
    found = await find_tag(connection, tag_id, now)
    if found is None:
        raise HTTPException(404, "no such tag")
    tag, _, limits = found
    span = await read_window(connection, name, now)
    width = max(_NARROWEST, (span.ends_at - span.starts_at) / _MOST_POINTS)
    rows = await live.trend(connection, tag_id, span.starts_at, span.ends_at, width)
    points = [TrendPoint.of(row) for row in rows]
    return TrendAnswer(tag_id=tag_id, unit=tag["unit"], points=points, limits=limits), span


async def _states(connection: Connection, machine_id: int, name: WindowName) -> tuple[list[StateSpan], Window]:
    span = await read_window(connection, name, datetime.now(UTC))
    rows = await live.states(connection, machine_id, span.starts_at, span.ends_at)
    return [StateSpan.of(row) for row in rows], span
