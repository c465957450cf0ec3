"""What is Tryton's alone: closed periods, units, other companies, other people and late requests in one order; on the real server."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest

from bridge.erp.connector import OrderTotals, Place
from bridge.errors import BusinessError, TransientError
from tests.contract.scenes import ORDER, carry, pieces
from tests.contract.tryton82.tryton_scenes import (
    BARS,
    MONTH,
    STORY,
    back,
    bars,
    carry_all,
    confirmation,
    connected,
    execute,
    powder,
    scrapped,
)


@pytest.mark.parametrize("consumption", ["planned", "told"])
async def test_order_that_was_planned_for_a_closed_period_is_posted_today(tryton, consumption):
    tryton.close_period(MONTH)
    settings = {"closed_period": "today", "consumption": consumption, "units": {"kg": "kg"}}
    async with connected(tryton, **settings) as connector:
        await carry_all(connector, bars(2, 2), pieces(3, 3), scrapped(1, 1), powder(1, 1), pieces(37, 40, 2))
        await carry_all(connector, back(pieces(3, 3), 1, 1))
        await carry_all(connector, *(replace(event, order_ref="MES-0002") for event in STORY[:4]))
        await carry(connector, confirmation(9, 0, order="MES-0002", is_final=True))
    assert tryton.order_state(ORDER) == tryton.order_state("MES-0002") == "done"
    assert tryton.made(ORDER) == 40
    assert min(tryton.dates(ORDER) | tryton.dates("MES-0002")) > MONTH.isoformat()


async def test_start_that_a_person_dated_into_a_closed_period_is_dated_again(tryton):
    tryton.write("production", ORDER, effective_start_date=dt.date(2026, 7, 2))
    tryton.close_period(MONTH)
    async with connected(tryton, closed_period="today") as connector:
        await carry(connector, pieces(3, 3))
    assert min(tryton.dates(ORDER)) > MONTH.isoformat()


async def test_start_that_a_person_dated_is_kept(tryton):
    tryton.write("production", ORDER, effective_start_date=dt.date(2026, 6, 29))
    async with connected(tryton) as connector:
        await carry(connector, pieces(3, 3))
    assert tryton.dates(ORDER) == {"2026-06-29", "2026-07-01"}


async def test_database_that_does_not_exist_is_told(tryton):
    async with connected(tryton, database="nowhere") as connector:
        with pytest.raises(BusinessError, match="is the connector's database the right one"):
            await connector.lookup(pieces(3, 3))


async def test_order_of_another_company_is_no_order_of_ours(tryton):
    async with connected(tryton) as connector:
        with pytest.raises(BusinessError, match="no production"):
            await connector.plan(pieces(3, 3, order="LYON-1"))
        await carry(connector, pieces(3, 3, order="MES-SHARED"))
        assert await connector.read_totals(["LYON-1", "MES-SHARED"]) == {
            "MES-SHARED": OrderTotals(Decimal(3), Decimal(0))
        }
        before = (await connector.read_stock([Place("HSG-L1", "")]))[Place("HSG-L1", "")]
    async with connected(tryton, company=2) as connector:
        assert await connector.read_totals(["MES-SHARED"]) == {"MES-SHARED": OrderTotals(Decimal(0), Decimal(0))}
        await carry(connector, pieces(2, 2, order="LYON-1"))
        assert await connector.read_stock([Place("HSG-L1", "")]) == {Place("HSG-L1", ""): Decimal(2)}
    async with connected(tryton) as connector:
        assert await connector.read_stock([Place("HSG-L1", "")]) == {Place("HSG-L1", ""): before}


async def test_last_event_of_more_than_was_ordered_closes_the_order_though_its_end_was_lost(tryton):
    """Seen: after a crash between the last move and the closing no plan was found, and the order waited for ever."""
    last = pieces(36, 41, 2)
    async with connected(tryton) as connector:
        await carry(connector, pieces(5, 5))
        for step in list(await connector.plan(last))[:-1]:
            await connector.execute(step)
        assert not (await connector.lookup(last)).is_posted
        assert [step.name for step in await connector.plan(last)] == ["close order"]
        assert (await carry(connector, last)).is_posted
    assert tryton.made(ORDER) == 41
    assert tryton.order_state(ORDER) == "done"


async def test_pieces_that_a_person_posts_beside_the_last_are_not_answered_with_a_second_posting(tryton):
    last = pieces(35, 40, 2)
    async with connected(tryton) as connector:
        await carry(connector, pieces(5, 5))
        for step in list(await connector.plan(last))[:-1]:
            await connector.execute(step)
        tryton.book(ORDER, 3)
        await carry(connector, last)
        assert (await connector.lookup(pieces(5, 5))).is_posted
    assert tryton.made(ORDER) == 43
    assert tryton.order_state(ORDER) == "done"


async def test_draft_that_a_person_changed_between_plan_and_posting_is_what_the_event_says(tryton):
    async with connected(tryton) as connector:
        await carry(connector, pieces(5, 5))
        event = pieces(4, 9, 2)
        steps = list(await connector.plan(event))
        [draft] = tryton.moves(ORDER, "production_output", "draft")
        tryton.write("stock.move", draft, quantity=30.0)
        for step in steps:
            await connector.execute(step)
        assert (await connector.verify(event)).is_posted
        await carry(connector, pieces(31, 40, 3))
    assert tryton.made(ORDER) == 40
    assert tryton.order_state(ORDER) == "done"


async def test_draft_that_is_gone_when_the_event_is_posted_is_looked_at_again(tryton):
    """Seen under load: a request that came late had dropped what the next plan was to drop, and the order waited for a person."""
    async with connected(tryton) as connector:
        await carry(connector, pieces(5, 5))
        event = pieces(4, 9, 2)
        steps = list(await connector.plan(event))
        [draft] = tryton.moves(ORDER, "production_output", "draft")
        tryton.press("stock.move", draft, "do")
        with pytest.raises(TransientError, match="have changed"):
            await execute(connector, steps)
        assert tryton.made(ORDER) == 40, "the person's 35 and our 5"
        assert (await connector.lookup(event)).is_posted


async def test_split_that_comes_late_between_the_next_plan_and_its_split_costs_no_piece(tryton):
    event = pieces(4, 9, 2)
    async with connected(tryton) as connector:
        await carry(connector, pieces(5, 5))
        late = list(await connector.plan(event))
        await connector.execute(late[0])
        again = list(await connector.plan(event))  # it sees a draft to drop
        await connector.execute(late[0])  # ... and another comes
        await execute(connector, again)
        assert (await connector.verify(event)).is_posted
        await carry(connector, pieces(31, 40, 3))
    assert (tryton.made(ORDER), tryton.documents(ORDER), tryton.open_moves(ORDER)) == (40, 3, 0)


async def test_confirmation_whose_split_comes_twice_is_posted_and_closes_the_order(tryton):
    event = confirmation(1, 12, 3, is_final=True)
    async with connected(tryton) as connector:
        steps = list(await connector.plan(event))
        number = [step.name for step in steps].index("split output")
        await execute(connector, [*steps[: number + 1], *steps[number:]])
        assert (await connector.verify(event)).is_posted
    assert (tryton.made(ORDER), tryton.made(ORDER, "lost_found"), tryton.open_moves(ORDER)) == (12, 3, 0)
    assert tryton.order_state(ORDER) == "done"


async def test_material_that_was_entered_twice_by_a_late_request_is_taken_and_reserved_once(tryton):
    async with connected(tryton, units={"kg": "kg"}) as connector:
        await carry(connector, pieces(1, 1))
        enter, reserve, take = await connector.plan(powder(2, 2))
        await execute(connector, [enter, enter, reserve, take])
        assert (await connector.lookup(powder(2, 2))).is_posted
    assert tryton.stock("POW-1") == 48
    assert tryton.moves(ORDER, "production_input", "assigned") == []
    assert tryton.moves(ORDER, "production_input", "draft") == []


async def test_stock_that_is_reserved_to_leave_may_not_be_promised(tryton):
    async with connected(tryton) as connector:
        place = Place("BAR-60", "STO")
        before = (await connector.read_stock([place]))[place]
        tryton.press("production", tryton.number("MES-0002"), "assign_try")
        assert await connector.read_stock([place]) == {place: before - 40}
    assert tryton.stock("BAR-60") == BARS


async def test_order_in_another_unit_than_its_product_is_posted_and_read_in_the_order_s(tryton):
    async with connected(tryton, units={"g": "g"}, items={"PASTE": {"code": "POW-1", "uom": "g"}}) as connector:
        await carry_all(connector, pieces(30, 30, order="MES-G", uom="g"), pieces(20, 50, 2, "MES-G", "g"))
        assert (await connector.read_totals(["MES-G"]))["MES-G"].good == 50
        await carry(connector, back(pieces(30, 30, order="MES-G", uom="g"), 10, 10))
        assert (await connector.read_totals(["MES-G"]))["MES-G"].good == 40
    async with connected(tryton, items={"PASTE": {"code": "POW-1", "uom": "kg"}}) as connector:
        with pytest.raises(BusinessError, match="MES-G"):
            await connector.read_totals(["MES-G"])


async def test_quantity_that_stock_would_be_rounded_to_nothing_for_is_refused(tryton):
    """Seen: Tryton posts 4 g of what it keeps in hundredths of a kilogram, and the stock does not change."""
    async with connected(tryton, units={"g": "g"}) as connector:
        for quantity in ("4", "15", "0.5"):
            with pytest.raises(BusinessError, match="it would round"):
                await connector.plan(pieces(quantity, quantity, order="MES-G", uom="g"))
        tryton.start_by_hand("MES-G")
        before = tryton.stock("POW-1")
        tryton.book("MES-G", 4)
        assert tryton.stock("POW-1") == before


async def test_move_of_an_order_that_a_person_entered_in_another_unit_is_told(tryton):
    async with connected(tryton, units={"g": "g"}) as connector:
        await carry(connector, pieces(500, 500, order="MES-G", uom="g"))
        tryton.book("MES-G", 1, unit="kg")
        with pytest.raises(BusinessError, match="MES-G"):
            await connector.read_totals(["MES-G"])
        with pytest.raises(BusinessError, match="several units"):
            await connector.lookup(pieces(500, 500, order="MES-G", uom="g"))
