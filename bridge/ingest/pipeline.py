"""The lane on one screen: deliveries -> buffer -> one transaction -> acknowledgement."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from bridge.config.settings import IngestSettings
from bridge.ingest import metrics
from bridge.ingest.buffer import Batch, Buffer
from bridge.ingest.writer import LaneWriter
from bridge.sources.delivery import Delivery


class Lane:
    """One ordered stream of batches: `deliver` fills it, `write` empties it."""

    def __init__(self, settings: IngestSettings, source_name: str, writer: LaneWriter) -> None:
        self._buffer = Buffer(settings)
        self._writer = writer
        self._source_name = source_name
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._is_closing = asyncio.Event()

    async def deliver(self, delivery: Delivery) -> None:
        """Take a delivery; waits while the buffer is full, and for good once the lane closes."""
        while self._buffer.is_full or self._is_closing.is_set():
            self._room.clear()
            await self._room.wait()
        self._buffer.add(delivery, time.monotonic())
        self._arrived.set()

    def close(self) -> None:
        """Take nothing more; `write` ends when what is here is stored."""
        self._is_closing.set()
        self._arrived.set()

    async def write(self) -> None:
        """Store batch after batch, in order, and acknowledge each once it is committed; ends after `close`.

        Raises LaneTaken where another process took the lane while the database was away.
        """
        while await self._batch_closed():
            batch = self._buffer.take()
            started = time.monotonic()
            stored = await self._writer.write(batch)
            for delivery in batch:
                delivery.ack()
            if not self._buffer.is_full and not self._is_closing.is_set():
                self._room.set()
            self._measure(batch, time.monotonic() - started, stored.readings)

    async def _batch_closed(self) -> bool:
        """Wait until a batch closes; false where none will come."""
        while True:
            self._arrived.clear()
            due_in = self._buffer.due_in(time.monotonic())
            if due_in == 0 or (due_in is not None and self._is_closing.is_set()):
                return True
            if due_in is None and self._is_closing.is_set():
                return False
            try:
                async with asyncio.timeout(due_in):
                    await self._arrived.wait()
            except TimeoutError:
                continue

    def _measure(self, batch: Batch, commit_s: float, readings: int) -> None:
        name = self._source_name
        metrics.READINGS.labels(name).inc(readings)
        metrics.BATCHES.labels(name).inc()
        metrics.BATCH_READINGS.labels(name).observe(readings)
        metrics.MESSAGES.labels(name).inc(sum(delivery.messages for delivery in batch))
        metrics.COMMIT_S.labels(name).observe(commit_s)
        now = datetime.now(UTC)
        metrics.LATENCY_S.labels(name).observe((now - batch[0].received_at).total_seconds())
        if newest := [time_us for delivery in batch if (time_us := delivery.newest_us) is not None]:
            newest_s = max(newest) / 1e6
            metrics.NEWEST_S.labels(name).set(newest_s)
            metrics.LAG_S.labels(name).observe(max(0.0, now.timestamp() - newest_s))
        metrics.PENDING_ROWS.labels(name).set(self._buffer.rows)
