"""Lots and serial numbers in Odoo."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bridge.erp.odoo19 import Odoo19
from bridge.errors import BusinessError
from bridge.model.production import (
    Disposition,
    Reversal,
    event_id,
)
from tests.contract.odoo19.odoo_scenes import BARS, GOODS
from tests.contract.scenes import AT, ORDER, actual, carry, pieces, resume


def lot_names(odoo, order=ORDER):
    domain = [["origin", "=", order], ["state", "=", "done"]]
    rows = odoo.call("mrp.production/search_read", domain=domain, fields=["lot_producing_ids"])
    names = {lot["id"]: lot["name"] for lot in odoo.call("stock.lot/search_read", domain=[], fields=["name"])}
    return [[names[lot] for lot in row["lot_producing_ids"]] for row in rows]


@pytest.fixture
async def tracked(odoo):
    async def track(tracking):
        await odoo.write("product.product", GOODS, {"tracking": tracking})

    return track


async def test_each_part_of_an_order_has_the_lot_of_its_event_and_a_lot_is_made_once(odoo, connector, tracked):
    await tracked("lot")
    for sequence, lot in enumerate(("L-1", "L-2", "L-1"), start=1):
        event = replace(pieces(5, 5 * sequence, sequence), lot=lot)
        for step in [*(await connector.plan(event))[:-1]] * 2:
            await connector.execute(step)
        assert (await carry(connector, event)).is_posted
    assert lot_names(odoo) == [["L-1"], ["L-2"], ["L-1"]]
    assert len(odoo.call("stock.lot/search_read", domain=[], fields=[])) == 2


async def test_lot_that_a_person_made_is_used(odoo, connector, tracked):
    await tracked("lot")
    odoo.call("stock.lot/create", vals_list=[{"name": "L-1", "product_id": BARS}, {"name": "L-1", "product_id": GOODS}])
    await carry(connector, replace(pieces(5, 5), lot="L-1"))
    [order] = odoo.call("mrp.production/read", ids=[1], fields=["lot_producing_ids"])
    assert order["lot_producing_ids"] == [2]


async def test_every_piece_has_its_serial_number(odoo, connector, tracked):
    await tracked("serial")
    await carry(connector, replace(pieces(3, 3), serials=("S1", "S2", "S3")))
    await carry(connector, replace(pieces(2, 5, 2), serials=("S4", "S5")))
    assert lot_names(odoo) == [["S1", "S2", "S3"], ["S4", "S5"]]
    assert await odoo.good_posted(ORDER) == 5


async def test_serial_number_that_was_made_already_is_for_a_person(odoo, connector, tracked):
    await tracked("serial")
    await carry(connector, replace(pieces(1, 1), serials=("S1",)))
    with pytest.raises(BusinessError, match="already produced"):
        await carry(connector, replace(pieces(1, 2, 2), serials=("S1",)))
    assert await odoo.good_posted(ORDER) == 1


@pytest.mark.parametrize(
    ("tracking", "named", "told"),
    [
        ("none", {"lot": "L-1"}, "neither by lot nor by serial number"),
        ("none", {"serials": ("S1", "S2", "S3")}, "neither by lot nor by serial number"),
        ("lot", {}, "by lot, and the event has none"),
        ("lot", {"lot": "L-1", "serials": ("S1", "S2", "S3")}, "no serial numbers"),
        ("serial", {}, "one for each piece"),
        ("serial", {"serials": ("S1", "S2")}, "for 3 pieces"),
        ("serial", {"serials": ("S1", "S1", "S2")}, "for 3 pieces"),
        ("serial", {"lot": "L-1", "serials": ("S1", "S2", "S3")}, "no lot"),
    ],
)
async def test_lots_that_odoo_would_drop_or_make_up_are_refused(odoo, connector, tracked, tracking, named, told):
    await tracked(tracking)
    with pytest.raises(BusinessError, match=told):
        await connector.plan(replace(pieces(3, 3), **named))


def back(event, quantity):
    return Reversal(event_id("t", "back", 1), ORDER, 1, AT, Decimal(quantity), Decimal(quantity), "crack", event)


async def test_part_of_a_lot_is_taken_back_of_that_lot(odoo, connector, tracked):
    await tracked("lot")
    event = replace(pieces(5, 5), lot="L-1")
    await carry(connector, event)
    assert (await carry(connector, back(event, 2))).is_posted
    [document] = odoo.call("stock.scrap/search_read", domain=[["state", "=", "done"]], fields=["lot_id", "scrap_qty"])
    assert (document["lot_id"][1], document["scrap_qty"]) == ("L-1", 2)
    assert (await connector.read_totals([ORDER]))[ORDER].good == 3


async def test_pieces_with_serial_numbers_are_taken_back_one_by_one_and_each_once(odoo, connector, tracked):
    await tracked("serial")
    event = replace(pieces(3, 3), serials=("S1", "S2", "S3"))
    await carry(connector, event)
    reversal = back(event, 3)
    steps = list(await connector.plan(reversal))
    for step in steps[:4]:  # the first one is posted, and then the relay is killed
        await connector.execute(step)
    async with Odoo19(odoo.settings()) as next_relay:
        assert not (await next_relay.lookup(reversal)).is_posted
        assert (await resume(next_relay, reversal, steps, 4)).is_posted
        assert (await next_relay.read_totals([ORDER]))[ORDER].good == 0
    documents = odoo.call("stock.scrap/search_read", domain=[["state", "=", "done"]], fields=["lot_id"])
    assert sorted(document["lot_id"][1] for document in documents) == ["S1", "S2", "S3"]


async def test_some_of_several_serial_numbers_are_not_guessed(connector, tracked):
    await tracked("serial")
    event = replace(pieces(3, 3), serials=("S1", "S2", "S3"))
    await carry(connector, event)
    with pytest.raises(BusinessError, match="nothing says which"):
        await connector.plan(back(event, 2))


async def test_scrap_of_tracked_components_is_for_a_person(odoo, connector):
    await odoo.write("product.product", BARS, {"tracking": "lot"})
    with pytest.raises(BusinessError, match=r"tracks \[BAR-60\] Bar stock 60 mm by lot"):
        await connector.plan(actual(2, 2, disposition=Disposition.SCRAP))
