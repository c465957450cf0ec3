"""Orders and shipments from a business system into the database, read again and again."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta

import structlog

from bridge.erp.relay.rhythm import pause
from bridge.erp.relay.worker import Lane
from bridge.errors import ConnectorError, CredentialsError
from bridge.store import order, shipment
from bridge.store.database import Connection

log = structlog.get_logger()


async def follow(lane: Lane, every: timedelta, connection: Connection, stop: asyncio.Event) -> None:
    """Read everything once, then what changed, until `stop`. Raises psycopg errors where the database goes away."""
    since: datetime | None = None
    failures = 0
    while not stop.is_set():
        await lane.key.wait(stop)
        if stop.is_set():
            return
        began = datetime.now(UTC)
        try:
            await _read(lane, connection, since)
        except ConnectorError as error:
            failures += 1
            lane.key.refused(error) if isinstance(error, CredentialsError) else lane.system.lost(error)
            wait = lane.rhythm.retry.delay(failures, random.random(), lane.rhythm.asked(error))  # noqa: S311  # jitter
            await pause(stop, max(wait, every))
            continue
        since, failures = began - lane.rhythm.overlap, 0
        lane.key.accepted()
        lane.system.works()
        await pause(stop, every)


async def _read(lane: Lane, connection: Connection, since: datetime | None) -> None:
    orders = await lane.connector.read_orders(since)
    shipments = await lane.connector.read_shipments(since)
    async with connection.transaction():
        refused_orders = await order.upsert(connection, lane.name, orders)
        refused_shipments = await shipment.upsert(connection, lane.name, shipments)
    for refused, reason in [*refused_orders, *refused_shipments]:
        log.warning("left out, the database refuses it", connector=lane.name, record=repr(refused)[:500], reason=reason)
