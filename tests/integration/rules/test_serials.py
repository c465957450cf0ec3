"""Serial numbers from the machine's reading into the outbox: each piece with its own, once, and what has none waits for a person."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bridge.erp import event as events
from bridge.errors import AmorError, BusinessError
from bridge.store import mending, outbox
from bridge.store.reversal import reverse_pieces
from rules.engine.posting import serials as posting_serials
from tests.integration.rules.postings_stage import FINISHED, HEAD, count
from tests.integration.rules.rules_stage import CNC, FINAL, SCRAP, Row, Stage, at, open_stage, settings_for, together

WITH_SERIALS = FINISHED.replace("max_wait: 10s}}", "max_wait: 10s}, serials: {tag: parts.serial}}")
SCRAP_WITH_SERIALS = SCRAP.replace("max_wait: 10s}}", "max_wait: 10s}, serials: {tag: parts.serial}}")


def piece(second: float, good: int, *serial: str, **more: Any) -> list[Any]:
    named = {"parts__serial": serial[0]} if serial else {}
    return count(FINAL, second, parts__good=good, **named, **more)


async def told(bench: Stage, kind: str = "wip_to_fg") -> list[tuple[Any, ...]]:
    """Quantity, cumulative quantity, serial numbers and what is missing, in the order's order."""
    rows = await bench.rows(f"select payload from outbox where kind = '{kind}' order by stream, seq")
    return [
        (int(p["quantity"]), int(p["cumulative"]), p["serials"], p.get("serials_missing", ""))
        for p in (row["payload"] for row in rows)
    ]


async def test_every_piece_is_posted_with_its_own_number_over_restarts(database_dsn: str, tmp_path: Path):
    async with open_stage(database_dsn, tmp_path, rules=HEAD + WITH_SERIALS) as bench:
        await bench.feed.send(piece(0, 0))
        await bench.feed.send(together(FINAL, 1, parts__serial="S1"))  # the scanner, before the piece is counted
        await bench.step(2.5)
        await bench.restart()
        await bench.feed.send(piece(2, 1))
        for second in (3, 4, 5):
            await bench.feed.send(piece(second, second - 1, f"S{second - 1}"))
        await bench.step(7)
        await bench.restart()
        await bench.feed.send(piece(8, 5, "S5") + piece(9, 6, "S6", order="MO/2"))
        await bench.step(40)
        assert await told(bench) == [
            (5, 5, ["S1", "S2", "S3", "S4", "S5"], ""),
            (1, 1, ["S6"], ""),
        ]
        assert await bench.rows("select serial, pieces, ordinal from count_serial order by count_id") == [
            {"serial": f"S{n}", "pieces": 1, "ordinal": 0} for n in range(1, 7)
        ]


async def test_what_has_no_number_of_its_own_waits_for_a_person_and_its_neighbours_are_posted(
    database_dsn: str, tmp_path: Path
):
    async with open_stage(database_dsn, tmp_path, rules=HEAD + WITH_SERIALS) as bench:
        await bench.feed.send(piece(0, 0))
        for second, good, *serial in ((1, 1, "S1"), (2, 2), (3, 4, "S4"), (4, 5, "S5")):
            await bench.feed.send(piece(second, good, *serial))
        await bench.step(30)
        [sure, held] = await told(bench)
        assert sure == (2, 2, ["S1", "S5"], "")
        where = "2026-03-01 06:00:0{} UTC on " + FINAL
        reasons = f"{where.format(2)}: 1 piece without a serial number", f"{where.format(3)}: 2 pieces counted at once"
        assert held == (3, 5, [], "3 pieces: " + "; ".join(reasons) + ", with one serial number S4")
        [row] = await bench.rows("select id, payload from outbox where payload ? 'serials_missing'")
        with pytest.raises(BusinessError, match=r"2 pieces counted at once.*amor outbox edit"):
            events.read("wip_to_fg", row["payload"])
        await mended(bench, row["id"], ["S2", "S3", "S4"])
        assert (await bench.one("select count(*) from posted_serial")) == 5


async def mended(bench: Stage, number: int, serials: list[str]) -> None:
    """As a person does once the relay has parked the event."""
    await bench.connection.execute("update outbox set state = 'parked' where id = %s", (number,))
    edited = await mending.edit(bench.connection, number, {"serials": serials}, "maria", "read by hand")
    assert edited is not None
    found = events.read("wip_to_fg", edited.after)
    assert found.serials == tuple(serials)  # type: ignore[union-attr]


async def test_number_that_was_posted_is_never_posted_again_by_a_rule_or_a_person(database_dsn: str, tmp_path: Path):
    async with open_stage(
        database_dsn, tmp_path, rules=HEAD + WITH_SERIALS.replace("max_qty: 5", "max_qty: 2") + SCRAP_WITH_SERIALS
    ) as bench:
        await bench.feed.send(piece(0, 0, parts__scrap=0))
        await bench.feed.send(piece(1, 1, "S1") + piece(2, 2, "S2"))
        await bench.step(3.5)
        await bench.feed.send(piece(4, 3, "S1") + piece(5, 4, "S4"))
        await bench.feed.send(count(FINAL, 6, parts__scrap=1, parts__serial="S2"))
        await bench.feed.send(piece(7, 5, "S5") + piece(8, 6, "S5", order="MO/2"))
        await bench.step(40)
        [first] = await bench.rows("select id from outbox where payload -> 'serials' ? 'S1'")
        where = "2026-03-01 06:00:0{} UTC on " + FINAL
        assert await told(bench) == [
            (2, 2, ["S1", "S2"], ""),
            (2, 4, ["S4", "S5"], ""),
            (1, 5, [], f"1 piece: {where.format(4)}: S1 is in event {first['id']} already"),
            (1, 1, [], (await told(bench))[-1][3]),
        ]
        assert f"{where.format(8)}: S5 is in event " in (await told(bench))[-1][3]
        [scrapped] = await told(bench, "scrap")
        assert scrapped == (1, 1, [], f"1 piece: {where.format(6)}: S2 is in event {first['id']} already")
        [held] = await bench.rows("select id from outbox where stream = 'MO/2'")
        await bench.connection.execute("update outbox set state = 'parked' where id = %s", (held["id"],))
        with pytest.raises(AmorError, match=r"serial number S4 .*already"):
            await mending.edit(bench.connection, held["id"], {"serials": ["S4"]}, "maria", "a slip")
        await mended(bench, held["id"], ["S6"])


async def test_number_told_twice_before_anything_is_posted_is_the_first_pieces(database_dsn: str, tmp_path: Path):
    async with open_stage(database_dsn, tmp_path, rules=HEAD + WITH_SERIALS) as bench:
        await bench.feed.send(piece(0, 0) + piece(1, 1, "S1") + piece(2, 2, "S1"))
        await bench.step(30)
        [sure, held] = await told(bench)
        assert sure == (1, 1, ["S1"], "")
        assert "S1 was told of the piece at 06:00:01 already" in held[3]


async def test_numbers_of_other_products_are_other_numbers_and_a_product_nobody_knows_may_be_the_same(
    database_dsn: str, tmp_path: Path
):
    async with open_stage(database_dsn, tmp_path, rules=HEAD + WITH_SERIALS) as bench:
        for number, product in (("MO/1", "HSG"), ("MO/2", "CAP"), ("MO/3", "HSG")):
            await bench.connection.execute(
                "insert into production_order (number, connector, external_id, product, quantity, state) "
                "values (%s, 'erp', %s, %s, 9, 'released')",
                (number, number, product),
            )
        await bench.feed.send(piece(0, 0))
        for n in range(1, 5):
            await bench.feed.send(piece(n, n, "S1", order=f"MO/{n}"))
        await bench.step(60)
        assert [each[2] for each in await told(bench)] == [["S1"], ["S1"], [], []]


async def test_pieces_that_were_taken_back_whole_may_come_again_under_their_numbers(database_dsn: str, tmp_path: Path):
    async with open_stage(
        database_dsn, tmp_path, rules=HEAD + WITH_SERIALS.replace("max_qty: 5", "max_qty: 1")
    ) as bench:
        await bench.feed.send(piece(0, 0) + piece(1, 1, "S1"))
        await bench.step(5)
        async with bench.connection.transaction():
            await reverse_pieces(
                bench.connection, connector="erp", order_number="MO/1", quantity=Decimal(1), reason="crack",
                actor="maria", at=at(6), key="k",
            )  # fmt: skip
        await bench.feed.send(piece(10, 2, "S1"))
        await bench.step(20)
        assert [each[2] for each in await told(bench)] == [["S1"], ["S1"]]


async def test_piece_waits_for_the_marker_and_no_longer_than_it_may_take(database_dsn: str, tmp_path: Path):
    settings = settings_for(database_dsn, tmp_path, HEAD + WITH_SERIALS.replace("max_qty: 5", "max_qty: 1"))
    production = settings.production.model_copy(update={"serial_told_of": {FINAL: "after"}, "serial_within_s": 8})
    async with open_stage(
        database_dsn, tmp_path, rules=HEAD + WITH_SERIALS.replace("max_qty: 5", "max_qty: 1")
    ) as bench:
        await bench.restart(settings.model_copy(update={"production": production}))
        await bench.feed.send(piece(0, 0) + piece(1, 1))
        await bench.step(3)
        assert await told(bench) == []
        await bench.restart()
        await bench.feed.send(together(FINAL, 4, parts__serial="S1"))
        await bench.step(5.5)
        assert await told(bench) == [(1, 1, ["S1"], "")]
        await bench.feed.send(piece(6, 2) + count(FINAL, 7, order="MO/2"))  # the order ends, the marker may still come
        await bench.step(14)
        assert len(await told(bench)) == 1
        assert bench.follower.wakes_at() == at(6 + 8 + 1)
        await bench.step(15.1)
        assert [each[2] for each in await told(bench)] == [["S1"], []]
        await bench.feed.send(together(FINAL, 16, parts__serial="S2"))
        await bench.step(60)
        assert len(await told(bench)) == 2
        assert bench.follower.wakes_at() is None  # nothing waits any more


async def test_number_that_comes_late_still_finds_its_piece_while_that_waits(database_dsn: str, tmp_path: Path):
    async with open_stage(database_dsn, tmp_path, rules=HEAD + WITH_SERIALS) as bench:
        await bench.feed.send(piece(0, 0) + piece(1, 1) + piece(4, 2, "S2"))
        await bench.step(6)
        await bench.restart()
        await bench.feed.send(together(FINAL, 1, parts__serial="S1"), lane=2, received=6)
        await bench.step(30)
        assert await told(bench) == [(2, 2, ["S1", "S2"], "")]


async def test_good_and_scrap_of_one_instant_do_not_share_a_number(database_dsn: str, tmp_path: Path):
    async with open_stage(database_dsn, tmp_path, rules=HEAD + WITH_SERIALS + SCRAP_WITH_SERIALS) as bench:
        await bench.feed.send(piece(0, 0, parts__scrap=0) + piece(1, 1, "S1", parts__scrap=1))
        await bench.step(30)
        for kind in ("wip_to_fg", "scrap"):
            [held] = await told(bench, kind)
            assert held[2] == []
            assert "2 pieces counted at once, with one serial number S1" in held[3]


async def test_long_batch_is_several_events_and_a_count_is_never_split(
    database_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(posting_serials, "MOST", 3)
    async with open_stage(
        database_dsn, tmp_path, rules=HEAD + WITH_SERIALS.replace("max_qty: 5", "max_qty: 99")
    ) as bench:
        await bench.feed.send(piece(0, 0))
        for n in range(1, 8):
            await bench.feed.send(piece(n, n, f"S{n}"))
        await bench.feed.send(piece(8, 9) + piece(9, 13))
        await bench.step(60)
        assert [each[:3] for each in await told(bench)] == [
            (3, 3, ["S1", "S2", "S3"]), (3, 6, ["S4", "S5", "S6"]), (1, 7, ["S7"]), (2, 9, []), (4, 13, [])]  # fmt: skip


async def test_serial_number_is_given_once_by_constraint(database_dsn: str, tmp_path: Path):
    async with open_stage(database_dsn, tmp_path, rules=HEAD + WITH_SERIALS) as bench:
        await bench.feed.send(piece(0, 0) + piece(1, 1, "S1"))
        await bench.step(30)
        payload = await bench.one("select payload from outbox")
        for connector, refused in (("erp", True), ("mes", False)):
            writing = outbox.insert(
                bench.connection, connector=connector, stream="MO/9", kind="wip_to_fg", payload=payload, key=connector
            )
            if refused:
                with pytest.raises(psycopg.errors.UniqueViolation):
                    await writing
            else:
                assert await writing
        again = (
            "insert into count_serial select count_id + 1, serial, pieces, tag_id, read_at, ordinal from count_serial"
        )
        await bench.feed.send(count(CNC, 1, parts__good=0) + count(CNC, 2, parts__good=1))
        await bench.step(40)
        with pytest.raises(psycopg.errors.UniqueViolation):
            await bench.connection.execute(again)


def minute(seed: int, machine: str, *, is_after: bool) -> list[Row]:
    """Thirty scrapped pieces of one machine: numbers with the piece, near it, missing, shown again, two pieces at once."""
    rng = random.Random(seed)
    rows, scrap = together(machine, 0, order__number=f"MO/{machine[-4:]}", parts__scrap=0), 0
    for n in range(1, 31):
        scrap += 2 if rng.random() < 0.1 else 1
        rows += together(machine, 2 * n, parts__scrap=scrap)
        told = rng.choice(("with", "near", "near", "near", "missing", "again"))
        near = 2 * n + (0.6 if is_after else -0.6)
        if told != "missing":
            shown = n - 1 if told == "again" else n
            rows += together(machine, 2 * n if told == "with" else near, parts__serial=f"{machine[-4:]}-{shown}")
    return rows


@pytest.mark.parametrize("way", ["before", "after"])
async def test_same_readings_name_the_same_pieces_in_any_order_of_arrival(database_dsn: str, tmp_path: Path, way: str):
    rules = HEAD + SCRAP_WITH_SERIALS
    settings = settings_for(database_dsn, tmp_path, rules)
    production = settings.production.model_copy(update={"serial_told": way, "serial_within_s": 1.5})
    rng = random.Random(way)
    async with open_stage(database_dsn, tmp_path, rules=rules) as bench:
        await bench.restart(settings.model_copy(update={"production": production}))
        await bench.feed.send(minute(7, CNC, is_after=way == "after"), received=60)
        arrivals = sorted((row.seconds + rng.random() * 0.9, row) for row in minute(7, FINAL, is_after=way == "after"))
        for n, (second, row) in enumerate(arrivals):
            await bench.feed.send([row], received=second)
            await bench.step(second)
            if n % 15 == 14:
                await bench.restart()
        await bench.step(120)
        pieces = "select replace(serial, '{0}', '') as serial, pieces, read_at, ts from count_serial s join production_count c on c.id = s.count_id"
        posted = "select replace(serial, '{0}', '') as serial from posted_serial where serial like '{0}%' order by 1"
        named = [
            (await bench.rows(f"{pieces.format(name)} where serial like '{name}%' order by ts"), await bench.rows(posted.format(name)))
            for name in ("cnc1", "nsp1")
        ]  # fmt: skip
        assert named[0] == named[1]
        assert 10 < len(named[0][1]) < len(named[0][0]) < 30
        counted = await bench.one("select sum(qty)::int from production_count")
        assert sum(each[0] for each in await events_of(bench)) == counted
        assert sum(each[1] for each in await events_of(bench)) == 2 * len(named[0][1])


async def events_of(bench: Stage) -> list[tuple[int, int]]:
    """Quantity and how many serial numbers of each event."""
    return [(each[0], len(each[2])) for each in await told(bench, "scrap")]
