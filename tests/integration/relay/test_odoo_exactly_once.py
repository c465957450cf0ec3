"""The real relay and the simulated Odoo: its ledger is what was made, scrapped and used, whatever dies in between."""

from __future__ import annotations

import signal
from decimal import Decimal

import pytest

from bridge.erp.connector import OrderTotals
from bridge.erp.odoo19 import Odoo19
from bridge.model.production import (
    Disposition,
    MaterialActual,
    MaterialUse,
    ProductionPerformance,
    Reversal,
    event_id,
)
from bridge.store.database import connected
from tests.erp_systems.odoo19 import SimulatedOdoo
from tests.faulty_proxy import FaultyProxy
from tests.relay_process import AT, EQUIPMENT, drained, live_through, put, relaying, started

ORDER, OF_LOTS, CONFIRMED = "MES-0001", "MES-0002", "MES-0003"
HOUSINGS, HOUSINGS_2, BARS, INSERTS = 1, 2, 3, 4


def actual(quantity, cumulative, sequence, *, order=ORDER, **more):
    fact = event_id("test", f"{order} {more}", sequence)
    return MaterialActual(fact, order, sequence, AT, Decimal(quantity), Decimal(cumulative), "1", EQUIPMENT, **more)


def back(sequence, quantity, cumulative, event):
    fact = event_id("test", f"{event.order_ref} reversal", sequence)
    return Reversal(fact, event.order_ref, sequence, AT, Decimal(quantity), Decimal(cumulative), "crack", event)


def confirmation(sequence, good, scrap=0, *, is_final=False):
    fact = event_id("test", "confirmation", sequence)
    return ProductionPerformance(
        fact, CONFIRMED, sequence, "", AT, AT, Decimal(good), Decimal(scrap), "1", EQUIPMENT, is_final=is_final
    )  # fmt: skip


FIRST = actual(5, 5, 1)
USED = {"use": MaterialUse.CONSUMED, "item": "INS-12"}
LOST = actual(2, 2, 1, disposition=Disposition.SCRAP, reason="porosity")
USED_SECOND = actual("1.5", "7.5", 2, **USED)
# Forty good pieces in three postings, two scrapped, three taken back, of the inserts what is told: 13, the last after the last piece.
# One of the scrapped was none, and one insert came back.
STORY = [
    FIRST,
    actual(6, 6, 1, **USED),
    LOST,
    back(1, 1, 1, FIRST),
    USED_SECOND,
    actual(4, 9, 2),
    back(2, 2, 3, FIRST),
    actual(31, 40, 3),
    actual("5.5", 13, 3, **USED),
    back(3, 1, 1, LOST),
    back(4, 1, 1, USED_SECOND),
]
CONFIRMATIONS = [confirmation(1, 5, 1), confirmation(2, 7), confirmation(3, 10, 2, is_final=True)]
LOTS = [
    actual(3, 3, 1, order=OF_LOTS, lot="L-1"),
    actual(37, 40, 2, order=OF_LOTS, lot="L-2"),
    back(1, 2, 2, actual(3, 3, 1, order=OF_LOTS, lot="L-1")),
]

LIVES = [
    "after claim 1", "after plan 1", "after keep_plan 1", "before execute 1",
    "after execute 1", "after execute 2", "after execute 3",
    "after execute 4",  # done, and nobody knows
    "before execute 1",
    "after execute 1",  # the inserts are set, and nobody knows
    "after execute 1",
    "after execute 2",  # the draft of the scrap is made
    "before execute 3",
    "after execute 3",  # ... validated, and nobody knows
    "after execute 2",
    "after execute 3",  # taken back, and nobody knows
    "after lookup 1",
    "after execute 1",  # the inserts of the backorder
    "after execute 3", "after execute 4",
    "after record_step 2", "after execute 3",
    "after verify 1",  # the last piece is in
    "after execute 1",  # the inserts of the order that is done
    "before finish 1",
    "after execute 1",  # the transfer of what was no scrap is there
    "after execute 2",  # ... its moves
    "after execute 3",  # ... carried out, and nobody knows
    "after execute 3",  # that of the insert
]  # fmt: skip
LIVES_OF_CONFIRMATIONS = [
    "after plan 1",
    "after execute 1",  # the production is claimed
    "after execute 2", "after execute 4",
    "after execute 5",  # ... done, and nobody knows
    "after execute 2",  # the draft of the scrap is made
    "after execute 3",  # ... validated, and nobody knows
    "after lookup 1",
    "after execute 5",  # the second one, which scraps nothing
    "after execute 3", "after execute 1", "after record_step 3",
    "after execute 5",  # the last one, done, and nobody knows
    "after execute 3",  # its scrap
    "before finish 1",
]  # fmt: skip
LIVES_OF_LOTS = [
    "after execute 1",  # the lot is there, and nobody knows
    "after execute 2",
    "after execute 4",  # done, and nobody knows
    "after execute 5",  # the second one, with a lot of its own
    "after execute 2",
    "after execute 3",  # taken back, and nobody knows
    "after lookup 1",
]  # fmt: skip


@pytest.fixture
async def odoo(tmp_path):
    async with SimulatedOdoo(tmp_path / "odoo") as running:
        yield running


async def tell(dsn, *stories):
    async with connected(dsn, "test") as connection:
        for story in stories:
            for event in story:
                await put(connection, event, event.order_ref)


async def totals(odoo, order):
    async with Odoo19(odoo.settings()) as connector:
        return (await connector.read_totals([order]))[order]


def productions(odoo, order):
    fields = ["state", "qty_produced"]
    rows = odoo.call("mrp.production/search_read", domain=[["origin", "=", order]], fields=fields, order="id")
    return [(row["state"], row["qty_produced"]) for row in rows]


async def assert_story_is_booked(odoo, *, goods=1000, bars=5000, inserts=5000):
    assert productions(odoo, ORDER) == [("done", 5), ("done", 4), ("done", 31)]
    assert await totals(odoo, ORDER) == OrderTotals(Decimal(37), Decimal(1))
    assert (await odoo.truth())["postings_by_origin"][ORDER] == 3
    assert odoo.call("stock.scrap/search_read", domain=[["state", "=", "draft"]], fields=[]) == []
    assert odoo.stock(HOUSINGS) == goods + 37
    assert odoo.stock(BARS) == bars - 40 - 2 + 1
    assert odoo.stock(INSERTS) == inserts - 13 + 1
    assert len(odoo.call("stock.picking/search_read", domain=[["picking_type_code", "=", "internal"]], fields=[])) == 2


async def assert_confirmations_are_booked(odoo):
    assert productions(odoo, CONFIRMED) == [("done", 5), ("done", 7), ("done", 10)]
    assert await totals(odoo, CONFIRMED) == OrderTotals(Decimal(22), Decimal(3))
    assert (await odoo.truth())["postings_by_origin"][CONFIRMED] == 3


async def assert_lots_are_booked(odoo):
    fields = ["lot_producing_ids", "qty_produced"]
    rows = odoo.call("mrp.production/search_read", domain=[["origin", "=", OF_LOTS]], fields=fields, order="id")
    names = {lot["id"]: lot["name"] for lot in odoo.call("stock.lot/search_read", domain=[], fields=["name"])}
    booked = [([names[lot] for lot in row["lot_producing_ids"]], row["qty_produced"]) for row in rows]
    assert booked == [(["L-1"], 3), (["L-2"], 37)]
    assert len(names) == 2
    [scrap] = odoo.call("stock.scrap/search_read", domain=[["state", "=", "done"]], fields=["lot_id", "scrap_qty"])
    assert (scrap["lot_id"][1], scrap["scrap_qty"]) == ("L-1", 2)
    assert await totals(odoo, OF_LOTS) == OrderTotals(Decimal(38), Decimal(0))


@pytest.fixture
def stock(odoo):
    return {"goods": odoo.stock(HOUSINGS), "bars": odoo.stock(BARS), "inserts": odoo.stock(INSERTS)}


async def test_books_are_what_was_made_when_the_relay_dies_at_every_step(odoo, stock, database_dsn):
    await tell(database_dsn, STORY)
    table = odoo.settings(max_in_flight=1, timeout_s=0.4)
    await live_through(database_dsn, table, LIVES)
    await assert_story_is_booked(odoo, **stock)


async def test_confirmations_are_booked_once_when_the_relay_dies_at_every_step(odoo, database_dsn):
    await tell(database_dsn, CONFIRMATIONS)
    await live_through(database_dsn, odoo.settings(max_in_flight=1, timeout_s=0.4), LIVES_OF_CONFIRMATIONS)
    await assert_confirmations_are_booked(odoo)


async def test_lots_are_booked_once_when_the_relay_dies_at_every_step(odoo, database_dsn):
    await odoo.write("product.product", HOUSINGS_2, {"tracking": "lot"})
    await tell(database_dsn, LOTS)
    await live_through(database_dsn, odoo.settings(max_in_flight=1, timeout_s=0.4), LIVES_OF_LOTS)
    await assert_lots_are_booked(odoo)


CUT = (
    "mrp.production/write",
    "set_qty_producing",
    "stock.move/write",
    "button_mark_done",
    "message_post",
    "stock.scrap/create",
    "stock.scrap/unlink",
    "action_validate",
    "stock.lot/load",
    "stock.picking/load",
    "stock.move/load",
    "button_validate",
)


@pytest.mark.parametrize("mode", ["drop_after_commit", "timeout_after_commit", "drop_before_commit", "malformed"])
async def test_books_are_what_was_made_when_the_answers_to_every_call_fail(odoo, stock, database_dsn, mode):
    await odoo.write("product.product", HOUSINGS_2, {"tracking": "lot"})
    await tell(database_dsn, STORY, LOTS)
    async with FaultyProxy.before(odoo.port) as proxy:
        for call in CUT:
            proxy.fail(mode, call, count=2)
        async with relaying(database_dsn, odoo.settings(url=proxy.url, timeout_s=0.4)):
            await drained(database_dsn)
        assert proxy.applied[mode] >= 10
    stock["bars"] -= 40  # of the order of lots
    await assert_story_is_booked(odoo, **stock)
    assert await totals(odoo, OF_LOTS) == OrderTotals(Decimal(38), Decimal(0))


async def test_two_relays_at_once_book_every_kind_once(odoo, database_dsn):
    before = odoo.stock(HOUSINGS)
    await tell(database_dsn, STORY, CONFIRMATIONS)
    table = odoo.settings(max_in_flight=4)
    other = await started(database_dsn, table)
    async with relaying(database_dsn, table):
        await drained(database_dsn)
    other.send_signal(signal.SIGTERM)
    assert await other.ended() == 0
    assert productions(odoo, ORDER) == [("done", 5), ("done", 4), ("done", 31)]
    assert await totals(odoo, ORDER) == OrderTotals(Decimal(37), Decimal(1))
    await assert_confirmations_are_booked(odoo)
    assert odoo.stock(HOUSINGS) == before + 37 + 22
