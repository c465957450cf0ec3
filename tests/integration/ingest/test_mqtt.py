"""MQTT to the table, with a real broker and a real database."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta

import paho.mqtt.client as paho
import pytest
import structlog.testing
from paho.mqtt.enums import CallbackAPIVersion

from bridge.ingest import metrics
from bridge.model.quality import UNCERTAIN_LAST_USABLE
from bridge.sources import MqttSource
from bridge.sources.delivery import Memory
from bridge.sources.mqtt import MESSAGES_A_DELIVERY
from bridge.store.migrate import migrate
from tests.integration.ingest.ingest_stage import (
    EPOCH_MS,
    bridge_process,
    eventually,
    mqtt_settings,
    publishing,
    query,
    running,
    scalar,
    subscribed,
    until,
)
from tests.integration.ingest.mqtt_fake import FakeBroker

COUNT = "select count(*) from reading"
GAPLESS = "select count(*) = max(seq) and min(seq) = 1 from batch"


async def test_each_message_is_stored_once_with_its_tag_unit_and_time(database_dsn, broker):
    settings = mqtt_settings(database_dsn, broker.url, "once")
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            for n in range(500):
                publisher.send("once/m1/tag/spindle.temp", {"value": n, "ts": EPOCH_MS + n})
            publisher.send("once/m2/many", {"ts": "2026-09-21T10:00:00.123456Z", "state": "EXECUTE", "parts.good": 7})
            await until(database_dsn, COUNT, lambda n: n == 502)
    tags = await query(
        database_dsn,
        "select e.path, t.name, t.datatype, t.unit, t.kind, t.source, t.address from tag t"
        " join equipment e on e.id = t.equipment_id order by e.path, t.name",
    )
    assert tags == [
        ("acme/dortmund/test/line/m1", "spindle.temp", "number", "Cel", "gauge", "once", "once/m1/tag/spindle.temp"),
        ("acme/dortmund/test/line/m2", "parts.good", "number", "", "counter", "once", "once/m2/many"),
        ("acme/dortmund/test/line/m2", "state", "text", "", "state", "once", "once/m2/many"),
    ]
    assert await query(database_dsn, "select ts, text from reading where text is not null") == [
        (datetime(2026, 9, 21, 10, 0, 0, 123456, UTC), "EXECUTE")
    ]
    assert await scalar(database_dsn, "select sum(rows) from batch") == 502
    assert await scalar(database_dsn, GAPLESS)
    assert await scalar(
        database_dsn,
        "select bool_and(b.rows = r.n and b.min_ts = r.min and b.max_ts = r.max) from batch b"
        " join (select batch_seq, count(*) n, min(ts), max(ts) from reading group by 1) r on r.batch_seq = b.seq",
    )
    assert await scalar(database_dsn, "select count(*) from dead_letter") == 0


async def test_message_is_not_acknowledged_when_commit_fails(database_dsn, broker):
    settings = mqtt_settings(database_dsn, broker.url, "unacked")
    retries = metrics.RETRIES.labels("unacked")
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            await _make_batches_fail(database_dsn)
            publisher.send("unacked/m1/tag/a", {"value": 1, "ts": EPOCH_MS})
            await eventually(lambda: retries._value.get() >= 2)
            assert await scalar(database_dsn, COUNT) == 0
        await _execute(database_dsn, "drop trigger refuse on batch")
        async with running(settings):
            await until(database_dsn, COUNT, lambda n: n == 1)


async def test_a_message_that_was_acknowledged_does_not_come_again(database_dsn, broker):
    settings = mqtt_settings(database_dsn, broker.url, "acked")
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            for n in range(50):
                publisher.send("acked/m1/tag/a", {"value": n, "ts": EPOCH_MS + n})
            await until(database_dsn, COUNT, lambda n: n == 50)
        async with running(settings):
            publisher.send("acked/m1/tag/a", {"value": 50, "ts": EPOCH_MS + 50})
            await until(database_dsn, COUNT, lambda n: n == 51)
    assert await scalar(database_dsn, "select sum(duplicates) from batch") == 0


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_kill_9_of_the_bridge_loses_and_doubles_nothing(database_dsn, broker, protocol):
    name, total = f"killed{protocol[0]}", 12_000
    # Small steps, so that it is killed on the way.
    steps = {"ingest": {"max_rows": 100, "max_pending_rows": 300}, "receive_maximum": 200}
    settings = mqtt_settings(database_dsn, broker.url, name, protocol=protocol, **steps)
    chance = random.Random(7)
    with publishing(broker.url) as publisher:
        with bridge_process(settings):
            await subscribed(database_dsn)
        for n in range(total):
            publisher.send(f"{name}/m{n % 7}/tag/n", {"value": n, "ts": EPOCH_MS + n})
        stored = 0
        for _ in range(5):
            with bridge_process(settings):
                wanted = min(total, stored + chance.randrange(1, 800))
                stored = await until(database_dsn, COUNT, lambda n, wanted=wanted: n >= wanted)
        with bridge_process(settings):
            await until(database_dsn, COUNT, lambda n: n == total)
    assert await scalar(database_dsn, "select count(distinct value) from reading") == total
    assert await scalar(database_dsn, "select sum(rows) from batch") == total
    assert await scalar(database_dsn, "select count(*) from dead_letter") == 0
    assert await scalar(database_dsn, GAPLESS)


async def test_a_redelivery_is_counted_and_a_conflict_is_kept(database_dsn, broker):
    settings = mqtt_settings(database_dsn, broker.url, "twice")
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            for _ in range(2):
                for n in range(300):
                    publisher.send("twice/m1/tag/a", {"value": n, "ts": EPOCH_MS + n})
            publisher.send("twice/m1/tag/a", {"value": -1, "ts": EPOCH_MS})
            publisher.send("twice/m1/tag/a", {"value": 300, "ts": EPOCH_MS + 300})
            await until(database_dsn, COUNT, lambda n: n == 301)
    assert await scalar(database_dsn, "select sum(duplicates) from batch") == 300
    [(address, payload, reason)] = await query(database_dsn, "select address, payload, reason from dead_letter")
    assert address == "acme/dortmund/test/line/m1/a"
    assert json.loads(payload)["value"] == -1
    assert reason == "conflict: this tag has another reading of this time: 0.0, quality 0x00000000"
    assert await scalar(database_dsn, f"select value from reading where ts = to_timestamp({EPOCH_MS // 1000})") == 0


async def test_broken_messages_are_dead_letters_and_their_neighbours_are_stored(database_dsn, broker):
    settings = mqtt_settings(database_dsn, broker.url, "fuzz")
    chance = random.Random(3)
    broken = [b"", b"\xff\xfe\x00", b'{"value":', b"[[]]", b'{"ts":"x","value":1}', b'{"value":{}}']
    broken += [chance.randbytes(chance.randrange(1, 60)) + b"\x01" for _ in range(294)]
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            for n, payload in enumerate(broken):
                publisher.send("fuzz/m1/tag/a", payload)
                publisher.send("fuzz/m1/tag/a", {"value": n, "ts": EPOCH_MS + n})
            await until(database_dsn, COUNT, lambda n: n == len(broken))
            await until(database_dsn, "select count(*) from dead_letter", lambda n: n == len(broken))
    kept = await query(database_dsn, "select payload from dead_letter order by id")
    assert [bytes(row[0]) for row in kept] == broken


async def test_a_reading_that_the_database_refuses_is_found_among_its_neighbours(database_dsn, broker):
    await _execute(database_dsn, "alter table reading add constraint no_devil check (value <> 666)")
    settings = mqtt_settings(database_dsn, broker.url, "poison")
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            content = [{"ts": EPOCH_MS + n, "a": 666 if n in (3, 77) else n} for n in range(100)]
            publisher.send("poison/m1/many", content)
            await until(database_dsn, COUNT, lambda n: n == 98)
    reasons = await query(database_dsn, "select reason from dead_letter")
    assert len(reasons) == 2
    assert all(reason.startswith("the database refuses it: ") for (reason,) in reasons)
    assert await query(database_dsn, "select rows from batch where rows > 0") == [(98,)]


async def test_new_tags_past_the_cap_are_dead_letters_and_known_ones_go_on(database_dsn, broker):
    settings = mqtt_settings(database_dsn, broker.url, "cap", ingest={"max_new_tags": 5})
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            publisher.send("cap/m1/many", {"ts": EPOCH_MS, **{f"k{n}": n for n in range(50)}})
            publisher.send("cap/m1/many", {"ts": EPOCH_MS + 1, "k0": 7})
            await until(database_dsn, COUNT, lambda n: n == 6)
    assert await scalar(database_dsn, "select count(*) from tag") == 5
    assert await scalar(database_dsn, "select count(*) from dead_letter where reason like '%max_new_tags%'") == 45


async def test_a_tag_that_changes_its_type_is_stored_as_it_comes(database_dsn, broker):
    settings = mqtt_settings(database_dsn, broker.url, "drift")
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            for n, value in enumerate([1, 1.5, "on", True, None]):
                publisher.send("drift/m1/tag/a", {"value": value, "ts": EPOCH_MS + n})
            await until(database_dsn, COUNT, lambda n: n == 5)
    rows = await query(database_dsn, "select value, text, quality <> 0 from reading order by ts")
    assert rows == [(1, None, False), (1.5, None, False), (None, "on", False), (1, None, False), (None, None, True)]


async def test_numbers_of_a_tag_of_text_are_stored_and_counted(database_dsn, broker):
    settings = mqtt_settings(database_dsn, broker.url, "drifting")
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            for n, value in enumerate(["on", 1, 2.5]):
                publisher.send("drifting/m1/many", {"a": value, "b": 7, "ts": EPOCH_MS + n})
            await until(database_dsn, COUNT, lambda n: n == 6)
    rows = await query(
        database_dsn, "select value, text from reading join tag on tag.id = tag_id where name = 'a' order by ts"
    )
    assert rows == [(None, "on"), (1, None), (2.5, None)]
    assert metrics.TYPE_DRIFT.labels("drifting")._value.get() == 2


async def test_the_database_may_stop_and_start_while_messages_flow(own_database, broker):
    await migrate(own_database.dsn)
    settings = mqtt_settings(own_database.dsn, broker.url, "dbstop", ingest={"max_pending_rows": 300, "max_rows": 100})
    pending = metrics.PENDING_ROWS.labels("dbstop")
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(own_database.dsn)
            for n in range(3000):
                publisher.send("dbstop/m1/tag/a", {"value": n, "ts": EPOCH_MS + n})
                if n == 500:
                    await publisher.flush()
                    await asyncio.to_thread(own_database.kill)
            await publisher.flush()
            assert pending._value.get() <= 300 + MESSAGES_A_DELIVERY
            await asyncio.to_thread(own_database.start)
            await until(own_database.dsn, COUNT, lambda n: n == 3000)
    assert await scalar(own_database.dsn, "select count(distinct value) from reading") == 3000
    assert await scalar(own_database.dsn, GAPLESS)


async def test_the_broker_may_restart_while_messages_flow(database_dsn, own_broker):
    settings = mqtt_settings(database_dsn, own_broker.url, "restart")
    with publishing(own_broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            for n in range(2000):
                publisher.send("restart/m1/tag/a", {"value": n, "ts": EPOCH_MS + n})
                if n == 700:
                    await publisher.flush()
                    await asyncio.to_thread(own_broker.restart)
            await until(database_dsn, "select count(distinct value) from reading", lambda n: n == 2000)
            await until(database_dsn, "select count(*) from gap", lambda n: n >= 1)


async def test_a_session_that_the_broker_lost_is_a_gap_with_its_cause(database_dsn, broker):
    settings = mqtt_settings(database_dsn, broker.url, "lostsession")
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            publisher.send("lostsession/m1/tag/a", {"value": 1, "ts": EPOCH_MS})
            await until(database_dsn, COUNT, lambda n: n == 1)
        _wipe_session(broker.url, "bridge-lostsession")
        async with running(settings):
            await until(database_dsn, "select count(*) from gap", lambda n: n == 1)
    [(recovered, cause, length)] = await query(
        database_dsn, "select recovered, cause, upper(during) - lower(during) from gap"
    )
    assert not recovered
    assert cause == "the broker lost the session and what it had queued"
    assert timedelta(0) < length < timedelta(minutes=1)


async def test_a_retained_message_without_a_time_is_an_uncertain_snapshot(database_dsn, broker):
    settings = mqtt_settings(database_dsn, broker.url, "retained")
    with publishing(broker.url) as publisher:
        publisher.send("retained/m1/tag/a", {"value": 1}, retain=True)
        publisher.send("retained/m1/tag/b", {"value": 2, "ts": EPOCH_MS}, retain=True)
        await publisher.flush()
        async with running(settings):
            await until(database_dsn, COUNT, lambda n: n == 2)
    rows = await query(database_dsn, "select value, quality from reading order by value")
    assert rows == [(1, UNCERTAIN_LAST_USABLE), (2, 0)]


async def test_a_topic_that_left_the_configuration_is_unsubscribed(database_dsn, broker):
    both = mqtt_settings(database_dsn, broker.url, "topics")
    async with running(both):
        await subscribed(database_dsn)
    one = both.source[0].model_copy(update={"subscribe": both.source[0].subscribe[1:]})
    with publishing(broker.url) as publisher:
        async with running(both.model_copy(update={"source": [one]})):
            state = "select jsonb_array_length(state->'filters') from source_state"
            await until(database_dsn, state, lambda n: n == 1)
            publisher.send("topics/m1/tag/a", {"value": 1, "ts": EPOCH_MS})
            publisher.send("topics/m1/many", {"b": 1, "ts": EPOCH_MS})
            await until(database_dsn, COUNT, lambda n: n == 1)
    assert await scalar(database_dsn, "select count(*) from dead_letter") == 0


async def test_a_second_bridge_waits_until_the_first_one_ends(database_dsn, broker):
    settings = mqtt_settings(database_dsn, broker.url, "pair")
    with publishing(broker.url) as publisher, structlog.testing.capture_logs() as logs:
        with bridge_process(settings):
            await subscribed(database_dsn)
            async with running(settings):
                await eventually(lambda: any(entry["event"] == "lane not open yet" for entry in logs))
                publisher.send("pair/m1/tag/a", {"value": 1, "ts": EPOCH_MS})
                await until(database_dsn, COUNT, lambda n: n == 1)
                assert not any(entry["event"] == "mqtt connected" for entry in logs)
        async with running(settings):
            publisher.send("pair/m1/tag/a", {"value": 2, "ts": EPOCH_MS + 1})
            await until(database_dsn, COUNT, lambda n: n == 2)
    assert await scalar(database_dsn, GAPLESS)


async def test_a_refused_subscription_is_an_error_that_names_its_filter():
    async with FakeBroker(codes=(1, 0x80)) as fake:
        source = _source(fake.url)
        with structlog.testing.capture_logs() as logs:
            running_source = asyncio.create_task(source.run(Memory(), _take_nothing))
            await fake.subscribed.wait()
            await eventually(lambda: source.health.is_connected)
        running_source.cancel()
    assert [(e["filter"], e["log_level"]) for e in logs if e["event"] == "mqtt subscription refused"] == [
        ("fake/+/many", "error")
    ]
    assert (source.health.wanted, source.health.live, source.health.is_healthy) == (2, 1, False)


async def test_acks_go_in_the_order_of_receipt_and_never_to_a_later_connection():
    deliveries: asyncio.Queue = asyncio.Queue()
    async with FakeBroker(codes=(1, 1), session_present=(False, True)) as fake:
        source = _source(fake.url)
        running_source = asyncio.create_task(source.run(Memory(), deliveries.put))
        await fake.subscribed.wait()
        for packet_id in (5, 3, 9):
            fake.publish("fake/m1/tag/a", b'{"value":1}', packet_id)
        early = await _with_readings(deliveries, 3)
        early[0].ack()
        first = [await fake.acks.get() for _ in early[0].readings]
        fake.publish("fake/m1/tag/a", b'{"value":1}', 1)
        [stale] = await _with_readings(deliveries, 1)
        fake.drop()
        await fake.subscribed.wait()
        stale.ack()
        fake.publish("fake/m1/tag/a", b'{"value":2}', 2)
        [fresh] = await _with_readings(deliveries, 1)
        fresh.ack()
        assert await fake.acks.get() == 2
        running_source.cancel()
    assert first == [5, 3, 9][: len(first)]


def _source(url):
    settings = mqtt_settings("", url, "fake", protocol="3.1.1").source[0]
    return MqttSource(settings)


async def _take_nothing(_delivery):
    return


async def _with_readings(deliveries, wanted):
    found, count = [], 0
    while count < wanted:
        delivery = await deliveries.get()
        if delivery.readings:
            found.append(delivery)
            count += len(delivery.readings)
    return found


async def _execute(dsn, text):
    import psycopg

    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(text)


async def _make_batches_fail(dsn):
    await _execute(
        dsn,
        "create function refuse() returns trigger language plpgsql as"
        " $$ begin raise exception 'no space left' using errcode = 'disk_full'; end $$",
    )
    await _execute(dsn, "create trigger refuse before insert on batch for each row execute function refuse()")


def _wipe_session(url, client_id):
    host, port = url.removeprefix("mqtt://").split(":")
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True, protocol=paho.MQTTv311)
    client.connect(host, int(port))
    client.loop_start()
    while not client.is_connected():
        pass
    client.disconnect()
    client.loop_stop()
