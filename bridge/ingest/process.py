"""The bridge process: each source with its lane, side by side; one failing never stops another."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import psycopg
import structlog

from bridge.config.settings import Settings, SourceSettings
from bridge.errors import LaneTaken
from bridge.ingest import metrics
from bridge.ingest.pipeline import Lane
from bridge.ingest.served_metrics import served
from bridge.ingest.writer import LaneWriter
from bridge.sources import SOURCES, Memory, Source
from bridge.sources.backoff import Backoff

log = structlog.get_logger()

T = TypeVar("T")

_COLLECT_AFTER: Final = 50_000  # more objects than two batches have

DRAIN_S: Final = 1.0  # the last batches have this long at a stop; what is not acknowledged comes again


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Take readings from all sources into the database until `stop` is set."""
    _collect_seldom()
    with served(settings.ingest):
        await _keep_lanes(settings, stop)


async def _keep_lanes(settings: Settings, stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as lanes:
        for source_settings in settings.source:
            lanes.create_task(_keep_lane(settings, source_settings, stop))
        await stop.wait()


def _collect_seldom() -> None:
    """Readings come and go by the ten thousand without a cycle among them: the collector looks for cycles rarely."""
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 50)


async def _keep_lane(settings: Settings, table: SourceSettings, stop: asyncio.Event) -> None:
    """Run one source until the stop, whatever goes wrong with it."""
    backoff = Backoff()
    while not stop.is_set():
        source = SOURCES[table.type](table)
        writer = LaneWriter(settings, table.name, table.lane, source)
        try:
            if (memory := await _until(stop, _open(writer, table))) is not None:
                await _run_lane(settings, table, source, writer, memory, stop)
        except* LaneTaken as errors:
            log.warning("lane taken", source=table.name, error=str(errors.exceptions[0]))
        except* Exception:
            log.exception("source failed; it starts again", source=table.name)
        finally:
            with contextlib.suppress(psycopg.Error, OSError):
                await writer.close()
        await _until(stop, backoff.wait())


async def _open(writer: LaneWriter, table: SourceSettings) -> Memory:
    """Become the lane's writer; waits for the database and for the other writer."""
    backoff = Backoff()
    told = ""
    while True:
        try:
            return await writer.open()
        except (psycopg.Error, LaneTaken, OSError) as error:
            await writer.close()
            if told != type(error).__name__:
                told = type(error).__name__
                log.warning(
                    "lane not open yet", source=table.name, lane=table.lane, reason=" ".join(str(error).split())
                )
            await backoff.wait()


async def _run_lane(
    settings: Settings, table: SourceSettings, source: Source, writer: LaneWriter, memory: Memory, stop: asyncio.Event
) -> None:
    lane = Lane(settings.ingest, table.name, writer)
    _expose(table.name, source)
    log.info("source starts", source=table.name, type=table.type, lane=table.lane)
    async with asyncio.TaskGroup() as tasks:
        receiving = tasks.create_task(source.run(memory, lane.deliver))
        writing = tasks.create_task(lane.write())
        await stop.wait()
        # The source stays connected while the last batches are stored, so that they can be acknowledged.
        lane.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await asyncio.shield(writing)
        writing.cancel()
        receiving.cancel()
    log.info("source stopped", source=table.name)


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of the work, or None where the stop came first and the work was cancelled."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.wait({working, stopping})


def _expose(name: str, source: Source) -> None:
    health = source.health
    metrics.UNACKNOWLEDGED.labels(name).set_function(lambda: health.unacknowledged)
    metrics.CONNECTED.labels(name).set_function(lambda: health.is_connected)
    metrics.WANTED.labels(name).set_function(lambda: health.wanted)
    metrics.LIVE.labels(name).set_function(lambda: health.live)
    metrics.DROPPED.labels(name).set_function(lambda: health.dropped)
