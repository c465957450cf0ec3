"""What is Odoo's own, beyond what every connector promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from bridge.erp.connector import Step
from bridge.erp.odoo19 import Odoo19
from bridge.errors import BusinessError, UnknownOutcome
from bridge.model.production import Disposition, MaterialActual, RequestState, Reversal, WorkRequest, event_id
from tests.erp_systems.odoo19 import SimulatedOdoo

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
EVENT = MaterialActual(event_id("test", "MES-0001", 1), "MES-0001", 1, AT, Decimal(3), Decimal(3), "1", "acme/a")


@pytest.fixture
async def connector(tmp_path):
    async with SimulatedOdoo(tmp_path / "erp") as erp, Odoo19(erp.settings()) as connector:
        yield connector


async def test_wizard_that_asks_for_a_backorder_is_no_success(connector):
    *before, last = await connector.plan(EVENT)
    for step in before:
        await connector.execute(step)
    without_context = Step(last.name, last.call, {"ids": last.body["ids"]}, is_repeatable=False)
    with pytest.raises(BusinessError, match="backorder"):
        await connector.execute(without_context)
    assert not (await connector.lookup(EVENT)).is_posted


async def test_mark_done_that_is_sent_twice_to_one_production_books_once(connector):
    """The fence behind the lookup: a request that was still on its way when it was sent again cannot double."""
    steps = await connector.plan(EVENT)
    for step in [*steps, *steps]:
        await connector.execute(step)
    assert (await connector.verify(EVENT)).is_posted
    orders = {order.number: order for order in await connector.read_orders(None)}
    assert orders["MES-0001"].quantity == 40


@pytest.fixture
async def odoo(tmp_path):
    async with SimulatedOdoo(tmp_path / "odoo") as running:
        yield running


async def taken_back(connector, quantity=2):
    """Three pieces are posted; the reversal of some of them, and its steps."""
    for step in await connector.plan(EVENT):
        await connector.execute(step)
    number = Decimal(quantity)
    reversal = Reversal(event_id("test", "back", 1), "MES-0001", 1, AT, number, number, "crack", EVENT)
    return reversal, list(await connector.plan(reversal))


async def scrapped(odoo):
    return (await odoo.truth())["scrap_posted"]


async def test_scrap_whose_validation_is_sent_again_is_posted_once(odoo):
    async with Odoo19(odoo.settings()) as connector:
        reversal, steps = await taken_back(connector)
        for step in [*steps, *steps, *steps]:
            await connector.execute(step)
        assert (await connector.verify(reversal)).is_posted
        assert await connector.plan(reversal) == []
    assert await scrapped(odoo) == 2


async def test_scrap_whose_validation_is_still_on_its_way_when_it_is_given_up_is_posted_once(odoo):
    """Odoo carries out the first validation after the second attempt began: its draft is gone by then."""
    async with Odoo19(odoo.settings(timeout_s=0.2)) as impatient, Odoo19(odoo.settings(timeout_s=30)) as connector:
        reversal, steps = await taken_back(connector)
        for step in steps[:-1]:
            await connector.execute(step)
        await odoo.fail("slow", match="action_validate", seconds=1)
        with pytest.raises(UnknownOutcome):
            await impatient.execute(steps[-1])
        again = list(await connector.plan(reversal))
        assert [step.name for step in again] == ["discard draft", "load scrap", "validate scrap"]
        for step in again:
            await connector.execute(step)
        await odoo.idle()
        assert (await connector.verify(reversal)).is_posted
    assert await scrapped(odoo) == 2


async def test_draft_whose_validation_won_is_not_deleted_and_not_validated_again(odoo):
    async with Odoo19(odoo.settings()) as connector:
        reversal, steps = await taken_back(connector)
        for step in steps[:-1]:
            await connector.execute(step)
        again = list(await connector.plan(reversal))  # sees the draft
        await connector.execute(steps[-1])  # ... which is validated meanwhile
        for step in again:
            await connector.execute(step)
        assert (await connector.lookup(reversal)).is_posted
    assert await scrapped(odoo) == 2


async def test_scrap_takes_the_components_and_no_finished_goods(odoo):
    event = replace(EVENT, disposition=Disposition.SCRAP, reason="porosity")
    goods, bars = odoo.stock(1), odoo.stock(3)
    async with Odoo19(odoo.settings(reasons={"porosity": "crack"})) as connector:
        for step in [*await connector.plan(event)] * 2:
            await connector.execute(step)
        assert (await connector.verify(event)).is_posted
    assert (odoo.stock(1), odoo.stock(3)) == (goods, bars - 3)


async def test_factor_of_an_item_is_applied_and_one_that_does_not_come_out_is_refused(odoo):
    items = {"HSG": {"code": "HSG-L1", "uom": "Units", "numerator": 2}}
    async with Odoo19(odoo.settings(items=items)) as connector:
        for step in await connector.plan(EVENT):
            await connector.execute(step)
        assert (await connector.verify(EVENT)).is_posted
    assert await odoo.good_posted("MES-0001") == 6
    items = {"HSG": {"code": "HSG-L1", "uom": "Units", "denominator": 7}}
    async with Odoo19(odoo.settings(items=items)) as connector:
        with pytest.raises(BusinessError, match="does not fit"):
            await connector.plan(EVENT)


async def test_more_than_is_in_stock_is_not_scrapped(odoo):
    async with Odoo19(odoo.settings()) as connector:
        for step in await connector.plan(EVENT):
            await connector.execute(step)
        many = Decimal(100_000)
        with pytest.raises(BusinessError, match="in stock"):
            await connector.plan(Reversal(event_id("t", "b", 1), "MES-0001", 1, AT, many, many, "crack", EVENT))


async def test_load_that_loads_nothing_is_no_success(odoo):
    async with Odoo19(odoo.settings()) as connector:
        step = Step(
            "load request",
            "maintenance.request/load",
            {"fields": ["id", "name"], "data": [["x.y", 7]]},
            is_repeatable=True,
        )
        with pytest.raises(BusinessError, match="Invalid value for name"):
            await connector.execute(step)


async def test_request_that_is_loaded_twice_is_one_request(odoo):
    event = WorkRequest(event_id("t", "r", 1), 1, "acme/dortmund/machining/line1/cnc1", "VIB", "high", "Hot", "", AT)
    async with Odoo19(odoo.settings()) as connector:
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
