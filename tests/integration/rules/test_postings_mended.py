"""Postings that rules write after a person mended one of their order: numbered on from what is told now, made and posted agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    ("rule", "kind", "machine", "counter", "made"),
    [(FINISHED, "wip_to_fg", FINAL, "parts__good", "made"), (SCRAP, "scrap", CNC, "parts__scrap", "scrap_made")],
    ids=["finished goods", "scrap"],
)
async def test_postings_go_on_from_pieces_that_came_and_went(
    database_dsn: str, tmp_path: Path, rule: str, kind: str, machine: str, counter: str, made: str
):
    async with stage(database_dsn, tmp_path, rule) as bench:

        async def tell(second: float, order: str, total: int) -> None:
            tags = {counter: total} if kind == "wip_to_fg" else {counter: total, "scrap__reason": "burr"}
            await bench.feed.send(count(machine, second, order=order, **tags))
            await bench.step(second + 50)

        await bench.feed.send(count(machine, 0, order="MO/1", **{counter: 0}))
        await tell(1, "MO/1", 3)
        await tell(61, "MO/9", 5)
        await tell(121, "MO/9", 9)
        assert await mend(bench, "MO/9", {"order_ref": "MO/1"}) == 1
        await tell(181, "MO/1", 11)
        await tell(241, "MO/9", 12)
        await tell(301, "MO/1", 16)
        await bench.restart()
        await tell(361, "MO/1", 17)
        assert short(await posted(bench, kind), *NUMBERS) == [
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
        assert {each.order_number: int(getattr(each, made)) for each in ledgers} == {"MO/1": 12, "MO/9": 5}
