"""MQTT to the table, with a real broker and a real database."""

from __future__ import annotations

from tests.integration.ingest_bench import EPOCH_MS, mqtt_settings, publishing, query, running, scalar, subscribed, until


async def test_each_message_is_stored_once_with_its_tag_unit_and_time(database_dsn, broker):
    settings = mqtt_settings(database_dsn, broker.url, "once")
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            publisher.send("once/m1/tag/spindle.temp", {"value": 41.5, "ts": EPOCH_MS})
            await until(database_dsn, "select count(*) from reading", lambda n: n == 1)
            for n in range(1, 500):
                publisher.send("once/m1/tag/spindle.temp", {"value": n, "unit": "K", "ts": EPOCH_MS + n})
            publisher.send("once/m2/many", {"ts": "2026-09-21T10:00:00.123456Z", "state": "EXECUTE", "parts.good": 7})
            await until(database_dsn, "select count(*) from reading", lambda n: n == 502)
    tags = await query(
        database_dsn,
        "select e.path, t.name, t.datatype, t.unit, t.kind, t.source from tag t"
        " join equipment e on e.id = t.equipment_id order by e.path, t.name",
    )
    assert tags == [
        ("acme/dortmund/test/line/m1", "spindle.temp", "number", "Cel", "gauge", "once"),
        ("acme/dortmund/test/line/m2", "parts.good", "number", "", "counter", "once"),
        ("acme/dortmund/test/line/m2", "state", "text", "", "state", "once"),
    ]
    assert await scalar(database_dsn, "select sum(rows) from batch") == 502
    assert await scalar(database_dsn, "select count(*) = max(seq) and min(seq) = 1 from batch")
    assert await scalar(database_dsn, "select count(*) from dead_letter") == 0
