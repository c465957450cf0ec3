"""Scrap, consumption and confirmations that are taken back: material goes back once, whatever happens on the way."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from itertools import chain, zip_longest

import pytest

from bridge.erp.odoo19 import Odoo19
from bridge.errors import BusinessError, TransientError
from bridge.model.production import Disposition, Reversal, event_id
from tests.contract.odoo19.odoo_scenes import BARS, GOODS, INSERTS, confirmed, used
from tests.contract.scenes import AT, ORDER, actual, carry, pieces, resume
from tests.faulty_proxy import FaultyProxy

LOST = actual(5, 5, disposition=Disposition.SCRAP, reason="crack")
# What is posted, what of it is taken back, and what that brings back of each product.
CASES = {
    "scrap": (LOST, 2, {BARS: 2}),
    "consumption": (used(6, 6), 4, {INSERTS: 4}),
    "scrap of a confirmation": (confirmed(0, 3), 2, {BARS: 2}),
    "yield of a confirmation": (confirmed(3), 2, {GOODS: -2}),
    "confirmation": (confirmed(3, 2), 5, {GOODS: -3, BARS: 2}),
}
cases = pytest.mark.parametrize("case", CASES)


def back(event, quantity, sequence=1, cumulative=None):
    number = Decimal(quantity)
    total = number if cumulative is None else Decimal(cumulative)
    return Reversal(event_id("t", "back", sequence), ORDER, sequence, AT, number, total, "", event)


class Stock:
    """What of each product came into stock since."""

    def __init__(self, odoo, wanted):
        self._odoo, self._before, self._wanted = odoo, {item: odoo.stock(item) for item in wanted}, wanted

    def is_as_wanted(self):
        return self.changes() == self._wanted

    def changes(self):
        return {item: self._odoo.stock(item) - before for item, before in self._before.items()}


async def posted(odoo, connector, case):
    """The case's posting is carried out; its reversal, and the stock that it must lead to."""
    event, quantity, wanted = CASES[case]
    assert (await carry(connector, event)).is_posted
    return back(event, quantity), Stock(odoo, wanted)


@cases
async def test_what_is_taken_back_goes_back_once_and_is_found(odoo, connector, case):
    reversal, stock = await posted(odoo, connector, case)
    assert not (await connector.lookup(reversal)).is_posted
    steps = list(await connector.plan(reversal))
    found = await carry(connector, reversal)
    assert found.is_posted
    assert stock.is_as_wanted()
    assert (await connector.lookup(reversal)) == found
    assert await connector.plan(reversal) == []
    for step in [*steps, *steps]:  # as requests that were still on their way
        with suppress(TransientError):
            await connector.execute(step)
    assert stock.is_as_wanted()
    assert (await connector.lookup(CASES[case][0])).is_posted, "what was taken back of is there still"


@cases
async def test_end_of_the_relay_at_any_step_brings_back_no_more_and_no_less(odoo, connector, case):
    reversal, stock = await posted(odoo, connector, case)
    steps = list(await connector.plan(reversal))
    for number in range(len(steps)):
        async with Odoo19(odoo.settings()) as ended:
            for step in list(await ended.plan(reversal))[: number + 1]:
                await ended.execute(step)
        if (await connector.lookup(reversal)).is_posted:
            break
    assert (await resume(connector, reversal, steps, 0)).is_posted
    assert stock.is_as_wanted()


@pytest.mark.parametrize("mode", ["drop_after_commit", "drop_before_commit", "500"])
@pytest.mark.parametrize("number", [0, 1, 2])
async def test_answer_that_is_lost_moves_nothing_twice(odoo, mode, number):
    async with FaultyProxy.before(odoo.port) as proxy, Odoo19(odoo.settings(url=proxy.url, timeout_s=30)) as connector:
        reversal, stock = await posted(odoo, connector, "scrap")
        steps = list(await connector.plan(reversal))
        for step in steps[:number]:
            await connector.execute(step)
        proxy.fail(mode, steps[number].call)
        with pytest.raises(TransientError):
            await connector.execute(steps[number])
        assert not proxy.pending
        assert (await resume(connector, reversal, steps, number)).is_posted
    assert stock.is_as_wanted()


@pytest.mark.parametrize("ahead", [0, 1, 2, 3])
async def test_two_relays_at_once_move_it_once(odoo, connector, ahead):
    reversal, stock = await posted(odoo, connector, "scrap")
    async with Odoo19(odoo.settings()) as other:
        ours, theirs = list(await connector.plan(reversal)), list(await other.plan(reversal))
        for step in ours[:ahead]:
            await connector.execute(step)
        turns = zip_longest([(other, step) for step in theirs], [(connector, step) for step in ours[ahead:]])
        for relay, step in filter(None, chain.from_iterable(turns)):
            with suppress(TransientError):
                await relay.execute(step)
        for relay in (connector, other):
            assert (await resume(relay, reversal, [], 0)).is_posted
    assert stock.is_as_wanted()


async def test_parts_are_taken_back_one_after_the_other_and_the_totals_are_net(odoo, connector):
    await carry(connector, pieces(5, 5))
    await carry(connector, LOST)
    stock = Stock(odoo, {BARS: 5})
    for number, (quantity, left) in enumerate([(2, 3), (1, 2), (2, 0)], 1):
        await carry(connector, back(LOST, quantity, number, 5 - left))
        totals = (await connector.read_totals([ORDER]))[ORDER]
        assert (totals.good, totals.scrap) == (5, left)
    assert stock.is_as_wanted()


async def test_consumption_that_was_taken_back_leaves_those_after_it_as_they_are(odoo, connector):
    stock = Stock(odoo, {INSERTS: -7})
    await carry(connector, used(6, 6))
    await carry(connector, back(used(6, 6), 4))
    await carry(connector, used(5, 11, 2))
    await carry(connector, pieces(5, 5))
    await carry(connector, pieces(35, 40, 2))
    assert stock.is_as_wanted()
    assert (await connector.lookup(used(5, 11, 2))).is_posted


async def test_transfer_says_whose_it_is_and_where_it_goes(odoo, connector):
    reversal, _ = await posted(odoo, connector, "scrap")
    found = await carry(connector, reversal)
    [picking] = odoo.call("stock.picking/search_read", domain=[["id", "=", int(found.external_id)]], fields=[])
    assert picking["origin"] == f"{ORDER} amor {reversal.event_id} back 2"
    assert (picking["picking_type_code"], picking["state"]) == ("internal", "done")
    assert (picking["location_id"][1], picking["location_dest_id"][1]) == ("Virtual Locations/Scrap", "WH/Stock")


@cases
async def test_reversal_that_is_there_with_another_quantity_is_not_taken_for_posted(odoo, connector, case):
    reversal, _ = await posted(odoo, connector, case)
    await carry(connector, reversal)
    with pytest.raises(BusinessError, match=r"other pieces|nothing says of which"):
        await connector.lookup(replace(reversal, quantity=Decimal(1), cumulative=Decimal(1)))
    assert (await connector.lookup(reversal)).is_posted


@cases
async def test_what_was_never_posted_is_not_taken_back(odoo, connector, case):
    event, quantity, wanted = CASES[case]
    stock = Stock(odoo, dict.fromkeys(wanted, 0))
    with pytest.raises(BusinessError, match="not in Odoo yet"):
        await connector.plan(back(event, quantity))
    assert stock.is_as_wanted()


async def test_part_of_a_confirmation_of_yield_and_scrap_says_not_of_which(connector):
    await carry(connector, confirmed(3, 2))
    with pytest.raises(BusinessError, match="nothing says of which"):
        await connector.plan(back(confirmed(3, 2), 4))


async def test_what_odoo_tracks_or_keeps_elsewhere_is_moved_back_by_hand(odoo, connector):
    reversal, stock = await posted(odoo, connector, "scrap")
    await odoo.write("product.product", BARS, {"tracking": "lot"})
    with pytest.raises(BusinessError, match=r"tracks .* by lot"):
        await connector.plan(reversal)
    await odoo.write("product.product", BARS, {"tracking": "none"})
    await odoo.write("stock.location", 5, {"warehouse_id": False})
    with pytest.raises(BusinessError, match="WH/Stock is of no warehouse"):
        await connector.plan(reversal)
    assert stock.changes() == {BARS: 0}


async def test_share_that_odoo_cannot_hold_is_refused_and_never_rounded(odoo, connector):
    await odoo.write("mrp.bom.line", 1, {"product_qty": 0.07})
    await carry(connector, LOST)
    with pytest.raises(BusinessError, match="digits"):
        await connector.plan(back(LOST, "0.1"))


async def test_transfer_that_somebody_cancelled_waits_for_a_person(odoo, connector):
    reversal, stock = await posted(odoo, connector, "scrap")
    steps = list(await connector.plan(reversal))
    for step in steps[:-1]:
        await connector.execute(step)
    [picking] = odoo.call("stock.picking/search_read", domain=[["origin", "=like", "%back%"]], fields=["state"])
    assert picking["state"] == "draft"
    odoo.call("stock.picking/action_cancel", ids=[picking["id"]])
    with pytest.raises(BusinessError):
        await connector.execute(steps[-1])
    with pytest.raises(BusinessError, match="operation type"):
        await carry(connector, reversal)
    assert stock.changes() == {BARS: 0}


async def test_transfer_of_a_closed_period_waits_for_a_person(odoo, connector):
    reversal, stock = await posted(odoo, connector, "scrap")
    await odoo.close_period()
    with pytest.raises(BusinessError, match="lock date"):
        await carry(connector, reversal)
    assert stock.changes() == {BARS: 0}
    assert not (await connector.lookup(reversal)).is_posted


@pytest.mark.parametrize(
    "body", [b"false", b'{"res_model": "stock.backorder.confirmation", "name": "Create Backorder?"}']
)
async def test_answer_that_carried_nothing_out_is_no_success(odoo, body):
    async with FaultyProxy.before(odoo.port) as proxy, Odoo19(odoo.settings(url=proxy.url, timeout_s=30)) as connector:
        reversal, stock = await posted(odoo, connector, "scrap")
        steps = list(await connector.plan(reversal))
        for step in steps[:-1]:
            await connector.execute(step)
        proxy.fail("success_without_effect", steps[-1].call, body=body)
        with pytest.raises((TransientError, BusinessError), match=r"true|Create Backorder"):
            await connector.execute(steps[-1])
        assert (await resume(connector, replace(reversal), steps, 2)).is_posted
    assert stock.is_as_wanted()


@pytest.mark.parametrize("times", [1, 2])
async def test_rows_that_collide_with_the_same_rows_on_their_way_are_sent_once_more(odoo, times):
    """Odoo answers the one that comes second with a message and the status 200, and has made the record by the first."""
    body = b'{"ids": false, "messages": [{"type": "error", "message": "already exists"}], "nextrow": 0}'
    async with FaultyProxy.before(odoo.port) as proxy, Odoo19(odoo.settings(url=proxy.url, timeout_s=30)) as connector:
        reversal, stock = await posted(odoo, connector, "scrap")
        load, *rest = await connector.plan(reversal)
        proxy.fail("success_without_effect", load.call, count=times, body=body)
        if times == 1:
            await connector.execute(load)
            for step in rest:
                await connector.execute(step)
            assert stock.is_as_wanted()
        else:
            with pytest.raises(BusinessError, match="loaded nothing: already exists"):
                await connector.execute(load)
        assert not proxy.pending
