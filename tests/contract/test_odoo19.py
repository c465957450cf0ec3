"""What is Odoo's own, beyond what every connector promises."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bridge.erp.connector import Step
from bridge.erp.odoo19 import Odoo19
from bridge.errors import BusinessError
from bridge.model.production import MaterialActual, event_id
from tests.erp_process import SimulatedErp

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
EVENT = MaterialActual(event_id("test", "MES-0001", 1), "MES-0001", 1, AT, Decimal(3), Decimal(3), "1", "acme/a")


@pytest.fixture
async def connector(tmp_path):
    async with SimulatedErp(tmp_path / "erp") as erp, Odoo19(erp.settings()) as connector:
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
