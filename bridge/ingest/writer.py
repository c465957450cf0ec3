"""The lane's one writer: a batch becomes one transaction, exactly once, whatever happens to the connection.

    readings   binary COPY; where one is stored already or the database refuses one: merged piece by piece (`sifting`)
    dead letters, gaps, the source's state, the batch's row with the next number, NOTIFY

A connection that breaks during COMMIT leaves open whether it took effect. The transaction's id was noted before, and the
database is asked what became of it (pg_xact_status), so that a batch is neither written twice nor numbered twice.
"""

from __future__ import annotations

import asyncio
import struct
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import numpy as np
import psycopg
import structlog

from bridge.config.settings import Settings
from bridge.errors import LaneTaken
from bridge.ingest import metrics
from bridge.ingest.buffer import Batch
from bridge.ingest.sifting import Sifted, is_refusal, refusal, sift
from bridge.ingest.tags import Tags
from bridge.model.numbers import Integers, Numbers
from bridge.model.reading import DeadLetter, Reading, TagKey, instant
from bridge.sources.backoff import Backoff
from bridge.sources.delivery import Delivery, Memory, Source
from bridge.store import dead_letter, gap, source_state
from bridge.store import reading as readings_table
from bridge.store.database import Connection, connect
from bridge.store.reading import Columns, Row
from bridge.store.tag import KnownTag

log = structlog.get_logger()

WRITE_TIMEOUT_S: Final = 60.0
LANE_GRACE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Stored:
    """What one transaction stored."""

    readings: int = 0
    duplicates: int = 0
    conflicts: int = 0
    dead_letters: int = 0


@dataclass(slots=True)
class _Work:
    """A batch with its tags resolved: its rows and its columns, delivery by delivery."""

    received_at: datetime
    rows: list[list[Row]] = field(default_factory=list)
    numbers: list[tuple[Integers, Numbers] | None] = field(default_factory=list)
    refused: list[DeadLetter] = field(default_factory=list)

    def columns(self) -> Columns | None:
        """All columns, joined."""
        if not (parts := [part for part in self.numbers if part is not None]):
            return None
        join = np.concatenate
        ids, times_us = join([ids for ids, _ in parts]), join([numbers.times_us for _, numbers in parts])
        return Columns(ids, times_us, join([numbers.values for _, numbers in parts]))

    def all_rows(self) -> list[Row]:
        """Every reading as a row, in the order of coming."""
        found: list[Row] = []
        for part, rows in zip(self.numbers, self.rows, strict=True):
            if part is not None:
                found += zip(part[0].tolist(), part[1].readings(), strict=True)
            found += rows
        return found


class LaneWriter:
    """Writes the batches of one lane; `open` first. One at a time."""

    def __init__(self, settings: Settings, source_name: str, lane: int, source: Source) -> None:
        self._dsn = settings.database.dsn.get_secret_value()
        self._source_name = source_name
        self._lane = lane
        self._source = source
        self._tags = Tags(settings, source_name, source)
        self._connection: Connection | None = None
        self._seq = 0
        self._unclear: tuple[str, Stored] | None = None

    async def open(self) -> Memory:
        """Connect, become the lane's writer, and read what the database knows of the source.

        Raises LaneTaken, and psycopg.Error where the database is away.
        """
        connection = await self._connect()
        head = await readings_table.read_head(connection, self._lane)
        state = await source_state.read(connection, self._source_name)
        newest = await readings_table.newest(connection, self._source.known_tags())
        last_heard = head.received_at if head and head.source == self._source_name else None
        return Memory(state, last_heard, newest)

    async def close(self) -> None:
        """Close the connection, and with it give up the lane."""
        connection, self._connection = self._connection, None
        self._tags.forget()
        if connection is not None:
            await connection.close()

    async def write(self, batch: Batch) -> Stored:
        """Store a batch once. Tries until the database takes it. Raises LaneTaken."""
        backoff = Backoff()
        lost_at = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(WRITE_TIMEOUT_S):
                    stored = await self._write_once(batch)
            except LaneTaken:
                # At first it is the server's end of our own lost connection.
                if time.monotonic() > lost_at + LANE_GRACE_S:
                    raise
            except (psycopg.Error, TimeoutError, OSError) as error:
                if not backoff.attempts:
                    log.warning("batch not stored yet", source=self._source_name, lane=self._lane, error=_line(error))
                metrics.RETRIES.labels(self._source_name).inc()
                await self._drop_connection()
                lost_at = time.monotonic()
            else:
                if backoff.attempts:
                    log.info("database back", source=self._source_name, attempts=backoff.attempts)
                self._count(stored)
                return stored
            await backoff.wait()

    async def _write_once(self, batch: Batch) -> Stored:
        if self._connection is None:
            connection = await self._connect()
            if (stored := await self._clear_up(connection)) is not None:
                return stored
        else:
            connection = self._connection
        work = await self._prepare(connection, batch)
        try:
            return await self._transact(connection, batch, work, is_careful=False)
        except (psycopg.Error, struct.error, UnicodeError) as error:
            if not is_refusal(error):
                raise
            self._unclear = None  # the transaction was rolled back
            return await self._transact(connection, batch, work, is_careful=True)

    async def _connect(self) -> Connection:
        connection = await connect(self._dsn, f"bridge {self._source_name}")
        try:
            await readings_table.take_lane(connection, self._lane)
            head = await readings_table.read_head(connection, self._lane)
        except BaseException:
            await connection.close()
            raise
        self._tags.forget()
        self._seq = head.seq if head else 0
        self._connection = connection
        return connection

    async def _clear_up(self, connection: Connection) -> Stored | None:
        """What the unclear transaction stored, where it took effect after all."""
        if self._unclear is None:
            return None
        xid, stored = self._unclear
        try:
            was_committed = await readings_table.was_committed(connection, xid)
        except psycopg.DataError:  # an id of the future: another server took over before this transaction reached it
            was_committed = False
        self._unclear = None  # only now: where the question fails as well, it is asked again
        return stored if was_committed else None

    async def _prepare(self, connection: Connection, batch: Batch) -> _Work:
        work = _Work(min(delivery.received_at for delivery in batch))
        for delivery in batch:
            work.rows.append(await self._resolved(connection, delivery, work.refused))
            work.numbers.append(await self._resolved_numbers(connection, delivery, work.refused))
        return work

    async def _resolved(self, connection: Connection, delivery: Delivery, refused: list[DeadLetter]) -> list[Row]:
        rows: list[Row] = []
        ids = await self._tags.resolve(connection, delivery.readings)
        for reading, known in zip(delivery.readings, ids, strict=True):
            if known is None:
                refused.append(self._refusal(reading, delivery.received_at))
                continue
            # By place, not by name: this is done for each reading. Text in a tag of numbers, or a number in one of texts.
            if reading[3 if known[1] == "text" else 4] is not None:
                self._tell_drift(reading.tag, known)
            rows.append((known[0], reading))
        return rows

    async def _resolved_numbers(
        self, connection: Connection, delivery: Delivery, refused: list[DeadLetter]
    ) -> tuple[Integers, Numbers] | None:
        if (numbers := delivery.numbers) is None:
            return None
        ids = await self._tags.resolve_numbers(connection, numbers)
        for known, tag, count in self._tags.drifting(numbers.which):
            self._tell_drift(tag, known, count)
        if not ids.all():
            refused += [self._refusal(reading, delivery.received_at) for reading in numbers.only(ids == 0).readings()]
            ids, numbers = ids[ids > 0], numbers.only(ids > 0)
        return ids, numbers

    def _refusal(self, reading: Reading, received_at: datetime) -> DeadLetter:
        return refusal(self._source_name, reading, self._tags.why_not(reading.tag), received_at)

    def _tell_drift(self, tag: TagKey, known: KnownTag, count: int = 1) -> None:
        self._tags.tell_drift(tag, known.datatype)
        metrics.TYPE_DRIFT.labels(self._source_name).inc(count)

    async def _transact(self, connection: Connection, batch: Batch, work: _Work, *, is_careful: bool) -> Stored:
        """One transaction. Careful: readings that are stored already or that the database refuses are sifted out."""
        seq = self._seq + 1
        async with connection.transaction():
            if is_careful:
                sifted = await sift(connection, self._source_name, self._lane, seq, work.all_rows(), work.received_at)
            else:
                sifted = await self._copy(connection, seq, work)
            letters = await self._keep_dead_letters(connection, batch, work.refused, sifted.dead_letters)
            await self._remember(connection, batch)
            xid = await readings_table.insert_batch(
                connection,
                lane=self._lane,
                seq=seq,
                source=self._source_name,
                received_at=work.received_at,
                rows=sifted.rows,
                duplicates=sifted.duplicates,
                span=sifted.span,
            )
            stored = Stored(sifted.rows, sifted.duplicates, sifted.conflicts, letters)
            self._unclear = (xid, stored)
        self._unclear = None
        self._seq = seq
        return stored

    async def _copy(self, connection: Connection, seq: int, work: _Work) -> Sifted:
        rows, columns = [row for rows in work.rows for row in rows], work.columns()
        times = [reading.source_time_us for _, reading in rows]
        if columns is not None and len(columns.times_us):
            times += [int(columns.times_us.min()), int(columns.times_us.max())]
        if not times:
            return Sifted()
        await readings_table.copy(connection, self._lane, seq, rows, columns)
        count = len(rows) + (len(columns.times_us) if columns is not None else 0)
        return Sifted(rows=count, span=(instant(min(times)), instant(max(times))))

    async def _keep_dead_letters(
        self, connection: Connection, batch: Batch, refused: list[DeadLetter], sifted: list[DeadLetter]
    ) -> int:
        fresh = [letter for delivery in batch for letter in delivery.dead_letters]
        repeated = [letter for delivery in batch for letter in delivery.repeated]
        count = await dead_letter.insert(connection, self._source_name, fresh)
        # A redelivery names the same readings again: refused once is enough.
        unsure = [*repeated, *refused, *sifted]
        return count + await dead_letter.insert(connection, self._source_name, unsure, only_unknown=True)

    async def _remember(self, connection: Connection, batch: Batch) -> None:
        """Write the gaps and the newest state of the batch."""
        state: dict[str, dict[str, Any]] = {}
        for delivery in batch:
            state.update(delivery.state)
            for missed in delivery.gaps:
                tag_id = None if missed.tag is None else await self._tags.id_of(connection, missed.tag)
                await gap.insert(
                    connection,
                    source=self._source_name,
                    tag_id=tag_id,
                    start=missed.start,
                    end=missed.end,
                    cause=missed.cause,
                    recovered=missed.recovered,
                )
        for key, value in state.items():
            await source_state.put(connection, self._source_name, key, value)

    def _count(self, stored: Stored) -> None:
        metrics.DUPLICATES.labels(self._source_name).inc(stored.duplicates)
        metrics.CONFLICTS.labels(self._source_name).inc(stored.conflicts)
        metrics.DEAD_LETTERS.labels(self._source_name).inc(stored.dead_letters)

    async def _drop_connection(self) -> None:
        try:
            async with asyncio.timeout(2):
                await self.close()
        except (psycopg.Error, TimeoutError, OSError):
            self._connection = None


def _line(error: Exception) -> str:
    """An error on one line."""
    return " ".join(str(error).split()) or type(error).__name__
