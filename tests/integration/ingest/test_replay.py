"""Dead letters read again: each reading stored once, whatever is repeated or killed."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import contextmanager
from io import StringIO

from rich.console import Console

from bridge.cli.replay import replay
from bridge.config import Settings
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
from tests.program import Program

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


async def test_kill_9_in_the_middle_of_a_replay_loses_and_doubles_nothing(database_dsn, broker):
    mended = await _letters(database_dsn, broker, "rekill", 1200)
    for stored in (200, 600):
        with _replay_process(mended):
            await until(database_dsn, "select count(*) from reading", lambda n, stored=stored: n >= stored)
    await _replay(mended)
    assert await query(database_dsn, "select count(*), count(distinct value) from reading") == [(1200, 1200)]
    assert await query(database_dsn, "select sum(rows), sum(duplicates) from batch where lane = 32767") == [(1200, 0)]
    assert await scalar(database_dsn, "select count(*) = max(seq) from batch where lane = 32767")
    assert await scalar(database_dsn, OPEN) == 1


@contextmanager
def _replay_process(settings):
    """A replay in a process of its own, killed at the end."""
    described = settings.model_dump(mode="json", by_alias=True)
    described["database"]["dsn"] = settings.database.dsn.get_secret_value()
    process = Program("tests.integration.ingest.test_replay", json.dumps(described))
    try:
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    asyncio.run(_replay(Settings.model_validate(json.loads(sys.argv[1]))))
