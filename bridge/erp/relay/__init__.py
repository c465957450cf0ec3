"""The relay: carries the outbox to the business systems, and their orders and shipments back.

For each connector: a listener that hears of new rows and of people who say go (`listening`), a dispatcher that carries them
(`dispatcher`: streams side by side, each in its order), a reader of orders and shipments (`inbound`), one who tells its stock to others
(`availability`), and one who answers people (`questions`). Any number of relays may run on one database.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import uuid4

import psycopg
import structlog

from bridge.config.settings import ConnectorSettings, Settings
from bridge.config.settings.webhook import WebhookSettings
from bridge.erp.connectors import make
from bridge.erp.relay.availability import check_levels, tell_levels
from bridge.erp.relay.condition import tell_conditions
from bridge.erp.relay.dispatcher import Lane, dispatch
from bridge.erp.relay.gate import Gate
from bridge.erp.relay.inbound import follow
from bridge.erp.relay.listening import listen
from bridge.erp.relay.questions import answer_questions
from bridge.erp.relay.reconcile import reconcile_nightly
from bridge.erp.relay.retention import forget_nightly
from bridge.erp.relay.rhythm import DEFAULT, Availability, Rhythm, pause
from bridge.erp.relay.telling import Audience
from bridge.erp.webhook.listener import receive
from bridge.errors import SetupError
from bridge.model.production import EventKind
from bridge.store import outbox
from bridge.store.database import Connection, connected

log = structlog.get_logger()

# A statement that is not answered for so long is not answered any more: the server allows it less (relay.prepare_session).
_ANSWER_WITHIN: Final = timedelta(seconds=60)

Task = Callable[[Connection, asyncio.Event], Awaitable[None]]


async def run(settings: Settings, stop: asyncio.Event, rhythm: Rhythm = DEFAULT) -> None:
    """Carry until `stop`; then attempts in hand have a second to end. What they leave is looked up by the next relay."""
    check_levels(settings.connector)
    dsn = settings.database.dsn.get_secret_value()
    database = Availability("database")
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[None]] = []
        audience = Audience.of(settings)
        lanes = [await _open(table, rhythm, stack, audience) for table in settings.connector]
        for lane, table in zip(lanes, settings.connector, strict=True):
            tasks += [
                group.create_task(_with_database(dsn, task, stop, database, rhythm))
                for task in _tasks(lane, table, settings)
            ]
        if lanes:
            tell = partial(tell_conditions, lanes, audience, uuid4())
            tasks.append(group.create_task(_with_database(dsn, tell, stop, database, rhythm)))
            tasks.append(
                group.create_task(_with_database(dsn, partial(_tell_of_others, lanes), stop, database, rhythm))
            )
            keep = partial(forget_nightly, settings.relay, settings.plant.zone)
            tasks.append(group.create_task(_with_database(dsn, keep, stop, database, rhythm)))
        log.info("relay started", connectors=[table.name for table in settings.connector])
        await stop.wait()
        for lane in lanes:
            lane.wake.set()
        if tasks:
            _, unfinished = await asyncio.wait(tasks, timeout=rhythm.ending.total_seconds())
            for task in unfinished:
                task.cancel()
    log.info("relay stopped")


async def _open(table: ConnectorSettings, rhythm: Rhythm, stack: AsyncExitStack, audience: Audience) -> Lane:
    connector = await stack.enter_async_context(make(table))
    return Lane(
        name=table.name,
        connector=connector,
        # The system may be at work on a request as long as its table says, or as we would have waited for its answer.
        settle=getattr(table, "settle", None) or timedelta(seconds=table.timeout_s),
        max_in_flight=table.max_in_flight,
        rhythm=rhythm,
        wake=asyncio.Event(),
        gate=Gate(table.name, rhythm, rate_per_s=table.rate_per_s, burst=table.burst),
        audience=audience,
    )


def _tasks(lane: Lane, table: ConnectorSettings, settings: Settings) -> Iterator[Task]:
    yield partial(listen, lane)
    yield partial(follow, lane, str(table.url), timedelta(seconds=table.poll_s))  # a secret address stays one
    yield partial(dispatch, lane)
    yield partial(answer_questions, lane)
    if isinstance(table, WebhookSettings) and table.listen_port:
        yield partial(receive, table)
    if table.availability:
        yield partial(tell_levels, lane, table.availability, timedelta(seconds=table.poll_s))
    if settings.relay.reconcile and EventKind.WIP_TO_FG in lane.connector.kinds:
        yield partial(reconcile_nightly, lane, settings.relay.reconcile_at, settings.plant.zone)


async def _tell_of_others(lanes: list[Lane], connection: Connection, stop: asyncio.Event) -> None:
    """Say once what waits for connectors that the configuration does not have any more: nobody carries it."""
    elsewhere = await outbox.open_elsewhere(connection, [lane.name for lane in lanes])
    for name, rows in elsewhere.items():
        log.error("events wait for a connector that is not in the configuration", connector=name, events=rows)
    await stop.wait()


async def _with_database(dsn: str, task: Task, stop: asyncio.Event, database: Availability, rhythm: Rhythm) -> None:
    """Keep a task running on a connection of its own, and give it a new one whenever it lost it or failed otherwise.

    No failure of one task ends the others: what nobody foresaw is logged in full and tried again, as an outage is.
    """
    failures = 0
    while not stop.is_set():
        began = time.monotonic()
        try:
            async with connected(dsn, "relay", answer_within=_ANSWER_WITHIN) as connection:
                database.works()
                await task(connection, stop)
                failures = 0
                continue
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError, SetupError) as error:
            database.lost(error)  # away, or it takes no writes
        except Exception:
            log.exception("a mistake in the relay, trying again")
        # One that ran for a while begins to count anew.
        failures = 1 if time.monotonic() - began > rhythm.database.cap.total_seconds() else failures + 1
        await pause(stop, rhythm.database.delay(failures, 1.0))
