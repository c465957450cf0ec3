"""A posting worker: takes the head of a stream, carries it, says how it ended, takes the next.

A stream is taken by an advisory lock on the worker's own session: held while HTTP requests run without a transaction being
open, seen by every relay on the database, and released by the server in the instant that the worker dies. A lease would have
to be waited out after a crash, and a row lock would hold a transaction open over the network.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from datetime import timedelta

import psycopg
import structlog

from bridge.erp.connector import Connector
from bridge.erp.relay.attempt import Attempt, outcome
from bridge.erp.relay.rhythm import Availability, KeyCheck, Rhythm
from bridge.errors import BusinessError, CredentialsError, TransientError, UnknownOutcome
from bridge.store import outbox
from bridge.store.database import Connection

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Lane:
    """What the workers of one connector share. `settle`: how long its system may still work on a request nobody waits for."""

    name: str
    connector: Connector
    settle: timedelta
    rhythm: Rhythm
    wake: asyncio.Event
    key: KeyCheck
    system: Availability


async def work(lane: Lane, connection: Connection, stop: asyncio.Event) -> None:
    """Carry events until `stop`. Raises psycopg errors where the database goes away; the stream in hand is free then."""
    await outbox.prepare_session(connection)
    while not stop.is_set():
        await lane.key.wait(stop)
        lane.wake.clear()
        row = None if stop.is_set() else await outbox.claim(connection, lane.name, lane.settle)
        if row is None:
            await _rest(lane, connection, stop)
            continue
        lane.wake.set()  # there may be more for the others
        await _attempt(lane, connection, row)
        await outbox.release(connection, lane.name, row.stream)


async def _rest(lane: Lane, connection: Connection, stop: asyncio.Event) -> None:
    """Wait for a notification, for the next head to become due, or for the time to look again."""
    if stop.is_set():
        return
    longest = lane.rhythm.look_again.total_seconds()
    due = await outbox.next_due_s(connection, lane.name)
    try:
        async with asyncio.timeout(longest if due is None else min(longest, due)):
            await lane.wake.wait()
    except TimeoutError:
        return


async def _attempt(lane: Lane, connection: Connection, row: outbox.Claimed) -> None:
    attempt = Attempt(connection, lane.connector, row, lane.settle)
    bound = log.bind(connector=lane.name, stream=row.stream, seq=row.seq, outbox_id=row.id, attempt=row.attempts)
    began = time.monotonic()
    try:
        external_id = await attempt.carry()
    except psycopg.Error:
        raise
    except Exception as error:  # noqa: BLE001  # a connector's mistake must not stop the other streams
        await attempt.record_failure(error)
        if await attempt.is_hopeless(error, lane.rhythm.most_own_faults):
            error = BusinessError(
                f"{error} ({lane.rhythm.most_own_faults} times: mend it there, then replay this event)"
            )
        await _postpone(lane, connection, row, error, is_unclear=attempt.is_unclear, bound=bound)
        return
    await outbox.finish(connection, row.id, external_id)
    lane.key.accepted()
    lane.system.works()
    bound.info(
        "posted", kind=row.kind, external_id=external_id, duration_ms=round((time.monotonic() - began) * 1000, 1)
    )


async def _postpone(
    lane: Lane,
    connection: Connection,
    row: outbox.Claimed,
    error: Exception,
    *,
    is_unclear: bool,
    bound: structlog.stdlib.BoundLogger,
) -> None:
    """What follows from a failure: later, later after a look, after the key is mended, or when a person says so."""
    result = outcome(error)
    # A request that nobody waits for any more may still be carried out: looking too early would not see it.
    at_least = lane.settle if result == "unknown" else lane.rhythm.asked(error)
    wait = lane.rhythm.retry.delay(row.attempts, random.random(), at_least)  # noqa: S311  # jitter
    match error:
        case BusinessError():
            bound.error("parked for a person", reason=str(error))
            await outbox.postpone(connection, row.id, "parked", timedelta(0), str(error))
            return
        case CredentialsError():
            lane.key.refused(error)
        case TransientError():
            lane.system.lost(error)
        case UnknownOutcome():
            is_unclear = True
            bound.warning("answer unclear, will be looked up", reason=str(error), wait_s=wait.total_seconds())
        case _:
            is_unclear = True
            bound.error("a mistake in the connector, will be looked up", exc_info=error)
    bound.debug("postponed", outcome=result, wait_s=wait.total_seconds())
    await outbox.postpone(
        connection, row.id, "sending" if is_unclear else "pending", wait, str(error) or type(error).__name__
    )
