"""What SAP tells of orders and stock."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from starlette.requests import Request

from bridge.erp.connector import Place
from bridge.erp.sap_s4 import SapS4
from bridge.errors import BusinessError
from simulators.systems.sap_s4 import movements
from simulators.systems.sap_s4.call import Call
from tests.contract.sap_s4.sap_scenes import performed, taken_back
from tests.contract.scenes import ORDER, carry, pieces


async def test_pieces_that_are_confirmed_and_received_count_once(connector):
    await carry(connector, performed(7, 0))
    await carry(connector, pieces(5, 5))
    assert (await connector.read_totals([ORDER]))[ORDER].good == 5


async def test_order_of_which_all_receipts_were_taken_back_does_not_fall_back_on_what_was_confirmed(connector):
    await carry(connector, performed(7, 0))
    good = pieces(5, 5)
    await carry(connector, good)
    await carry(connector, taken_back(good, 5, 5))
    assert (await connector.read_totals([ORDER]))[ORDER].good == 0


async def test_confirmed_yield_is_that_of_the_last_operation(connector):
    first = replace(performed(9, 0), segment="0010")
    await carry(connector, first)
    assert (await connector.read_totals([ORDER]))[ORDER].good == 0
    await carry(connector, performed(7, 0, sequence=2))
    assert (await connector.read_totals([ORDER]))[ORDER].good == 7


async def test_pages_of_theirs_that_are_shorter_than_ours_are_read_to_the_end(connector, sap):
    """An event that is not found because its page was not read is posted twice. Document numbers begin anew each year."""
    sap.system.store.page, sap.system.store.numbers = 2, 3
    for sequence in range(1, 8):
        await carry(connector, pieces(1, sequence, sequence))
    for sequence in range(1, 8):
        assert (await connector.lookup(pieces(1, sequence, sequence))).is_posted
        assert await connector.plan(pieces(1, sequence, sequence)) == []
    assert len(await connector.read_orders(None)) == len(sap.system.business.orders)
    assert len(await connector.read_shipments(None)) == len(sap.system.business.shipments)


async def test_stock_that_may_not_be_promised_is_not_counted(connector, sap):
    await carry(connector, pieces(5, 5))
    (row, *_) = movements_of(sap)
    sap.system.store.other_stock += [
        {**row, "InventoryStockType": "02"},
        {**row, "InventorySpecialStockType": "E", "SDDocument": "4711"},
        {**row, "Plant": "1020"},
    ]
    assert await connector.read_stock([Place("HSG-L1", "")]) == {Place("HSG-L1", ""): 5}


def movements_of(sap, material="HSG-L1"):
    rows = json.loads(
        movements.stock(Call(sap.system.store, Request({"type": "http", "query_string": b""}), {}, None)).body
    )
    return [row for row in rows["d"]["results"] if row["Material"] == material]


async def test_stock_in_a_unit_of_its_own_is_refused(connector, sap):
    async with SapS4(sap.settings(items={"HSG-L1": {"code": "HSG-L1", "uom": "KG"}})) as converting:
        with pytest.raises(BusinessError, match="PC, not in KG"):
            await converting.read_stock([Place("HSG-L1", "")])


async def test_orders_that_changed_are_asked_for_by_a_text_of_fourteen_digits_in_either_zone(sap):
    """What SAP does not say is whether it is UTC: west of Greenwich its own clock is behind."""
    now = datetime.now(UTC)
    for order in sap.system.business.orders.values():
        order.changed_at = now - timedelta(hours=30)
    sap.system.business.orders[ORDER].changed_at = now - timedelta(hours=3)
    for zone, numbers in (("UTC", []), ("America/New_York", [ORDER]), ("Asia/Tokyo", [])):
        async with SapS4(sap.settings(time_zone=zone)) as connector:
            assert [order.number for order in await connector.read_orders(now - timedelta(hours=1))] == numbers


async def test_order_has_its_planned_quantity_and_the_work_center_of_its_last_operation(connector):
    order = {order.number: order for order in await connector.read_orders(None)}[ORDER]
    assert (order.quantity, order.work_center) == (40, "LINE1")


async def test_delivery_that_was_made_and_not_changed_is_read_and_names_its_sales_order(connector, sap):
    waiting = next(one for one in sap.system.business.shipments if one.shipped_at is None)
    found = await connector.read_shipments(waiting.created_at - timedelta(hours=1))
    assert waiting.order_ref in {shipment.order_ref for shipment in found if shipment.number == waiting.number}


async def test_document_that_was_booked_twice_after_all_stops_the_order_and_is_seen_in_its_total(connector, sap):
    """As where `settle_s` is too short: carried out long after it was given up and sent again."""
    (late,) = await connector.plan(pieces(3, 3))
    await carry(connector, pieces(3, 3))
    await connector.execute(late)
    with pytest.raises(BusinessError, match="6 PC posted, and 3 PC came before"):
        await connector.plan(pieces(2, 5, 2))
    assert (await connector.read_totals([ORDER]))[ORDER].good == 6
