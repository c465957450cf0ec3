"""The dispatcher of one connector: takes streams, carries their events side by side, each stream's one after the other.

A stream is taken by an advisory lock on the dispatcher's own session: held while HTTP requests run without a transaction being
open, seen by every relay on the database, and released by the server in the instant that the process dies. A lease alone would have
to be waited out after a crash, and a row lock (FOR UPDATE SKIP LOCKED) would hold a transaction open over the network, an attempt of
minutes long. The lock only says who begins; it is not trusted to last. What keeps an event from being sent twice by two relays,
should a lock vanish under its holder (a failover, a session that is ended), is written in the row before anything goes out: until when
nobody else may claim it (`next_at`, set anew with every write and while it is in hand), and the number of the attempt, without which
no older attempt can write, and so none can send, any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

import psycopg
import structlog

from bridge.erp.connector import Connector
from bridge.erp.relay.attempt import Attempt, outcome
from bridge.erp.relay.gate import Gate
from bridge.erp.relay.journal import Journal, NotWritten, Overtaken
from bridge.erp.relay.masking import said
from bridge.erp.relay.rhythm import Rhythm
from bridge.erp.relay.telling import Audience, tell_parked
from bridge.errors import BusinessError, ConnectorError, CredentialsError, TransientError, UnknownOutcome
from bridge.model.production import OF_PRODUCTION
from bridge.store import connector_control, relay
from bridge.store.database import Connection
from bridge.store.relay import Claimed, Head, NextState, Postponed

log = structlog.get_logger()

LOOK_FOR: Final = 500  # heads of streams at a look, which steps over all open streams
LOOK_S: Final = 0.15  # ... and what was written since is looked for as often
_NEWEST_EVERY: Final = 3  # of so many streams that are taken one is the newest, whatever waits longer


@dataclass(slots=True)
class Heard:
    """How often people had said go when this relay looked last; None before its first look."""

    times: int | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """What the tasks of one connector share. `settle`: how long its system may still work on a request nobody waits for.

    `stock_moved` is set when an event that moves stock there was verified: levels are another now (availability).
    """

    name: str
    connector: Connector
    settle: timedelta
    max_in_flight: int
    rhythm: Rhythm
    wake: asyncio.Event
    gate: Gate
    stock_moved: asyncio.Event = field(default_factory=asyncio.Event)
    audience: Audience = field(default_factory=Audience)
    heard: Heard = field(default_factory=Heard)


async def dispatch(lane: Lane, connection: Connection, stop: asyncio.Event) -> None:
    """Carry events until `stop`. Raises psycopg errors where the database goes away; the streams in hand are free then."""
    await relay.prepare_session(connection)
    journal = Journal(connection, lane.name, lane.settle, partial(tell_parked, lane.audience, lane.name))
    dispatcher = Dispatcher(lane, journal)
    tasks = [asyncio.create_task(work) for work in (dispatcher.run(connection, stop), journal.run(), journal.watch())]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        tasks += dispatcher.in_hand.values()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Dispatcher:
    """The streams of a lane that are in hand, by name."""

    def __init__(self, lane: Lane, journal: Journal) -> None:
        self._lane = lane
        self._journal = journal
        self._heads: list[Head] = []
        self._after = ""  # the stream at which the next look goes on
        self._looked = 0.0
        self._claimed = 0
        self.in_hand: dict[str, asyncio.Task[None]] = {}

    async def run(self, connection: Connection, stop: asyncio.Event) -> None:
        """Take and carry streams until `stop`; then wait for those in hand."""
        lane = self._lane
        while not stop.is_set():
            await lane.gate.ready(stop)
            lane.wake.clear()
            if stop.is_set() or await self._is_stopped(connection):
                await self._rest(stop, None)
            elif not await self._take():
                await self._rest(stop, await self._due_s())
        if self.in_hand:
            await asyncio.wait(set(self.in_hand.values()))

    async def _is_stopped(self, connection: Connection) -> bool:
        """Whether a person stopped the connector."""
        return await self._journal.alone(lambda: connector_control.is_stopped(connection, self._lane.name))

    async def _take(self) -> bool:
        """Take streams while there is room for a good part of what may be in hand; whether any were taken."""
        most = self._lane.max_in_flight if self._lane.gate.most is None else self._lane.gate.most
        room = most - len(self.in_hand)
        if room < max(1, most // 8):
            return False
        for row in await self._claim(room):
            task = asyncio.create_task(self._carry_stream(row))
            self.in_hand[row.stream] = task
            task.add_done_callback(lambda _, stream=row.stream: self._is_done(stream))  # type: ignore[misc]  # a default binds the loop's value
        return len(self.in_hand) > most - room

    async def _claim(self, room: int) -> list[Claimed]:
        """Claim streams of those that were found last; look again when they are used up, or some time has passed."""
        circle = 2 if self._after else 1  # so often the last stream is passed until all were seen
        while True:
            now = asyncio.get_running_loop().time()
            if not self._heads or now > self._looked + LOOK_S:
                looked = await self._journal.due_heads(self.in_hand.keys(), max(room, LOOK_FOR), self._after)
                # Where there are more streams than a look steps over, the next one goes on behind them.
                self._heads, self._looked, self._after = looked.found, now, looked.last or ""
                circle -= looked.last is None
            tried = self._in_turn([head for head in self._heads if head.stream not in self.in_hand])[: 2 * room]
            rows = await self._journal.claim(tried, room) if tried else []
            self._claimed += len(rows)
            gone = {head.id for head in tried} if len(rows) < room else {row.id for row in rows}
            self._heads = [head for head in self._heads if head.id not in gone and head.stream not in self.in_hand]
            if rows or (circle <= 0 and not self._heads):
                return rows

    def _in_turn(self, heads: list[Head]) -> list[Head]:
        """For every third stream the newest comes first: where a look gives one stream only, a slow system's, it would never come."""
        if self._claimed % _NEWEST_EVERY != _NEWEST_EVERY - 1 or not heads:
            return heads
        newest = max(heads, key=lambda head: head.id)
        return [newest, *(head for head in heads if head is not newest)]

    def _is_done(self, stream: str) -> None:
        self.in_hand.pop(stream, None)
        self._lane.wake.set()

    async def _due_s(self) -> float | None:
        return None if self.in_hand else await self._journal.next_due_s()

    async def _rest(self, stop: asyncio.Event, due_s: float | None) -> None:
        """Wait for a notification, for a stream that is done, for the next head to become due, or for the time to look again."""
        if stop.is_set():
            return
        longest = self._lane.rhythm.look_again.total_seconds()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest if due_s is None else min(longest, due_s)):
                await self._lane.wake.wait()

    async def _carry_stream(self, first: Claimed) -> None:
        """Carry a stream's events until none is due, one failed, or others have their turn; then give it back."""
        row: Claimed | None = first
        turn = 0
        try:
            while row is not None:
                turn += 1
                wants_next = turn < self._lane.rhythm.in_a_row and self._lane.gate.state == "closed"
                row = await self._carry(row, wants_next=wants_next)
        except psycopg.Error:
            return  # the session is lost: the dispatcher begins anew with all streams
        except Overtaken:
            self._log(first).error("another relay has the stream, it is left to that one")
        except NotWritten as error:
            self._log(first).error(
                "the database refuses what became of an event, it will be looked up", reason=str(error)
            )
        except Exception:  # noqa: BLE001  # the other streams go on
            self._log(first).exception("a mistake in the relay, the stream is looked at again")
        with contextlib.suppress(psycopg.Error):
            await self._journal.release(first.stream)

    def _log(self, row: Claimed) -> structlog.stdlib.BoundLogger:
        bound: structlog.stdlib.BoundLogger = log.bind(
            connector=self._lane.name, stream=row.stream, seq=row.seq, outbox_id=row.id, attempt=row.attempts
        )
        return bound

    async def _carry(self, row: Claimed, *, wants_next: bool) -> Claimed | None:
        """Carry one event; the stream's next where it went well and one is due."""
        lane = self._lane
        attempt = Attempt(self._journal, lane.connector, lane.gate, row)
        bound = self._log(row)
        began = time.monotonic()
        try:
            external_id = await attempt.carry()
        except (psycopg.Error, NotWritten, Overtaken):
            raise
        except Exception as error:  # noqa: BLE001  # a connector's mistake must not stop the other streams
            lane.gate.failed(error, row.stream)
            await attempt.record_failure(error)
            if await attempt.is_hopeless(error, lane.rhythm.most_own_faults):
                error = BusinessError(
                    f"{error} ({lane.rhythm.most_own_faults} times: mend it there, then replay this event)"
                )
            await self._postpone(row, error, is_unclear=attempt.is_unclear, bound=bound)
            return None
        lane.gate.worked()
        following = await self._journal.finish(row, external_id, wants_next=wants_next)
        if row.kind in OF_PRODUCTION:
            lane.stock_moved.set()
        duration_ms = round((time.monotonic() - began) * 1000, 1)
        bound.info("posted", kind=row.kind, external_id=external_id, duration_ms=duration_ms)
        return following

    async def _postpone(
        self, row: Claimed, error: Exception, *, is_unclear: bool, bound: structlog.stdlib.BoundLogger
    ) -> None:
        """What follows from a failure: later, later after a look, or when a person says so."""
        lane = self._lane
        if isinstance(error, BusinessError):
            bound.error("parked for a person", reason=said(error))
            await self._journal.postpone(Postponed(row.id, row.attempts, "parked", timedelta(0), said(error)))
            return
        result = outcome(error)
        # A request that nobody waits for any more may still be carried out: looking too early would not see it.
        at_least = lane.settle if result == "unknown" else lane.rhythm.asked(error)
        wait = lane.rhythm.retry.delay(row.attempts, random.random(), at_least)  # noqa: S311  # jitter
        if isinstance(error, UnknownOutcome):
            bound.warning("answer unclear, will be looked up", reason=said(error), wait_s=wait.total_seconds())
        elif not isinstance(error, ConnectorError):
            bound.error("a mistake in the connector, will be looked up", exc_info=error)
        bound.debug("postponed", outcome=result, wait_s=wait.total_seconds())
        is_clear = isinstance(error, CredentialsError | TransientError) and not is_unclear
        state: NextState = "pending" if is_clear else "sending"
        await self._journal.postpone(Postponed(row.id, row.attempts, state, wait, said(error)))
