"""Postings of rules in the books, and back to the readings."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from bridge.cli.app import app
from bridge.cli.outbox.database import out
from bridge.store import kpi, posting, production_count
from bridge.store.ledger import read_ledger
from bridge.store.posting import Purpose
from bridge.store.reversal import reverse_pieces
from tests.integration.rules.postings_stage import FINISHED, count, posted, short, stage
from tests.integration.rules.rules_stage import (
    CNC,
    CONSUMED,
    FINAL,
    LATE_SCRAP,
    PERFORMANCE,
    SCRAP,
    Stage,
    at,
    together,
)


async def test_books_say_what_the_system_has_whichever_way_it_was_posted(database_dsn: str, tmp_path: Path):
    """A plant that confirms its operations, and reports no finished goods beside that."""
    confirmed = PERFORMANCE.replace("- id: confirmed", f"- id: confirmed\n  for_each: {{equipment: {FINAL}}}")
    async with stage(database_dsn, tmp_path, confirmed, SCRAP) as bench:
        await bench.feed.send(count(FINAL, 0, parts__good=0, parts__scrap=0))
        await bench.feed.send(count(FINAL, 1, parts__good=7, parts__scrap=2))
        await bench.step(3)
        before = await read_ledger(bench.connection)
        assert (before.good_without_posting, before.scrap_without_posting, before.posted) == (7, 2, 0)
        await bench.step(60)
        waiting = await read_ledger(bench.connection)
        assert (waiting.good_without_posting, waiting.scrap_without_posting, waiting.posted) == (0, 0, 0)
        assert await shown(bench) == 0
        await bench.connection.execute("update outbox set state = 'done', done_at = now()")
        done = await read_ledger(bench.connection)
        assert (done.posted, done.scrap_posted) == (7, 2)
        assert await shown(bench) == 7


async def test_what_was_taken_back_is_off_the_books(database_dsn: str, tmp_path: Path):
    async with stage(database_dsn, tmp_path, FINISHED, LATE_SCRAP, CONSUMED.split("- id: bars-of-scrap")[0]) as bench:
        await bench.feed.send(count(FINAL, 0, parts__good=0) + count(CNC, 0, parts__scrap=0, parts__good=0))
        await bench.feed.send(count(FINAL, 1, parts__good=6) + count(CNC, 1, parts__good=2))
        await bench.feed.send(count(CNC, 12, parts__scrap=2, scrap__reason="crack"))
        await bench.step(60)
        await bench.connection.execute("update outbox set state = 'done', done_at = now()")
        books = await read_ledger(bench.connection)
        assert (books.good, books.posted, books.scrap_without_posting) == (6, 4, 0)
        assert books.material_posted["BAR-60"] == Decimal("1.70")
        assert books.material_without_posting == 0
        assert await shown(bench) == 6  # as a share of what was made it was posted


async def shown(bench: Stage) -> int:
    """What the control tower shows as posted, of all machines."""
    machines = await kpi.machine_sums(bench.connection, at(-3600), at(3600))
    return sum(row["posted"] for row in machines)


async def test_event_is_traced_back_to_the_readings_of_the_machine(database_dsn: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(out, "_width", 300)  # whatever the width was when the command line was first imported
    config = tmp_path / "amor.toml"
    config.write_text(f'[plant]\nname = "test"\n[database]\ndsn = "{database_dsn}"\n')

    async def trace(number: int) -> tuple[int, list[str]]:
        command = ["outbox", "trace", str(number), "--config", str(config)]
        found = await asyncio.to_thread(CliRunner().invoke, app, command)
        return found.exit_code, [" ".join(line.strip("│┃ ").split()) for line in found.output.splitlines()]

    late = LATE_SCRAP.replace("max_qty: 4", "max_qty: 1")
    async with stage(database_dsn, tmp_path, FINISHED, late, PERFORMANCE) as bench:
        await bench.feed.send(count(FINAL, 0, parts__good=65534) + count(CNC, 0, parts__scrap=0))
        await bench.feed.send(together(FINAL, 0.5, parts__serial="SN1") + count(FINAL, 1, parts__good=65535))
        await bench.feed.send(count(FINAL, 2, parts__good=4, parts__serial="SN2", scrap__reason=""))
        await bench.feed.send(count(CNC, 15, parts__scrap=3, scrap__reason="crack"))
        await bench.feed.send(together(FINAL, 30, order__number="MO/2"))
        await bench.step(60)
        numbers = {row["kind"]: row["id"] for row in await bench.rows("select id, kind from outbox order by id desc")}
        code, lines = await trace(numbers["wip_to_fg"])
        assert (code, lines[0]) == (
            0,
            f"event {numbers['wip_to_fg']} (wip_to_fg of MO/1 for erp, pending): 6 pieces in 2 counts",
        )
        assert (
            f"2026-03-01 06:00:01.000 │ {FINAL} │ parts.good │ 65534 -> 65535 │ 1 │ good │ │ │ SN1 read 2026-03-01 06:00:00.500 │ 65535 │"
            in lines[4]
        )
        assert (
            f"2026-03-01 06:00:02.000 │ {FINAL} │ parts.good │ 65535 -> 4 │ 5 │ good │ │ │ SN2, of one of 5 │ 4 │ 2026-03-01 06:00:02.000 │ 1/3"
            in lines[5]
        )
        _, lines = await trace(numbers["reversal"])
        assert "0 -> 3 │ 3 │ scrap │ crack │ │ │ 3 │" in lines[4]
        assert (await trace(numbers["performance"]))[1][0].endswith("6 pieces in 2 counts")
        await bench.connection.execute("delete from reading")
        assert "│ 5 │ good │ │ │ SN2, of one of 5 │ no longer kept" in (await trace(numbers["wip_to_fg"]))[1][5]
        assert (await trace(10**6))[0] == 1


async def test_order_of_many_postings_goes_on_where_it_was_also_with_its_kept_total(
    database_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(production_count, "_KEEP_AFTER", 2)
    async with stage(database_dsn, tmp_path, FINISHED) as bench:
        await bench.feed.send(count(FINAL, 0, parts__good=0))
        for second in range(1, 8):  # five pieces are one posting
            await bench.feed.send(count(FINAL, second, parts__good=5 * second))
            await bench.step(second + 1)
        await bench.restart()
        await bench.feed.send(count(FINAL, 20, parts__good=38))
        await bench.step(60)
        assert short(await posted(bench, "wip_to_fg"), "sequence", "quantity", "cumulative", "pieces") == [
            *((number, "5", str(5 * number), 5) for number in range(1, 8)), (8, "3", "38", 3)]  # fmt: skip
        kept = await bench.one("select postings, qty, newest_id from posted_total")
        assert kept == {"postings": 6, "qty": 30, "newest_id": kept["newest_id"]}
        assert (
            await bench.one(f"select sum(qty)::int from production_count where outbox_id <= {kept['newest_id']}") == 30
        )


async def test_start_reads_no_pieces_that_no_rule_posts_and_a_posting_takes_none_that_another_has(
    database_dsn: str, tmp_path: Path
):
    of_one = FINISHED.replace("- id: finished-goods", f"- id: finished-goods\n  for_each: {{equipment: {FINAL}}}")
    async with stage(database_dsn, tmp_path, of_one) as bench:
        for second in range(4):
            await bench.feed.send(count(FINAL, second, parts__good=4 * second) + count(CNC, second, parts__good=second))
            await bench.step(second + 1)
        await bench.connection.execute("update production_count set is_final = true")  # another final machine
        waiting = await production_count.unposted(bench.connection, at(-99), lambda path, _: path == FINAL)
        assert [(each.path, each.qty) for each in waiting] == [(FINAL, 4)]
        all_of_it = [row["id"] for row in await bench.rows("select c.id from production_count as c where qty = 4")]
        assert len(all_of_it) == 3
        free, before = await production_count.take_for_posting(bench.connection, "MO/1", all_of_it)
        assert free == {each.id: each.qty for each in waiting}
        assert before == (1, 8)
        assert await production_count.set_posted(bench.connection, all_of_it, before.postings) == 1


async def test_postings_of_an_order_and_what_takes_back_of_it_take_turns(database_dsn: str, tmp_path: Path):
    """Numbers and totals of an order run on; two at once would give the same number twice."""
    async with stage(database_dsn, tmp_path, FINISHED) as bench:
        await bench.feed.send(count(FINAL, 0, parts__good=0) + count(FINAL, 1, parts__good=5))
        await bench.step(15)
        other = bench.engine_connection
        await other.execute("set lock_timeout = '50ms'")
        scrap = Purpose("erp", "scrap")
        call = {"connector": "erp", "order_number": "MO/1", "reason": "crack", "actor": "test", "at": at(9), "key": "k"}
        async with bench.connection.transaction():
            await production_count.take_for_posting(bench.connection, "MO/1", [])
            for others in (
                lambda: production_count.take_for_posting(other, "MO/1", []),
                lambda: posting.take(other, scrap, "pcs", "MO/1", []),
                lambda: reverse_pieces(other, quantity=Decimal(1), **call),
            ):
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    await others()
            await posting.take(other, scrap, "pcs", "MO/2", [])
        assert len(await reverse_pieces(other, quantity=Decimal(1), **call)) == 1
