"""The process: a task for each of its duties.

One follows the lanes, one hears of new batches, one reads changed rule files, one completes tickets' evidence, one keeps the calendar,
one looks after shelves, clocks and notifications (rules/tickets/duty.py).

The database may be away at any time: each task tries again by itself and goes on where the last commit left it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import psycopg
import structlog

from bridge.config.settings import Settings
from bridge.errors import AmorError
from bridge.store import cursor
from bridge.store.database import Connection, connected
from bridge.store.equipment import apply_calendar
from rules.engine.follow import Follower, utc_now
from rules.engine.watching import RuleFiles
from rules.tickets.duty import keep_watch
from rules.tickets.evidence import complete_due

log = structlog.get_logger()

_POLL_S: Final = 1.0  # where a notification was missed
_GATHER_S: Final = 0.05  # batches of this time go into one transaction
_EVIDENCE_S: Final = 0.5
_CALENDAR_S: Final = 6 * 3600.0
_SHORTEST_S: Final = 0.2
_LONGEST_S: Final = 5.0

Work = Callable[[Connection], Awaitable[None]]


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Follow the lanes until `stop` is set. Raises ConfigError where the rule files are wrong."""
    files = RuleFiles(settings.rules.files)
    follower = Follower(settings, files.read())
    files.listen()
    wake = asyncio.Event()
    dsn = settings.database.dsn.get_secret_value()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            _keep("rules", dsn, stop, lambda connection: _follow(connection, follower, files, wake, stop))
        )
        tasks.create_task(_keep("rules files", dsn, stop, lambda connection: files.keep(connection, wake, stop)))
        tasks.create_task(_keep("rules listen", dsn, stop, lambda connection: _listen(connection, wake, stop)))
        tasks.create_task(_keep("rules calendar", dsn, stop, lambda connection: _expand(connection, settings, stop)))
        tasks.create_task(_keep("rules evidence", dsn, stop, lambda connection: _complete(connection, follower, stop)))
        tasks.create_task(
            _keep("rules duty", dsn, stop, lambda connection: _watch(connection, follower, settings, stop))
        )


async def _keep(name: str, dsn: str, stop: asyncio.Event, work: Work) -> None:
    """Do work on a connection until `stop`, again with a new one whenever it fails."""
    failures = 0
    while not stop.is_set():
        working = asyncio.ensure_future(_connected(name, dsn, work))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(working), 1.0)  # the transaction under way may end
            if not working.done():
                return
            working.result()
            failures = 0
        except (psycopg.Error, OSError, AmorError) as error:
            if failures == 0:
                log.warning(
                    "work stopped, will be tried again", task=name, error=str(error).strip(), kind=type(error).__name__
                )
            failures += 1
            await pause(stop, min(_LONGEST_S, _SHORTEST_S * 2.0 ** min(failures, 10)))
        finally:
            stopping.cancel()
            if not working.done():
                working.cancel()
                with suppress(asyncio.CancelledError, psycopg.Error, OSError, AmorError):
                    await working


async def _connected(name: str, dsn: str, work: Work) -> None:
    async with connected(dsn, name) as connection:
        log.info("connected", task=name)
        await work(connection)


async def _follow(
    connection: Connection, follower: Follower, files: RuleFiles, wake: asyncio.Event, stop: asyncio.Event
) -> None:
    await follower.open(connection, utc_now())
    while not stop.is_set():
        wake.clear()
        if (fresh := files.fresh) is not None:
            await follower.reload(connection, fresh, utc_now())
            files.fresh = None if files.fresh is fresh else files.fresh
        if await follower.step(connection, utc_now()):
            continue
        due = follower.wakes_at()
        until_due_s = (due - utc_now()).total_seconds() if due else _POLL_S
        with suppress(TimeoutError):
            await asyncio.wait_for(wake.wait(), min(max(until_due_s, 0.0), _POLL_S))
        await pause(stop, _GATHER_S)


async def _listen(connection: Connection, wake: asyncio.Event, stop: asyncio.Event) -> None:
    await cursor.listen(connection)
    wake.set()
    while not stop.is_set():
        async for _ in connection.notifies(timeout=_POLL_S):
            wake.set()


async def _complete(connection: Connection, follower: Follower, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await complete_due(connection, lambda equipment_id: follower.clock(equipment_id, utc_now()))
        await pause(stop, _EVIDENCE_S)


async def _watch(connection: Connection, follower: Follower, settings: Settings, stop: asyncio.Event) -> None:
    await keep_watch(connection, settings, follower.rules, stop)


async def _expand(connection: Connection, settings: Settings, stop: asyncio.Event) -> None:
    """Keep the calendar's coming two weeks filled, however long this process runs."""
    while not stop.is_set():
        await apply_calendar(connection, settings, utc_now())
        await pause(stop, _CALENDAR_S)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not longer than to the end."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
