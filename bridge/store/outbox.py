"""The outbox: what goes to business systems, written in the transaction of the state change that it tells of.

Within a stream (a production order, a ticket) rows go out in the order of `seq`, one at a time. The key makes a fact unique,
whoever writes it again. `insert` is for those who have something to tell, `open_count` and `replay` for people; the rest is
the relay's (bridge/erp/relay), which holds a stream's lock on its own session from `claim` to `release`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from psycopg.types.json import Jsonb

from bridge.model.text import storable
from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("outbox")

Outcome = Literal["ok", "transient", "credentials", "business", "unknown"]


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


async def insert(
    connection: Connection, *, connector: str, stream: str, kind: str, payload: dict[str, Any], key: str
) -> int | None:
    """Write one event for a business system in the caller's transaction; returns its id, or None where the key is known.

    Takes the next `seq` of (connector, stream) under a lock that is held until the caller's transaction ends, so that writers
    of one stream take turns and a row is never seen before its predecessor. A caller that writes to several streams in one
    transaction does so in the order of their names, so that two callers cannot wait for each other.
    """
    async with connection.transaction():
        stream_key = {"connector": connector, "stream": stream}
        await connection.execute(_QUERIES.lock_stream_for_insert, stream_key)
        event = {**stream_key, "kind": kind, "payload": Jsonb(payload), "key": key}
        row = await (await connection.execute(_QUERIES.insert, event)).fetchone()
    return None if row is None else int(row["id"])


async def open_count(connection: Connection) -> dict[str, int]:
    """How many rows are not done, by state (pending, sending, parked); empty where the relay has nothing left to do."""
    return {row["state"]: row["rows"] async for row in await connection.execute(_QUERIES.open_count)}


async def replay(connection: Connection, outbox_id: int) -> bool:
    """Give a parked row back to the relay, with the same id; it looks up before it sends. False where it is not parked."""
    return await (await connection.execute(_QUERIES.replay, {"id": outbox_id})).fetchone() is not None


async def listen(connection: Connection) -> None:
    """Hear of new rows on this connection: the connector's name on CHANNEL_OUTBOX."""
    await connection.execute(_QUERIES.listen)


async def prepare_session(connection: Connection) -> None:
    """Let the server notice within half a minute that this session's machine is gone, and free its streams."""
    await connection.execute(_QUERIES.let_the_server_notice_a_dead_relay)


async def claim(connection: Connection, connector: str, settle: timedelta) -> Claimed | None:
    """Take the stream whose head is due longest and that nobody else has; None where there is none.

    A head that is parked or waits holds its own stream only. The row is committed as `sending`; should this process die, the
    stream is free at once and the row due again after `settle`, when the business system has had its time to end what it may
    be doing. The connection is outside any transaction; `release` gives the stream back.
    """
    head = await (await connection.execute(_QUERIES.lock_due_head, {"connector": connector})).fetchone()
    if head is None:
        return None
    row = await (await connection.execute(_QUERIES.begin, {"id": head["id"], "settle": settle})).fetchone()
    if row is None:
        await release(connection, connector, head["stream"])
        return None
    return Claimed(**row)


async def release(connection: Connection, connector: str, stream: str) -> None:
    """Give a claimed stream back."""
    await connection.execute(_QUERIES.unlock, {"connector": connector, "stream": stream})


async def next_due_s(connection: Connection, connector: str) -> float | None:
    """Seconds until the next head that waits is due; None where none waits."""
    row = await (await connection.execute(_QUERIES.next_due, {"connector": connector})).fetchone()
    return None if row is None else row["seconds"]


async def keep_plan(connection: Connection, outbox_id: int, steps: list[dict[str, Any]], settle: timedelta) -> None:
    """Commit what is going to be sent, none of it done yet."""
    checkpoint = Jsonb({"steps": steps, "done": 0})
    await connection.execute(_QUERIES.keep_plan, {"id": outbox_id, "checkpoint": checkpoint, "settle": settle})


async def record_step(connection: Connection, outbox_id: int, exchange: Exchange, done: int, settle: timedelta) -> None:
    """Commit that the first `done` steps of the plan are carried out, with the request and the answer of the last of them."""
    await connection.execute(_QUERIES.record_step, {**_columns(outbox_id, exchange), "done": done, "settle": settle})


async def record_attempt(connection: Connection, outbox_id: int, exchange: Exchange) -> None:
    """Keep a request that ended otherwise than with a step carried out."""
    await connection.execute(_QUERIES.record_attempt, _columns(outbox_id, exchange))


async def same_failures(connection: Connection, outbox_id: int, step: str, status: int, most: int) -> int:
    """How many failures of a row, from the newest back, were this one; counts up to `most`."""
    columns = {"id": outbox_id, "step": step, "status": status, "most": most}
    row = await (await connection.execute(_QUERIES.same_failures, columns)).fetchone()
    return 0 if row is None else int(row["times"])


async def finish(connection: Connection, outbox_id: int, external_id: str) -> None:
    """The business system has it, under this id. A work request's id goes to its ticket as well, in the same statement."""
    await connection.execute(_QUERIES.finish, {"id": outbox_id, "external_id": storable(external_id)})


async def postpone(
    connection: Connection, outbox_id: int, state: Literal["pending", "sending", "parked"], delay: timedelta, error: str
) -> None:
    """The attempt failed: try again after `delay` (`sending`: its outcome is not known), or park it for a person."""
    columns = {"id": outbox_id, "state": state, "delay": delay, "error": storable(error)}
    await connection.execute(_QUERIES.postpone, columns)


def _columns(outbox_id: int, exchange: Exchange) -> dict[str, Any]:
    return {
        "id": outbox_id,
        "step": exchange.step,
        "outcome": exchange.outcome,
        "status": exchange.status,
        "request": None if exchange.request is None else Jsonb(exchange.request),
        "answer": storable(exchange.answer),
        "duration_ms": exchange.duration_ms,
    }
