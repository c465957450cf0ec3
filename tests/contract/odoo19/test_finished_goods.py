"""What is Odoo's own, beyond what every connector promises: completions, scrap, what people do there beside us."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations

import pytest

from bridge.erp.connector import OrderTotals, Place, Step
from bridge.erp.odoo19 import Odoo19
from bridge.errors import BusinessError, TransientError, UnknownOutcome
from bridge.model.production import Disposition, MaterialActual, RequestState, Reversal, WorkRequest, event_id
from tests.contract.odoo19.odoo_scenes import BARS, GOODS, INSERTS
from tests.contract.scenes import carry, resume

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
EVENT = MaterialActual(event_id("test", "MES-0001", 1), "MES-0001", 1, AT, Decimal(3), Decimal(3), "1", "acme/a")


def back(quantity=2, event=EVENT, sequence=1, cumulative=None):
    number = Decimal(quantity)
    total = number if cumulative is None else Decimal(cumulative)
    fact = event_id("test", "back", sequence)
    return Reversal(fact, event.order_ref, sequence, AT, number, total, "crack", event)


async def taken_back(connector, quantity=2):
    """Three pieces are posted; the reversal of some of them, and its steps."""
    await carry(connector, EVENT)
    reversal = back(quantity)
    return reversal, list(await connector.plan(reversal))


async def scrapped(odoo):
    return (await odoo.truth())["scrap_posted"]


@pytest.mark.parametrize(("missing", "wizard"), [("skip_backorder", "backorder"), ("skip_consumption", "consumption")])
async def test_wizard_that_asks_a_person_is_no_success(connector, missing, wizard):
    *before, last = await connector.plan(EVENT)
    for step in before:
        await connector.execute(step)
    context = {name: value for name, value in last.body["context"].items() if name != missing}
    with pytest.raises(BusinessError, match=wizard):
        await connector.execute(Step(last.name, last.call, {**last.body, "context": context}, is_repeatable=False))
    assert not (await connector.lookup(EVENT)).is_posted


@pytest.mark.parametrize("quantity", [3, 40])
async def test_completion_that_is_sent_twice_to_one_production_books_once(odoo, connector, quantity):
    """The fence behind the lookup: a request that was still on its way when it was sent again cannot double."""
    event = replace(EVENT, quantity=Decimal(quantity), cumulative=Decimal(quantity))
    steps = list(await connector.plan(event))
    for step in steps:
        await connector.execute(step)
    for step in steps[:-1]:
        await connector.execute(step)
    if quantity == 40:
        await connector.execute(steps[-1])
    else:  # its backorder would have nothing to make; nobody has to be asked because of that
        with pytest.raises(TransientError, match="done meanwhile"):
            await connector.execute(steps[-1])
    assert (await connector.verify(event)).is_posted
    assert await odoo.good_posted("MES-0001") == quantity
    assert {order.number: order for order in await connector.read_orders(None)}["MES-0001"].quantity == 40


async def test_completion_that_comes_with_something_to_print_is_one(odoo, connector):
    """An operation type that prints answers with an action, though the order is done."""
    odoo.write_now("mrp.production", 1, {"prints_when_done": True})
    assert (await carry(connector, EVENT)).is_posted
    assert await odoo.good_posted("MES-0001") == 3


async def test_scrap_whose_validation_is_sent_again_is_posted_once(odoo, connector):
    reversal, steps = await taken_back(connector)
    for step in [*steps, *steps, *steps]:
        await connector.execute(step)
    assert (await connector.verify(reversal)).is_posted
    assert await connector.plan(reversal) == []
    assert await scrapped(odoo) == 2
    assert len(odoo.call("stock.scrap/search_read", domain=[], fields=[])) == 1, "no draft is left behind"


async def test_scrap_whose_validation_is_still_on_its_way_when_it_is_given_up_is_posted_once(odoo):
    """Odoo carries out the first validation after the second attempt began: its draft is gone by then."""
    async with Odoo19(odoo.settings(timeout_s=0.2)) as impatient, Odoo19(odoo.settings(timeout_s=30)) as connector:
        reversal, _ = await taken_back(connector)
        steps = list(await impatient.plan(reversal))
        for step in steps[:-1]:
            await impatient.execute(step)
        await odoo.fail("slow", match="action_validate", seconds=1)
        with pytest.raises(UnknownOutcome):
            await impatient.execute(steps[-1])
        again = list(await connector.plan(reversal))
        assert [step.name for step in again] == ["discard draft", "draft scrap", "validate scrap"]
        for step in again:
            await connector.execute(step)
        await odoo.idle()
        assert (await connector.verify(reversal)).is_posted
    assert await scrapped(odoo) == 2


async def test_validation_is_sent_once_by_the_attempt_that_made_the_draft_and_by_no_other(odoo, connector):
    reversal, steps = await taken_back(connector)
    for step in steps[:-1]:
        await connector.execute(step)
    async with Odoo19(odoo.settings()) as other:  # as a relay that takes over what it did not begin
        with pytest.raises(TransientError, match="planning again"):
            await other.execute(steps[-1])
    assert await scrapped(odoo) == 0
    await odoo.fail("500", match="action_validate")
    with pytest.raises(TransientError):
        await connector.execute(steps[-1])
    with pytest.raises(TransientError, match="planning again"):
        await connector.execute(steps[-1])
    assert (await resume(connector, reversal, steps, 2)).is_posted
    assert await scrapped(odoo) == 2


class Turnstile:
    """Lets the requests of a connector through one by one, when it is its turn; all of them while it stands open."""

    def __init__(self, connector, monkeypatch):
        self.stands_open = True
        self._turns, self._over = asyncio.Queue(), asyncio.Event()
        call = connector._client.call

        async def in_turn(*arguments, **options):
            if not self.stands_open:
                await self._turns.get()
            try:
                return await call(*arguments, **options)
            finally:
                self._over.set()

        monkeypatch.setattr(connector._client, "call", in_turn)

    async def turn(self, task):
        """Until one request more was answered, or the task needs no more."""
        self._over.clear()
        self._turns.put_nowait(None)
        over = asyncio.create_task(self._over.wait())
        await asyncio.wait([over, task], return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        while task.done() and not self._turns.empty():
            self._turns.get_nowait()


async def attempt(connector, steps):
    with suppress(TransientError):
        for step in steps:
            await connector.execute(step)


async def at_once(relays, turnstiles, plans, order):
    """Both carry out their plans, a request each in this order, and then in turn."""
    for turnstile in turnstiles:
        turnstile.stands_open = False
    tasks = [asyncio.create_task(attempt(relay, steps)) for relay, steps in zip(relays, plans, strict=True)]
    for who in order + [0, 1] * 6:
        if not tasks[who].done():
            await turnstiles[who].turn(tasks[who])
    await asyncio.wait_for(asyncio.gather(*tasks), 10)
    for turnstile in turnstiles:
        turnstile.stands_open = True


@pytest.mark.parametrize("left_behind", [0, 1])
async def test_two_attempts_at_one_scrap_at_the_same_time_post_it_once(odoo, monkeypatch, left_behind):
    """However the requests of two relays fall between each other: every order of four of each, then each goes on as after a failure."""
    made = replace(EVENT, quantity=Decimal(40), cumulative=Decimal(40))
    share = Decimal("0.5")
    async with Odoo19(odoo.settings()) as first, Odoo19(odoo.settings()) as second:
        relays = (first, second)
        turnstiles = [Turnstile(relay, monkeypatch) for relay in relays]
        await carry(first, made)
        for number, turns_of_second in enumerate(combinations(range(8), 4), start=1):
            reversal = back(share, made, number, number * share)
            plans = [list(await relay.plan(reversal)) for relay in relays]
            if left_behind:
                odoo.call("stock.scrap/create", vals_list=plans[0][1].body["vals_list"])
            order = [int(turn in turns_of_second) for turn in range(8)]
            await at_once(relays, turnstiles, plans, order)
            for relay in relays:
                assert (await resume(relay, reversal, [], 0)).is_posted
            assert await scrapped(odoo) == float(number * share), order


async def test_draft_whose_validation_won_is_not_deleted_and_not_validated_again(odoo, connector):
    reversal, steps = await taken_back(connector)
    for step in steps[:-1]:
        await connector.execute(step)
    again = list(await connector.plan(reversal))  # sees the draft
    await connector.execute(steps[-1])  # ... which is validated meanwhile
    for step in again:
        await connector.execute(step)
    assert (await connector.lookup(reversal)).is_posted
    assert await scrapped(odoo) == 2


async def test_draft_that_somebody_deleted_is_made_again(odoo, connector):
    reversal, steps = await taken_back(connector)
    for step in steps[:-1]:
        await connector.execute(step)
    [draft] = odoo.call("stock.scrap/search_read", domain=[["state", "=", "draft"]], fields=[])
    odoo.call("stock.scrap/unlink", ids=[draft["id"]])
    with pytest.raises(TransientError):
        await connector.execute(steps[-1])
    assert (await resume(connector, reversal, steps, 2)).is_posted
    assert await scrapped(odoo) == 2


async def test_scrap_that_odoo_asks_a_person_about_is_for_a_person(odoo, connector):
    reversal, steps = await taken_back(connector)
    for step in steps[:-1]:
        await connector.execute(step)
    everything = {"product_id": GOODS, "scrap_qty": odoo.stock(GOODS), "origin": "by hand"}
    odoo.call("stock.scrap/action_validate", ids=odoo.call("stock.scrap/create", vals_list=[everything]))
    with pytest.raises(BusinessError, match="Insufficient"):
        await connector.execute(steps[-1])
    assert not (await connector.lookup(reversal)).is_posted


async def test_scrap_takes_the_components_and_no_finished_goods(odoo):
    event = replace(EVENT, disposition=Disposition.SCRAP, reason="porosity")
    before = [odoo.stock(product) for product in (GOODS, BARS, INSERTS)]
    async with Odoo19(odoo.settings(reasons={"porosity": "crack"})) as connector:
        for step in [*await connector.plan(event)] * 2:
            await connector.execute(step)
        assert (await connector.verify(event)).is_posted
    # The inserts are what consumption events tell of, those of the scrapped pieces too.
    assert [odoo.stock(product) for product in (GOODS, BARS, INSERTS)] == [before[0], before[1] - 3, before[2]]
    [document] = odoo.call("stock.scrap/search_read", domain=[], fields=["scrap_reason_tag_ids", "origin"])
    assert document["scrap_reason_tag_ids"] == [2]
    assert document["origin"] == f"MES-0001 amor {event.event_id} component {BARS} of 3"


async def test_component_that_stands_twice_in_the_bill_of_materials_is_scrapped_with_both(odoo, connector):
    odoo.write_now("mrp.bom.line", 2, {"product_id": BARS, "product_qty": 0.5})
    before = odoo.stock(BARS)
    event = replace(EVENT, disposition=Disposition.SCRAP, quantity=Decimal(2), cumulative=Decimal(2))
    assert (await carry(connector, event)).is_posted
    assert odoo.stock(BARS) == before - 3


async def test_scrap_of_an_order_whose_components_are_all_told_of_by_events_is_refused(odoo):
    event = replace(EVENT, disposition=Disposition.SCRAP)
    async with Odoo19(odoo.settings(consumed_by_events=["BAR-60", "INS-12"])) as connector:
        with pytest.raises(BusinessError, match="consumption events take"):
            await connector.plan(event)


async def test_factor_of_an_item_is_applied_and_one_that_does_not_come_out_is_refused(odoo):
    items = {"HSG": {"code": "HSG-L1", "uom": "Units", "numerator": 2}}
    async with Odoo19(odoo.settings(items=items)) as connector:
        assert (await carry(connector, EVENT)).is_posted
    assert await odoo.good_posted("MES-0001") == 6
    items = {"HSG": {"code": "HSG-L1", "uom": "Units", "denominator": 7}}
    async with Odoo19(odoo.settings(items=items)) as connector:
        with pytest.raises(BusinessError, match="does not fit"):
            await connector.plan(EVENT)


@pytest.mark.parametrize(("digits", "fits"), [(2, False), (3, True)])
async def test_digits_are_those_that_odoo_keeps(odoo, digits, fits):
    odoo.write_now("decimal.precision", 1, {"digits": digits})
    event = replace(EVENT, quantity=Decimal("0.125"), cumulative=Decimal("0.125"))
    async with Odoo19(odoo.settings()) as connector:
        if fits:
            assert (await carry(connector, event)).is_posted
            return
        with pytest.raises(BusinessError, match="2 digits"):
            await connector.plan(event)


async def test_pieces_for_another_place_than_the_orders_are_refused(odoo):
    async with Odoo19(odoo.settings(locations={"FG": "WH/Stock", "QA": "WH/Quarantine"})) as connector:
        with pytest.raises(BusinessError, match="WH/Quarantine"):
            await connector.plan(replace(EVENT, location="QA"))
        assert (await carry(connector, replace(EVENT, location="FG"))).is_posted


async def test_more_than_is_in_stock_is_not_scrapped(connector):
    await carry(connector, EVENT)
    with pytest.raises(BusinessError, match="in stock"):
        await connector.plan(back(100_000))


async def test_totals_are_net_of_what_people_scrapped_and_unbuilt(odoo, connector):
    await carry(connector, EVENT)
    await carry(connector, replace(EVENT, event_id=event_id("t", "2", 2), cumulative=Decimal(6)))
    assert await connector.read_totals(["MES-0001"]) == {"MES-0001": OrderTotals(Decimal(6), Decimal(0))}
    await carry(connector, back(2))
    assert await connector.read_totals(["MES-0001"]) == {"MES-0001": OrderTotals(Decimal(4), Decimal(0))}
    by_hand = {"product_id": GOODS, "scrap_qty": 1, "production_id": 1, "origin": "WH/MO/00001"}
    drafts = [by_hand, {**by_hand, "scrap_qty": 7}, {**by_hand, "product_id": BARS, "scrap_qty": 5}]
    first, _, bars = odoo.call("stock.scrap/create", vals_list=drafts)
    odoo.call("stock.scrap/action_validate", ids=[first])
    odoo.call("stock.scrap/action_validate", ids=[bars])
    assert await connector.read_totals(["MES-0001"]) == {"MES-0001": OrderTotals(Decimal(3), Decimal(1))}
    await odoo.cancel_by_hand("MES-0001")
    assert await connector.read_totals(["MES-0001"]) == {"MES-0001": OrderTotals(Decimal(0), Decimal(1))}


async def test_order_without_an_origin_is_posted_to_and_counted_by_its_name(odoo, connector):
    odoo.write_now("mrp.production", 1, {"origin": False})
    order = "WH/MO/00001"
    for sequence in (1, 2):
        fact = event_id("t", order, sequence)
        await carry(connector, replace(EVENT, event_id=fact, order_ref=order, cumulative=Decimal(3 * sequence)))
    assert await connector.read_totals([order, "WH/MO/0000_", "WH/MO/00001-001", ""]) == {
        order: OrderTotals(Decimal(6), Decimal(0))
    }


async def test_stock_is_what_nothing_is_reserved_for(odoo, connector):
    bars = Place("BAR-60", "")
    open_orders = len(odoo.call("mrp.production/search_read", domain=[["state", "=", "confirmed"]], fields=[]))
    assert await connector.read_stock([bars]) == {bars: Decimal(5000 - 40 * open_orders)}
    assert odoo.stock(BARS) == 5000


async def test_load_that_loads_nothing_is_no_success(odoo, connector):
    fields = {"fields": ["id", "name"], "data": [["x.y", 7]]}
    with pytest.raises(BusinessError, match="Invalid value for name"):
        await connector.execute(Step("load request", "maintenance.request/load", fields, is_repeatable=True))


async def test_request_that_is_loaded_twice_is_one_request(odoo, connector):
    event = WorkRequest(event_id("t", "r", 1), 1, "acme/dortmund/machining/line1/cnc1", "VIB", "high", "Hot", "", AT)
    [step] = await connector.plan(event)
    for _ in range(3):
        await connector.execute(step)
    found = await connector.lookup(event)
    [state] = await connector.read_ticket_states(None)
    assert (state.external_id, state.state, state.said) == (found.external_id, RequestState.OPEN, "New Request")
    await odoo.write("maintenance.request", int(found.external_id), {"stage_id": 3})
    [state] = await connector.read_ticket_states(AT)
    assert (state.state, state.said) == (RequestState.DONE, "Repaired")
    await odoo.write("maintenance.request", int(found.external_id), {"archive": True})
    [state] = await connector.read_ticket_states(None)
    assert state.state is RequestState.CANCELLED
    assert await connector.read_ticket_states(datetime.now(UTC) + timedelta(hours=1)) == []
    assert len((await odoo.truth())["maintenance_requests"]) == 1


async def test_order_that_is_cancelled_while_its_pieces_are_on_their_way_has_none_of_them(odoo, connector):
    """Odoo marks a cancelled order done, with nothing made: the answer is true, and the look after it says what is so."""
    *before, last = await connector.plan(EVENT)
    for step in before:
        await connector.execute(step)
    odoo.call("mrp.production/action_cancel", ids=[1])
    await connector.execute(last)
    assert not (await connector.verify(EVENT)).is_posted
    assert await odoo.good_posted("MES-0001") == 0
