"""Dead letters read again: each reading stored once, whatever is repeated or killed."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from bridge.cli.replay import replay
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

OPEN = "select count(*) from dead_letter where replayed_at is null"


async def _replay(settings, **chosen):
    await replay(
        settings, chosen.get("source"), chosen.get("reason"), chosen.get("ids"), Console(file=StringIO()),
        is_dry=chosen.get("is_dry", False),
    )  # fmt: skip


async def _letters(dsn, broker, name, count):
    settings = mqtt_settings(dsn, broker.url, name)
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(dsn)
            for n in range(count):
                publisher.send(f"{name}/m1/tag/a", {"v": {"x": n}, "value": {}, "t": EPOCH_MS + n})
            publisher.send(f"{name}/m1/tag/a", b"\xff\x00")
            await until(dsn, OPEN, lambda n: n == count + 1)
    fields = {"value": "v.x", "time": "t"}
    subscribe = [{"topic": f"{name}/{{machine}}/tag/{{tag}}", "equipment": "acme/d/t/l/{machine}", "fields": fields}]
    return mqtt_settings(dsn, broker.url, name, subscribe=subscribe)


async def test_replay_stores_each_reading_once_however_often_it_runs(database_dsn, broker):
    mended = await _letters(database_dsn, broker, "replayed", 450)
    await _replay(mended, is_dry=True)
    assert await scalar(database_dsn, "select count(*) from reading") == 0
    for _ in range(2):
        await _replay(mended)
        assert await query(database_dsn, "select count(*), count(distinct value) from reading") == [(450, 450)]
        assert await scalar(database_dsn, "select sum(rows) from batch where lane = 32767") == 450
        assert await scalar(database_dsn, OPEN) == 1


async def test_only_the_chosen_letters_are_replayed(database_dsn, broker):
    mended = await _letters(database_dsn, broker, "again", 450)
    await _replay(mended, ids="1,2,3")
    await _replay(mended, reason="no such reason%")
    assert await scalar(database_dsn, "select count(*) from reading") == 3
    await _replay(mended)
    assert await scalar(database_dsn, "select count(*) from reading") == 450
