"""The relay's side of the outbox: heads of streams are claimed, and what became of many events is written at once.

Within a stream (a production order, a ticket) rows go out in the order of `seq`, one at a time: who carries one holds the stream's
advisory lock on its session from `claim` to `release`, and every other function here is called on that session. The lock may vanish
under its holder (a failover, somebody who ends the session), so each write names the attempt that it is of: once another relay
has claimed the row, what an older attempt writes finds no row, and it is told so before it sends anything more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from psycopg.types.json import Jsonb

from bridge.errors import SetupError
from bridge.model.text import storable, storable_document
from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("relay")

STEPS: Final = 500  # open streams that a look steps over
NEWEST: Final = 50  # ... and the newest rows that it looks at
_MOST_AT_ONCE: Final = 5000  # rows that one statement changes

Outcome = Literal["ok", "transient", "credentials", "business", "unknown"]
NextState = Literal["pending", "sending", "parked"]


@dataclass(frozen=True, slots=True)
class Claimed:
    """The head of a stream, marked `sending` in the database before anything goes out.

    `attempts` counts this one. `was_sending`: an earlier attempt ended without saying how.
    """

    id: int
    stream: str
    seq: int
    kind: str
    payload: Mapping[str, Any]
    attempts: int
    checkpoint: Mapping[str, Any]
    created_at: datetime
    was_sending: bool


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request to a business system and how it ended, for people to read; without secrets."""

    step: str
    outcome: Outcome
    status: int | None
    request: Mapping[str, Any] | None
    answer: str
    duration_ms: float


class Plan(NamedTuple):
    """What is going to be sent for a row in its `attempt`, none of it done yet."""

    id: int
    attempt: int
    steps: list[dict[str, Any]]


class Attempted(NamedTuple):
    """A request for a row; where `done` is given, so many steps of its plan are carried out with it."""

    id: int
    attempt: int
    exchange: Exchange
    done: int | None = None


class Finished(NamedTuple):
    """The business system has it, under this id."""

    id: int
    attempt: int
    external_id: str


class Postponed(NamedTuple):
    """The attempt failed: try again after `delay` (`sending`: its outcome is not known), or park it for a person."""

    id: int
    attempt: int
    state: NextState
    delay: timedelta
    error: str


async def listen(connection: Connection) -> None:
    """Hear of new rows on this connection: the connector's name on CHANNEL_OUTBOX."""
    await connection.execute(_QUERIES.listen)


async def prepare_session(connection: Connection) -> None:
    """Make the session one that may hold streams: dead machines are noticed, waits end, what was committed is on the disk.

    Raises SetupError where something between here and the server gives each transaction another session: locks of a session are
    none there.
    """
    await connection.execute(_QUERIES.prepare_session)
    row = await (await connection.execute(_QUERIES.backend)).fetchone()
    if row is None or row["pid"] != connection.info.backend_pid:
        raise SetupError(
            "a pooler stands before the database, which hands the relay's locks to others: give the relay the server's own address, "
            "past the pooler (database.dsn)"
        )


class Head(NamedTuple):
    """The first open row of a stream."""

    id: int
    stream: str


class Heads(NamedTuple):
    """What a look found, and the stream at which the next one goes on; None where this one saw the last."""

    found: list[Head]
    last: str | None


async def due_heads(connection: Connection, connector: str, in_hand: Collection[str], most: int, after: str) -> Heads:
    """Heads that are due, of streams that are not in hand: those due longest, and between them the newest.

    A head that is parked or waits holds its own stream only. Steps over STEPS open streams from the stream `after` on, and over
    NEWEST of the newest rows.
    """
    wanted = {
        "connector": connector, "in_hand": list(in_hand), "most": most, "after": after, "steps": STEPS, "newest": NEWEST
    }  # fmt: skip
    rows = await (await connection.execute(_QUERIES.due_heads, wanted)).fetchall()
    return Heads([Head(row["id"], row["stream"]) for row in rows if row["id"] is not None], rows[0]["last"])


async def claim(
    connection: Connection, connector: str, heads: Sequence[Head], most: int, settle: timedelta
) -> list[Claimed]:
    """Take up to `most` of these streams, those that nobody else has.

    The rows are committed as `sending`; should this process die, the streams are free at once and the rows due again after
    `settle`, when the business system has had its time to end what it may be doing. The connection is outside any transaction;
    `release` gives the streams back.
    """
    ids, streams = [head.id for head in heads], [head.stream for head in heads]
    wanted = {"connector": connector, "ids": ids, "streams": streams, "most": most}
    locked = await (await connection.execute(_QUERIES.lock_heads, wanted)).fetchall()
    if not locked:
        return []
    begun = {"ids": [head["id"] for head in locked], "settle": settle}
    rows = [Claimed(**row) async for row in await connection.execute(_QUERIES.begin, begun)]
    claimed = {row.stream for row in rows}
    await release(connection, connector, [head["stream"] for head in locked if head["stream"] not in claimed])
    return rows


async def release(connection: Connection, connector: str, streams: Sequence[str]) -> None:
    """Give claimed streams back."""
    if streams:
        await connection.execute(_QUERIES.unlock, {"connector": connector, "streams": list(streams)})


async def next_due_s(connection: Connection, connector: str) -> float | None:
    """Seconds until the next head that waits is due; None where none waits."""
    wanted = {"connector": connector, "steps": STEPS}
    row = await (await connection.execute(_QUERIES.next_due, wanted)).fetchone()
    return None if row is None else row["seconds"]


async def begin_next(
    connection: Connection, connector: str, streams: Sequence[str], settle: timedelta
) -> list[Claimed]:
    """The next rows of streams that this session holds, as `claim` gives them; none of a stream whose next row is not due."""
    wanted = {"connector": connector, "streams": list(streams), "settle": settle}
    return [Claimed(**row) async for row in await connection.execute(_QUERIES.begin_next, wanted)]


async def hold(connection: Connection, held: Mapping[int, int], settle: timedelta) -> None:
    """Let nobody else claim these rows for as long again: their ids, and the attempt of each."""
    wanted = {"ids": list(held.keys()), "attempts": list(held.values()), "settle": settle}
    await connection.execute(_QUERIES.hold, wanted)


async def keep_plans(connection: Connection, plans: Sequence[Plan], settle: timedelta) -> set[int]:
    """Write what is going to be sent; returns the ids of those rows that are another attempt's by now, as all below do."""
    rows = [{"id": plan.id, "attempt": plan.attempt, "checkpoint": {"steps": plan.steps, "done": 0}} for plan in plans]
    return await _overtaken(connection, _QUERIES.keep_plans, {"plans": Jsonb(rows), "settle": settle}, plans)


async def record(connection: Connection, attempts: Sequence[Attempted], settle: timedelta) -> set[int]:
    """Keep requests with their answers, and how far the plans are."""
    rows = [
        {
            "id": attempted.id,
            "step": attempted.exchange.step,
            "outcome": attempted.exchange.outcome,
            "status": attempted.exchange.status,
            "request": storable_document(attempted.exchange.request),
            "answer": storable(attempted.exchange.answer),
            "duration_ms": attempted.exchange.duration_ms,
        }
        for attempted in attempts
    ]
    await connection.execute(_QUERIES.record_attempts, {"attempts": Jsonb(rows)})
    if not (steps := [attempted for attempted in attempts if attempted.done is not None]):
        return set()
    columns = {**_of(steps), "done": [step.done for step in steps], "settle": settle}
    return await _overtaken(connection, _QUERIES.steps_done, columns, steps)


async def finish(connection: Connection, finished: Sequence[Finished]) -> set[int]:
    """Close rows whose events the business system has. A work request's id goes to its ticket as well."""
    columns = {**_of(finished), "external_ids": [storable(row.external_id) for row in finished]}
    return await _overtaken(connection, _QUERIES.finish, columns, finished)


async def postpone(connection: Connection, postponed: Sequence[Postponed]) -> set[int]:
    """Say when failed rows are tried again, or that a person must look at them."""
    columns = {
        **_of(postponed),
        "states": [row.state for row in postponed],
        "delays": [row.delay for row in postponed],
        "errors": [storable(row.error) for row in postponed],
    }
    return await _overtaken(connection, _QUERIES.postpone, columns, postponed)


Write = Plan | Attempted | Finished | Postponed


def _of(writes: Sequence[Write]) -> dict[str, list[int]]:
    return {"ids": [write.id for write in writes], "attempts": [write.attempt for write in writes]}


async def _overtaken(
    connection: Connection, query: bytes, values: Mapping[str, Any], writes: Iterable[Write]
) -> set[int]:
    held = {row["id"] async for row in await connection.execute(query, values)}
    return {write.id for write in writes} - held


async def same_failures(connection: Connection, outbox_id: int, step: str, status: int | None, most: int) -> int:
    """How many failures of a row, from the newest back, were this one; counts up to `most`."""
    columns = {"id": outbox_id, "step": step, "status": status, "most": most}
    row = await (await connection.execute(_QUERIES.same_failures, columns)).fetchone()
    return 0 if row is None else int(row["times"])


async def end_waits(connection: Connection, connector: str, settle: timedelta) -> int:
    """What waits by its own failures is due now, or in `settle` where it is not known what became of it; returns how many rows."""
    ended = 0
    wanted = {"connector": connector, "settle": settle, "most": _MOST_AT_ONCE}
    while True:
        rows = await (await connection.execute(_QUERIES.end_waits, wanted)).fetchall()
        ended += len(rows)
        if len(rows) < _MOST_AT_ONCE:
            return ended
