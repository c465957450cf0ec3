"""The relay's writes: what many events in hand have to say is committed together, each waits until its own is committed.

One session does it all, the one that holds the streams' locks: a relay that lost its session lost its streams, and can write
nothing about them any more. `watch` notices the loss while requests are under way and nothing is written, and holds the rows in
hand meanwhile: nobody else may claim one before its system has had the time of `settle` since somebody was there to wait for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple, TypeVar

import psycopg

from bridge.store import relay
from bridge.store.database import Connection
from bridge.store.relay import Attempted, Claimed, Exchange, Finished, Head, Heads, Plan, Postponed

T = TypeVar("T")
TellParked = Callable[[Connection, Sequence[Postponed]], Awaitable[None]]

_MOST: Final = 500  # writes of one transaction
_ANSWER_S: Final = 5.0  # what the database may take for the smallest of statements while its session is said to live
# What is the matter of one write and its row, and not of the session: others are written without it.
_OF_ONE_WRITE: Final = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.QueryCanceled,
    psycopg.errors.ProgramLimitExceeded,
)


class NotWritten(Exception):
    """The database refuses this one write; the session and all other events are well."""


class Overtaken(Exception):
    """Another attempt has the row: this one ends, and sends nothing more."""


class _Next(NamedTuple):
    """The next row of a stream is wanted, after this one."""

    stream: str
    after: int


class _Free(NamedTuple):
    """A stream is given back; of no row."""

    id: int
    stream: str


@dataclass(slots=True)
class _Waiting:
    """What one event has to say, and who waits for its commit; the future's result is the stream's next row."""

    id: int
    entries: tuple[Any, ...]
    committed: asyncio.Future[Claimed | None]


class Journal:
    """The writes of one connector's dispatcher. `run` writes them; everything else may be called by many tasks at once.

    `tell_parked` tells people of the events that a transaction parks, in that transaction.
    """

    def __init__(
        self, connection: Connection, connector: str, settle: timedelta, tell_parked: TellParked | None = None
    ) -> None:
        self._connection = connection
        self._connector = connector
        self._settle = settle
        self._tell_parked = tell_parked
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._session = asyncio.Lock()
        self._held: dict[str, Claimed] = {}  # the row in hand of each stream

    async def run(self) -> None:
        """Write until cancelled. Raises psycopg errors where the session is lost; then everybody who waits gets them as well."""
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while self._waiting:
                    async with self._session:
                        await self._write([self._waiting.popleft() for _ in range(min(_MOST, len(self._waiting)))])
        finally:
            self._connection_is_lost()

    async def watch(self) -> None:
        """Hold the rows in hand until cancelled. Raises OperationalError where the session is lost or does not answer."""
        every_s = max(1.0, self._settle.total_seconds() / 3)
        within_s = max(_ANSWER_S, every_s)
        while True:
            await asyncio.sleep(every_s)
            try:
                async with asyncio.timeout(within_s), self._session:
                    held = {row.id: row.attempts for row in self._held.values()}
                    await relay.hold(self._connection, held, self._settle)
            except TimeoutError as error:
                raise psycopg.OperationalError(f"the database does not answer within {within_s:.0f} s") from error

    async def due_heads(self, in_hand: Collection[str], most: int, after: str) -> Heads:
        """See relay.due_heads."""
        async with self._session:
            return await relay.due_heads(self._connection, self._connector, in_hand, most, after)

    async def claim(self, heads: Sequence[Head], most: int) -> list[Claimed]:
        """See relay.claim."""
        async with self._session:
            return self._hold(await relay.claim(self._connection, self._connector, heads, most, self._settle))

    async def release(self, stream: str) -> None:
        """Give a stream back, its row with it."""
        self._held.pop(stream, None)
        await self._put(_Free(0, stream))

    async def next_due_s(self) -> float | None:
        """See relay.next_due_s."""
        async with self._session:
            return await relay.next_due_s(self._connection, self._connector)

    async def same_failures(self, outbox_id: int, step: str, status: int | None, most: int) -> int:
        """See relay.same_failures. Raises NotWritten where the database gives this one question up."""
        try:
            async with self._session:
                return await relay.same_failures(self._connection, outbox_id, step, status, most)
        except _OF_ONE_WRITE as error:
            raise NotWritten(f"{type(error).__name__}: {error}") from error

    async def alone(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do other work on the session while nobody else uses it."""
        async with self._session:
            return await work()

    async def keep_plan(self, row: Claimed, steps: list[dict[str, Any]]) -> None:
        """Commit what is going to be sent, none of it done yet."""
        await self._put(Plan(row.id, row.attempts, steps))

    async def record_step(self, row: Claimed, exchange: Exchange, done: int) -> None:
        """Commit that the first `done` steps of the plan are carried out, with the request and the answer of the last of them."""
        await self._put(Attempted(row.id, row.attempts, exchange, done))

    async def record_attempt(self, row: Claimed, exchange: Exchange) -> None:
        """Keep a request that ended otherwise than with a step carried out."""
        await self._put(Attempted(row.id, row.attempts, exchange))

    async def finish(self, row: Claimed, external_id: str, *, wants_next: bool) -> Claimed | None:
        """The business system has it. Gives the stream's next row, begun in the same transaction, where one is wanted and due."""
        finished = Finished(row.id, row.attempts, external_id)
        return await self._put(finished, *([_Next(row.stream, row.id)] if wants_next else []))

    async def postpone(self, postponed: Postponed) -> None:
        """The attempt failed; see relay.Postponed."""
        await self._put(postponed)

    async def _put(self, *entries: Any) -> Claimed | None:
        waiting = _Waiting(entries[0].id, entries, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        return await waiting.committed

    async def _write(self, writes: list[_Waiting]) -> None:
        try:
            begun, overtaken = await self._commit(writes)
        except _OF_ONE_WRITE as error:
            if len(writes) == 1:
                _fail(writes, NotWritten(f"{type(error).__name__}: {error}"))
                return
            for write in writes:  # the database refuses one of them: its neighbours are written without it
                await self._write([write])
        except BaseException as error:
            _fail(writes, _session_ended(error))
            raise
        else:
            following = {row.stream: row for row in self._hold(begun)}
            for write in writes:
                if write.committed.done():
                    continue
                if write.id in overtaken:
                    write.committed.set_exception(Overtaken())
                else:
                    last = write.entries[-1]
                    write.committed.set_result(following.get(last.stream) if isinstance(last, _Next) else None)

    async def _commit(self, writes: Sequence[_Waiting]) -> tuple[list[Claimed], set[int]]:
        """One transaction: plans, requests, what is finished or put off, then the next rows; with them the ids of rows overtaken."""
        connection = self._connection
        overtaken: set[int] = set()
        entries = [entry for write in writes for entry in write.entries]
        async with connection.transaction():
            if plans := [entry for entry in entries if isinstance(entry, Plan)]:
                overtaken |= await relay.keep_plans(connection, plans, self._settle)
            if attempts := [entry for entry in entries if isinstance(entry, Attempted)]:
                overtaken |= await relay.record(connection, attempts, self._settle)
            if finished := [entry for entry in entries if isinstance(entry, Finished)]:
                overtaken |= await relay.finish(connection, finished)
            if postponed := [entry for entry in entries if isinstance(entry, Postponed)]:
                overtaken |= await relay.postpone(connection, postponed)
            begun: list[Claimed] = []
            if streams := [
                entry.stream for entry in entries if isinstance(entry, _Next) and entry.after not in overtaken
            ]:
                begun = await relay.begin_next(connection, self._connector, streams, self._settle)
            parked = [each for each in postponed if each.state == "parked" and each.id not in overtaken]
            if parked and self._tell_parked is not None:  # last: what it locks is held for a moment only
                await self._tell_parked(connection, parked)
        # Behind the commit, for who has the lock next must see it.
        await relay.release(connection, self._connector, [each.stream for each in entries if isinstance(each, _Free)])
        return begun, overtaken

    def _hold(self, rows: list[Claimed]) -> list[Claimed]:
        self._held |= {row.stream: row for row in rows}
        return rows

    def _connection_is_lost(self) -> None:
        _fail(list(self._waiting), _session_ended())
        self._waiting.clear()


def _session_ended(error: BaseException | None = None) -> Exception:
    """What those get who wait for a commit that may never come."""
    return error if isinstance(error, Exception) else psycopg.OperationalError("the relay's session has ended")


def _fail(writes: Sequence[_Waiting], error: Exception) -> None:
    for write in writes:
        if not write.committed.done():
            write.committed.set_exception(error)
            write.committed.exception()  # seen: who waited may be gone
