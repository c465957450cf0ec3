"""What rules post besides finished goods, in the real database: each count once for each purpose, sequences and totals exact."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from structlog.testing import capture_logs

from rules.engine.follow import Follower
from rules.rulebook import load_rules
from tests.integration.rules.postings_stage import FINISHED, HEAD, count, posted, short, stage
from tests.integration.rules.rules_stage import (
    CNC,
    CONSUMED,
    FINAL,
    LATE_SCRAP,
    PERFORMANCE,
    SCRAP,
    at,
    settings_for,
    together,
)


async def test_scrap_is_posted_by_order_and_reason_with_totals_of_the_order(database_dsn: str, tmp_path: Path):
    async with stage(database_dsn, tmp_path, SCRAP) as bench:
        await bench.feed.send(count(CNC, 0, parts__scrap=65534) + count(FINAL, 0, parts__scrap=0))
        for second, reason in enumerate(("burr", "burr", "surface", "burr", "burr", "burr"), 1):
            await bench.feed.send(count(CNC, second, parts__scrap=(65534 + second) % 65536, scrap__reason=reason))
        await bench.feed.send(count(FINAL, 7, order="MO/2", parts__scrap=2, scrap__reason="burr"))
        await bench.step(30)
        found = await posted(bench, "scrap")
        assert short(
            found, "order_ref", "reason", "sequence", "quantity", "cumulative", "pieces", "uom", "equipment"
        ) == [
            ("MO/1", "burr", 1, "5", "5", 5, "pcs", CNC),
            ("MO/1", "surface", 2, "1", "6", 1, "pcs", CNC),
            ("MO/2", "burr", 1, "2", "2", 2, "pcs", FINAL),
        ]
        await bench.restart()
        await bench.feed.send(count(CNC, 40, parts__scrap=8, scrap__reason="surface"))
        await bench.step(90)
        [last] = [each for each in await posted(bench, "scrap") if each["sequence"] == 3]
        assert (last["quantity"], last["cumulative"]) == ("4", "10")


async def test_consumption_is_an_exact_decimal_of_the_pieces_and_one_total_an_item(database_dsn: str, tmp_path: Path):
    async with stage(database_dsn, tmp_path, CONSUMED) as bench:
        await bench.feed.send(count(CNC, 0, parts__good=0, parts__scrap=0))
        for second in range(1, 8):
            await bench.feed.send(count(CNC, second, parts__good=second))
        await bench.feed.send(count(CNC, 8, parts__good=7, parts__scrap=2))
        await bench.feed.send(count(FINAL, 1, parts__good=0) + count(FINAL, 2, parts__good=3))  # of another class
        await bench.step(30)
        found = await posted(bench, "consumed")
        bars = [each for each in found if each["item"] == "BAR-60"]
        assert short(bars, "sequence", "uom", "location", "pieces") == [
            (1, "kg", "RAW", 7), (2, "kg", "RAW", 2)]  # fmt: skip
        assert [(Decimal(each["quantity"]), Decimal(each["cumulative"])) for each in bars] == [
            (Decimal("5.95"), Decimal("5.95")), (Decimal("1.8"), Decimal("7.75"))]  # fmt: skip
        [oil] = [each for each in found if each["item"] == "OIL"]
        assert Decimal(oil["quantity"]) == Decimal("0.000000000007")


async def test_performance_has_yield_and_scrap_since_the_last_one_and_is_final_when_the_next_order_begins(
    database_dsn: str, tmp_path: Path
):
    async with stage(database_dsn, tmp_path, PERFORMANCE) as bench:
        await bench.feed.send(count(FINAL, 0, parts__good=0, parts__scrap=0))
        for second in range(1, 9):
            await bench.feed.send(
                count(FINAL, second, parts__good=second, parts__scrap=second // 4, scrap__reason="burr")
            )
        await bench.feed.send(count(FINAL, 12, parts__good=8, parts__scrap=3, scrap__reason="crack"))
        await bench.step(30)
        wanted = ("segment", "sequence", "yielded", "scrapped", "reason", "is_final", "pieces", "equipment")
        assert short(await posted(bench, "performance"), *wanted) == [
            ("0010", 1, "8", "2", "burr", False, 10, FINAL),
            ("0010", 2, "0", "1", "crack", False, 1, FINAL),
        ]
        first = (await posted(bench, "performance"))[0]
        assert (first["started_at"], first["ended_at"]) == (at(1).isoformat(), at(8).isoformat())
        await bench.restart()
        await bench.feed.send(together(FINAL, 40, order__number=""))  # no order named: none has ended
        await bench.step(42)
        assert len(await posted(bench, "performance")) == 2
        await bench.feed.send(together(FINAL, 43, order__number="MO/2"))
        await bench.step(45)
        assert short((await posted(bench, "performance"))[2:], *wanted) == [
            ("0010", 3, "0", "0", "", True, None, FINAL)]  # fmt: skip
        await bench.feed.send(count(FINAL, 46, order="MO/2", parts__good=11))
        await bench.feed.send(together(FINAL, 47, order__number="MO/3"))
        await bench.step(50)
        assert short((await posted(bench, "performance"))[3:], *wanted) == [
            ("0010", 1, "3", "0", "", True, 3, FINAL)]  # fmt: skip
        await bench.feed.send(together(FINAL, 60, order__number="MO/4"))  # of MO/3 nothing was ever told
        await bench.step(90)
        assert len(await posted(bench, "performance")) == 4


async def test_only_the_last_performance_of_an_order_is_final(database_dsn: str, tmp_path: Path):
    """Scrap of several reasons is several events: an order that the first of them closed would take no other."""
    async with stage(database_dsn, tmp_path, PERFORMANCE) as bench:
        await bench.feed.send(count(FINAL, 0, parts__good=0, parts__scrap=0))
        for second, reason in enumerate(("burr", "crack", "surface"), 1):
            await bench.feed.send(count(FINAL, second, parts__good=second, parts__scrap=second, scrap__reason=reason))
        await bench.feed.send(together(FINAL, 5, order__number="MO/2"))
        await bench.step(10)
        found = await posted(bench, "performance")
        assert short(found, "sequence", "yielded", "reason", "is_final") == [
            (1, "3", "burr", False), (2, "0", "crack", False), (3, "0", "surface", True)]  # fmt: skip
        for second, order in ((12, "MO/1"), (14, "MO/2")):  # back for nothing: its end was told
            await bench.feed.send(together(FINAL, second, order__number=order))
        await bench.step(60)
        assert len([each for each in await posted(bench, "performance") if each["order_ref"] == "MO/1"]) == 3


async def test_performance_that_is_never_final_says_nothing_at_the_end_of_an_order(database_dsn: str, tmp_path: Path):
    rules = PERFORMANCE.replace('segment: "0010", final: order_end, ', "")
    async with stage(database_dsn, tmp_path, rules) as bench:
        for second in range(3):
            await bench.feed.send(count(FINAL, second, parts__good=second))
        await bench.feed.send(together(FINAL, 5, order__number="MO/2"))
        await bench.step(90)
        assert short(await posted(bench, "performance"), "segment", "yielded", "is_final") == [("", "2", False)]


async def test_late_scrap_takes_good_pieces_back_as_soon_as_so_many_are_posted(database_dsn: str, tmp_path: Path):
    async with stage(database_dsn, tmp_path, FINISHED, LATE_SCRAP) as bench:
        await bench.feed.send(count(FINAL, 0, parts__good=0) + count(CNC, 0, parts__scrap=0))
        await bench.feed.send(count(FINAL, 1, parts__good=2))
        await bench.step(12)  # two pieces are posted
        for second in (13, 14, 15):
            await bench.feed.send(count(CNC, second, parts__scrap=second - 12, scrap__reason="crack"))
        with capture_logs() as logs:
            await bench.step(30)
        told = [entry for entry in logs if entry["event"] == "pieces cannot be taken back yet"]
        assert len(told) == 1
        assert "1 cannot be taken back from erp, 0 are left" in told[0]["why"]
        found = await posted(bench, "reversal")
        assert sum(Decimal(each["quantity"]) for each in found) == 2
        await bench.restart()
        await bench.step(31)
        assert sum(Decimal(each["quantity"]) for each in await posted(bench, "reversal")) == 2
        await bench.feed.send(count(FINAL, 40, parts__good=4))
        await bench.step(60)
        found = await posted(bench, "reversal")
        assert sum(Decimal(each["quantity"]) for each in found) == 3
        assert {each["reason"] for each in found} == {"crack"}
        assert await bench.one("select count(*) from count_posting where kind = 'reversal'") == 3
        assert await bench.one("select max(cumulative)::int from posting where kind = 'reversal'") == 3


async def test_lot_that_the_machine_names_is_never_mixed_with_another(database_dsn: str, tmp_path: Path):
    lot = FINISHED.replace("max_wait: 10s}}", "max_wait: 10s}, lot: {tag: parts.lot}}")
    async with stage(database_dsn, tmp_path, lot, SCRAP) as bench:
        await bench.feed.send(count(FINAL, 0, parts__good=0, parts__scrap=0, parts__lot="L-1"))
        await bench.feed.send(count(FINAL, 1, parts__good=2))
        await bench.feed.send(together(FINAL, 2, parts__lot="L-2"))
        await bench.restart()
        await bench.feed.send(count(FINAL, 3, parts__good=5, parts__scrap=1))
        await bench.step(30)
        assert short(await posted(bench, "wip_to_fg"), "lot", "sequence", "quantity", "cumulative") == [
            ("L-1", 1, "2", "2"), ("L-2", 2, "3", "5")]  # fmt: skip
        assert short(await posted(bench, "scrap"), "lot", "quantity") == [(None, "1")]
        assert await bench.rows("select kind, qty, lot from production_count order by id") == [
            {"kind": "good", "qty": 2, "lot": "L-1"}, {"kind": "good", "qty": 3, "lot": "L-2"},
            {"kind": "scrap", "qty": 1, "lot": "L-2"}]  # fmt: skip


async def test_same_counts_are_posted_for_several_purposes_with_ids_of_their_own(database_dsn: str, tmp_path: Path):
    async with stage(
        database_dsn, tmp_path, FINISHED, SCRAP, CONSUMED.replace("cnc_spindle", "inspection"), PERFORMANCE
    ) as bench:
        await bench.feed.send(count(FINAL, 0, parts__good=0, parts__scrap=0))
        await bench.feed.send(count(FINAL, 1, parts__good=3, parts__scrap=1, scrap__reason="burr"))
        await bench.step(60)
        kinds = await bench.rows("select kind, count(*)::int as n from outbox group by kind order by kind")
        assert kinds == [{"kind": "consumed", "n": 3}, {"kind": "performance", "n": 1}, {"kind": "scrap", "n": 1},
                         {"kind": "wip_to_fg", "n": 1}]  # fmt: skip
        await posted(bench, "consumed")


async def test_count_is_taken_once_for_a_purpose_by_constraint(database_dsn: str, tmp_path: Path):
    async with stage(database_dsn, tmp_path, SCRAP) as bench:
        await bench.feed.send(count(CNC, 0, parts__scrap=0) + count(CNC, 1, parts__scrap=1))
        await bench.step(30)
        again = "insert into count_posting (count_id, connector, kind, posting_id) select count_id, connector, {kind}, posting_id from count_posting"
        for kind in ("kind", "'reversal'", "'performance'"):
            with pytest.raises(psycopg.errors.UniqueViolation):
                await bench.connection.execute(again.format(kind=kind))


async def test_rule_of_today_posts_nothing_of_yesterday_and_goes_on_where_it_was_with_another_connector(
    database_dsn: str, tmp_path: Path
):
    async with stage(database_dsn, tmp_path, FINISHED) as bench:
        await bench.feed.send(count(CNC, 0, parts__scrap=0) + count(CNC, 1, parts__scrap=3))
        await bench.step(20)

        async def change(rules: str, seconds: float) -> None:
            settings = settings_for(database_dsn, tmp_path, HEAD + FINISHED + rules)
            await bench.restart(settings)
            await bench.follower.open(bench.engine_connection, at(seconds))

        # The stage's own restart would make the rule as old as the plant.
        settings = settings_for(database_dsn, tmp_path, HEAD + FINISHED + SCRAP)
        bench.follower = Follower(settings, load_rules(settings.rules.files))
        await bench.follower.open(bench.engine_connection, at(20))
        await bench.step(25)
        await bench.feed.send(count(CNC, 30, parts__scrap=5))
        await bench.step(35)  # counted, and waiting
        await change(SCRAP.replace("connector: erp", "connector: sap"), 36)
        await bench.feed.send(count(CNC, 37, parts__scrap=6))
        await bench.step(90)
        await bench.restart()
        await bench.step(91)
        assert await bench.rows("select connector, payload ->> 'quantity' as n from outbox") == [
            {"connector": "sap", "n": "3"}
        ]
        await change(SCRAP, 92)
        await bench.feed.send(count(CNC, 93, parts__scrap=7))
        await bench.step(190)
        assert await bench.rows("select connector, payload ->> 'quantity' as n from outbox order by id") == [
            {"connector": "sap", "n": "3"}, {"connector": "erp", "n": "1"}]  # fmt: skip


async def test_pieces_without_an_order_are_told_of_and_not_posted(database_dsn: str, tmp_path: Path):
    async with stage(database_dsn, tmp_path, SCRAP) as bench:
        with capture_logs() as logs:
            await bench.feed.send(together(CNC, 0, parts__scrap=0) + together(CNC, 1, parts__scrap=2))
            await bench.step(30)
        told = [entry for entry in logs if entry["event"] == "pieces without an order are not posted"]
        assert [(entry["kind"], entry["pieces"], entry["asset"]) for entry in told] == [("scrap", 2, CNC)]
        assert await posted(bench, "scrap") == []


async def test_of_two_rules_for_one_purpose_the_first_posts_and_what_is_scrapped_is_not_taken_back(
    database_dsn: str, tmp_path: Path
):
    again = SCRAP.replace("id: scrap", "id: again").replace("max_qty: 5", "max_qty: 1")
    other = SCRAP.replace("id: scrap", "id: other").replace("connector: erp", "connector: mes")
    async with stage(database_dsn, tmp_path, SCRAP, again, LATE_SCRAP, other) as bench:
        await bench.feed.send(count(CNC, 0, parts__scrap=0) + count(CNC, 1, parts__scrap=2))
        await bench.restart()
        await bench.feed.send(count(CNC, 2, parts__scrap=4))
        await bench.step(30)
        await bench.restart()
        await bench.step(60)
        assert await bench.rows("select connector, rule_id, kind, quantity::int as n from posting order by connector") == [
            {"connector": "erp", "rule_id": "scrap", "kind": "scrap", "n": 4},
            {"connector": "mes", "rule_id": "other", "kind": "scrap", "n": 4}]  # fmt: skip


async def test_readings_that_come_late_post_nothing_twice(database_dsn: str, tmp_path: Path):
    async with stage(database_dsn, tmp_path, FINISHED, SCRAP, PERFORMANCE) as bench:
        for second in (0, 1, 2, 5, 6):
            await bench.feed.send(count(FINAL, second, parts__good=second, parts__scrap=second // 2))
        await bench.step(40)
        before = await bench.rows("select kind, payload from outbox order by id")
        late = [row for second in (3, 4) for row in count(FINAL, second, parts__good=second, parts__scrap=second // 2)]
        await bench.feed.send(late, received=41)
        await bench.feed.send(count(FINAL, 2, parts__good=2, parts__scrap=1), received=42)  # once more
        await bench.step(90)
        await bench.restart()
        await bench.step(91)
        assert await bench.rows("select kind, payload from outbox order by id") == before
        assert await bench.one("select sum(quantity)::int from posting where kind = 'performance'") == 6


async def test_start_looks_no_further_back_than_what_is_settled(database_dsn: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("rules.engine.posting.book._MARK_EVERY", 1)
    async with stage(database_dsn, tmp_path, SCRAP) as bench:
        await bench.feed.send(count(CNC, 0, parts__scrap=0, parts__good=0))
        for second in range(1, 9):
            await bench.feed.send(count(CNC, second, parts__scrap=second, parts__good=second))
            await bench.step(second + 1.1)
        await bench.restart()
        await bench.step(10)  # five are posted, three wait
        waiting = await bench.one(
            "select min(id)::int from production_count where kind = 'scrap' and id not in (select count_id from count_posting)"
        )
        assert await bench.one("select settled_to::int from posting_mark") == waiting - 1 > 5
        await bench.step(60)
        await bench.restart()
        await bench.step(61)
        newest = await bench.one("select max(id)::int from production_count")
        assert await bench.one("select settled_to::int from posting_mark") == newest
        assert await bench.one("select sum(quantity)::int from posting") == 8


async def test_scrap_that_is_posted_by_itself_is_in_no_performance_of_the_same_system(
    database_dsn: str, tmp_path: Path
):
    other = PERFORMANCE.replace("id: confirmed", "id: elsewhere").replace("connector: erp", "connector: sap")
    async with stage(database_dsn, tmp_path, PERFORMANCE, other, SCRAP) as bench:
        await bench.feed.send(count(CNC, 0, parts__good=0, parts__scrap=0))
        await bench.feed.send(count(CNC, 1, parts__good=3, parts__scrap=2))
        await bench.restart()
        await bench.step(40)
        assert await bench.rows(
            "select connector, kind, payload->>'quantity' as n, payload->>'yielded' as good, payload->>'scrapped' as bad "
            "from outbox order by kind, connector"
        ) == [
            {"connector": "erp", "kind": "performance", "n": None, "good": "3", "bad": "0"},
            {"connector": "sap", "kind": "performance", "n": None, "good": "3", "bad": "2"},
            {"connector": "erp", "kind": "scrap", "n": "2", "good": None, "bad": None}]  # fmt: skip


async def test_posting_that_is_added_to_a_rule_posts_nothing_of_its_past(database_dsn: str, tmp_path: Path):
    consumed = "    - erp_posting: {connector: erp, kind: consumed, item: BOX}\n"
    head = FINISHED[: FINISHED.index("    - erp_posting")]
    async with stage(database_dsn, tmp_path, head + consumed) as bench:
        await bench.feed.send(count(FINAL, 0, parts__good=0) + count(FINAL, 1, parts__good=3))
        await bench.step(20)
        settings = settings_for(database_dsn, tmp_path, HEAD + FINISHED + consumed.replace("BOX", "LID") + consumed)
        bench.follower = Follower(settings, load_rules(settings.rules.files))
        await bench.follower.open(bench.engine_connection, at(20))
        await bench.step(30)
        await bench.feed.send(count(FINAL, 31, parts__good=5))
        await bench.step(60)
        found = await bench.rows(
            "select kind, payload->>'item' as item, payload->>'quantity' as n from outbox order by id"
        )
        assert [tuple(row.values()) for row in found] == [
            ("consumed", "BOX", "3"), ("wip_to_fg", None, "2"), ("consumed", "LID", "2"), ("consumed", "BOX", "2")]  # fmt: skip


async def test_total_of_a_consumption_is_in_the_unit_that_it_is_told_in(database_dsn: str, tmp_path: Path):
    """A rule that goes over to another unit in the middle of an order adds no grams to kilograms."""
    async with stage(database_dsn, tmp_path, CONSUMED) as bench:
        await bench.feed.send(count(CNC, 0, parts__good=0))
        await bench.feed.send(count(CNC, 1, parts__good=4))
        await bench.step(30)
        in_grams = CONSUMED.replace("uom: kg, per_piece: 0.85", "uom: g, per_piece: 850")
        for second, rules in ((40, in_grams), (80, CONSUMED)):
            await bench.restart(settings_for(database_dsn, tmp_path, rules=HEAD + rules))
            await bench.feed.send(count(CNC, second, parts__good=4 + second // 20))
            await bench.step(second + 30)
        bars = [each for each in await posted(bench, "consumed") if each["item"] == "BAR-60"]
        assert short(bars, "sequence", "uom", "quantity", "cumulative") == [
            (1, "kg", "3.40", "3.40"), (2, "g", "1700", "1700"), (3, "kg", "1.70", "5.10")]  # fmt: skip


async def test_what_one_system_was_told_is_told_to_the_other_as_well_over_any_restart(
    database_dsn: str, tmp_path: Path
):
    to_sap = (
        SCRAP.splitlines()[-1].replace("connector: erp", "connector: sap").replace("max_wait: 10s", "max_wait: 60s")
    )
    async with stage(database_dsn, tmp_path, SCRAP + to_sap + "\n") as bench:
        await bench.feed.send(count(CNC, 0, parts__scrap=0) + count(CNC, 1, parts__scrap=3))
        for second in (20, 22, 24):  # erp has it, and sap's wait is not over
            await bench.step(second)
            await bench.restart()
        await bench.step(90)
        assert await bench.rows("select connector, payload ->> 'quantity' as n from outbox order by id") == [
            {"connector": "erp", "n": "3"}, {"connector": "sap", "n": "3"}]  # fmt: skip


async def test_scrap_that_was_told_by_itself_is_in_no_confirmation_of_a_later_rule(database_dsn: str, tmp_path: Path):
    async with stage(database_dsn, tmp_path, SCRAP) as bench:
        await bench.feed.send(count(FINAL, 0, parts__good=0, parts__scrap=0))
        await bench.feed.send(count(FINAL, 1, parts__good=4, parts__scrap=2))
        await bench.step(30)
        assert short(await posted(bench, "scrap"), "quantity") == [("2",)]
        await bench.restart(settings_for(database_dsn, tmp_path, rules=HEAD + PERFORMANCE))
        await bench.feed.send(count(FINAL, 40, parts__good=5, parts__scrap=5))
        with capture_logs() as logs:
            await bench.step(90)
        assert short(await posted(bench, "performance"), "yielded", "scrapped", "pieces") == [("5", "3", 8)]
        assert [line["event"] for line in logs if line["log_level"] in ("warning", "error")] == []
