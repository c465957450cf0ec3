"""What is ERPNext's own, beyond what every connector promises."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from bridge.erp.connector import Refusal
from bridge.erp.erpnext import ErpNext
from bridge.errors import BusinessError, TransientError
from bridge.model.production import ProductionPerformance, event_id
from tests.contract.scenes import AT, EQUIPMENT, ORDER, carry, pieces, request, resume
from tests.erp_systems.erpnext import SimulatedErpNext


async def test_entry_that_the_site_queues_is_waited_for():
    async with SimulatedErpNext(queues=3) as site, ErpNext(site.settings()) as connector:
        found = await carry(connector, pieces(3, 3))
        assert found.is_posted
        assert await site.good_posted(ORDER) == 3
        assert await connector.lookup(pieces(3, 3)) == found


async def test_entry_that_stays_in_the_queue_is_found_again_and_never_entered_twice():
    async with SimulatedErpNext(queues=1000) as site, ErpNext(site.settings(queue_wait_s=0)) as connector:
        (step,) = await connector.plan(pieces(3, 3))
        await connector.execute(step)
        with pytest.raises(TransientError, match="still a draft") as raised:
            await connector.verify(pieces(3, 3))
        assert isinstance(raised.value.__cause__, Refusal)
        assert raised.value.__cause__.is_own_fault, "so that a person is told in the end"
        assert (await connector.lookup(pieces(3, 3))).steps_done == 1
        assert await connector.plan(pieces(3, 3)) == []
        site.system.drafts.waiting = [(1, draft) for _, draft in site.system.drafts.waiting]
        assert (await resume(connector, pieces(3, 3), [step], 1)).is_posted
        assert await site.good_posted(ORDER) == 3


async def test_second_entry_with_the_same_event_is_refused_by_the_site_and_taken_for_what_it_is():
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        for event in (pieces(3, 3), request()):
            (step,) = await connector.plan(event)
            first, second = await connector.execute(step), await connector.execute(step)
            assert (first.status, second.status) == (200, 409)
        assert await site.good_posted(ORDER) == 3
        assert len((await site.truth())["maintenance_requests"]) == 1


async def test_yield_and_loss_are_one_entry():
    event = ProductionPerformance(event_id("t", "p", 1), ORDER, 1, "", AT, AT, Decimal(7), Decimal(2), "1", EQUIPMENT)
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        (step,) = await connector.plan(event)
        assert (step.body["json"]["fg_completed_qty"], step.body["json"]["process_loss_qty"]) == (9, 2)
        await connector.execute(step)
        truth = await site.truth()
    assert (truth["good_posted_by_origin"][ORDER], truth["scrap_posted_by_origin"][ORDER]) == (7, 2)


async def test_fraction_goes_out_as_the_number_that_it_is_or_not_at_all():
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        await carry(connector, pieces("0.1", "0.1"))
        await carry(connector, pieces("0.2", "0.3", 2))
        assert site.system.business.orders[ORDER].good == Decimal("0.3")
        with pytest.raises(BusinessError):
            await connector.plan(pieces("0.0001", "0.3001", 3))


async def test_messages_of_the_site_are_unwrapped():
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        (step,) = await connector.plan(pieces(3, 3))
        site.system.business.stock["BAR-60"] = Decimal(1)
        with pytest.raises(BusinessError, match="NegativeStockError: 3 of BAR-60 are needed, 1 are there"):
            await connector.execute(step)


async def test_closed_period_is_posted_today_where_that_is_configured():
    async with SimulatedErpNext() as site, ErpNext(site.settings(closed_period="today")) as connector:
        site.system.business.closed_before = date(2026, 7, 2)
        assert (await carry(connector, pieces(3, 3))).is_posted
        assert site.system.business.bookings[0].posting_date == datetime.now(UTC).date()


async def test_times_of_the_site_are_those_of_its_zone():
    async with SimulatedErpNext() as site, ErpNext(site.settings(time_zone="Europe/Berlin")) as connector:
        (order, *_) = await connector.read_orders(None)
        wall = site.system.business.orders[order.number].due.replace(tzinfo=None)
    assert abs((order.due.replace(tzinfo=None) - wall).total_seconds()) in (3600, 7200)
