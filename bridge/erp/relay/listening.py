"""What a connector's tasks are woken by: new rows of the outbox, and a person who says that it is to be tried now.

A notification that is lost only costs the time until the next look. Every relay hears a person's go, by a number in the database: it ends
the pauses of the connector here (its key was refused, its system fails), and of the rows that wait by their own failures.
"""

from __future__ import annotations

import asyncio

import structlog

from bridge.erp.relay.dispatcher import Lane
from bridge.store import connector_control, relay
from bridge.store.database import Connection

log = structlog.get_logger()


async def listen(lane: Lane, connection: Connection, stop: asyncio.Event) -> None:
    """Wake the dispatcher until `stop`. Raises psycopg errors where the database goes away."""
    await relay.listen(connection)
    lane.wake.set()  # for what came before
    while not stop.is_set():
        await _hear_go(lane, connection)  # a connection that fell silent tells nothing either
        async for notice in connection.notifies(timeout=lane.rhythm.look_again.total_seconds()):
            if notice.payload == lane.name:
                lane.wake.set()


async def _hear_go(lane: Lane, connection: Connection) -> None:
    """End the pauses where a person has said go since the last look, or in the minute before this relay began."""
    times, is_recent = await connector_control.goes(connection, lane.name)
    before, lane.heard.times = lane.heard.times, times
    if times != before and (is_recent or before is not None):
        rows = await relay.end_waits(connection, lane.name, lane.settle)
        lane.gate.go()
        lane.wake.set()
        log.info("a person says go: pauses end", connector=lane.name, events=rows)
