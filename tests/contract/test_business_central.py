"""What is Business Central's own, beyond what every connector promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from bridge.erp.business_central import BusinessCentral
from bridge.errors import BusinessError, UnknownOutcome
from bridge.model.production import ProductionPerformance, Reversal, event_id
from tests.contract.scenes import AT, EQUIPMENT, ORDER, carry, pieces
from tests.erp_systems.business_central import SimulatedBusinessCentral


@pytest.fixture
async def bc():
    async with SimulatedBusinessCentral() as running:
        yield running


@pytest.fixture
async def connector(bc):
    async with BusinessCentral(bc.settings()) as connector:
        yield connector


async def test_token_that_expires_between_two_steps_is_renewed(connector, bc):
    enter, post = await connector.plan(pieces(3, 3))
    await connector.execute(enter)
    bc.system.expire_tokens()
    await connector.execute(post)
    assert (await connector.verify(pieces(3, 3))).is_posted


async def test_line_that_is_entered_again_stays_one_line(connector, bc):
    enter, post = await connector.plan(pieces(3, 3))
    for step in (enter, enter, post):
        await connector.execute(step)
    assert await bc.good_posted(ORDER) == 3
    assert (await bc.truth())["journal_lines"] == 0


async def test_line_of_an_event_that_a_person_corrected_is_brought_up_to_date(connector, bc):
    enter, _ = await connector.plan(pieces(3, 3))
    await connector.execute(enter)
    corrected = replace(pieces(3, 3), quantity=Decimal(2), cumulative=Decimal(2))
    assert (await carry(connector, corrected)).is_posted
    assert await bc.good_posted(ORDER) == 2


async def test_posting_a_line_that_is_gone_is_unclear_and_lookup_tells(connector, bc):
    enter, post = await connector.plan(pieces(3, 3))
    await connector.execute(enter)
    await connector.execute(post)
    with pytest.raises(UnknownOutcome):
        await connector.execute(post)
    assert (await connector.lookup(pieces(3, 3))).is_posted
    assert await bc.good_posted(ORDER) == 3


async def test_closed_period_is_posted_today_where_that_is_configured(bc):
    bc.system.business.closed_before = date(2026, 7, 2)
    async with BusinessCentral(bc.settings(closed_period="today")) as connector:
        assert (await carry(connector, pieces(3, 3))).is_posted
    assert bc.system.business.bookings[0].posting_date == datetime.now(UTC).date()


async def test_reversal_is_applied_to_the_entry_of_its_event(connector, bc):
    good = pieces(5, 5)
    entry = (await carry(connector, good)).external_id
    back = Reversal(event_id("t", "back", 1), ORDER, 2, AT, Decimal(2), Decimal(2), "late", good)
    enter, _ = await connector.plan(back)
    assert (str(enter.body["json"]["appliesToEntry"]), enter.body["json"]["outputQuantity"]) == (entry, -2)
    assert (await carry(connector, back)).is_posted
    assert await bc.good_posted(ORDER) == 3


async def test_reversal_of_yield_and_scrap_together_is_for_a_person(connector):
    both = ProductionPerformance(event_id("t", "p", 1), ORDER, 1, "", AT, AT, Decimal(7), Decimal(2), "1", EQUIPMENT)
    await carry(connector, both)
    back = Reversal(event_id("t", "back", 1), ORDER, 2, AT, Decimal(2), Decimal(2), "late", both)
    with pytest.raises(BusinessError, match="which of them"):
        await connector.plan(back)


async def test_order_that_was_shipped_keeps_its_number_when_it_is_invoiced_and_gone(connector, bc):
    before = {one.number: one for one in await connector.read_shipments(None)}
    waiting = next(one for one in bc.system.business.shipments if one.shipped_at is None)
    assert before[waiting.order_ref].shipped_at is None
    waiting.shipped_at = waiting.changed_at = datetime.now(UTC)
    after = {one.number: one for one in await connector.read_shipments(None)}
    assert after.keys() == before.keys()
    assert after[waiting.order_ref].shipped_at is not None
