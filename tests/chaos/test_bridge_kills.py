"""kill -9 of the bridge, at random, under numbered messages: each is stored once.

AMOR_CHAOS_KILLS (200) and AMOR_CHAOS_MESSAGES (200 000) scale it.
"""

from __future__ import annotations

import os

import pytest

from tests.integration.ingest.ingest_stage import (
    EPOCH_MS,
    bridge_process,
    mqtt_settings,
    publishing,
    query,
    scalar,
    subscribed,
    until,
)

KILLS = int(os.environ.get("AMOR_CHAOS_KILLS", "200"))
MESSAGES = int(os.environ.get("AMOR_CHAOS_MESSAGES", "200000"))
NEWEST = "select coalesce(sum(rows), 0) from batch"


@pytest.mark.chaos
@pytest.mark.timeout(3600)
async def test_random_kills_of_the_bridge_lose_and_double_nothing(database_dsn, broker, chance):
    settings = mqtt_settings(database_dsn, broker.url, "chaos")
    sent, share = 0, MESSAGES // KILLS
    with publishing(broker.url) as publisher:
        with bridge_process(settings):
            await subscribed(database_dsn)
        for _ in range(KILLS):
            with bridge_process(settings):
                stored = await scalar(database_dsn, NEWEST)
                for n in range(sent, sent + share):
                    publisher.send(f"chaos/m{n % 7}/tag/n", {"value": n, "ts": EPOCH_MS + n})
                sent += share
                wanted = stored + chance.randrange(1, share)
                await until(database_dsn, NEWEST, lambda n, wanted=wanted: n >= wanted)
        with bridge_process(settings):
            await until(database_dsn, NEWEST, lambda n: n >= sent, timeout_s=300)
    counts = "select count(*), count(distinct value), min(value), max(value) from reading"
    assert await query(database_dsn, counts) == [(sent, sent, 0, sent - 1)]
    assert await scalar(database_dsn, NEWEST) == sent
    assert await scalar(database_dsn, "select count(*) = max(seq) and min(seq) = 1 from batch")
    assert await scalar(database_dsn, "select count(*) from dead_letter") == 0
