"""The follower: hears of changes by NOTIFY, looks for itself every second in case one was missed, and tells the hub.

Three tasks end in the hub, each at its own pace: points at once (a machine's newest values at most 50 times a second), states,
alarms and tickets within a tenth of a second, KPIs once a second and only for windows that somebody looks at. While the database
is away the heartbeat says so; when it is back every client gets the whole state anew.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
import structlog
from psycopg import Notify
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from bridge.store import live
from bridge.store.database import CHANNEL_BATCH, Connection, Row, connected
from dashboard.api.live.changes import Changes
from dashboard.api.live.frames import Frames
from dashboard.api.live.hub import Hub

log = structlog.get_logger()

_POLL_S: Final = 1.0
_RETRY_S: Final = 1.0
_HEARTBEAT_S: Final = 2.0
_POINTS_PAUSE_S: Final = 0.02
_CHANGES_PAUSE_S: Final = 0.1
_KPIS_PAUSE_S: Final = 1.0
_KPIS_KEPT_S: Final = 5.0  # figures move with time, too
_MOST_BATCHES: Final = 500
_MOST_BEHIND: Final = 5000


class Follower:
    """One a process. `run` ends by cancellation only."""

    def __init__(self, dsn: str, pool: AsyncConnectionPool[Connection], hub: Hub, frames: Frames) -> None:
        self._dsn = dsn
        self._pool = pool
        self._hub = hub
        self._frames = frames
        self._changes = Changes()
        self._points_due = asyncio.Event()
        self._heard: dict[int, int] = {}
        self._cursor: dict[int, int] = {}
        self._machine_of_tag: dict[int, int] = {}
        self._newest_tag = -1
        self._sources: list[Row] = []
        self._database_is_up = False
        self._has_missed = False
        self._erp_told: dict[str, Any] = {}
        self._erp_told_at = 0.0

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name="listen")
            group.create_task(self._each(self._send_points, self._points_due.wait, _POINTS_PAUSE_S), name="points")
            group.create_task(self._each(self._send_changes, self._changes.wait, _CHANGES_PAUSE_S), name="changes")
            group.create_task(self._each(self._send_kpis, self._kpis_due, _KPIS_PAUSE_S), name="kpis")
            group.create_task(self._beat(), name="heartbeat")

    async def _listen(self) -> None:
        while True:
            try:
                async with connected(self._dsn, "dashboard listen") as connection:
                    await live.listen(connection)
                    await self._begin()
                    while True:
                        async for notify in connection.notifies(timeout=_POLL_S):
                            self._hear(notify)
                        await self._look()
            except (psycopg.Error, PoolTimeout) as error:
                if self._database_is_up:
                    log.warning("the database is away, clients are told", error=str(error).strip())
                self._database_is_up = False
                await asyncio.sleep(_RETRY_S)

    async def _begin(self) -> None:
        await self._look()
        self._cursor = dict(self._heard)
        if not self._database_is_up:
            log.info("following the database", lanes=sorted(self._cursor))
        self._database_is_up = True
        self._hub.ask_resync()

    def _hear(self, notify: Notify) -> None:
        if notify.channel == CHANNEL_BATCH:
            lane, _, seq = notify.payload.partition(":")
            if lane.isdigit() and seq.isdigit():
                self._heard[int(lane)] = max(int(seq), self._heard.get(int(lane), 0))
                self._points_due.set()
        else:
            noun, _, number = notify.payload.partition(":")
            self._changes.heard(noun, int(number) if number.isdigit() else None)

    async def _look(self) -> None:
        """See for ourselves what may have come without a NOTIFY."""
        async with self._pool.connection(timeout=_RETRY_S) as connection:
            self._sources = await live.lanes(connection)
        for row in self._sources:
            self._heard[row["lane"]] = max(row["seq"], self._heard.get(row["lane"], 0))
        self._points_due.set()
        self._changes.heard_nothing()

    async def _each(
        self, work: Callable[[Connection], Awaitable[None]], due: Callable[[], Awaitable[Any]], pause_s: float
    ) -> None:
        """Work whenever it is due, at most once in `pause_s`; what failed with the database is made good by a resync after it."""
        while True:
            await due()
            try:
                async with self._pool.connection(timeout=_RETRY_S) as connection:
                    await work(connection)
                if self._has_missed:
                    self._has_missed = False
                    self._hub.ask_resync()
            except (psycopg.Error, PoolTimeout) as error:
                log.debug("the database is away", error=str(error).strip())
                self._has_missed = True
            await asyncio.sleep(pause_s)

    async def _know_tags(self, connection: Connection) -> None:
        """Learn of new tags before their readings are read: the first reading of a tag is a point as well."""
        if (newest := await live.newest_tag(connection)) != self._newest_tag:
            self._machine_of_tag = {row["id"]: row["equipment_id"] for row in await live.tags(connection)}
            self._newest_tag = newest

    async def _send_points(self, connection: Connection) -> None:
        self._points_due.clear()
        await self._know_tags(connection)
        for lane, heard in list(self._heard.items()):
            after = self._cursor.setdefault(lane, heard - 1)
            if heard - after > _MOST_BEHIND and self._hub.client_count:
                self._hub.ask_resync()
            if not self._hub.client_count or heard - after > _MOST_BEHIND:
                self._cursor[lane] = heard
                continue
            stretch = await live.batches_after(connection, lane, after, _MOST_BATCHES)
            if stretch is None:
                continue
            self._publish(await live.points(connection, lane, after, stretch, list(self._machine_of_tag)))
            self._cursor[lane] = stretch["seq"]
            if stretch["seq"] < heard:
                self._points_due.set()

    def _publish(self, points: list[tuple[int, float, float | str | None, int]]) -> None:
        by_machine: dict[int, list[Any]] = defaultdict(list)
        for point in points:
            by_machine[self._machine_of_tag[point[0]]].append(point)
        for machine, its_points in by_machine.items():
            self._hub.publish_event("points", {"machine": machine, "points": its_points}, machine=machine)

    async def _send_changes(self, connection: Connection) -> None:
        due = self._changes.take()
        if not self._hub.client_count:
            return
        if due.too_many:
            self._hub.ask_resync()
            return
        for alarm_id in due.alarms:
            if content := await self._frames.alarm(connection, alarm_id):
                self._hub.publish_event("alarm", content)
        for ticket_id in due.tickets:
            if content := await self._frames.ticket(connection, ticket_id):
                self._hub.publish_event("ticket", content)
        for question in due.questions:
            self._hub.publish_event("question", {"question": question})
        if due.machines:
            self._hub.publish_state("machines", await self._frames.machines(connection))
        if due.everything:
            self._hub.publish_state("alarms", await self._frames.alarms(connection))
            self._hub.publish_state("tickets", await self._frames.tickets(connection))

    async def _kpis_due(self) -> None:
        try:
            async with asyncio.timeout(_KPIS_KEPT_S):
                await self._changes.figures.wait()
        except TimeoutError:
            return

    async def _send_kpis(self, connection: Connection) -> None:
        self._changes.figures.clear()
        for window in sorted(self._hub.windows):
            content = await self._frames.kpis(connection, window)
            self._hub.publish_state("kpis", content, window=window)
        if self._hub.client_count:
            self._hub.publish_state("business", await self._frames.business(connection))
            await self._send_erp(connection)

    async def _send_erp(self, connection: Connection) -> None:
        """Connectors and events that need attention: at once where anything of them is another, and now and then all the same."""
        content, now = await self._frames.erp(connection), time.monotonic()
        if content != self._erp_told or now - self._erp_told_at > _KPIS_KEPT_S:
            self._erp_told, self._erp_told_at = content, now
            self._hub.publish_state("erp", content)

    async def _beat(self) -> None:
        beat = time.monotonic()
        while True:
            sources = {row["source"]: row["received_at"] for row in self._sources}
            content = {"server_time": datetime.now(UTC), "database": self._database_is_up, "sources": sources}
            self._hub.publish_state("heartbeat", content)
            beat += _HEARTBEAT_S
            await asyncio.sleep(max(0.0, beat - time.monotonic()))
