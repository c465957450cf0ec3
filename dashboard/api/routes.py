"""`/api/v1`: what the pages show, as JSON. Read-only; what operators do is in operators and tickets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query

from bridge.store import board, live
from dashboard.api.discreet import Discreet
from dashboard.api.machine import read_machine
from dashboard.api.models import (
    MachineAnswer,
    MachineDetail,
    OrderAnswer,
    OutboxAnswer,
    OutboxRow,
    OutboxTotal,
    PlantSummary,
    ShipmentAnswer,
    UnitKpis,
)
from dashboard.api.plant import read_plant
from dashboard.api.tower import TheTower
from dashboard.api.window import WindowName

router: Final = APIRouter(prefix="/api/v1", tags=["plant"], route_class=Discreet)

InWindow = Annotated[WindowName, Query(description="shift (the current one), 15m, 1h or 24h.")]


@router.get("/plant")
async def plant(tower: TheTower, window: InWindow = WindowName.SHIFT) -> PlantSummary:
    """The plant's figures, and those of its lines and machines."""
    async with tower.pool.connection() as connection:
        return await read_plant(connection, tower.settings.targets, tower.counted, window, datetime.now(UTC))


@router.get("/lines")
async def lines(tower: TheTower, window: InWindow = WindowName.SHIFT) -> list[UnitKpis]:
    """The figures of each line."""
    return (await plant(tower, window)).lines


@router.get("/machines")
async def machines(tower: TheTower) -> list[MachineAnswer]:
    """All machines, with what they are doing."""
    async with tower.pool.connection() as connection:
        return [MachineAnswer.of(row) for row in await live.machines(connection, datetime.now(UTC))]


@router.get("/machines/{machine_id}")
async def machine(machine_id: int, tower: TheTower, window: InWindow = WindowName.SHIFT) -> MachineDetail:
    """One machine: figures, tags with newest readings and limits, open alarms and tickets."""
    now = datetime.now(UTC)
    async with tower.pool.connection() as connection:
        summary = await read_plant(connection, tower.settings.targets, tower.counted, window, now)
        found = await read_machine(connection, machine_id, summary, now)
    if found is None:
        raise HTTPException(404, "no such machine")
    return found


@router.get("/orders")
async def orders(tower: TheTower) -> list[OrderAnswer]:
    """Production orders, those in hand first."""
    async with tower.pool.connection() as connection:
        return [OrderAnswer.of(row) for row in await board.orders(connection)]


@router.get("/shipments")
async def shipments(tower: TheTower) -> list[ShipmentAnswer]:
    """Shipments, the newest first."""
    async with tower.pool.connection() as connection:
        return [ShipmentAnswer.of(row) for row in await board.shipments(connection)]


@router.get("/outbox")
async def outbox(tower: TheTower) -> OutboxAnswer:
    """Postings to business systems: totals by state, and the newest, parked ones first."""
    async with tower.pool.connection() as connection:
        totals = await board.outbox_totals(connection)
        newest = await board.newest_outbox(connection)
    return OutboxAnswer(
        totals=[OutboxTotal.of(row) for row in totals],
        newest=[OutboxRow.of(row) for row in newest],
    )
