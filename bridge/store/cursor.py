"""Following lanes: a worker's cursor, the batches after it, and their readings by the unique index of readings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from psycopg.rows import class_row, tuple_row

from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("cursor")
_WIDEST_SPAN: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch of readings; `min_ts` and `max_ts` are None where it has none."""

    lane: int
    seq: int
    source: str
    received_at: datetime
    rows: int
    min_ts: datetime | None
    max_ts: datetime | None


class Cursor(NamedTuple):
    """How far a lane is worked on; `version` changes with every transaction of the worker."""

    seq: int
    version: datetime


class FollowedTag(NamedTuple):
    """A tag with the equipment that carries it."""

    id: int
    name: str
    datatype: str
    unit: str
    source: str
    equipment_id: int
    path: str
    equipment_class: str | None
    is_final: bool


class FollowedReading(NamedTuple):
    """A reading and the batch that brought it."""

    tag_id: int
    ts: datetime
    ordinal: int
    value: float | None
    text: str | None
    quality: int
    lane: int
    batch_seq: int


async def listen(connection: Connection) -> None:
    """Hear of every new batch; the payload of a notification is "<lane>:<seq>"."""
    await connection.execute(_QUERIES.listen)


async def ensure(connection: Connection, worker: str, lanes: Collection[int]) -> None:
    """Have a cursor on each of the lanes, and on every other that has batches."""
    await connection.execute(_QUERIES.ensure, {"worker": worker, "lanes": list(lanes)})


async def lock(connection: Connection, worker: str) -> dict[int, Cursor]:
    """The worker's cursors by lane, locked until the transaction ends: two workers never do the same batch."""
    rows = await connection.execute(_QUERIES.lock, {"worker": worker})
    return {row["lane"]: Cursor(row["seq"], row["updated_at"]) async for row in rows}


async def move(connection: Connection, worker: str, seqs: Mapping[int, int]) -> dict[int, Cursor]:
    """Set the cursors; returns them with their new versions."""
    values = {"worker": worker, "lanes": list(seqs), "seqs": list(seqs.values())}
    rows = await connection.execute(_QUERIES.move, values)
    return {row["lane"]: Cursor(seqs[row["lane"]], row["updated_at"]) async for row in rows}


async def batches(connection: Connection, after: Mapping[int, int], most: int) -> list[Batch]:
    """At most `most` batches of each lane after the number given for it, by lane and number."""
    async with connection.cursor(row_factory=class_row(Batch)) as cursor:
        await cursor.execute(_QUERIES.batches, {"lanes": list(after), "seqs": list(after.values()), "most": most})
        return await cursor.fetchall()


async def readings(connection: Connection, tags: Collection[int], found: Sequence[Batch]) -> list[FollowedReading]:
    """The readings of some tags in batches, in no order.

    Batches of a lane are read together where their source times are near: a query over a wide span looks at every reading in it.
    """
    read: list[FollowedReading] = []
    for first, last, span in _spans(found):
        bounds = {"lane": first.lane, "from": first.seq, "to": last.seq, "first": span[0], "last": span[1]}
        read += await _fetch(connection, _QUERIES.readings, {"tags": list(tags), **bounds})
    return read


async def readings_after(
    connection: Connection, after: Mapping[int, datetime], done: Mapping[int, int]
) -> list[FollowedReading]:
    """The readings of each tag after an instant, from batches up to `done` of each lane, in no order."""
    values = {"tags": list(after), "after": list(after.values()), "lanes": list(done), "seqs": list(done.values())}
    return await _fetch(connection, _QUERIES.readings_after, values)


async def readings_before(
    connection: Connection, until: Mapping[int, datetime], done: Mapping[int, int]
) -> list[FollowedReading]:
    """The two newest readings of each tag at or before an instant, from batches up to `done` of each lane, oldest first."""
    values = {"tags": list(until), "until": list(until.values()), "lanes": list(done), "seqs": list(done.values())}
    return await _fetch(connection, _QUERIES.readings_before, values)


async def readings_between(
    connection: Connection,
    tags: Collection[int],
    after: datetime,
    until: datetime,
    done: Mapping[int, int],
    ahead: timedelta,
) -> list[tuple[int, datetime, int, float | None, str | None, int]]:
    """The readings of tags after an instant and up to another, from batches up to `done` of each lane, oldest first.

    Those whose source time is more than `ahead` after their arrival are left out. Columns: tag, time, ordinal, value, text, quality.
    """
    values = {
        "tags": list(tags), "after": after, "until": until, "ahead": ahead, "lanes": list(done), "seqs": list(done.values()),
    }  # fmt: skip
    async with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        await cursor.execute(_QUERIES.readings_between, values)
        return await cursor.fetchall()


async def lanes_held(connection: Connection) -> set[int]:
    """The lanes that have a writer now."""
    return {row["lane"] async for row in await connection.execute(_QUERIES.lanes_held)}


async def tags(connection: Connection, source: str | None = None, after: int = 0) -> list[FollowedTag]:
    """All tags, or those of one source registered after an id."""
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_QUERIES.tags, {"source": source, "after": after})
        return [FollowedTag(*row) for row in await cursor.fetchall()]


def _spans(found: Sequence[Batch]) -> list[tuple[Batch, Batch, tuple[datetime, datetime]]]:
    """Runs of batches of one lane whose source times lie near together: first, last, and the span of their times."""
    runs: list[tuple[Batch, Batch, tuple[datetime, datetime]]] = []
    for batch in found:
        if batch.min_ts is None or batch.max_ts is None:
            continue
        if runs and runs[-1][0].lane == batch.lane:
            first, _, (start, end) = runs[-1]
            start, end = min(start, batch.min_ts), max(end, batch.max_ts)
            if end - start <= _WIDEST_SPAN:
                runs[-1] = (first, batch, (start, end))
                continue
        runs.append((batch, batch, (batch.min_ts, batch.max_ts)))
    return runs


async def _fetch(connection: Connection, query: bytes, values: Mapping[str, object]) -> list[FollowedReading]:
    async with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        await cursor.execute(query, values)
        return [FollowedReading._make(row) for row in await cursor.fetchall()]
