"""Alarms, tickets, orders, shipments and postings as people see them. Reading only; their owners write them."""

from __future__ import annotations

from typing import Final

from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("board")
_MOST: Final = 200


async def alarms(
    connection: Connection, *, closed: bool = False, equipment_id: int | None = None, most: int = _MOST
) -> list[Row]:
    """Open alarms, or closed ones, the most severe and newest first."""
    what = {"closed": closed, "equipment_id": equipment_id, "most": most}
    return await (await connection.execute(_QUERIES.alarms, what)).fetchall()


async def alarm(connection: Connection, alarm_id: int) -> Row | None:
    """One alarm, open or not."""
    return await (await connection.execute(_QUERIES.alarm, {"id": alarm_id})).fetchone()


async def alarm_events(connection: Connection, alarm_id: int) -> list[Row]:
    """The history of an alarm, oldest first."""
    return await (await connection.execute(_QUERIES.alarm_events, {"id": alarm_id})).fetchall()


async def tickets(
    connection: Connection, *, closed: bool = False, equipment_id: int | None = None, most: int = _MOST
) -> list[Row]:
    """Open tickets, or closed ones, the most urgent and newest first."""
    what = {"id": None, "closed": closed, "equipment_id": equipment_id, "most": most}
    return await (await connection.execute(_QUERIES.tickets, what)).fetchall()


async def ticket(connection: Connection, ticket_id: int) -> Row | None:
    """One ticket, open or not."""
    what = {"id": ticket_id, "closed": False, "equipment_id": None, "most": 1}
    return await (await connection.execute(_QUERIES.tickets, what)).fetchone()


async def evidence_picture(connection: Connection, ticket_id: int) -> tuple[bytes, str] | None:
    """The picture of a ticket's evidence and its media type."""
    row = await (await connection.execute(_QUERIES.evidence_picture, {"id": ticket_id})).fetchone()
    return (bytes(row["picture"]), row["picture_type"] or "image/png") if row else None


async def orders(connection: Connection, most: int = _MOST) -> list[Row]:
    """Production orders with the pieces made and posted for them, those in hand first."""
    return await (await connection.execute(_QUERIES.orders, {"most": most})).fetchall()


async def shipments(connection: Connection, most: int = _MOST) -> list[Row]:
    """Shipments, the newest first."""
    return await (await connection.execute(_QUERIES.shipments, {"most": most})).fetchall()


async def outbox_totals(connection: Connection) -> list[Row]:
    """Postings by connector, kind and state: rows, quantity, oldest_at."""
    return await (await connection.execute(_QUERIES.outbox)).fetchall()


async def newest_outbox(connection: Connection, most: int = _MOST) -> list[Row]:
    """The newest postings, parked ones first."""
    return await (await connection.execute(_QUERIES.newest_outbox, {"most": most})).fetchall()
