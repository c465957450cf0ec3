"""Production accounting and postings of the engine in the real database: states, counts, orders, what is refused."""

from __future__ import annotations

import json
import random
import string
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from rules.engine.follow import Follower
from rules.rulebook import load_rules
from tests.integration.rules.rules_stage import (
    CNC,
    FINAL,
    RULES,
    Stage,
    at,
    open_stage,
    piece,
    postings,
    settings_for,
    together,
    vibration,
)


@pytest.fixture
async def bench(database_dsn: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(database_dsn, tmp_path) as opened:
        yield opened


async def test_counters_that_wrap_and_reset_are_counted_exactly_and_traceably(bench: Stage):
    for second, value in enumerate((65530, 65534, 3, 10)):
        await bench.feed.send(together(CNC, second, parts__good=value))
    await bench.step(10)
    assert await bench.one("select sum(qty)::int from production_count") == 16
    counts = await bench.rows(
        "select c.qty, r.value from production_count c join reading r using (tag_id, ts, ordinal) order by c.id"
    )
    assert counts == [{"qty": 4, "value": 65534.0}, {"qty": 5, "value": 3.0}, {"qty": 7, "value": 10.0}]
    await bench.feed.send(together(CNC, 20, parts__good=40_000))  # not believed: no piece, a new epoch
    await bench.feed.send(together(CNC, 21, parts__good=40_002))
    await bench.step(30)
    assert await bench.one("select sum(qty)::int from production_count") == 18
    assert await bench.rows("select epoch, cause from counter_epoch order by epoch") == [
        {"epoch": 1, "cause": "first"}, {"epoch": 2, "cause": "jump"}]  # fmt: skip


async def test_finished_pieces_are_posted_in_batches_by_number_by_wait_and_at_the_end_of_an_order(bench: Stage):
    await bench.feed.send(piece(0, 65530))
    for n in range(1, 8):
        await bench.feed.send(piece(n, 65530 + n))
    await bench.step(9)
    assert await postings(bench) == [("MO/1", 1, "7", "7")]
    await bench.feed.send(piece(10, 65538))
    await bench.step(20.9)
    assert len(await postings(bench)) == 1
    await bench.step(21)  # what is left has waited long enough
    assert await postings(bench) == [("MO/1", 1, "7", "7"), ("MO/1", 2, "1", "8")]
    await bench.feed.send(piece(50, 65539) + piece(51, 65540))
    await bench.feed.send(together(FINAL, 52, order__number="MO/2"))
    await bench.step(53.1)
    assert (await postings(bench))[-1][3] == "10"
    await bench.feed.send(piece(54, 65541, order="MO/2"))
    await bench.step(99)
    assert (await postings(bench))[-1] == ("MO/2", 1, "1", "1")
    assert await bench.one("select count(*) from production_count where outbox_id is null") == 0


async def test_counter_that_was_corrected_or_glitched_posts_no_piece_twice_through_a_restart(bench: Stage):
    for second, good in enumerate((400, 401, 400, 401, 0)):
        await bench.feed.send(piece(second, good))
        await bench.step(second + 2)
    await bench.restart()
    await bench.feed.send(piece(6, 401) + piece(7, 402))
    await bench.step(60)
    assert sum(int(p[2]) for p in await postings(bench)) == 2
    causes = [row["cause"] for row in await bench.rows("select cause from counter_epoch order by epoch")]
    assert causes == ["first", "correction", "glitch", "reset", "glitch"]


async def test_message_of_a_clock_hours_ahead_is_left_out_told_and_freezes_nothing(bench: Stage):
    async def send(second: float, good: int, order: str, received: float) -> None:
        await bench.feed.send(together(FINAL, second, order__number=order, parts__good=good), received=received)
        await bench.step(received + 1.2)

    await send(0, 0, "A", 0)
    with capture_logs() as logs:
        await send(72_000, 2, "A", 2)
        await send(1.5, 1, "A", 3)
    assert sorted((entry["tag"], entry["ahead_s"]) for entry in logs if "future" in entry["event"]) == [
        ("order.number", 71_998.0), ("parts.good", 71_998.0)]  # fmt: skip
    for second in range(4, 40):
        await send(second, second, "A" if second < 20 else "B", second)
    await bench.step(120)
    counts = await bench.rows("select order_number, sum(qty)::int as qty from production_count group by 1 order by 1")
    assert counts == [{"order_number": "A", "qty": 19}, {"order_number": "B", "qty": 20}]
    with capture_logs() as logs:
        await send(38.5, 38, "B", 121)
    assert [(entry["readings"], entry["tags"]) for entry in logs if "too late" in entry["event"]] == [
        (2, ["order.number", "parts.good"])]  # fmt: skip


async def test_rule_that_is_added_later_posts_nothing_of_the_past(database_dsn: str, tmp_path: Path):
    async with open_stage(database_dsn, tmp_path, rules=RULES[: RULES.index("- id: finished-goods")]) as bench:
        for second in range(20):
            await bench.feed.send(piece(second, second))
        await bench.step(60)
        bench.settings = settings_for(bench.dsn, tmp_path)
        bench.follower = Follower(bench.settings, load_rules(bench.settings.rules.files))
        with capture_logs() as logs:
            await bench.follower.open(bench.engine_connection, at(60))
            await bench.step(100)
        assert await postings(bench) == []
        [told] = [entry for entry in logs if entry["event"] == "good pieces stay unposted"]
        assert (told["without_order"], told["before_the_rule"]) == (0, 19)
        await bench.feed.send(piece(101, 20) + piece(102, 21))
        await bench.step(120)
        await bench.restart()
        await bench.step(200)
        assert await postings(bench) == [("MO/1", 1, "2", "2")]


async def test_words_of_thousands_of_characters_are_kept_as_dead_letters_and_stop_nobody(bench: Stage):
    noise = random.Random(1)
    long = "".join(noise.choices(string.ascii_letters, k=6000))
    await bench.feed.send(together(CNC, 0, order__number=long, parts__good=0, state=long, scrap__reason=long))
    await bench.feed.send(together(CNC, 1, order__number=long, parts__good=1))
    await bench.feed.send(piece(0, 0) + piece(1, 1), lane=2)
    await bench.step(60)
    counts = await bench.rows("select order_number, qty from production_count order by order_number nulls last")
    assert counts == [{"order_number": "MO/1", "qty": 1}, {"order_number": None, "qty": 1}]
    letters = await bench.rows(
        "select address, length(payload) as length from dead_letter where source = 'rules' order by 1"
    )
    assert {(row["address"], row["length"]) for row in letters} == {
        (f"{CNC}/{name}", 6000) for name in ("order.number", "state", "scrap.reason")}  # fmt: skip


async def test_what_the_database_refuses_is_left_out_and_its_neighbours_go_on(bench: Stage):
    await bench.connection.execute("alter table production_count add check (order_number <> 'poison')")
    await bench.feed.send(piece(0, 0, order="poison") + piece(1, 1, order="poison") + piece(2, 2) + piece(3, 3))
    await bench.feed.send(vibration((0, 5.0), (3, 5.0)), lane=2)
    await bench.step(60)
    assert await bench.rows("select order_number, sum(qty)::int as qty from production_count group by 1") == [
        {"order_number": "MO/1", "qty": 2}]  # fmt: skip
    assert await bench.one("select count(*) from ticket") == 1
    letter = await bench.one("select address, payload, reason from dead_letter")
    assert letter["address"] == FINAL
    assert json.loads(letter["payload"])["order_number"] == "poison"
    assert "Counted is refused" in letter["reason"]
    await bench.feed.send(piece(61, 4))
    await bench.step(90)
    assert await bench.one("select sum(qty)::int from production_count") == 3


async def test_orders_whose_numbers_are_numbers_keep_every_digit(bench: Stage):
    await bench.feed.send(together(FINAL, 0, order__number=4500012345, parts__good=0))
    await bench.feed.send(together(FINAL, 1, order__number=4500012345, parts__good=1))
    await bench.feed.send(together(FINAL, 2, order__number=4500012399, parts__good=3))
    await bench.step(60)
    assert await postings(bench) == [("4500012345", 1, "1", "1"), ("4500012399", 1, "2", "2")]


async def test_piece_without_an_order_is_counted_and_not_posted(bench: Stage):
    await bench.feed.send(together(FINAL, 0, parts__good=5))
    await bench.feed.send(together(FINAL, 1, parts__good=6))
    await bench.step(60)
    assert await bench.one("select qty, order_number, outbox_id from production_count") == {
        "qty": 1, "order_number": None, "outbox_id": None}  # fmt: skip


async def test_scrap_has_the_reason_of_its_instant_whatever_comes_first(bench: Stage):
    await bench.feed.send(together(CNC, 0, parts__scrap=65535, scrap__reason=""))
    await bench.feed.send(together(CNC, 1, parts__scrap=0))
    await bench.feed.send(together(CNC, 1, scrap__reason="porosity"))  # of the same instant, in a later batch
    await bench.step(5)
    assert await bench.one("select kind, qty, reason from production_count") == {
        "kind": "scrap", "qty": 1, "reason": "porosity"}  # fmt: skip


async def states(bench: Stage) -> list[tuple[str, float, float | None, str]]:
    rows = await bench.rows(
        "select state, lower(during) as began, upper(during) as ended, reason from machine_state order by lower(during)"
    )
    return [
        (
            r["state"],
            (r["began"] - at(0)).total_seconds(),
            r["ended"] and (r["ended"] - at(0)).total_seconds(),
            r["reason"],
        )
        for r in rows
    ]


async def test_states_are_intervals_that_a_late_change_splits(bench: Stage):
    await bench.feed.send(together(CNC, 0, state="EXECUTE", state__reason=""))
    await bench.feed.send(together(CNC, 10, state="EXECUTE") + together(CNC, 20, state="ABORTED", state__reason="jam"))
    await bench.feed.send(together(CNC, 30, state="DANCING"))
    await bench.step(40)
    assert await states(bench) == [
        ("RUNNING", 0, 20, ""), ("UNPLANNED_STOP", 20, 30, "jam"), ("UNKNOWN", 30, None, "")]  # fmt: skip
    await bench.feed.send(together(CNC, 5, state="STARVED"), received=41)
    await bench.step(45)
    assert (await states(bench))[:3] == [("RUNNING", 0, 5, ""), ("STARVED", 5, 10, ""), ("RUNNING", 10, 20, "")]
