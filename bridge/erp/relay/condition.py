"""How the connectors are, written down for people whenever it changes, and every few seconds, so that a relay that is gone is seen.

People are told here when a connector got into trouble, and when it is well again: where it is seen over time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import psycopg

from bridge.erp.relay.dispatcher import Lane
from bridge.erp.relay.rhythm import pause
from bridge.erp.relay.telling import Audience, tell_of_troubles
from bridge.store import connector_condition
from bridge.store.connector_condition import Told
from bridge.store.database import Connection


async def tell_conditions(
    lanes: Sequence[Lane], audience: Audience, relay: UUID, connection: Connection, stop: asyncio.Event
) -> None:
    """Tell of all connectors until `stop`, then take the word back. Raises psycopg errors where the database goes away."""
    said: list[tuple[str, str]] = []
    try:
        while not stop.is_set():
            for lane in lanes:
                lane.gate.changed.clear()
            told = [_told(lane) for lane in lanes]
            news = [(each.state, each.reason) for each in told]
            await connector_condition.tell(connection, relay, told, is_news=news != said)
            said = news
            await tell_of_troubles(audience, [lane.name for lane in lanes], connection)
            await pause(stop, connector_condition.EVERY, *(lane.gate.changed for lane in lanes))
    finally:
        with contextlib.suppress(psycopg.Error):
            await connector_condition.forget(connection, relay)


def _told(lane: Lane) -> Told:
    condition = lane.gate.condition
    if condition.state == "works":
        return Told(lane.name, condition.state, "", None, condition.is_proven)
    left = max(0.0, condition.until - asyncio.get_running_loop().time())
    return Told(lane.name, condition.state, condition.reason, timedelta(seconds=left))
