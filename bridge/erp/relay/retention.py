"""What is kept how long: at night the requests and answers of events that are long done are deleted, and messages that are no accounting.

The rows of events with documents behind them are never deleted: they are what was posted, their ids are what a system knows them by
and what keeps a fact from being written twice, and reversals, comparisons and traces read them. A page at a time is deleted, and as
long as that took nothing is done: half of a disk's time is the posting's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from bridge.config.settings.relay import RelaySettings
from bridge.erp.relay.reconcile import last_due
from bridge.erp.relay.rhythm import pause
from bridge.store import retention, turn
from bridge.store.database import Connection

log = structlog.get_logger()

_TURN: Final = "relay retention"


@dataclass(slots=True)
class Deleted:
    """What a round deleted: attempts of done events, messages with theirs, news that nobody heard."""

    attempts: int = 0
    messages: int = 0
    told_to_nobody: int = 0


async def forget_nightly(table: RelaySettings, zone: ZoneInfo, connection: Connection, stop: asyncio.Event) -> None:
    """Delete once a day at a time of the plant's zone, until `stop`. Of several relays one does."""
    while not stop.is_set():
        now = datetime.now(UTC)
        await pause(stop, last_due(now, table.forget_at, zone) + timedelta(days=1) - now)
        if not stop.is_set() and await turn.take(connection, _TURN):
            deleted = await forget(connection, table, datetime.now(UTC), stop)
            await turn.end(connection, _TURN)
            log.info("deleted what is no longer kept", attempts=deleted.attempts, messages=deleted.messages)


async def forget(connection: Connection, table: RelaySettings, now: datetime, stop: asyncio.Event) -> Deleted:
    """Delete all that is older than the table keeps, or until `stop`. Raises psycopg errors; what was deleted stays so."""
    deleted = Deleted()
    if table.keep_attempts_days:
        before, after, is_last = now - timedelta(days=table.keep_attempts_days), 0, False
        while not is_last and not stop.is_set():
            began = time.monotonic()
            count, after, is_last = await retention.forget_attempts(connection, before, after)
            deleted.attempts += count
            await _rest(stop, began)
    if table.keep_messages_days:
        before = now - timedelta(days=table.keep_messages_days)
        deleted.messages = await _all(lambda: retention.forget_messages(connection, before), stop)
        deleted.told_to_nobody = await _all(lambda: retention.forget_nobody(connection, before), stop)
    return deleted


async def _all(forget_page: Callable[[], Awaitable[int]], stop: asyncio.Event) -> int:
    deleted = 0
    while not stop.is_set():
        began = time.monotonic()
        if not (count := await forget_page()):
            break
        deleted += count
        await _rest(stop, began)
    return deleted


async def _rest(stop: asyncio.Event, began: float) -> None:
    await pause(stop, timedelta(seconds=time.monotonic() - began))
