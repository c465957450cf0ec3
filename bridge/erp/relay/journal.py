"""The relay's writes: what many events in hand have to say is committed together, each waits until its own is committed.

One session does it all, the one that holds the streams' locks: a relay that lost its session lost its streams, and can write
nothing about them any more.
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
from bridge.store.relay import Attempted, Claimed, Exchange, Finished, Head, Plan, Postponed

T = TypeVar("T")

_MOST: Final = 500  # writes of one transaction


class _Next(NamedTuple):
    """The next row of a stream is wanted."""

    stream: str


@dataclass(slots=True)
class _Waiting:
    """What one event has to say, and who waits for its commit; the future's result is the stream's next row."""

    entries: tuple[Any, ...]
    committed: asyncio.Future[Claimed | None]


class Journal:
    """The writes of one connector's dispatcher. `run` writes them; everything else may be called by many tasks at once."""

    def __init__(self, connection: Connection, connector: str, settle: timedelta) -> None:
        self._connection = connection
        self._connector = connector
        self._settle = settle
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._session = asyncio.Lock()

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

    async def due_heads(self, in_hand: Collection[str], most: int) -> list[Head]:
        """See relay.due_heads."""
        async with self._session:
            return await relay.due_heads(self._connection, self._connector, in_hand, most)

    async def claim(self, heads: Sequence[Head], most: int) -> list[Claimed]:
        """See relay.claim."""
        async with self._session:
            return await relay.claim(self._connection, self._connector, heads, most, self._settle)

    async def release(self, stream: str) -> None:
        """Give a stream back."""
        async with self._session:
            await relay.release(self._connection, self._connector, [stream])

    async def next_due_s(self) -> float | None:
        """See relay.next_due_s."""
        async with self._session:
            return await relay.next_due_s(self._connection, self._connector)

    async def same_failures(self, outbox_id: int, step: str, status: int, most: int) -> int:
        """See relay.same_failures."""
        async with self._session:
            return await relay.same_failures(self._connection, outbox_id, step, status, most)

    async def alone(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do other work on the session while nobody else uses it."""
        async with self._session:
            return await work()

    async def keep_plan(self, outbox_id: int, steps: list[dict[str, Any]]) -> None:
        """Commit what is going to be sent, none of it done yet."""
        await self._put(Plan(outbox_id, steps))

    async def record_step(self, outbox_id: int, exchange: Exchange, done: int) -> None:
        """Commit that the first `done` steps of the plan are carried out, with the request and the answer of the last of them."""
        await self._put(Attempted(outbox_id, exchange, done))

    async def record_attempt(self, outbox_id: int, exchange: Exchange) -> None:
        """Keep a request that ended otherwise than with a step carried out."""
        await self._put(Attempted(outbox_id, exchange))

    async def finish(self, row: Claimed, external_id: str, *, wants_next: bool) -> Claimed | None:
        """The business system has it. Gives the stream's next row, begun in the same transaction, where one is wanted and due."""
        entries = (Finished(row.id, external_id), _Next(row.stream)) if wants_next else (Finished(row.id, external_id),)
        return await self._put(*entries)

    async def postpone(self, postponed: Postponed) -> None:
        """The attempt failed; see relay.Postponed."""
        await self._put(postponed)

    async def _put(self, *entries: Any) -> Claimed | None:
        waiting = _Waiting(entries, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        return await waiting.committed

    async def _write(self, writes: list[_Waiting]) -> None:
        try:
            begun = await self._commit(writes)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            if len(writes) == 1:
                _fail(writes, error)
                return
            for write in writes:  # the database refuses one of them: its neighbours are written without it
                await self._write([write])
        except BaseException as error:
            _fail(writes, _session_ended(error))
            raise
        else:
            following = {row.stream: row for row in begun}
            for write in writes:
                if not write.committed.done():
                    last = write.entries[-1]
                    write.committed.set_result(following.get(last.stream) if isinstance(last, _Next) else None)

    async def _commit(self, writes: Sequence[_Waiting]) -> list[Claimed]:
        """One transaction: plans, requests, what is finished or put off, and then the next rows."""
        connection = self._connection
        entries = [entry for write in writes for entry in write.entries]
        async with connection.transaction():
            if plans := [entry for entry in entries if isinstance(entry, Plan)]:
                await relay.keep_plans(connection, plans, self._settle)
            if attempts := [entry for entry in entries if isinstance(entry, Attempted)]:
                await relay.record(connection, attempts, self._settle)
            if finished := [entry for entry in entries if isinstance(entry, Finished)]:
                await relay.finish(connection, finished)
            if postponed := [entry for entry in entries if isinstance(entry, Postponed)]:
                await relay.postpone(connection, postponed)
            if streams := [entry.stream for entry in entries if isinstance(entry, _Next)]:
                return await relay.begin_next(connection, self._connector, streams, self._settle)
        return []

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
