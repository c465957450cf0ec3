"""The careful way of a batch into the table: readings that are stored already, and those that the database refuses, are found.

A key that comes twice within the batch, or that is stored already, is a redelivery where the value is the same and a conflict
where it is not; a conflict is kept in the dead letters. Where the database refuses data, the batch is halved until the reading
at fault stands alone.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import orjson
import psycopg

from bridge.model.reading import DeadLetter, Reading, instant
from bridge.store import reading as readings_table
from bridge.store.database import Connection
from bridge.store.reading import Row

# PostgreSQL, appendix A: not supported, data, integrity, program limit. By class of SQLSTATE, because Python's classes mix:
# an index row that is too long is an OperationalError, as a lost connection is.
_REFUSING: Final = ("0A", "22", "23", "54")
_REASON: Final = 1000  # characters of the database's own words
_Key = tuple[int, int, int]


@dataclass(slots=True)
class Sifted:
    """What of a batch's readings was stored, and what became of the others."""

    rows: int = 0
    duplicates: int = 0
    conflicts: int = 0
    span: tuple[datetime, datetime] | None = None
    dead_letters: list[DeadLetter] = field(default_factory=list)


async def sift(
    connection: Connection, source: str, lane: int, seq: int, rows: Sequence[Row], received_at: datetime
) -> Sifted:
    """Store what is new and sound, inside of the caller's transaction; the rest is counted or becomes dead letters."""
    sifted = Sifted()
    first: dict[_Key, Row] = {}
    for row in rows:
        earlier = first.setdefault(_key(row), row)
        if earlier is not row:
            reading = earlier[1]
            _known_already(sifted, source, row[1], reading.value, reading.text, reading.quality, received_at)
    await _store(connection, lane, seq, list(first.values()), _Note(sifted, source, received_at))
    return sifted


def is_refusal(error: Exception) -> bool:
    """Whether data was refused, not service: only then it is worth looking for the one reading at fault."""
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        return error.sqlstate.startswith(_REFUSING)
    # Without a code: what psycopg or the packing refused before the server saw it.
    return isinstance(error, psycopg.DataError | struct.error | UnicodeError)


def reason_of(error: Exception) -> str:
    """The refusal as a dead letter says it."""
    return "the database refuses it: " + " ".join(str(error).split())[:_REASON]


def refusal(source: str, reading: Reading, reason: str, received_at: datetime) -> DeadLetter:
    """The dead letter of one reading: its payload is the reading as a JSON object, which can be sent again."""
    content = {
        "tag": reading.tag.name,
        "value": reading.value if reading.text is None else reading.text,
        "ts": instant(reading.source_time_us).isoformat(),
        "quality": reading.quality,
        "unit": reading.unit,
        "ordinal": reading.ordinal,
    }
    try:
        payload = orjson.dumps(content)
    except orjson.JSONEncodeError:  # half of a surrogate pair
        payload = json.dumps(content, separators=(",", ":")).encode()
    return DeadLetter(source, "/".join(reading.tag), payload, reason, received_at)


@dataclass(frozen=True, slots=True)
class _Note:
    """Where what is found is noted."""

    sifted: Sifted
    source: str
    received_at: datetime


async def _store(connection: Connection, lane: int, seq: int, rows: Sequence[Row], note: _Note) -> None:
    if not rows:
        return
    try:
        async with connection.transaction():
            merged = await readings_table.merge(connection, lane, seq, rows)
            if merged.rows + len(merged.known) != len(rows):
                # Another lane stored one of these keys at this instant: it is seen when the batch is written again.
                raise psycopg.errors.SerializationFailure("a reading was stored by another lane meanwhile")
    except (psycopg.Error, struct.error, UnicodeError) as error:
        if not is_refusal(error):
            raise
        if len(rows) == 1:
            note.sifted.dead_letters.append(refusal(note.source, rows[0][1], reason_of(error), note.received_at))
            return
        half = len(rows) // 2
        await _store(connection, lane, seq, rows[:half], note)
        await _store(connection, lane, seq, rows[half:], note)
        return
    _add(note.sifted, merged.rows, merged.min_ts, merged.max_ts)
    by_key = {_key(row): row[1] for row in rows}
    for known in merged.known:
        reading = by_key[known.key]
        _known_already(note.sifted, note.source, reading, known.value, known.text, known.quality, note.received_at)


def _known_already(
    sifted: Sifted,
    source: str,
    reading: Reading,
    value: float | None,
    text: str | None,
    quality: int,
    received_at: datetime,
) -> None:
    """Note a reading whose key is taken: a duplicate, or a conflict where value, text or quality differ."""
    if (reading.value, reading.text, reading.quality) == (value, text, quality):
        sifted.duplicates += 1
        return
    sifted.conflicts += 1
    stored = text if text is not None else value
    reason = f"conflict: this tag has another reading of this time: {stored!r:.100}, quality {quality:#010x}"
    sifted.dead_letters.append(refusal(source, reading, reason, received_at))


def _add(sifted: Sifted, rows: int, start: datetime | None, end: datetime | None) -> None:
    if rows and start and end:
        sifted.rows += rows
        sifted.span = (min(start, sifted.span[0]), max(end, sifted.span[1])) if sifted.span else (start, end)


def _key(row: Row) -> _Key:
    return row[0], row[1].source_time_us, row[1].ordinal
