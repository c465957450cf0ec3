"""Stored readings in bulk, for backtests: a stretch of time of some tags at once, as columns."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("backtest")
_POSTGRES_EPOCH_US: Final = 946_684_800_000_000  # 2000-01-01T00:00:00Z
_HEADER: Final = 20  # bytes of an array before its elements: dimensions, flags, type, length, lower bound


class StoredColumn(NamedTuple):
    """Readings of one tag by (time, ordinal). Times in microseconds since 1970 UTC; nan is no number.

    `qualities` is None where all are good, `ordinals` where all are 0.
    """

    tag_id: int
    times_us: NDArray[np.int64]
    values: NDArray[np.float64]
    qualities: NDArray[np.int64] | None
    ordinals: NDArray[np.int64] | None


class StoredWord(NamedTuple):
    """One reading of a tag that holds texts."""

    tag_id: int
    ts: datetime
    ordinal: int
    value: float | None
    text: str | None
    quality: int


class Ahead(NamedTuple):
    """Batches that hold readings of the far future, and up to which source time each is believed."""

    lanes: list[int]
    seqs: list[int]
    until: list[datetime]


async def span(connection: Connection, tags: Collection[int]) -> tuple[datetime, datetime] | None:
    """The first and the last instant at which one of the tags was read; None where none ever was."""
    row = await (await connection.execute(_QUERIES.span, {"tags": list(tags)})).fetchone()
    return (row["first"], row["last"]) if row and row["first"] else None


async def received(connection: Connection) -> datetime | None:
    """When the newest batch of readings came; None where none ever did."""
    row = await (await connection.execute(_QUERIES.received)).fetchone()
    return row["at"] if row else None


async def next_reading(connection: Connection, tags: Collection[int], at: datetime) -> datetime | None:
    """The first instant from `at` on at which one of the tags was read."""
    row = await (await connection.execute(_QUERIES.next, {"tags": list(tags), "at": at})).fetchone()
    return row["ts"] if row else None


async def ahead(connection: Connection, most: timedelta) -> Ahead:
    """What came with a source time more than `most` after its arrival: the engine leaves that out."""
    found = Ahead([], [], [])
    async for row in await connection.execute(_QUERIES.ahead, {"ahead": most}):
        found.lanes.append(row["lane"])
        found.seqs.append(row["seq"])
        found.until.append(row["received_at"] + most)
    return found


async def columns(
    connection: Connection, tags: Collection[int], first: datetime, end: datetime, without: Ahead
) -> list[StoredColumn]:
    """The readings of tags of numbers from `first` up to, not including, `end`; tags without any are left out."""
    values = {"tags": list(tags), "first": first, "end": end, **without._asdict()}
    async with connection.cursor(binary=True) as cursor:
        rows = await (await cursor.execute(_QUERIES.columns, values)).fetchall()
    return [
        StoredColumn(
            row["tag_id"],
            _elements(row["times"], ">i8").astype(np.int64) + _POSTGRES_EPOCH_US,
            _elements(row["numbers"], ">f8").astype(np.float64),
            None if row["qualities"] is None else _elements(row["qualities"], ">i8").astype(np.int64),
            None if row["ordinals"] is None else _elements(row["ordinals"], ">i4").astype(np.int64),
        )
        for row in rows
    ]


async def words(
    connection: Connection, tags: Collection[int], first: datetime, end: datetime, without: Ahead
) -> list[StoredWord]:
    """The readings of tags of texts from `first` up to, not including, `end`, by tag and time."""
    values = {"tags": list(tags), "first": first, "end": end, **without._asdict()}
    rows = await (await connection.execute(_QUERIES.words, values)).fetchall()
    return [StoredWord(**row) for row in rows]


async def words_before(connection: Connection, tags: Collection[int], first: datetime) -> list[StoredWord]:
    """The newest reading of each tag before an instant."""
    rows = await (await connection.execute(_QUERIES.words_before, {"tags": list(tags), "first": first})).fetchall()
    return [StoredWord(**row) for row in rows]


def _elements(array: bytes, kind: str) -> NDArray[Any]:
    """The elements of an array without nulls in PostgreSQL's binary form: each with its length before it."""
    return np.frombuffer(array, np.dtype([("length", ">i4"), ("element", kind)]), offset=_HEADER)["element"]
