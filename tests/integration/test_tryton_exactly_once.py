"""The real relay and the real Tryton: the stock read back from Tryton's own books is what was made, whatever dies in between."""

from __future__ import annotations

import asyncio
import signal
from decimal import Decimal

import pytest

from bridge.model.production import Disposition, EventKind, MaterialActual, MaterialUse, Reversal, event_id
from bridge.store import outbox
from bridge.store.database import connected
from tests.faulty_proxy import FaultyProxy
from tests.relay_process import AT, EQUIPMENT, drained, post, put, relaying, start, until

ORDER = "MES-0001"
MADE_BEFORE = 98  # housings in stock when the world begins: a hundred, of which two are shipped


def actual(quantity, cumulative, sequence, **more):
    fact = event_id("test", f"{ORDER} {more}", sequence)
    uom = "kg" if more.get("use") is MaterialUse.CONSUMED else "1"
    return MaterialActual(fact, ORDER, sequence, AT, Decimal(quantity), Decimal(cumulative), uom, EQUIPMENT, **more)


FIRST = actual(5, 5, 1)
POWDER = {"use": MaterialUse.CONSUMED, "item": "POW-1"}
SCRAP = {"disposition": Disposition.SCRAP, "reason": "porosity"}
# Forty good pieces in three postings, two scrapped, three taken back (one good in two parts, one scrapped), powder in tenths.
STORY = [
    FIRST,
    actual("0.1", "0.1", 1, **POWDER),
    actual(2, 2, 1, **SCRAP),
    Reversal(event_id("test", "reversal", 1), ORDER, 1, AT, Decimal(1), Decimal(1), "crack", FIRST),
    actual("0.2", "0.3", 2, **POWDER),
    actual(4, 9, 2),
    Reversal(event_id("test", "reversal", 2), ORDER, 2, AT, Decimal(2), Decimal(3), "crack", FIRST),
    Reversal(event_id("test", "reversal", 3), ORDER, 3, AT, Decimal(1), Decimal(1), "no flaw", actual(2, 2, 1, **SCRAP)),
    actual(31, 40, 3),
]  # fmt: skip


async def tell(dsn):
    async with connected(dsn, "test") as connection:
        for event in STORY:
            await put(connection, event, ORDER)


def assert_story_is_booked(tryton):
    assert tryton.made(ORDER) == 40
    assert tryton.made(ORDER, "lost_found") == 2
    assert tryton.stock("HSG-L1") == MADE_BEFORE + 40 - 3
    assert tryton.stock("BAR-60") == 5000 - 40
    assert tryton.stock("POW-1") == Decimal("49.7")
    assert tryton.documents(ORDER) == 4
    assert tryton.order_state(ORDER) == "done"
    assert tryton.open_moves(ORDER) == 0


# Each life begins where the one before died. The first event goes through all of its steps, a death after each.
LIVES = [
    "after claim 1", "after plan 1", "after keep_plan 1", "before execute 1",
    "after execute 1",  # the start is dated
    "after execute 1",  # ... the inputs reserved
    "after record_step 1",  # ... the order started
    "after execute 1",  # ... the output split, and nobody knows
    "before execute 2",
    "after execute 1",  # ... carried out, and nobody knows
    "after lookup 1", "before finish 1",
    "after execute 1",  # the powder is entered, and nobody knows
    "after execute 2",  # ... reserved
    "after execute 1",  # ... carried out, and nobody knows
    "after execute 3",  # the second powder or the reversal: in the middle of the story
    "after verify 1", "after finish 1",
]  # fmt: skip


async def test_stock_is_what_was_made_when_the_relay_dies_at_every_step(tryton, database_dsn):
    await tell(database_dsn)
    table = tryton.settings(max_in_flight=1, timeout_s=0.4, units={"kg": "kg"})
    process = await start(database_dsn, table, *LIVES, "")
    try:
        rows = await drained(database_dsn)
    finally:
        process.send_signal(signal.SIGTERM)
        ended = await process.wait()
    assert ended == 0, "the story was told before the relay had died everywhere"
    assert_story_is_booked(tryton)
    assert len({row["external_id"] for row in rows}) == len(STORY)


async def test_stock_is_what_was_made_when_every_answer_is_cut_off_after_the_commit(tryton, database_dsn):
    await tell(database_dsn)
    async with FaultyProxy.before(tryton.port) as proxy:
        for step in (
            "PUT production/1",
            r"POST stock.move/\d+/do",
            "assign_try",
            "run",
            r"POST stock.move$",
            "production/1/do",
        ):
            proxy.fail("drop_after_commit", step.replace(" ", " .*"), count=2)
        async with relaying(database_dsn, tryton.settings(url=proxy.url, timeout_s=0.4, units={"kg": "kg"})):
            await drained(database_dsn)
    assert proxy.applied["drop_after_commit"] >= 9
    assert_story_is_booked(tryton)


async def test_two_relays_at_once_post_each_event_once(tryton, database_dsn):
    orders = [f"MES-{number:04}" for number in range(1, 5)]
    table = tryton.settings(max_in_flight=4, timeout_s=1)
    async with connected(database_dsn, "test") as connection:
        for order in orders:
            await post(connection, order, [3, 2, 1])
    other = await start(database_dsn, table)
    async with relaying(database_dsn, table):
        rows = await drained(database_dsn)
    other.send_signal(signal.SIGTERM)
    assert await other.wait() == 0
    assert [tryton.made(order) for order in orders] == [6] * 4
    assert [tryton.documents(order) for order in orders] == [3] * 4
    assert len({row["external_id"] for row in rows}) == 12


async def test_key_that_expires_loses_nothing(tryton, database_dsn):
    async with connected(database_dsn, "test") as connection:
        await post(connection, ORDER, [5])
        async with relaying(database_dsn, tryton.settings(timeout_s=1)):
            await drained(database_dsn)
            tryton.set_key("cancelled")
            await post(connection, ORDER, [4], first=2, before=5)
            await until(database_dsn, lambda rows: "refuses the credentials" in rows[1]["last_error"])
            assert tryton.made(ORDER) == 5
            tryton.set_key("validated")
            await drained(database_dsn)
    assert (tryton.made(ORDER), tryton.documents(ORDER)) == (9, 2)


async def test_event_of_a_closed_period_is_parked_and_goes_on_when_it_is_open(tryton, database_dsn):
    tryton.close_period()
    async with connected(database_dsn, "test") as connection:
        [first, _] = await post(connection, ORDER, [5, 4])
        async with relaying(database_dsn, tryton.settings(timeout_s=1)):
            rows = await until(database_dsn, lambda rows: rows[0]["state"] == "parked")
            assert "period up to 2026-07-31 is closed" in rows[0]["last_error"]
            assert tryton.made(ORDER) == 0
            tryton.open_period()
            assert await outbox.replay(connection, first)
            await drained(database_dsn)
    assert (tryton.made(ORDER), tryton.documents(ORDER)) == (9, 2)


async def test_closed_period_posts_today_where_the_configuration_says_so(tryton, database_dsn):
    tryton.close_period(AT.date())  # the order is planned for a later day
    async with connected(database_dsn, "test") as connection:
        await post(connection, ORDER, [5])
    async with relaying(database_dsn, tryton.settings(timeout_s=1, closed_period="today")):
        await drained(database_dsn)
    assert tryton.made(ORDER) == 5
    assert tryton.dates(ORDER).isdisjoint({AT.date().isoformat()})


async def test_tryton_that_is_killed_in_between_gets_everything_once(tryton_world, tmp_path, database_dsn):
    from tests.tryton_process import TrytonServer

    async with connected(database_dsn, "test") as connection:
        await post(connection, ORDER, [5, 4, 3])
    with TrytonServer(tryton_world, tmp_path / "own") as own:
        async with relaying(database_dsn, own.settings(timeout_s=1)):
            await until(database_dsn, lambda rows: rows[0]["state"] == "done")
            own.stop()
            await until(database_dsn, lambda rows: any("cannot be reached" in row["last_error"] for row in rows))
            await asyncio.to_thread(own.start)
            await drained(database_dsn)
        assert (own.made(ORDER), own.documents(ORDER)) == (12, 3)


@pytest.mark.parametrize("order", ["MES-SHORT", "MES-DRAFT", "MES-TWIN"])
async def test_order_that_a_person_must_mend_parks_its_stream_alone(tryton, database_dsn, order):
    async with connected(database_dsn, "test") as connection:
        await post(connection, order, [1])
        await post(connection, ORDER, [5])
    async with relaying(database_dsn, tryton.settings(timeout_s=1)):
        await until(database_dsn, lambda rows: {row["state"] for row in rows} == {"parked", "done"})
    assert (tryton.made(order), tryton.made(ORDER)) == (0, 5)


def test_story_has_every_kind_of_material_event():
    assert {event.kind for event in STORY} == {
        EventKind.WIP_TO_FG,
        EventKind.SCRAP,
        EventKind.CONSUMED,
        EventKind.REVERSAL,
    }
