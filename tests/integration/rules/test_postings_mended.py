"""Postings that rules write after a person mended one of their order: numbered on from what is told now, made and posted agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from bridge.store import mending, reconciliation
from tests.integration.rules.postings_stage import FINISHED, count, posted, short, stage
from tests.integration.rules.rules_stage import CNC, FINAL, SCRAP, Stage

NUMBERS = ("order_ref", "sequence", "quantity", "cumulative", "pieces")
SINCE = datetime.now(UTC) - timedelta(days=400)


async def mend(bench: Stage, order: str, changes: dict[str, str]) -> int:
    """Mend the first posting of an order, which waits for a person."""
    [row] = await bench.rows(f"select id from outbox where stream = '{order}' and seq = 1")
    await bench.connection.execute("update outbox set state = 'parked' where stream = %s", (order,))
    edited = await mending.edit(bench.connection, row["id"], changes, "anna", "wrong order at the terminal")
    assert edited is not None
    return edited.renumbered


async def test_finished_goods_go_on_from_pieces_that_came_and_went(database_dsn: str, tmp_path: Path):
    async with stage(database_dsn, tmp_path, FINISHED) as bench:
        await bench.feed.send(count(FINAL, 0, order="MO/1", parts__good=0))
        for second, order, total in ((1, "MO/1", 3), (61, "MO/9", 5), (121, "MO/9", 9)):
            await bench.feed.send(count(FINAL, second, order=order, parts__good=total))
            await bench.step(second + 30)
        assert await mend(bench, "MO/9", {"order_ref": "MO/1"}) == 1
        for second, order, total in ((181, "MO/1", 11), (241, "MO/9", 12), (301, "MO/1", 16)):
            await bench.feed.send(count(FINAL, second, order=order, parts__good=total))
            await bench.step(second + 30)
        await bench.restart()
        await bench.feed.send(count(FINAL, 361, order="MO/1", parts__good=17))
        await bench.step(400)
        assert short(await posted(bench, "wip_to_fg"), *NUMBERS) == [
            ("MO/1", 1, "3", "3", 3),
            ("MO/1", 2, "2", "5", 2),
            ("MO/1", 3, "2", "7", 2),
            ("MO/1", 4, "4", "11", 4),
            ("MO/1", 5, "1", "12", 1),
            ("MO/9", 2, "4", "4", 4),
            ("MO/9", 3, "1", "5", 1),
        ]
        [one] = await bench.rows("select distinct connector from outbox")
        ledgers = await reconciliation.read_ledger(bench.connection, one["connector"], SINCE)
        assert {each.order_number: int(each.made) for each in ledgers} == {"MO/1": 12, "MO/9": 5}


async def test_scrap_goes_on_from_pieces_that_came_and_went(database_dsn: str, tmp_path: Path):
    async with stage(database_dsn, tmp_path, SCRAP) as bench:
        await bench.feed.send(count(CNC, 0, parts__scrap=0))
        for second, order, total in ((1, "MO/1", 3), (61, "MO/9", 5), (121, "MO/9", 9)):
            await bench.feed.send(count(CNC, second, order=order, parts__scrap=total, scrap__reason="burr"))
            await bench.step(second + 50)
        assert await mend(bench, "MO/9", {"order_ref": "MO/1"}) == 1
        for second, order, total in ((181, "MO/1", 11), (241, "MO/9", 12), (301, "MO/1", 16)):
            await bench.feed.send(count(CNC, second, order=order, parts__scrap=total, scrap__reason="burr"))
            await bench.step(second + 50)
        assert short(await posted(bench, "scrap"), *NUMBERS) == [
            ("MO/1", 1, "3", "3", 3),
            ("MO/1", 2, "2", "5", 2),
            ("MO/1", 3, "2", "7", 2),
            ("MO/1", 4, "4", "11", 4),
            ("MO/9", 2, "4", "4", 4),
            ("MO/9", 3, "1", "5", 1),
        ]
        [one] = await bench.rows("select distinct connector from outbox")
        ledgers = await reconciliation.read_ledger(bench.connection, one["connector"], SINCE)
        assert {each.order_number: int(each.scrap_made or 0) for each in ledgers} == {"MO/1": 11, "MO/9": 5}
