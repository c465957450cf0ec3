"""What the real Tryton consumes: as told, as planned, and what is told after the last piece."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bridge.erp.connector import OrderTotals
from bridge.errors import BusinessError
from tests.contract.scenes import ORDER, carry, pieces
from tests.contract.tryton82.tryton_scenes import (
    BARS,
    at_each_of,
    back,
    bars,
    carry_all,
    connected,
    cut_at,
    execute,
    powder,
    scrapped,
)


async def test_told_consumption_is_what_is_consumed_in_the_end_and_nothing_else(tryton):
    async with connected(tryton, consumption="told", units={"kg": "kg"}) as connector:
        await carry_all(connector, bars(2, 2), pieces(3, 3), bars(3, 5, 2), powder(1, 1), pieces(37, 40, 2))
    assert tryton.order_state(ORDER) == "done"
    assert tryton.stock("BAR-60") == BARS - 5
    assert tryton.stock("POW-1") == 49
    assert tryton.open_moves(ORDER) == 0


@at_each_of(7)  # dated, set aside, reserved, started, entered, reserved, carried out
async def test_told_consumption_is_exact_whichever_answer_is_lost(tryton, number, of):
    events = [bars(2, 2), pieces(1, 1), bars(4, 6, 2), pieces(39, 40, 2)]
    async with cut_at(tryton, events, number, of, consumption="told"):
        assert tryton.stock("BAR-60") == BARS - 6
        assert tryton.made(ORDER) == 40
        assert tryton.order_state(ORDER) == "done"
        assert tryton.open_moves(ORDER) == 0


async def test_order_that_is_told_of_nothing_consumes_nothing(tryton):
    async with connected(tryton, consumption="told") as connector:
        await carry(connector, pieces(40, 40))
    assert tryton.stock("BAR-60") == BARS
    assert len(tryton.moves(ORDER, "production_input", "cancelled")) == 1, "the plan is to be seen"


async def test_planned_consumption_has_what_is_told_up_to_the_plan_and_more_on_top(tryton):
    async with connected(tryton) as connector:
        found = [
            await carry(connector, bars(quantity, cumulative, sequence))
            for sequence, (quantity, cumulative) in enumerate([(30, 30), (10, 40), (5, 45), (2, 47)], start=1)
        ]
        assert tryton.stock("BAR-60") == BARS - 47
        assert found[0].external_id == found[1].external_id != found[2].external_id
        assert len({each.external_id for each in found}) == 3
        await carry(connector, pieces(40, 40))
    assert tryton.stock("BAR-60") == BARS - 47


@at_each_of(6)
async def test_event_that_exceeds_the_plan_posts_the_excess_alone(tryton, number, of):
    async with cut_at(tryton, [bars(43, 43), bars(1, 44, 2)], number, of):
        assert tryton.stock("BAR-60") == BARS - 44
        assert tryton.open_moves(ORDER) == 1  # the pieces that are still to be made


async def test_one_item_can_be_told_and_the_others_planned(tryton):
    names = {"STICK": {"code": "BAR-60"}}
    async with connected(tryton, items=names, consumption_of={"STICK": "told"}, units={"kg": "kg"}) as connector:
        await carry_all(connector, replace(bars(2, 2), item="STICK"), pieces(40, 40))
        await carry_all(connector, powder(2, 2, order="MES-CAN"), pieces(10, 10, order="MES-CAN"))
    assert tryton.stock("BAR-60") == BARS - 2
    assert tryton.stock("POW-1") == 48


async def test_plan_in_another_unit_than_the_product_is_compared_in_the_product_s(tryton):
    async with connected(tryton, units={"kg": "kg"}) as connector:
        await carry_all(connector, powder("1.5", "1.5", order="MES-CAN"), powder("0.6", "2.1", 2, order="MES-CAN"))
    assert tryton.stock("POW-1") == Decimal("47.9")


async def test_told_item_that_a_person_let_tryton_consume_waits_until_it_is_taken_back(tryton):
    tryton.start_by_hand(ORDER)
    async with connected(tryton, consumption="told") as connector:
        with pytest.raises(BusinessError, match="has consumed BAR-60 as planned"):
            await connector.plan(bars(2, 2))
        [move] = tryton.moves(ORDER, "production_input")
        tryton.press("stock.move", move, "cancel")
        await carry(connector, bars(2, 2))
    assert tryton.stock("BAR-60") == BARS - 2


async def test_what_others_took_between_plan_and_posting_is_not_taken_below_zero(tryton):
    async with connected(tryton, units={"kg": "kg"}) as connector:
        await carry(connector, pieces(1, 1))
        steps = list(await connector.plan(powder(30, 30)))
        await carry(connector, powder(40, 40, order="MES-0002"))
        with pytest.raises(BusinessError, match="could not reserve"):
            await execute(connector, steps)
        assert tryton.stock("POW-1") == 10
        assert not (await connector.lookup(powder(30, 30))).is_posted
        await carry(connector, powder(10, 10))
    assert tryton.stock("POW-1") == 0


async def test_product_of_an_order_is_not_consumed_by_it(tryton):
    async with connected(tryton) as connector:
        with pytest.raises(BusinessError, match="cannot consume it"):
            await connector.plan(replace(bars(1, 1), item="HSG-L1"))


async def test_reversal_of_told_consumption_brings_it_back_and_of_planned_waits(tryton):
    async with connected(tryton, consumption="told") as connector:
        await carry_all(connector, bars(5, 5), back(bars(5, 5), 2, 2), back(bars(5, 5), 1, 3, 2))
    assert tryton.stock("BAR-60") == BARS - 2
    async with connected(tryton) as connector:
        planned = bars(5, 5, order="MES-0002")
        await carry(connector, planned)
        with pytest.raises(BusinessError, match="by hand"):
            await connector.plan(back(planned, 1, 1))


async def test_told_item_or_company_that_tryton_does_not_know_is_found_when_the_configuration_is_checked(tryton):
    told = {"BAR-60": "told", "ROD": "told", "STICK": "planned"}
    async with connected(tryton, consumption_of=told, items={"STICK": {"code": "BAR-60"}}) as connector:
        problems = await connector.check_master_data([])
    assert [(problem.field, "ROD" in problem.message) for problem in problems] == [("consumption_of.ROD", True)]
    async with connected(tryton, company=9) as connector:
        [problem] = await connector.check_master_data([])
    assert (problem.field, "there are 1 (Acme Dortmund), 2" in problem.message) == ("company", True)


@at_each_of(6)
async def test_what_is_told_after_the_last_piece_is_posted_to_the_closed_order(tryton, number, of):
    events = [pieces(40, 40), scrapped(2, 2), powder("0.5", "0.5"), scrapped(1, 3, 2), powder("0.5", 1, 2)]
    async with cut_at(tryton, events, number, of, units={"kg": "kg"}) as connector:
        assert (await connector.read_totals([ORDER]))[ORDER] == OrderTotals(Decimal(40), Decimal(3))
    assert (tryton.made(ORDER), tryton.made(ORDER, "lost_found"), tryton.documents(ORDER)) == (40, 3, 3)
    assert tryton.stock("POW-1") == 49
    assert tryton.open_moves(ORDER) == 0
    assert tryton.order_state(ORDER) == "done"


async def test_more_good_pieces_of_a_closed_order_wait_for_a_person(tryton):
    async with connected(tryton) as connector:
        await carry(connector, pieces(40, 40))
        with pytest.raises(BusinessError, match="is done in Tryton, and 2 more were made"):
            await connector.plan(pieces(2, 42, 2))
