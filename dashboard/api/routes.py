"""`/api/v1`: what the pages show, as JSON. Read-only but for the acknowledgement of an alarm."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Response

from bridge.store import account, alarm, board, live
from bridge.store.database import Connection, Row
from dashboard.api.discreet import Discreet
from dashboard.api.machine import read_machine
from dashboard.api.models import (
    AlarmAnswer,
    MachineAnswer,
    MachineDetail,
    Note,
    OrderAnswer,
    OutboxAnswer,
    OutboxRow,
    OutboxTotal,
    PlantSummary,
    ShipmentAnswer,
    TicketAnswer,
    UnitKpis,
)
from dashboard.api.plant import read_plant
from dashboard.api.tower import TheAccount, TheTower, require
from dashboard.api.window import WindowName

router: Final = APIRouter(prefix="/api/v1", tags=["plant"], route_class=Discreet)

InWindow = Annotated[WindowName, Query(description="shift (the current one), 15m, 1h or 24h.")]
Closed = Annotated[bool, Query(description="Those that are over instead of those that are open.")]


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


@router.get("/alarms")
async def alarms(tower: TheTower, closed: Closed = False) -> list[AlarmAnswer]:  # a query parameter
    """Open alarms, the most severe first."""
    async with tower.pool.connection() as connection:
        return [AlarmAnswer.of(row) for row in await board.alarms(connection, closed=closed)]


@router.post("/alarms/{alarm_id}/ack", responses={403: {}, 404: {}})
async def acknowledge(alarm_id: int, note: Note, tower: TheTower, me: TheAccount) -> AlarmAnswer:
    """Acknowledge an alarm, with a note. Needs the role operator; written to the audit trail."""
    require(me, "operator")
    now = datetime.now(UTC)
    async with tower.pool.connection() as connection, connection.transaction():
        await _existing_alarm(connection, alarm_id)
        await alarm.acknowledge(connection, alarm_id, me.login, note.note, now)
        await account.write_audit(
            connection, me.login, "alarm acknowledged", f"alarm:{alarm_id}", now, {"note": note.note}
        )
        return AlarmAnswer.of(await _existing_alarm(connection, alarm_id))


@router.get("/tickets")
async def tickets(tower: TheTower, closed: Closed = False) -> list[TicketAnswer]:  # a query parameter
    """Open tickets, the most urgent first."""
    async with tower.pool.connection() as connection:
        return [TicketAnswer.of(row) for row in await board.tickets(connection, closed=closed)]


@router.get("/tickets/{ticket_id}")
async def ticket(ticket_id: int, tower: TheTower) -> TicketAnswer:
    """One ticket, open or not."""
    async with tower.pool.connection() as connection:
        row = await board.ticket(connection, ticket_id)
    if row is None:
        raise HTTPException(404, "no such ticket")
    return TicketAnswer.of(row)


@router.get("/tickets/{ticket_id}/evidence", response_class=Response, responses={200: {"content": {"image/png": {}}}})
async def evidence(ticket_id: int, tower: TheTower) -> Response:
    """The picture of the readings around the event; 404 until it is drawn."""
    async with tower.pool.connection() as connection:
        picture = await board.evidence_picture(connection, ticket_id)
    if picture is None:
        raise HTTPException(404, "no picture yet")
    # A picture is drawn once; a script in an SVG must never run in our origin.
    headers = {
        "cache-control": "private, max-age=3600",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    return Response(picture[0], media_type=picture[1], headers=headers)


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


async def _existing_alarm(connection: Connection, alarm_id: int) -> Row:
    row = await board.alarm(connection, alarm_id)
    if row is None:
        raise HTTPException(404, "no such alarm")
    return row
