"""The clocks of tickets: what was promised, and what became of it. The state is here, so that a killed process forgets nothing."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from bridge.config.settings import TicketsSettings
from bridge.model.alarm import Severity
from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("ticket_clock")


async def start(
    connection: Connection, tickets: TicketsSettings, ticket_id: int, round_: int, priority: str, at: datetime
) -> None:
    """Start the clocks of a ticket that was opened or reopened; none where nothing is promised for its priority."""
    if promise := tickets.sla.get(Severity(priority)):
        for kind, target in (("response", promise.response), ("restore", promise.restore)):
            values: dict[str, Any] = {"ticket_id": ticket_id, "round": round_, "at": at, "hours": promise.hours}
            await connection.execute(_QUERIES.start, {**values, "kind": kind, "target": target})


async def retarget(
    connection: Connection, tickets: TicketsSettings, ticket_id: int, round_: int, priority: str, at: datetime
) -> None:
    """The priority has risen: what is promised for it holds from the clock's start on; `at` where there was no clock yet."""
    if promise := tickets.sla.get(Severity(priority)):
        await start(connection, tickets, ticket_id, round_, priority, at)
        for kind, target in (("response", promise.response), ("restore", promise.restore)):
            values = {"ticket_id": ticket_id, "kind": kind, "target": target, "hours": promise.hours}
            await connection.execute(_QUERIES.retarget, values)


async def stop(connection: Connection, ticket_id: int, kinds: Collection[str], at: datetime) -> None:
    """Stop clocks at an instant that is not in the future; they are judged up to it."""
    await connection.execute(_QUERIES.stop, {"ticket_id": ticket_id, "kinds": list(kinds), "at": at})


async def look_again(connection: Connection, ticket_id: int) -> None:
    """Have the running clocks judged anew: the ticket was put on hold, or goes on."""
    await connection.execute(_QUERIES.look_again, {"ticket_id": ticket_id})


async def due(connection: Connection, most: int = 200) -> list[Row]:
    """Clocks at which to look now, locked, with their tickets and pauses (lists of [from, until or null])."""
    return await (await connection.execute(_QUERIES.due, {"most": most})).fetchall()


async def judged(
    connection: Connection,
    clock: Row,
    *,
    due_at: datetime | None,
    warned_at: datetime | None,
    breached_at: datetime | None,
    next_at: datetime | None,
) -> None:
    """Keep what was found of a clock, and when to look again."""
    values = {"ticket_id": clock["ticket_id"], "kind": clock["kind"], "round": clock["round"], "due_at": due_at}
    values |= {"warned_at": warned_at, "breached_at": breached_at, "next_at": next_at}
    await connection.execute(_QUERIES.judged, values)


async def of_ticket(connection: Connection, ticket_id: int) -> list[Row]:
    """The clocks of a ticket: kind, round, started_at, stopped_at, target_s, hours, due_at, warned_at, breached_at."""
    return await (await connection.execute(_QUERIES.of_ticket, {"ticket_id": ticket_id})).fetchall()


async def kept(connection: Connection, start_at: datetime, end_at: datetime) -> list[Row]:
    """How well promises were kept in a span, by priority and clock: clocks, kept, median_s."""
    return await (await connection.execute(_QUERIES.kept, {"start": start_at, "end": end_at})).fetchall()
