"""A posting that the database never takes: it waits by itself, people are told, and everything else goes on."""

from __future__ import annotations

from pathlib import Path

from structlog.testing import capture_logs

from bridge.model.production import event_id
from bridge.store import outbox
from tests.integration.rules.postings_stage import FINISHED, count, posted, short, stage
from tests.integration.rules.rules_stage import FINAL, Stage, together


async def _take_id(bench: Stage, order: str, sequence: int) -> int:
    """Somebody wrote an event with the id that the order's next one has."""
    key = str(event_id("wip_to_fg", order, sequence))
    made = await outbox.insert(bench.connection, connector="erp", stream="x", kind="wip_to_fg", payload={}, key=key)
    assert made is not None
    return made


async def test_posting_that_cannot_be_written_holds_up_no_other_and_no_reading(database_dsn: str, tmp_path: Path):
    async with stage(database_dsn, tmp_path, FINISHED) as bench:
        taken = await _take_id(bench, "MO/1", 1)
        await bench.feed.send(count(FINAL, 0, parts__good=0))
        await bench.feed.send(count(FINAL, 1, parts__good=2))
        await bench.feed.send(together(FINAL, 2, order__number="MO/2"))
        with capture_logs() as logs:
            await bench.feed.send(count(FINAL, 3, order="MO/2", parts__good=5))
            await bench.step(30)
        assert [line["order"] for line in logs if line["log_level"] == "error"] == ["MO/1"]
        assert await bench.one("select count(*) from production_count") == 2
        rows = await bench.rows(
            "select payload->>'order_ref' as order, payload->>'quantity' as qty from outbox where payload <> '{}'"
        )
        assert rows == [{"order": "MO/2", "qty": "3"}]
        [letter] = await bench.rows("select address, reason from dead_letter where source = 'rules'")
        assert "MO/1" in letter["address"]
        await bench.connection.execute("delete from outbox where id = %s", [taken])
        await bench.step(1000)
        assert short(await posted(bench, "wip_to_fg"), "order_ref", "sequence", "quantity", "pieces") == [
            ("MO/1", 1, "2", 2), ("MO/2", 1, "3", 3)]  # fmt: skip
