"""Odoo's orders beyond their pieces: consumption beside completion, confirmations, lots and serial numbers."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.erp.odoo19 import Odoo19
from bridge.errors import BusinessError, TransientError, UnknownOutcome
from tests.contract.odoo19.odoo_scenes import BARS, GOODS, INSERTS, confirmed, states, used
from tests.contract.scenes import AT, EQUIPMENT, ORDER, carry, pieces, resume

# Consumption


async def test_consumption_and_pieces_take_turns_and_each_is_booked_once(odoo, connector):
    """Inserts by events, more than the bill of materials says; bars by the bill of materials."""
    inserts, bars = odoo.stock(INSERTS), odoo.stock(BARS)
    turns = [used(3, 3), pieces(5, 5), used(4, 7, 2), used(2, 9, 3), pieces(5, 10, 2), pieces(5, 15, 3), used(1, 10, 4), pieces(25, 40, 4)]  # fmt: skip
    for event in turns:
        found = await carry(connector, event)
        assert found.is_posted
        assert await connector.lookup(event) == found
        assert await connector.plan(event) == []
    assert inserts - odoo.stock(INSERTS) == 10
    assert bars - odoo.stock(BARS) == 40
    for event in turns:
        assert (await connector.lookup(event)).is_posted


async def test_pieces_leave_alone_what_events_have_not_told_of_yet(odoo, connector):
    inserts, bars = odoo.stock(INSERTS), odoo.stock(BARS)
    await carry(connector, pieces(5, 5))
    assert (odoo.stock(INSERTS), odoo.stock(BARS)) == (inserts, bars - 5)
    await carry(connector, used(6, 6))
    await carry(connector, pieces(5, 10, 2))
    assert (odoo.stock(INSERTS), odoo.stock(BARS)) == (inserts - 6, bars - 10)


@pytest.mark.parametrize("done", [1, 2, 3])
async def test_completion_that_broke_off_and_is_planned_anew_leaves_components_alone_still(odoo, connector, done):
    """Its picking of the bill of materials' share is not taken for what events have told."""
    inserts = odoo.stock(INSERTS)
    for step in (await connector.plan(pieces(5, 5)))[:done]:
        await connector.execute(step)
    assert not (await connector.lookup(used(6, 6))).is_posted
    await carry(connector, pieces(5, 5))
    assert odoo.stock(INSERTS) == inserts
    for step in (await connector.plan(pieces(5, 10, 2)))[:done]:
        await connector.execute(step)
    await carry(connector, used(6, 6))
    await carry(connector, pieces(5, 10, 2))
    assert odoo.stock(INSERTS) == inserts - 6


async def test_consumption_after_the_last_piece_corrects_what_the_order_took(odoo, connector):
    inserts = odoo.stock(INSERTS)
    await carry(connector, used(3, 3))
    await carry(connector, pieces(40, 40))
    event = used(4, 7, 2)
    assert (await carry(connector, event)).is_posted
    assert await connector.plan(event) == []
    assert odoo.stock(INSERTS) == inserts - 7


async def test_consumption_of_a_completed_order_that_took_none_is_for_a_person(connector):
    await carry(connector, pieces(40, 40))
    with pytest.raises(BusinessError, match="unlock the order"):
        await connector.plan(used(3, 3))


@pytest.mark.parametrize("mode", ["drop_after_commit", "500"])
async def test_consumption_whose_answer_is_lost_is_set_once(odoo, connector, mode):
    await carry(connector, used(2, 2))
    event = used(3, 5, 2)
    steps = list(await connector.plan(event))
    await odoo.fail(mode, match="stock.move/write")
    with pytest.raises(UnknownOutcome if mode == "drop_after_commit" else TransientError):
        await connector.execute(steps[0])
    assert (await resume(connector, event, steps, 0)).is_posted
    await carry(connector, pieces(40, 40))
    assert odoo.stock(INSERTS) == 5000 - 5


async def test_consumption_that_a_person_changed_waits_for_a_person(odoo, connector):
    await carry(connector, used(3, 3))
    [move] = odoo.call("stock.move/search_read", domain=[["picked", "=", True]], fields=["quantity"])
    odoo.call("stock.move/write", ids=[move["id"]], vals={"quantity": 2})
    with pytest.raises(BusinessError, match="2 of INS-12 consumed, neither the 3 before"):
        await connector.plan(used(4, 7, 2))


async def test_item_that_the_bill_of_materials_takes_is_not_consumed_by_events_too(connector):
    for question in (connector.plan(used(3, 3, item="BAR-60")), connector.lookup(used(3, 3, item="BAR-60"))):
        with pytest.raises(BusinessError, match="consumed twice: name the item in the connector's consumed_by_events"):
            await question


async def test_item_that_odoo_does_not_know_is_told_before_anything_is_posted(odoo):
    async with Odoo19(odoo.settings(consumed_by_events=["INS-12", "GADGET"])) as connector:
        [problem] = await connector.check_master_data([])
        assert problem.field == "consumed_by_events.GADGET"
        with pytest.raises(BusinessError, match="GADGET, which consumed_by_events names"):
            await connector.plan(pieces(3, 3))


async def test_item_that_is_no_component_of_the_order_is_for_a_person(odoo):
    async with Odoo19(odoo.settings(consumed_by_events=["HSG-L2"])) as connector:
        with pytest.raises(BusinessError, match="no component of the order in Odoo: add it there"):
            await connector.plan(used(3, 3, item="HSG-L2"))


async def test_bill_of_materials_that_blocks_other_consumption_than_its_own_is_respected(odoo, connector):
    await odoo.write("mrp.production", 1, {"consumption": "strict"})
    for event in (used(3, 3), pieces(5, 5), confirmed(5)):
        with pytest.raises(BusinessError, match="blocks any other consumption"):
            await connector.plan(event)
    async with Odoo19(odoo.settings(consumed_by_events=[])) as backflushing:
        assert (await carry(backflushing, pieces(5, 5))).is_posted


async def test_everything_is_taken_by_the_bill_of_materials_where_nothing_else_is_configured(odoo):
    inserts, bars = odoo.stock(INSERTS), odoo.stock(BARS)
    async with Odoo19(odoo.settings(consumed_by_events=[])) as connector:
        steps = list(await connector.plan(pieces(5, 5)))
        assert [step.name for step in steps] == ["write quantity", "pick components", "mark done"]
        assert "skip_consumption" not in steps[-1].body["context"]
        assert (await carry(connector, pieces(5, 5))).is_posted
        assert (await carry(connector, pieces(35, 40, 2))).is_posted
    assert (odoo.stock(INSERTS), odoo.stock(BARS)) == (inserts - 40, bars - 40)


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (used(3, 3, lot="L-1"), "L-1"),
        (used(3, 3, location="QA"), "WH/Quarantine"),
        (replace(used(3, 3), uom="kg"), "counts in kg"),
    ],
)
async def test_consumption_that_odoo_would_book_otherwise_is_refused(odoo, event, told):
    async with Odoo19(odoo.settings(locations={"QA": "WH/Quarantine"})) as connector:
        with pytest.raises(BusinessError, match=told):
            await connector.plan(event)


async def test_consumption_of_what_odoo_tracks_is_refused(odoo, connector):
    await odoo.write("product.product", INSERTS, {"tracking": "lot"})
    with pytest.raises(BusinessError, match="tracks INS-12 by lot"):
        await connector.plan(used(3, 3))


async def test_component_that_was_scrapped_is_not_consumed(odoo, connector):
    what = {"product_id": INSERTS, "scrap_qty": 7, "production_id": 1, "origin": "by hand"}
    odoo.call("stock.scrap/action_validate", ids=odoo.call("stock.scrap/create", vals_list=[what]))
    assert (await carry(connector, used(3, 3))).is_posted


# Confirmations


async def test_confirmations_complete_the_order_in_parts_and_the_final_one_closes_it(odoo, connector):
    events = [confirmed(5, 0, 1), confirmed(7, 2, 2, reason="crack"), confirmed(3, 0, 3, final=True)]
    documents = set()
    for event in events:
        found = await carry(connector, event)
        assert found.is_posted
        assert await connector.plan(event) == []
        documents.add(found.external_id)
    assert len(documents) == 3
    assert states(odoo) == [("done", 5.0), ("done", 7.0), ("done", 3.0)]
    assert (await odoo.truth())["scrap_posted"] == 2
    [order] = [order for order in await connector.read_orders(None) if order.number == ORDER]
    assert order.state == "done"
    totals = (await connector.read_totals([ORDER]))[ORDER]
    assert (totals.good, totals.scrap) == (15, 2)
    for event in events:
        assert (await connector.lookup(event)).is_posted


async def test_confirmation_is_noted_where_people_find_it(odoo, connector):
    event = confirmed(5, 2, reason="crack", segment="0010")
    await carry(connector, event)
    [note] = odoo.call("mail.message/search_read", domain=[["res_id", "=", 1]], fields=["body"])
    assert note["body"] == (
        f"amor confirmation {event.event_id}: operation 0010, yield 5, scrap 2 (crack), {EQUIPMENT}, "
        "2026-07-01T12:00:00+00:00 to 2026-07-01T13:00:00+00:00"
    )


@pytest.mark.parametrize("mode", ["drop_after_commit", "500"])
async def test_confirmation_that_breaks_off_at_any_step_is_booked_once(odoo, connector, mode):
    for number in range(1, 13):
        order = f"MES-{number:04}"
        event = confirmed(5, 2, order=order, final=True)
        steps = list(await connector.plan(event))
        if number > len(steps):
            break
        for step in steps[: number - 1]:
            await connector.execute(step)
        await odoo.fail(mode, match=steps[number - 1].call)
        done = number - 1
        with suppress(TransientError, UnknownOutcome):
            await connector.execute(steps[number - 1])
            done = number
        odoo.failures.clear()
        assert (await resume(connector, event, steps, done)).is_posted
        assert await odoo.good_posted(order) == 5
        assert (await connector.read_totals([order]))[order].scrap == 2
        assert states(odoo, order) == [("done", 5.0)]
    else:
        pytest.fail("there are more steps than orders")


async def test_confirmation_whose_completion_comes_late_is_booked_once(odoo):
    async with Odoo19(odoo.settings(timeout_s=0.2)) as impatient, Odoo19(odoo.settings(timeout_s=30)) as connector:
        event = confirmed(5)
        steps = list(await connector.plan(event))
        for step in steps[:-1]:
            await connector.execute(step)
        await odoo.fail("slow", match="button_mark_done", seconds=1)
        with pytest.raises(UnknownOutcome):
            await impatient.execute(steps[-1])
        assert not (await connector.lookup(event)).is_posted
        again = list(await connector.plan(event))
        await odoo.idle()  # the first one is done before the second is sent
        for step in again[:-1]:
            await connector.execute(step)
        with pytest.raises(TransientError, match="done meanwhile"):
            await connector.execute(again[-1])
        assert (await resume(connector, event, again, 0)).is_posted
    assert states(odoo) == [("done", 5.0), ("confirmed", 0.0)]


async def test_confirmation_that_claimed_and_came_to_nothing_does_not_own_what_the_next_one_makes(odoo, connector):
    first, second = confirmed(5, 0, 1), confirmed(5, 0, 2)
    await connector.execute((await connector.plan(first))[0])
    await carry(connector, second)
    assert not (await connector.lookup(first)).is_posted
    assert (await carry(connector, first)).is_posted
    assert await odoo.good_posted(ORDER) == 10


async def test_claimed_production_that_a_person_completed_otherwise_is_for_a_person(odoo, connector):
    event = confirmed(5)
    await connector.execute((await connector.plan(event))[0])
    odoo.call("mrp.production/button_mark_done", ids=[1], context={"skip_backorder": True})
    with pytest.raises(BusinessError, match="completed with 40"):
        await connector.lookup(event)


async def test_final_confirmation_without_yield_closes_what_is_open(odoo, connector):
    await carry(connector, confirmed(5))
    event = confirmed(0, 0, 2, final=True)
    for step in [*await connector.plan(event)] * 2:
        await connector.execute(step)
    assert (await connector.verify(event)).is_posted
    assert states(odoo) == [("done", 5.0), ("cancel", 0.0)]


async def test_final_confirmation_closes_what_a_person_split_off_too(odoo, connector):
    await carry(connector, confirmed(5))
    [twin] = odoo.call(
        "mrp.production/create", vals_list=[{"origin": ORDER, "product_id": GOODS, "bom_id": 1, "product_qty": 3}]
    )
    odoo.call("mrp.production/action_confirm", ids=[twin])
    event = confirmed(4, 1, 2, final=True)
    assert (await carry(connector, event)).is_posted
    assert await connector.plan(event) == []
    assert states(odoo) == [("done", 5.0), ("done", 4.0), ("cancel", 0.0)]


async def test_order_that_made_nothing_is_closed_with_its_scrap(odoo, connector):
    event = confirmed(0, 3, final=True)
    assert (await carry(connector, event)).is_posted
    assert await connector.plan(event) == []
    assert states(odoo) == [("cancel", 0.0)]
    assert (await connector.read_totals([ORDER]))[ORDER].scrap == 3


async def test_order_with_consumption_of_pieces_that_never_came_is_not_cancelled(connector):
    await carry(connector, used(3, 3))
    with pytest.raises(BusinessError, match="components are booked as consumed"):
        await connector.plan(confirmed(0, 0, final=True))


async def test_confirmation_that_says_nothing_is_refused(connector):
    with pytest.raises(BusinessError, match="confirms nothing"):
        await connector.plan(confirmed(0, 0))


async def test_of_several_operations_only_the_last_ones_confirmation_makes_pieces(odoo, connector):
    for number, name in ((1, "Turning"), (2, "Inspection")):
        odoo.add("mrp.workorder", {"name": name, "production_id": 1, "sequence": number})
    await odoo.write("mrp.production", 1, {"workorder_ids": [1, 2]})
    with pytest.raises(BusinessError, match=r"Turning is not the last one \(Inspection\)"):
        await connector.plan(confirmed(5, segment="Turning"))
    assert (await carry(connector, confirmed(5, segment="Inspection"))).is_posted


async def test_confirmation_of_a_tracked_product_is_refused(odoo, connector):
    await odoo.write("product.product", GOODS, {"tracking": "lot"})
    with pytest.raises(BusinessError, match="tracked by lot"):
        await connector.plan(confirmed(5))


# Lots and serial numbers


# What Odoo tells


@pytest.mark.parametrize("origin", ["MES-0001", False])
async def test_order_is_told_whole_though_only_its_last_part_changed(odoo, connector, origin):
    """By its origin; without one by its name, which Odoo numbers with every part."""
    odoo.write_now("mrp.production", 1, {"origin": origin})
    number = origin or "WH/MO/00001"
    for sequence, total in ((1, 5), (2, 10)):
        await carry(connector, pieces(5, total, sequence, number))
    long_ago = AT - timedelta(days=9)
    for part in odoo.call("mrp.production/search_read", domain=[["state", "=", "done"]], fields=[]):
        odoo.write_now("mrp.production", part["id"], {}, long_ago)
    for since in (None, AT):
        [order] = [order for order in await connector.read_orders(since) if order.number == number]
        assert (order.quantity, order.external_id, order.state) == (40, "1", "released")
