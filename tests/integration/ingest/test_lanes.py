"""Several lanes on one broker: by a share group, by disjoint topics, and the same reading in both."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest
from pydantic import ValidationError

from bridge.config.settings import Settings
from bridge.ingest import metrics
from bridge.sources.mqtt_session import MqttSession
from bridge.sources.mqtt_uptime import UPTIME
from tests.integration.ingest.ingest_stage import (
    EPOCH_MS,
    bridge_process,
    mqtt_settings,
    publishing,
    query,
    running,
    scalar,
    until,
)

COUNT = "select count(*) from reading"
BOTH_SUBSCRIBED = "select count(*) = 2 from source_state"
OF_LANE = "select coalesce(sum(rows), 0) from batch where lane = {}"
EACH_ONCE = (
    "select count(*) = {0} and count(distinct value) = {0} and min(value) = 0 and max(value) = {0} - 1 from reading"
)
GAPLESS = (
    "select array_agg(lane order by lane) = '{1,2}' and bool_and(n = newest and oldest = 1) from"
    " (select lane, count(*) as n, min(seq) as oldest, max(seq) as newest from batch group by lane) as one"
)
SMALL_STEPS = {"ingest": {"max_rows": 50, "max_pending_rows": 150}, "receive_maximum": 100}


def _source(dsn: str, url: str, lane: int, topics: str, **changes: Any) -> Settings:
    """The bridge of a lane: `<topics>/{machine}/tag/{tag}`, whose equipment is the same for all topics."""
    place = {"topic": f"{topics}/{{machine}}/tag/{{tag}}", "equipment": "acme/dortmund/test/lanes/{machine}"}
    return mqtt_settings(
        dsn, url, f"{topics.split('/', maxsplit=1)[0]}-{lane}", lane=lane, subscribe=[place], **changes
    )


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_a_share_group_stores_each_message_once_while_one_bridge_is_killed(database_dsn, broker, protocol):
    topics, steps = f"shared{protocol[0]}", {"protocol": protocol, "share": "plant", **SMALL_STEPS}
    first, second = (_source(database_dsn, broker.url, n, topics, **steps) for n in (1, 2))
    await _kill_one_of_two(database_dsn, broker.url, first, second, [topics])


async def test_disjoint_topics_store_each_message_once_while_one_bridge_is_killed(database_dsn, broker):
    first, second = (_source(database_dsn, broker.url, n, f"split/{n}", **SMALL_STEPS) for n in (1, 2))
    await _kill_one_of_two(database_dsn, broker.url, first, second, ["split/1", "split/2"])


async def _kill_one_of_two(dsn: str, url: str, first: Settings, second: Settings, topics: list[str]) -> None:
    total = 6000
    with publishing(url) as publisher, bridge_process(first):
        with bridge_process(second) as victim:
            await until(dsn, BOTH_SUBSCRIBED, bool)
            for n in range(total // 2):
                publisher.send(f"{topics[n % len(topics)]}/m{n % 7}/tag/n", {"value": n, "ts": EPOCH_MS + n})
            stored = await until(dsn, OF_LANE.format(2), lambda n: n > 100)
            victim.kill()
        for n in range(total // 2, total):
            publisher.send(f"{topics[n % len(topics)]}/m{n % 7}/tag/n", {"value": n, "ts": EPOCH_MS + n})
        await publisher.flush()
        with bridge_process(second):
            await until(dsn, COUNT, lambda n: n == total)
            assert await scalar(dsn, OF_LANE.format(2)) > stored
    assert await scalar(dsn, EACH_ONCE.format(total))
    assert await scalar(dsn, "select sum(rows) from batch") == total
    # What was stored and not acknowledged at the kill comes twice; without the division everything would.
    assert await scalar(dsn, "select sum(duplicates) from batch") < total // 2
    assert await scalar(dsn, OF_LANE.format(1)) > 0
    assert await scalar(dsn, GAPLESS)
    assert await scalar(dsn, "select count(*) from dead_letter") == 0


async def test_the_same_reading_in_both_lanes_is_stored_once(database_dsn, broker):
    total = 400
    with publishing(broker.url) as publisher:
        async with running(_two_lanes(database_dsn, broker.url, "left", "right")):
            await until(database_dsn, BOTH_SUBSCRIBED, bool)
            for n in range(total):
                # In opposite order: each lane meets what the other one is writing.
                for topics, number in (("left", n), ("right", total - 1 - n)):
                    publisher.send(f"{topics}/m1/tag/n", {"value": number, "ts": EPOCH_MS + number})
            await until(database_dsn, "select sum(rows + duplicates) from batch", lambda n: n == 2 * total)
    assert await scalar(database_dsn, EACH_ONCE.format(total))
    assert await scalar(database_dsn, "select sum(rows) from batch") == total
    assert await scalar(database_dsn, GAPLESS)
    assert await scalar(database_dsn, "select count(*) from dead_letter") == 0


async def test_another_value_in_the_other_lane_is_a_conflict_that_is_kept(database_dsn, broker):
    with publishing(broker.url) as publisher:
        async with running(_two_lanes(database_dsn, broker.url, "here", "there")):
            await until(database_dsn, BOTH_SUBSCRIBED, bool)
            publisher.send("here/m1/tag/n", {"value": 1, "ts": EPOCH_MS})
            await until(database_dsn, COUNT, lambda n: n == 1)
            publisher.send("there/m1/tag/n", {"value": 2, "ts": EPOCH_MS})
            await until(database_dsn, "select count(*) from dead_letter", lambda n: n == 1)
    assert await query(database_dsn, "select value, lane from reading") == [(1.0, 1)]
    [(source, reason)] = await query(database_dsn, "select source, reason from dead_letter")
    assert source == "there-2"
    assert reason.startswith("conflict: ")


async def test_a_reading_that_another_lane_commits_during_the_merge_is_a_duplicate(database_dsn, broker):
    settings = _source(database_dsn, broker.url, 1, "race")
    known, late = {"value": 0, "ts": EPOCH_MS}, {"value": 1, "ts": EPOCH_MS + 1}
    with publishing(broker.url) as publisher:
        async with running(settings), await psycopg.AsyncConnection.connect(database_dsn) as other:
            await until(database_dsn, "select count(*) = 1 from source_state", bool)
            publisher.send("race/m1/tag/n", known)
            await until(database_dsn, COUNT, lambda n: n == 1)
            await other.execute(
                "insert into reading (tag_id, ts, ordinal, value, quality, lane, batch_seq)"
                " select tag_id, ts + interval '1 ms', ordinal, 1, quality, 2, 1 from reading"
            )
            publisher.send("race/m1/tag/n", [known, late])
            await until(
                database_dsn,
                "select count(*) = 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
                bool,
            )
            await other.commit()
            await until(database_dsn, "select sum(duplicates) from batch", lambda n: n == 2)
    assert await query(database_dsn, "select value, lane from reading order by ts") == [(0.0, 1), (1.0, 2)]
    assert await scalar(database_dsn, "select count(*) from dead_letter") == 0
    assert metrics.RETRIES.labels("race-1")._value.get() == 1


async def test_a_source_that_joins_a_group_leaves_its_own_subscription(database_dsn, broker, monkeypatch):
    said = _heard_by_the_broker(monkeypatch)
    alone = _source(database_dsn, broker.url, 1, "joins")
    shared = _source(database_dsn, broker.url, 1, "joins", share="plant")
    with publishing(broker.url) as publisher:
        async with running(alone):
            await until(database_dsn, "select count(*) = 1 from source_state", bool)
        async with running(shared):
            await until(database_dsn, "select bool_or(state::text like '%$share/plant/%') from source_state", bool)
            for n in range(10):
                publisher.send("joins/m1/tag/n", {"value": n, "ts": EPOCH_MS + n})
            await until(database_dsn, COUNT, lambda n: n == 10)
    # The new one first: what comes between the two would be lost the other way round.
    plain, group = "joins/+/tag/+", "$share/plant/joins/+/tag/+"
    assert said == [("subscribe", [plain]), ("subscribe", [group]), ("unsubscribe", [plain])]
    assert await scalar(database_dsn, "select sum(duplicates) from batch") == 0


def _heard_by_the_broker(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """What sessions ask of the broker for the plant's topics from now on, in order."""
    said: list[tuple[str, list[str]]] = []

    def listen(name: str) -> None:
        ask = getattr(MqttSession, name)

        async def heard(session: MqttSession, filters: list[str], *qos: int) -> Any:
            if filters != [UPTIME]:
                said.append((name, filters))
            return await ask(session, filters, *qos)

        monkeypatch.setattr(MqttSession, name, heard)

    listen("subscribe")
    listen("unsubscribe")
    return said


@pytest.mark.parametrize("group", ["a/b", "a+", "#", "a\nb"])
def test_a_share_group_is_one_plain_name(group):
    with pytest.raises(ValidationError, match="a share group is one plain name"):
        _source("postgresql://db", "mqtt://broker", 1, "any", share=group)


def test_a_topic_with_the_prefix_of_a_group_names_the_setting():
    with pytest.raises(ValidationError, match=re.escape('share = "g" and topic = "plant/{machine}/tag/{tag}"')):
        _source("postgresql://db", "mqtt://broker", 1, "$share/g/plant")


def _two_lanes(dsn: str, url: str, first: str, second: str) -> Settings:
    """One bridge with two sources of disjoint topics, for the same equipment."""
    one, two = _source(dsn, url, 1, first), _source(dsn, url, 2, second)
    return one.model_copy(update={"source": [*one.source, *two.source]})
