"""Messages that no database can hold: each is a dead letter with its reason, and those before and behind it are stored."""

from __future__ import annotations

import asyncio
import random
import string
from datetime import UTC, datetime

import pytest

from bridge.codecs import json_readings
from bridge.ingest.writer import LaneWriter
from bridge.model.reading import Reading, TagKey
from bridge.sources import mqtt_decoding
from bridge.sources.delivery import Delivery
from tests.integration.ingest.ingest_stage import (
    EPOCH_MS,
    mqtt_settings,
    publishing,
    query,
    running,
    scalar,
    subscribed,
    until,
)

LONGEST = "".join(random.Random(2).choices(string.ascii_letters + string.digits, k=5000))
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


async def test_a_machine_name_too_long_for_the_index_costs_no_neighbour(database_dsn, broker):
    [(payload, reason)] = await store_around(database_dsn, broker.url, "longname", LONGEST, b'{"x":1}')
    assert payload == b'{"x":1}'
    assert "equipment name" in reason
    assert len(reason) < 300


@pytest.mark.parametrize(
    ("tag", "told"),
    [
        (TagKey(f"acme/{LONGEST}", "parts"), "equipment name"),
        (TagKey("acme/m1", LONGEST), "index row size"),
        (TagKey("acme/m1", "half \ud800"), "surrogates not allowed"),
        (TagKey("acme/m1", "nul \0"), "NUL"),
    ],
)
async def test_a_tag_that_the_database_refuses_costs_no_neighbour_whatever_its_source_let_pass(database_dsn, tag, told):
    settings = mqtt_settings(database_dsn, "mqtt://nowhere:1", "t")
    writer = LaneWriter(settings, "t", 1, Tagless())
    good = [TagKey("acme/m2", f"parts{n}") for n in range(6)]
    await writer.open()
    async with asyncio.timeout(20):
        readings = [Reading(key, EPOCH_MS * 1000, 0, 1.0, None, 0) for key in (*good[:3], tag, *good[3:])]
        stored = await writer.write([Delivery(readings, datetime.now(UTC))])
    await writer.close()
    assert (stored.readings, stored.dead_letters) == (6, 1)
    [(reason,)] = await query(database_dsn, "select reason from dead_letter")
    assert reason.startswith("the database refuses it: ")
    assert told in reason


class Tagless:
    """A source that names no tags; it never runs."""

    def known_tags(self):
        return {}

    def address_of(self, tag):
        return tag.equipment


@pytest.mark.parametrize(
    ("case", "unit", "told"),
    [
        ("half", b"\\ud800", "half of a surrogate pair"),
        ("nul", b"\\u0000", "control characters"),
        ("long", b"x" * 65, "at most 64 characters"),
    ],
)
async def test_a_unit_that_is_no_text_costs_no_neighbour(database_dsn, broker, case, unit, told):
    payload = b'{"tag":"v","value":1,"unit":"' + unit + b'"}'
    [(kept, reason)] = await store_around(database_dsn, broker.url, f"unit{case}", "m1", payload)
    assert kept == payload
    assert "unit: " in reason
    assert told in reason


async def test_a_message_of_ten_megabytes_is_kept_as_a_dead_letter(database_dsn, broker):
    payload = b"x" * 10_000_000
    [(kept, reason)] = await store_around(database_dsn, broker.url, "tenmb", "m1", payload)
    assert kept == payload
    assert reason.startswith("not JSON")


async def test_a_message_past_the_maximum_packet_size_is_not_taken_and_costs_no_neighbour(database_dsn, broker):
    settings = mqtt_settings(database_dsn, broker.url, "packet", maximum_packet_size=10_000)
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            publisher.send("packet/m1/many", {"a": 1, "ts": EPOCH_MS})
            publisher.send("packet/m1/many", b"x" * 20_000)
            publisher.send("packet/m1/many", {"a": 2, "ts": EPOCH_MS + 1})
            await until(database_dsn, COUNT, lambda n: n == 2)
    assert await scalar(database_dsn, "select count(*) from dead_letter") == 0
