"""What is kept, and what is said, when the broker goes away and comes back: as it was, restarted, or from an older state."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from bridge.sources.delivery import Memory
from bridge.sources.mqtt import MqttSource
from bridge.sources.mqtt_uptime import AWAY, CONNECTION_LOST, RESTARTED
from tests.integration.ingest.ingest_stage import (
    EPOCH_MS,
    eventually,
    mqtt_settings,
    publishing,
    query,
    running,
    subscribed,
    until,
)
from tests.integration.ingest.mqtt_fake import HANGS_UP, FakeBroker

GAPS = "select count(*) from gap"


def source_of(fake):
    return MqttSource(mqtt_settings("", fake.url, "fake", protocol="3.1.1").source[0])


class Slow:
    """A lane that takes nothing before it is let."""

    def __init__(self):
        self.opened = asyncio.Event()
        self.values = []
        self.gaps = []

    async def deliver(self, delivery):
        await self.opened.wait()
        self.values += [reading.value for reading in delivery.readings]
        self.gaps += [(gap.cause, gap.recovered) for gap in delivery.gaps]


@pytest.mark.parametrize("comes_again", [[], [1], [1, 2, 3]])
async def test_messages_that_wait_undecoded_outlive_a_broker_that_forgot_them_and_are_delivered_once(comes_again):
    lane = Slow()
    async with FakeBroker(
        codes=(1, 1), session_present=(False, True), uptimes=["9000 seconds", "9000 seconds"]
    ) as fake:
        source = source_of(fake)
        task = asyncio.create_task(source.run(Memory(), lane.deliver))
        await eventually(lambda: source.health.is_connected)
        for n in (1, 2, 3):
            fake.publish("fake/m1/tag/a", b'{"value":%d}' % n, n)
        await eventually(lambda: source._inbox.messages == 3)
        fake.drop()
        await eventually(lambda: not source.health.is_connected)
        await fake.subscribed.wait()
        for n in comes_again:
            fake.publish("fake/m1/tag/a", b'{"value":%d}' % n, n, again=True)
        # The uptime is answered after these, so they are there when the source goes on.
        await eventually(lambda: source.health.is_connected)
        lane.opened.set()
        fake.publish("fake/m1/tag/a", b'{"value":4}', 4)
        await eventually(lambda: 4 in lane.values)
        task.cancel()
    assert sorted(lane.values) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("uptimes", "said"),
    [
        (["9000 seconds", "9000 seconds"], (CONNECTION_LOST, True)),
        (["9000 seconds", "3 seconds"], (RESTARTED, False)),
        (["?", "3 seconds"], (CONNECTION_LOST, True)),
        ([], (CONNECTION_LOST, True)),
    ],
)
async def test_a_broker_that_says_how_long_it_is_up_is_known_to_have_restarted(uptimes, said):
    lane = Slow()
    lane.opened.set()
    async with FakeBroker(codes=(1, 1), session_present=(False, True), uptimes=uptimes) as fake:
        source = source_of(fake)
        task = asyncio.create_task(source.run(Memory(), lane.deliver))
        await eventually(lambda: source.health.is_connected)
        fake.drop()
        await eventually(lambda: lane.gaps != [])
        task.cancel()
    assert lane.gaps == [said]


async def test_a_broker_that_ends_the_connection_for_the_question_is_asked_once():
    lane = Slow()
    lane.opened.set()
    async with FakeBroker(codes=(1, 1), session_present=(True,), uptimes=[HANGS_UP, "1 seconds"]) as fake:
        source = source_of(fake)
        task = asyncio.create_task(source.run(Memory(), lane.deliver))
        await eventually(lambda: source.health.is_connected)
        task.cancel()
    assert fake.asked == 1


async def test_a_broker_that_refused_connections_leaves_a_gap_that_is_not_known_to_be_recovered(
    database_dsn, own_broker
):
    settings = mqtt_settings(database_dsn, own_broker.url, "refused")
    with structlog.testing.capture_logs() as logs:
        async with running(settings):
            await subscribed(database_dsn)
            await asyncio.to_thread(own_broker.stop)
            await eventually(lambda: any(entry["event"] == "mqtt broker away" for entry in logs))
            await asyncio.to_thread(own_broker.start)
            await until(database_dsn, GAPS, lambda n: n == 1)
    assert await query(database_dsn, "select cause, recovered from gap") == [(AWAY, False)]


async def test_more_than_the_inbox_holds_comes_again_without_ending_the_connection(database_dsn, broker, monkeypatch):
    monkeypatch.setattr("bridge.sources.mqtt.INBOX", 10)
    settings = mqtt_settings(database_dsn, broker.url, "again")
    async with running(settings):
        await subscribed(database_dsn)
    with publishing(broker.url) as publisher:
        for n in range(3000):
            publisher.send("again/m1/tag/a", {"value": n, "ts": EPOCH_MS + n})
        await publisher.flush()
    with structlog.testing.capture_logs() as logs:
        async with running(settings):
            await until(database_dsn, "select count(*) from reading", lambda n: n == 3000)
    assert [entry["event"] for entry in logs if entry["event"].startswith("mqtt")] == ["mqtt connected"]
