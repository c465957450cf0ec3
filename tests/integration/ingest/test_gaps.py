"""Intervals in which a source was not heard, on a real broker that forgets or keeps the session."""

from __future__ import annotations

import asyncio

from tests.integration.ingest.ingest_stage import EPOCH_MS, mqtt_settings, publishing, query, running, subscribed, until

COUNT = "select count(*) from reading"
GAPS = "select count(*) from gap"


async def _first(dsn, broker, settings, name):
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(dsn)
            publisher.send(f"{name}/m1/tag/a", {"value": 1, "ts": EPOCH_MS})
            await until(dsn, COUNT, lambda n: n == 1)


async def test_a_bridge_that_was_stopped_leaves_a_recovered_gap_and_gets_what_came_meanwhile(database_dsn, broker):
    settings = mqtt_settings(database_dsn, broker.url, "stopped")
    await _first(database_dsn, broker, settings, "stopped")
    with publishing(broker.url) as publisher:
        publisher.send("stopped/m1/tag/a", {"value": 2, "ts": EPOCH_MS + 1})
        await publisher.flush()
    async with running(settings):
        await until(database_dsn, COUNT, lambda n: n == 2)
        await until(database_dsn, GAPS, lambda n: n == 1)
    assert await query(database_dsn, "select cause, recovered from gap") == [("connection lost", True)]


async def test_a_broker_that_lost_its_disk_leaves_a_gap_with_its_cause(database_dsn, own_broker):
    settings = mqtt_settings(database_dsn, own_broker.url, "wiped")
    await _first(database_dsn, own_broker, settings, "wiped")
    await asyncio.to_thread(own_broker.stop)
    (own_broker.log.parent / "mosquitto.db").unlink()
    await asyncio.to_thread(own_broker.start)
    async with running(settings):
        await until(database_dsn, GAPS, lambda n: n == 1)
    expected = [("the broker lost the session and what it had queued", False)]
    assert await query(database_dsn, "select cause, recovered from gap") == expected
