"""What SAP takes back: confirmations whole and in part, and what breaks in between."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from bridge.erp.connector import OrderTotals
from bridge.erp.sap_s4 import SapS4
from bridge.errors import BusinessError, UnknownOutcome
from tests.contract.sap_s4.sap_scenes import performed, scrap_in, scrapped, taken_back
from tests.contract.scenes import ORDER, carry, resume, wire
from tests.faulty_proxy import FaultyProxy


async def test_closed_period_of_a_partial_reversal_is_posted_today_at_both_steps(sap):
    scrap = scrapped(4, 4)
    async with SapS4(sap.settings(closed_period="today")) as connector:
        await carry(connector, scrap)
        sap.system.business.closed_before = date(2026, 7, 2)
        assert (await carry(connector, taken_back(scrap, 1, 1))).is_posted
    days = [booking.posting_date for booking in sap.system.business.bookings]
    assert days[1:] == [datetime.now(UTC).date()] * 2


async def test_scrap_whose_predecessor_is_missing_is_for_a_person(connector):
    with pytest.raises(BusinessError, match="0 PC posted, and 4 PC came before"):
        await connector.plan(scrapped(2, 6, 2))


async def test_whole_confirmation_that_is_taken_back_is_cancelled_and_nothing_else(connector, sap):
    scrap = scrapped(4, 4)
    await carry(connector, scrap)
    (step,) = await connector.plan(taken_back(scrap, 4, 4))
    assert step.name == "cancel confirmation"
    assert (await carry(connector, taken_back(scrap, 4, 4))).is_posted
    assert await scrap_in(sap) == 0
    assert await connector.plan(taken_back(scrap, 4, 4)) == []
    assert (await connector.lookup(scrap)).is_posted


async def test_parts_of_a_confirmation_are_taken_back_by_cancelling_it_and_confirming_the_rest(connector, sap):
    scrap = scrapped(4, 4)
    await carry(connector, scrap)
    for sequence, (quantity, cumulative, left) in enumerate([(1, 1, 3), (2, 3, 1), (1, 4, 0)], start=1):
        back = taken_back(scrap, quantity, cumulative, sequence)
        assert not (await connector.lookup(back)).is_posted
        steps = await connector.plan(back)
        assert [step.name for step in steps] == ["cancel confirmation", "confirm the rest"][: 2 if left else 1]
        assert (await carry(connector, back)).is_posted
        assert await scrap_in(sap) == left
        assert await connector.plan(back) == []
    reasons = {booking.fields["VarianceReasonCode"] for booking in sap.system.business.bookings}
    assert reasons == {"SURF"}


async def test_later_scrap_is_posted_although_a_part_of_an_earlier_one_was_taken_back(connector, sap):
    scrap = scrapped(4, 4)
    await carry(connector, scrap)
    await carry(connector, taken_back(scrap, 1, 1))
    assert (await carry(connector, scrapped(2, 6, 2))).is_posted
    assert await scrap_in(sap) == 5
    assert (await connector.read_totals([ORDER]))[ORDER].scrap == 5


@pytest.mark.parametrize("mode", ["drop_before_commit", "drop_after_commit"])
@pytest.mark.parametrize("broken", [0, 1])
async def test_partial_reversal_that_breaks_at_either_step_is_carried_out_once(sap, broken, mode):
    scrap = scrapped(4, 4)
    back = taken_back(scrap, 1, 1)
    async with FaultyProxy.before(sap.port) as proxy, SapS4(sap.settings(url=proxy.url, timeout_s=30)) as connector:
        await carry(connector, scrap)
        steps = await connector.plan(back)
        for step in steps[:broken]:
            await connector.execute(step)
        proxy.fail(mode, wire(steps[broken].call))
        with pytest.raises(UnknownOutcome):
            await connector.execute(steps[broken])
        assert (await resume(connector, back, steps, broken)).is_posted
        assert await scrap_in(sap) == 3
        posts = {name: count for name, count in proxy.requests.items() if name.startswith("POST")}
        assert sorted(posts.values()) == [1, 2], "one cancellation; the scrap and its rest"


async def test_rest_that_the_order_would_not_take_keeps_the_confirmation_from_being_cancelled(connector, sap):
    scrap = scrapped(4, 4)
    await carry(connector, scrap)
    sap.system.business.orders[ORDER].state = "done"
    with pytest.raises(BusinessError, match="done"):
        await connector.plan(taken_back(scrap, 1, 1))
    assert await scrap_in(sap) == 4
    assert (await carry(connector, taken_back(scrap, 4, 4))).is_posted


async def test_reversal_whose_predecessor_is_missing_and_one_of_nothing_are_for_a_person(connector, sap):
    scrap = scrapped(4, 4)
    with pytest.raises(BusinessError, match="SAP has no confirmation of the event"):
        await connector.plan(taken_back(scrap, 1, 1))
    await carry(connector, scrap)
    with pytest.raises(BusinessError, match=r"1 of the event .* before this reversal"):
        await connector.plan(taken_back(scrap, 2, 3, 2))
    assert await scrap_in(sap) == 4


async def test_confirmation_that_a_person_cancelled_is_not_cancelled_again(connector, sap):
    scrap = scrapped(4, 4)
    await carry(connector, scrap)
    sap.system.business.reverse(sap.system.business.bookings[0], "", date(2026, 7, 1))
    with pytest.raises(BusinessError, match="cancelled in SAP already"):
        await connector.plan(taken_back(scrap, 1, 1))


async def test_yield_that_is_taken_back_in_part_stays_the_final_confirmation_that_it_was(connector, sap):
    event = performed(7, 0, is_final=True)
    await carry(connector, event)
    _, rest = await connector.plan(taken_back(event, 2, 2))
    assert rest.body["json"]["IsFinalConfirmation"] is True
    await carry(connector, taken_back(event, 2, 2))
    assert (await connector.read_totals([ORDER]))[ORDER].good == 5


async def test_part_of_yield_and_scrap_together_is_for_a_person_and_the_whole_is_not(connector, sap):
    event = performed(7, 2)
    await carry(connector, event)
    with pytest.raises(BusinessError, match="which of them nothing says"):
        await connector.plan(taken_back(event, 2, 2))
    assert (await carry(connector, taken_back(event, 9, 9))).is_posted
    assert (await connector.read_totals([ORDER]))[ORDER] == OrderTotals(Decimal(0), Decimal(0))
