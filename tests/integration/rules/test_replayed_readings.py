"""What is replayed reaches the pieces that the rules count, exactly once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.ingest.replay import Replay, Report
from bridge.model.reading import DeadLetter, microseconds
from bridge.store import dead_letter
from bridge.store.database import connected
from bridge.store.dead_letter import Wanted
from tests.integration.rules.rules_stage import CNC, Stage, at, open_stage, together

PIECES = "select coalesce(sum(qty), 0)::int from production_count"


@pytest.fixture
async def bench(database_dsn: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(database_dsn, tmp_path) as opened:
        yield opened


async def keep(bench: Stage, counts: range) -> None:
    """Dead letters as the bridge keeps them: messages of a counter that counts one piece a second."""
    letters = [
        DeadLetter("line1", "a/parts.good", b'{"ts":%d,"value":%d}' % (microseconds(at(n)), n), "not mapped", at(n))
        for n in counts
    ]
    await dead_letter.insert(bench.connection, "line1", letters)


async def replay(bench: Stage, ids: list[int] | None = None) -> Report:
    report, source = Report(), next(s for s in bench.settings.source if s.name == "line1")
    async with connected(bench.dsn, "replay") as connection:
        wanted = Wanted("line1", ids=ids)
        await Replay(bench.settings, source).run(connection, wanted, report, is_dry=False)
    return report


async def test_pieces_of_replayed_messages_are_counted_once_however_often_replay_and_rules_are_interrupted(
    bench: Stage,
):
    await keep(bench, range(61))
    ids = [row["id"] for row in await bench.rows("select id from dead_letter order by id")]
    for first in range(0, 61, 20):
        assert (await replay(bench, ids[first : first + 20])).readings == len(ids[first : first + 20])
        await bench.step(100 + first)
        await bench.restart()
    assert await bench.one(PIECES) == 60
    assert (await replay(bench)).readings == 0
    await bench.step(300)
    assert await bench.one(PIECES) == 60
    traced = await bench.one(
        "select count(*)::int from production_count c join reading r using (tag_id, ts, ordinal) where r.lane = 32767"
    )
    assert traced == 60


async def test_a_replayed_count_between_others_that_were_counted_adds_no_piece(bench: Stage):
    for n in (0, 1, 2, 4, 5):
        await bench.feed.send(together(CNC, n, parts__good=n))
    await bench.step(10)
    assert await bench.one(PIECES) == 5
    await keep(bench, range(3, 4))
    for _ in range(2):
        await replay(bench)
        await bench.step(20)
        await bench.restart()
        assert await bench.one(PIECES) == 5
    await bench.feed.send(together(CNC, 30, parts__good=6))
    await bench.step(40)
    assert await bench.one(PIECES) == 6


async def test_readings_that_were_stored_and_counted_before_their_letters_are_replayed_count_once(bench: Stage):
    for n in range(4):
        await bench.feed.send(together(CNC, n, parts__good=n))
    await bench.step(10)
    await keep(bench, range(8))
    report = await replay(bench)
    assert (report.readings, report.duplicates) == (4, 4)
    await bench.step(60)
    assert await bench.one(PIECES) == 7
