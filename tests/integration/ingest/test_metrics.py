"""The metrics of a running bridge, as Prometheus reads them."""

from __future__ import annotations

import asyncio
import socket
import time
import urllib.request
from pathlib import Path

from bridge.ingest.metrics import READINGS, REGISTRY
from tests.integration.ingest.ingest_stage import (
    EPOCH_MS,
    eventually,
    mqtt_settings,
    publishing,
    running,
    subscribed,
    until,
)


def _read(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return answer.read().decode()


async def test_a_running_bridge_serves_what_it_counts_by_source(database_dsn, broker):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = mqtt_settings(database_dsn, broker.url, "measured", ingest={"metrics_port": port})
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            publisher.send("measured/m1/tag/a", {"value": 1, "ts": EPOCH_MS})
            await until(database_dsn, "select count(*) from reading", lambda n: n == 1)
            await eventually(lambda: READINGS.labels("measured")._value.get() == 1)
            told = await asyncio.to_thread(_read, port)
    assert 'amor_ingest_readings_total{source="measured"} 1.0' in told
    assert 'amor_source_connected{source="measured"} 1.0' in told


async def test_the_lag_is_from_the_newest_source_time_of_a_batch(database_dsn, broker):
    settings = mqtt_settings(database_dsn, broker.url, "lagging")
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            hour_ago = time.time() - 3600
            publisher.send("lagging/m1/many", [{"ts": hour_ago - back, "a": back} for back in (60, 0, 30)])
            await until(database_dsn, "select count(*) from reading", lambda n: n == 3)
            await eventually(lambda: READINGS.labels("lagging")._value.get() == 3)
            await eventually(lambda: _of("amor_ingest_lag_seconds_count", "lagging") == 1)
    assert abs(_of("amor_ingest_newest_source_time_seconds", "lagging") - hour_ago) < 0.001
    # The batches without readings (the state of the source) have no lag.
    assert _of("amor_ingest_lag_seconds_sum", "lagging") >= 3600
    assert _of("amor_ingest_batch_readings_sum", "lagging") == 3
    assert _of("amor_ingest_batches_total", "lagging") == _of("amor_ingest_batch_readings_count", "lagging")


async def test_a_source_time_ahead_of_ours_is_no_negative_lag(database_dsn, broker):
    settings = mqtt_settings(database_dsn, broker.url, "ahead")
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            publisher.send("ahead/m1/tag/a", {"value": 1, "ts": time.time() + 3600})
            await eventually(lambda: _of("amor_ingest_lag_seconds_count", "ahead") == 1)
    assert _of("amor_ingest_lag_seconds_sum", "ahead") == 0


def test_every_metric_says_in_the_documentation_what_to_watch():
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    names = {f.name + ("_total" if f.type == "counter" else "") for f in REGISTRY.collect()}
    assert not [name for name in sorted(names) if f"`{name}`" not in page]


def _of(sample: str, source: str) -> float | None:
    return REGISTRY.get_sample_value(sample, {"source": source})


async def test_a_port_that_is_taken_stops_no_source(database_dsn, broker):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with running(mqtt_settings(database_dsn, broker.url, "unserved", ingest={"metrics_port": port})):
            await subscribed(database_dsn)
