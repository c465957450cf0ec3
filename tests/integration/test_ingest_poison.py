"""Messages that no database can hold: each is a dead letter with its reason, and those before and behind it are stored."""

from __future__ import annotations

from bridge.codecs import json_readings
from bridge.sources import mqtt_decoding
from tests.integration.ingest_bench import (
    EPOCH_MS,
    mqtt_settings,
    publishing,
    query,
    running,
    scalar,
    subscribed,
    until,
)

COUNT = "select count(*) from reading"
NESTED = b'{"a":' * 1000 + b"1" + b"}" * 1000


async def store_around(dsn, url, name, machine, payload, *, wanted=6):
    """Publish the payload between good messages, and wait until these are stored; returns the dead letters."""
    with publishing(url) as publisher:
        async with running(mqtt_settings(dsn, url, name)):
            await subscribed(dsn)
            for n in range(3):
                publisher.send(f"{name}/good/many", {"parts": n, "ts": EPOCH_MS + n})
            publisher.send(f"{name}/{machine}/many", payload)
            for n in range(3, 6):
                publisher.send(f"{name}/good/many", {"parts": n, "ts": EPOCH_MS + n})
            await until(dsn, COUNT, lambda n: n == wanted, timeout_s=20)
            await until(dsn, "select count(*) from dead_letter", lambda n: n >= 1, timeout_s=20)
    assert await scalar(dsn, "select count(distinct value) from reading") == 6
    return [(bytes(payload), reason) for payload, reason in await query(dsn, "select payload, reason from dead_letter")]


async def test_a_message_nested_a_thousand_deep_costs_no_neighbour(database_dsn, broker):
    [(payload, reason)] = await store_around(database_dsn, broker.url, "nested", "m1", NESTED)
    assert payload == NESTED
    assert "nested too deep" in reason


async def test_a_message_on_which_the_decoding_itself_fails_costs_no_neighbour(database_dsn, broker, monkeypatch):
    def decode(payload, place, arrived_us):
        if b"poison" in payload:
            raise RuntimeError("a codec's own fault")
        return json_readings.decode_json(payload, place, arrived_us)

    monkeypatch.setattr(mqtt_decoding, "CODECS", {"json": decode})
    [letter] = await store_around(database_dsn, broker.url, "codecfault", "m1", b'{"poison": "x"}')
    assert letter == (b'{"poison": "x"}', "the decoding failed: RuntimeError: a codec's own fault")
