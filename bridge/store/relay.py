"""The relay's side of the outbox: heads of streams are claimed, and what became of many events is written at once.

Within a stream (a production order, a ticket) rows go out in the order of `seq`, one at a time: who carries one holds the stream's
advisory lock on its session from `claim` to `release`, and every other function here is called on that session.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from psycopg.types.json import Jsonb

from bridge.model.text import storable
from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("relay")

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
    """What is going to be sent for a row, none of it done yet."""

    id: int
    steps: list[dict[str, Any]]


class Attempted(NamedTuple):
    """A request for a row; where `done` is given, so many steps of its plan are carried out with it."""

    id: int
    exchange: Exchange
    done: int | None = None


class Finished(NamedTuple):
    """The business system has it, under this id."""

    id: int
    external_id: str


class Postponed(NamedTuple):
    """The attempt failed: try again after `delay` (`sending`: its outcome is not known), or park it for a person."""

    id: int
    state: NextState
    delay: timedelta
    error: str


async def listen(connection: Connection) -> None:
    """Hear of new rows on this connection: the connector's name on CHANNEL_OUTBOX."""
    await connection.execute(_QUERIES.listen)


async def prepare_session(connection: Connection) -> None:
    """Let the server notice within half a minute that this session's machine is gone, and free its streams."""
    await connection.execute(_QUERIES.let_the_server_notice_a_dead_relay)


class Head(NamedTuple):
    """The first open row of a stream."""

    id: int
    stream: str


async def due_heads(connection: Connection, connector: str, in_hand: Collection[str], most: int) -> list[Head]:
    """Heads that are due, of streams that are not in hand: those due longest, and between them the newest.

    A head that is parked or waits holds its own stream only. Steps over every open stream once.
    """
    wanted = {"connector": connector, "in_hand": list(in_hand), "most": most}
    return [Head(row["id"], row["stream"]) async for row in await connection.execute(_QUERIES.due_heads, wanted)]


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
    row = await (await connection.execute(_QUERIES.next_due, {"connector": connector})).fetchone()
    return None if row is None else row["seconds"]


async def begin_next(
    connection: Connection, connector: str, streams: Sequence[str], settle: timedelta
) -> list[Claimed]:
    """The next rows of streams that this session holds, as `claim` gives them; none of a stream whose next row is not due."""
    wanted = {"connector": connector, "streams": list(streams), "settle": settle}
    return [Claimed(**row) async for row in await connection.execute(_QUERIES.begin_next, wanted)]


async def keep_plans(connection: Connection, plans: Sequence[Plan], settle: timedelta) -> None:
    """Write what is going to be sent."""
    rows = [{"id": plan.id, "checkpoint": {"steps": plan.steps, "done": 0}} for plan in plans]
    await connection.execute(_QUERIES.keep_plans, {"plans": Jsonb(rows), "settle": settle})


async def record(connection: Connection, attempts: Sequence[Attempted], settle: timedelta) -> None:
    """Keep requests with their answers, and how far the plans are."""
    rows = [
        {
            "id": attempted.id,
            "step": attempted.exchange.step,
            "outcome": attempted.exchange.outcome,
            "status": attempted.exchange.status,
            "request": attempted.exchange.request,
            "answer": storable(attempted.exchange.answer),
            "duration_ms": attempted.exchange.duration_ms,
        }
        for attempted in attempts
    ]
    await connection.execute(_QUERIES.record_attempts, {"attempts": Jsonb(rows)})
    if done := [(attempted.id, attempted.done) for attempted in attempts if attempted.done is not None]:
        ids, numbers = zip(*done, strict=True)
        await connection.execute(_QUERIES.steps_done, {"ids": list(ids), "done": list(numbers), "settle": settle})


async def finish(connection: Connection, finished: Sequence[Finished]) -> None:
    """Close rows whose events the business system has. A work request's id goes to its ticket as well."""
    columns = {"ids": [row.id for row in finished], "external_ids": [storable(row.external_id) for row in finished]}
    await connection.execute(_QUERIES.finish, columns)


async def postpone(connection: Connection, postponed: Sequence[Postponed]) -> None:
    """Say when failed rows are tried again, or that a person must look at them."""
    columns = {
        "ids": [row.id for row in postponed],
        "states": [row.state for row in postponed],
        "delays": [row.delay for row in postponed],
        "errors": [storable(row.error) for row in postponed],
    }
    await connection.execute(_QUERIES.postpone, columns)


async def same_failures(connection: Connection, outbox_id: int, step: str, status: int, most: int) -> int:
    """How many failures of a row, from the newest back, were this one; counts up to `most`."""
    columns = {"id": outbox_id, "step": step, "status": status, "most": most}
    row = await (await connection.execute(_QUERIES.same_failures, columns)).fetchone()
    return 0 if row is None else int(row["times"])
