"""Orders, shipments and the states of work requests from a business system into the database, read again and again."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta

import structlog

from bridge.erp.relay.dispatcher import Lane
from bridge.erp.relay.rhythm import pause
from bridge.errors import ConnectorError
from bridge.model.production import EventKind
from bridge.store import order, shipment, work_request
from bridge.store.database import Connection

log = structlog.get_logger()


async def follow(lane: Lane, every: timedelta, connection: Connection, stop: asyncio.Event) -> None:
    """Read everything once, then what changed, until `stop`. Raises psycopg errors where the database goes away."""
    since: datetime | None = None
    failures = 0
    while not stop.is_set():
        await lane.gate.ready(stop)
        if stop.is_set():
            return
        began = datetime.now(UTC)
        try:
            await _read(lane, connection, since)
        except ConnectorError as error:
            failures += 1
            lane.gate.failed(error)
            wait = lane.rhythm.retry.delay(failures, random.random(), lane.rhythm.asked(error))  # noqa: S311  # jitter
            await pause(stop, max(wait, every))
            continue
        since, failures = began - lane.rhythm.overlap, 0
        lane.gate.worked()
        await pause(stop, every)


async def _read(lane: Lane, connection: Connection, since: datetime | None) -> None:
    await lane.gate.token()
    orders = await lane.connector.read_orders(since)
    await lane.gate.token()
    shipments = await lane.connector.read_shipments(since)
    states = await lane.connector.read_ticket_states(since) if EventKind.WORK_REQUEST in lane.connector.kinds else []
    async with connection.transaction():
        await work_request.take_states(connection, lane.name, states)
        refused_orders = await order.upsert(connection, lane.name, orders)
        refused_shipments = await shipment.upsert(connection, lane.name, shipments)
    for refused, reason in [*refused_orders, *refused_shipments]:
        log.warning("left out, the database refuses it", connector=lane.name, record=repr(refused)[:500], reason=reason)
