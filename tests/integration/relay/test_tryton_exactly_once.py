"""The real relay and the real Tryton: the stock read back from Tryton's own books is what was made, whatever dies in between."""

from __future__ import annotations

import asyncio
import signal
from decimal import Decimal

import pytest

from bridge.erp.tryton82 import Tryton82
from bridge.model.production import (
    Disposition,
    MaterialActual,
    MaterialUse,
    ProductionPerformance,
    Reversal,
    event_id,
)
from bridge.store import outbox
from bridge.store.database import connected
from tests.faulty_proxy import FaultyProxy
from tests.relay_process import AT, EQUIPMENT, drained, live_through, post, put, relaying, started, until

ORDER, CONFIRMED, OF_LOTS = "MES-0001", "MES-0002", "MES-LOT"
MADE_BEFORE = 98  # housings in stock when the world begins: a hundred, of which two are shipped
TOLD = {"units": {"kg": "kg"}, "consumption_of": {"BAR-60": "told"}}


def actual(quantity, cumulative, sequence, *, order=ORDER, **more):
    fact = event_id("test", f"{order} {more}", sequence)
    uom = "kg" if more.get("item") == "POW-1" else "1"
    return MaterialActual(fact, order, sequence, AT, Decimal(quantity), Decimal(cumulative), uom, EQUIPMENT, **more)


def confirmation(sequence, good, scrap=0, *, is_final=False):
    fact = event_id("test", "confirmation", sequence)
    return ProductionPerformance(
        fact, CONFIRMED, sequence, "", AT, AT, Decimal(good), Decimal(scrap), "1", EQUIPMENT, is_final=is_final
    )  # fmt: skip


FIRST = actual(5, 5, 1)
POWDER = {"use": MaterialUse.CONSUMED, "item": "POW-1"}
BARS = {"use": MaterialUse.CONSUMED, "item": "BAR-60"}
SCRAP = {"disposition": Disposition.SCRAP, "reason": "porosity"}
# Forty good pieces in three postings, two scrapped, three taken back (one good in two parts, one scrapped), powder in tenths, and
# of the bars, which the bill of materials has forty of, what is told: 42.
STORY = [
    FIRST,
    actual("0.1", "0.1", 1, **POWDER),
    actual(2, 2, 1, **SCRAP),
    actual(30, 30, 1, **BARS),
    Reversal(event_id("test", "reversal", 1), ORDER, 1, AT, Decimal(1), Decimal(1), "crack", FIRST),
    actual("0.2", "0.3", 2, **POWDER),
    actual(4, 9, 2),
    Reversal(event_id("test", "reversal", 2), ORDER, 2, AT, Decimal(2), Decimal(3), "crack", FIRST),
    Reversal(event_id("test", "reversal", 3), ORDER, 3, AT, Decimal(1), Decimal(1), "no flaw", actual(2, 2, 1, **SCRAP)),
    actual(12, 42, 2, **BARS),
    actual(31, 40, 3),
]  # fmt: skip
# Three confirmations of an order, good and scrap; the last closes it before all is made. Its forty bars are consumed as planned.
CONFIRMATIONS = [confirmation(1, 5, 1), confirmation(2, 7), confirmation(3, 10, 2, is_final=True)]
# Two lots of what is made, a third of scrap, and ten bars of a lot that is in stock.
MELT = {**BARS, "lot": "MELT-7", "order": OF_LOTS}
LOTS = [
    actual(3, 3, 1, order=OF_LOTS, lot="L-1"),
    actual(4, 4, 1, **MELT),
    actual(1, 1, 1, order=OF_LOTS, lot="L-3", **SCRAP),
    actual(6, 10, 2, **MELT),
    actual(37, 40, 2, order=OF_LOTS, lot="L-2"),
]


async def tell(dsn, *stories):
    async with connected(dsn, "test") as connection:
        for story in stories:
            for event in story:
                await put(connection, event, event.order_ref)


def assert_story_is_booked(tryton):
    assert tryton.made(ORDER) == 40
    assert tryton.made(ORDER, "lost_found") == 2
    assert tryton.stock("HSG-L1") == MADE_BEFORE + 40 - 3
    assert tryton.stock("BAR-60") == 5000 - 42
    assert tryton.stock("POW-1") == Decimal("49.7")
    assert tryton.documents(ORDER) == 4
    assert tryton.order_state(ORDER) == "done"
    assert tryton.open_moves(ORDER) == 0


def assert_confirmations_are_booked(tryton):
    assert tryton.made(CONFIRMED) == 22
    assert tryton.made(CONFIRMED, "lost_found") == 3
    assert tryton.stock("HSG-L1") == MADE_BEFORE + 22
    assert tryton.stock("BAR-60") == 5000 - 40
    assert tryton.documents(CONFIRMED) == 5
    assert tryton.order_state(CONFIRMED) == "done"
    assert tryton.open_moves(CONFIRMED) == 0
    assert len(tryton.notes(CONFIRMED)) == 3


def assert_lots_are_booked(tryton):
    assert tryton.lots(OF_LOTS) == {
        ("LOT-1", "L-1"): 3, ("LOT-1", "L-2"): 37, ("LOT-1", "L-3"): 1, ("BAR-60", "MELT-7"): 10,
    }  # fmt: skip
    assert tryton.stock("LOT-1") == 40
    assert tryton.lot_count("LOT-1") == 3
    assert tryton.order_state(OF_LOTS) == "done"
    assert tryton.open_moves(OF_LOTS) == 0


# Each life begins where the one before died. The first event goes through all of its steps, a death after each.
LIVES = [
    "after claim 1", "after plan 1", "after keep_plan 1", "before execute 1",
    "after execute 1",  # the start is dated
    "after execute 1",  # ... the plan of what is told set aside
    "after execute 1",  # ... the inputs reserved
    "after record_step 1",  # ... the order started
    "after execute 1",  # ... the output split, and nobody knows
    "before execute 2",
    "after execute 1",  # ... carried out, and nobody knows
    "after lookup 1", "before finish 1",
    "after execute 1",  # the powder is entered, and nobody knows
    "after execute 2",  # ... reserved
    "after execute 1",  # ... carried out, and nobody knows
    "after execute 3",  # the scrap or the bars: in the middle of the story
    "after execute 1", "after execute 2", "after execute 1",
    "after verify 1", "after finish 1",
]  # fmt: skip
LIVES_OF_CONFIRMATIONS = [
    "after plan 1",
    "after execute 1",  # the mark is left, and nobody knows
    "after execute 1",  # ... the start dated
    "after execute 2",  # ... the inputs reserved, the order started
    "after execute 1",
    "after execute 1",  # ... the output split into good and scrap
    "after execute 1",  # ... the good carried out, and nobody knows
    "before execute 1",
    "after execute 1",  # ... the scrap carried out, and nobody knows
    "after lookup 1", "after verify 1",
    "after execute 1",  # the second one
    "after execute 1",
    "after record_step 2",
    "after execute 1",  # the last one
    "after execute 2",
    "after execute 1",
    "before finish 1",
]  # fmt: skip
LIVES_OF_LOTS = [
    "after execute 1",  # the lot is there, and nobody knows
    "after execute 3",
    "after execute 2",
    "after execute 1", "before execute 2", "after execute 1",
    "after execute 1",  # the bars are entered, and nobody knows
    "after execute 2",
    "after execute 1",
    "after lookup 1",
    "after execute 1",  # the lot of the scrap
    "after execute 2",
    "after execute 1",
]  # fmt: skip


@pytest.mark.timeout(300)  # some twenty relays, one after the other, on a machine that may be busy
async def test_stock_is_what_was_made_when_the_relay_dies_at_every_step(tryton, database_dsn):
    await tell(database_dsn, STORY)
    rows = await live_through(database_dsn, tryton.settings(max_in_flight=1, timeout_s=1, **TOLD), LIVES)
    assert_story_is_booked(tryton)
    assert len({row["external_id"] for row in rows}) == len(STORY)


@pytest.mark.timeout(300)  # some twenty relays, one after the other, on a machine that may be busy
async def test_confirmations_are_posted_once_when_the_relay_dies_at_every_step(tryton, database_dsn):
    await tell(database_dsn, CONFIRMATIONS)
    table = tryton.settings(max_in_flight=1, timeout_s=1)
    rows = await live_through(database_dsn, table, LIVES_OF_CONFIRMATIONS)
    assert_confirmations_are_booked(tryton)
    assert len({row["external_id"] for row in rows}) == len(CONFIRMATIONS)


@pytest.mark.timeout(300)  # some twenty relays, one after the other, on a machine that may be busy
async def test_lots_are_moved_once_when_the_relay_dies_at_every_step(tryton_with_lots, database_dsn):
    await tell(database_dsn, LOTS)
    table = tryton_with_lots.settings(max_in_flight=1, timeout_s=1)
    await live_through(database_dsn, table, LIVES_OF_LOTS)
    assert_lots_are_booked(tryton_with_lots)


CUT = (
    "PUT production/",
    r"POST stock.move/\d+/do",
    "assign_try",
    "run",
    r"POST stock.move$",
    r"production/\d+/do",
    "ir.note$",
    "cancel$",
)


async def relay_cut_off(dsn, table, port, cuts=CUT):
    """A relay to which the first two answers to each kind of request are cut off after the commit; how many were."""
    async with FaultyProxy.before(port) as proxy:
        for step in cuts:
            proxy.fail("drop_after_commit", step.replace(" ", " .*"), count=2)
        async with relaying(dsn, table.model_copy(update={"url": proxy.url})):
            await drained(dsn)
        return proxy.applied["drop_after_commit"]


async def test_stock_is_what_was_made_when_every_answer_is_cut_off_after_the_commit(tryton, database_dsn):
    await tell(database_dsn, STORY)
    assert await relay_cut_off(database_dsn, tryton.settings(timeout_s=1, **TOLD), tryton.port) >= 9
    assert_story_is_booked(tryton)


async def test_confirmations_are_posted_once_when_every_answer_is_cut_off_after_the_commit(tryton, database_dsn):
    await tell(database_dsn, CONFIRMATIONS)
    assert await relay_cut_off(database_dsn, tryton.settings(timeout_s=1), tryton.port) >= 8
    assert_confirmations_are_booked(tryton)


async def test_lots_are_moved_once_when_every_answer_is_cut_off_after_the_commit(tryton_with_lots, database_dsn):
    await tell(database_dsn, LOTS)
    server = tryton_with_lots
    cuts = (*CUT, r"POST stock.lot$")
    assert await relay_cut_off(database_dsn, server.settings(timeout_s=1), server.port, cuts) >= 9
    assert_lots_are_booked(server)


async def test_two_relays_at_once_tell_every_kind_once(tryton, database_dsn):
    await tell(database_dsn, STORY, CONFIRMATIONS)
    table = tryton.settings(max_in_flight=4, timeout_s=5, **TOLD)
    other = await started(database_dsn, table)
    async with relaying(database_dsn, table):
        await drained(database_dsn)
    other.send_signal(signal.SIGTERM)
    assert await other.ended() == 0
    assert (tryton.made(ORDER), tryton.made(CONFIRMED)) == (40, 22)
    assert (tryton.documents(ORDER), tryton.documents(CONFIRMED)) == (4, 5)
    assert tryton.stock("HSG-L1") == MADE_BEFORE + 40 - 3 + 22
    assert tryton.stock("BAR-60") == 5000 - 42, "nothing was told of the bars of the other order"
    assert tryton.open_moves(ORDER) == tryton.open_moves(CONFIRMED) == 0


async def test_two_relays_at_once_post_each_event_once(tryton, database_dsn):
    orders = [f"MES-{number:04}" for number in range(1, 5)]
    table = tryton.settings(max_in_flight=4, timeout_s=5)
    async with connected(database_dsn, "test") as connection:
        for order in orders:
            await post(connection, order, [3, 2, 1])
    other = await started(database_dsn, table)
    async with relaying(database_dsn, table):
        rows = await drained(database_dsn)
    other.send_signal(signal.SIGTERM)
    assert await other.ended() == 0
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
    tryton.close_period()  # the orders are planned for a day of it
    await tell(database_dsn, STORY, CONFIRMATIONS)
    async with relaying(database_dsn, tryton.settings(timeout_s=1, closed_period="today", **TOLD)):
        await drained(database_dsn)
    assert (tryton.made(ORDER), tryton.made(CONFIRMED)) == (40, 22)
    assert tryton.order_state(ORDER) == tryton.order_state(CONFIRMED) == "done"
    assert min(tryton.dates(ORDER) | tryton.dates(CONFIRMED)) > "2026-07-31"


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


def test_stories_have_every_kind_that_the_connector_carries():
    assert {event.kind for event in (*STORY, *CONFIRMATIONS)} == Tryton82.kinds
