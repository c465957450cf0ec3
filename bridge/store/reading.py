"""Readings and their batches: binary COPY straight into the hypertable, and the merge of readings that may be stored already.

The rows of COPY are packed here (PostgreSQL documentation, COPY, binary format): the ingest path writes them by the hundred
thousand a second, most of them from columns.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np

from bridge.errors import LaneTaken
from bridge.model.numbers import Doubles, Integers
from bridge.model.reading import Reading, TagKey, instant, microseconds
from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("reading")

_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_TRAILER: Final = struct.pack(">h", -1)
# Eight fields, each with its length before it (-1: null): batch_seq, lane, text, tag_id, quality, ordinal, ts, value.
_BATCH: Final = struct.Struct(">hiqih").pack
_TAG: Final = struct.Struct(">iiiqiii").pack  # tag_id, quality, ordinal, and the length of ts
_NULL: Final = struct.pack(">i", -1)
_NUMBER: Final = struct.Struct(">qid").pack
_POSTGRES_EPOCH_US: Final = 946_684_800_000_000  # 2000-01-01T00:00:00Z
# A row of a number of good quality, first of its tag and time, with the lengths of the fields before them.
_ROW: Final = np.dtype(
    [
        *[("fields", ">i2"), ("seq_bytes", ">i4"), ("seq", ">i8"), ("lane_bytes", ">i4"), ("lane", ">i2")],
        *[("no_text", ">i4"), ("tag_bytes", ">i4"), ("tag_id", ">i4"), ("quality_bytes", ">i4"), ("quality", ">i8")],
        *[("ordinal_bytes", ">i4"), ("ordinal", ">i4"), ("ts_bytes", ">i4"), ("ts", ">i8")],
        *[("value_bytes", ">i4"), ("value", ">f8")],
    ]
)


class Head(NamedTuple):
    """The newest batch of a lane."""

    seq: int
    source: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """A reading whose key was stored already, with what is stored there."""

    key: tuple[int, int, int]  # tag_id, source time in microseconds, ordinal
    value: float | None
    text: str | None
    quality: int


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did: how many it stored, from when to when, and which readings were known."""

    rows: int
    min_ts: datetime | None
    max_ts: datetime | None
    known: list[Known]


Row = tuple[int, Reading]
"""The tag's id and a reading of it."""


class Columns(NamedTuple):
    """Readings that are numbers of good quality, the first of their tag and time: tags' ids, microseconds since 1970, values."""

    tag_ids: Integers
    times_us: Integers
    values: Doubles


async def take_lane(connection: Connection, lane: int) -> None:
    """Become the lane's one writer for as long as the connection lives. Raises LaneTaken."""
    row = await (await connection.execute(_QUERIES.take_lane, {"lane": lane})).fetchone()
    if row is None or not row["taken"]:
        raise LaneTaken(f"lane {lane} is written by another process; this one waits")


async def read_head(connection: Connection, lane: int) -> Head | None:
    """The newest batch of a lane; None where there is none."""
    row = await (await connection.execute(_QUERIES.head, {"lane": lane})).fetchone()
    return None if row is None else Head(row["seq"], row["source"], row["received_at"])


async def was_committed(connection: Connection, xid: str) -> bool:
    """Whether a transaction whose COMMIT was never answered took effect; its connection must be gone."""
    row = await (await connection.execute(_QUERIES.outcome, {"xid": xid})).fetchone()
    return row is not None and row["outcome"] == "committed"


async def copy(
    connection: Connection, lane: int, seq: int, rows: Iterable[Row], columns: Columns | None = None
) -> None:
    """Write readings that are new. Raises psycopg.errors.UniqueViolation where one is stored already: then `merge` them."""
    await _copy(connection, _QUERIES.copy, pack(lane, seq, rows, columns))


async def merge(connection: Connection, lane: int, seq: int, rows: Sequence[Row]) -> Merged:
    """Write those readings that are new and return the others. The keys of `rows` must differ from each other."""
    times = [reading.source_time_us for _, reading in rows]
    await connection.execute(_QUERIES.prepare_merge)
    await connection.execute(_QUERIES.clear_merge)
    await _copy(connection, _QUERIES.copy_incoming, pack(lane, seq, rows))
    await connection.execute(_QUERIES.count_incoming)
    span = {"min_ts": instant(min(times)), "max_ts": instant(max(times))}
    found = await (await connection.execute(_QUERIES.merge, span)).fetchall()
    known = [
        Known((row["tag_id"], microseconds(row["ts"]), row["ordinal"]), row["value"], row["text"], row["quality"])
        for row in found
        if row["tag_id"] is not None
    ]
    return Merged(found[0]["rows"], found[0]["min_ts"], found[0]["max_ts"], known)


async def insert_batch(
    connection: Connection,
    *,
    lane: int,
    seq: int,
    source: str,
    received_at: datetime,
    rows: int,
    duplicates: int,
    span: tuple[datetime, datetime] | None,
) -> str:
    """Write the batch's row and notify those who follow the lane; returns the transaction's id, for `was_committed`."""
    values = {
        "lane": lane,
        "seq": seq,
        "source": source,
        "received_at": received_at,
        "rows": rows,
        "duplicates": duplicates,
        "min_ts": span[0] if span else None,
        "max_ts": span[1] if span else None,
    }
    row = await (await connection.execute(_QUERIES.insert_batch, values)).fetchone()
    assert row is not None, "the query returns one row"
    return str(row["xid"])


async def newest(connection: Connection, tags: Collection[TagKey]) -> dict[TagKey, Reading]:
    """The newest stored reading of each of the tags that has one."""
    names = {"paths": [tag.equipment for tag in tags], "names": [tag.name for tag in tags]}
    found = {}
    async for row in await connection.execute(_QUERIES.newest, names):
        tag = TagKey(row["path"], row["name"])
        found[tag] = Reading(tag, microseconds(row["ts"]), row["ordinal"], row["value"], row["text"], row["quality"])
    return found


def pack(lane: int, seq: int, rows: Iterable[Row], columns: Columns | None = None) -> bytes:
    """The rows in COPY's binary format. Raises struct.error where a number does not fit its column."""
    batch = _BATCH(8, 8, seq, 2, lane)
    out = [_HEADER] if columns is None else [_HEADER, _pack_columns(lane, seq, columns)]
    beginnings: dict[int, bytes] = {}  # of the good, first readings of a tag, which most are: all but time and value
    add, number, earlier = out.append, _NUMBER, beginnings.get
    for tag_id, (_, time_us, ordinal, value, text, quality, _) in rows:
        if value is not None and not quality and not ordinal:
            beginning = earlier(tag_id)
            if beginning is None:
                beginning = beginnings[tag_id] = batch + _NULL + _TAG(4, tag_id, 8, 0, 4, 0, 8)
            add(beginning)
            add(number(time_us - _POSTGRES_EPOCH_US, 8, value))
        else:
            add(batch)
            add(_pack_rare(tag_id, time_us - _POSTGRES_EPOCH_US, ordinal, value, text, quality))
    out.append(_TRAILER)
    return b"".join(out)


def _pack_columns(lane: int, seq: int, columns: Columns) -> bytes:
    """The same bytes for all rows, and the three columns in their places. In the order of the index: it is kinder to its pages."""
    order = np.lexsort((columns.times_us, columns.tag_ids))
    rows = np.repeat(np.array([(8, 8, seq, 2, lane, -1, 4, 0, 8, 0, 4, 0, 8, 0, 8, 0)], _ROW), len(order))
    rows["tag_id"] = columns.tag_ids[order]
    rows["ts"] = columns.times_us[order] - _POSTGRES_EPOCH_US
    rows["value"] = columns.values[order]
    return rows.tobytes()


def _pack_rare(tag_id: int, ts: int, ordinal: int, value: float | None, text: str | None, quality: int) -> bytes:
    """What follows the batch's fields, of a reading of any kind. A text beside a value is left out."""
    encoded = text.encode() if text is not None and value is None else b""
    written = _NULL if text is None or value is not None else struct.pack(">i", len(encoded)) + encoded
    number = struct.pack(">q", ts) + _NULL if value is None else _NUMBER(ts, 8, value)
    return written + _TAG(4, tag_id, 8, quality, 4, ordinal, 8) + number


async def _copy(connection: Connection, query: bytes, content: bytes) -> None:
    async with connection.cursor() as cursor, cursor.copy(query) as stream:
        await stream.write(content)
