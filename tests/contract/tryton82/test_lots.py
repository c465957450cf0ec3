"""Lots in the real Tryton, with and without its module stock_lot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.errors import BusinessError
from tests.contract.scenes import carry, pieces
from tests.contract.tryton82.tryton_scenes import (
    at_each_of,
    back,
    bars,
    carry_all,
    connected,
    cut_at,
    execute,
    scrapped,
)


def of_lot(event, lot):
    return replace(event, lot=lot)


LOT_ORDER = "MES-LOT"


async def test_lot_in_a_database_without_lots_is_told(tryton):
    async with connected(tryton) as connector:
        with pytest.raises(BusinessError, match="stock_lot"):
            await connector.lookup(of_lot(pieces(3, 3), "L-1"))


@at_each_of(6)  # the lot, dated, reserved, started, split, carried out
async def test_lots_are_on_the_moves_whichever_answer_is_lost(tryton_with_lots, number, of):
    server = tryton_with_lots
    made = [of_lot(pieces(3, 3, order=LOT_ORDER), "L-1"), of_lot(pieces(2, 5, 2, LOT_ORDER), "L-1")]
    used = [of_lot(bars(4, 4, order=LOT_ORDER), "MELT-7"), of_lot(bars(6, 10, 2, LOT_ORDER), "MELT-7")]
    lost = of_lot(scrapped(1, 1, order=LOT_ORDER), "L-2")
    events = [made[0], used[0], lost, made[1], used[1], of_lot(pieces(35, 40, 3, LOT_ORDER), "L-2")]
    async with cut_at(server, events, number, of):
        assert server.lots(LOT_ORDER) == {("LOT-1", "L-1"): 5, ("LOT-1", "L-2"): 36, ("BAR-60", "MELT-7"): 10}
        assert server.order_state(LOT_ORDER) == "done"
        assert server.open_moves(LOT_ORDER) == 0
        assert server.lot_count("LOT-1") == 2


async def test_product_that_wants_a_lot_is_told_with_what_to_do(tryton_with_lots):
    async with connected(tryton_with_lots) as connector:
        with pytest.raises(BusinessError, match="Tryton wants a lot of LOT-1"):
            await carry(connector, pieces(3, 3, order=LOT_ORDER))
        await carry(connector, of_lot(pieces(3, 3, order=LOT_ORDER), "L-1"))
    assert tryton_with_lots.lots(LOT_ORDER) == {("LOT-1", "L-1"): 3}


async def test_lot_that_is_not_in_stock_is_not_consumed(tryton_with_lots):
    async with connected(tryton_with_lots) as connector:
        for lot, quantity in (("MELT-7", 11), ("MELT-8", 1)):
            with pytest.raises(BusinessError, match=f"of lot {lot} of BAR-60"):
                await connector.plan(of_lot(bars(quantity, quantity, order=LOT_ORDER), lot))
        steps = list(await connector.plan(of_lot(bars(8, 8, order=LOT_ORDER), "MELT-7")))
        await carry(connector, pieces(1, 1))
        await carry(connector, of_lot(bars(45, 45), "MELT-7"))  # 40 are planned: 5 of the lot
        with pytest.raises(BusinessError, match="could not reserve"):
            await execute(connector, steps)
    assert tryton_with_lots.lots(LOT_ORDER) == {}


async def test_what_is_taken_back_is_of_the_same_lot(tryton_with_lots):
    first = of_lot(pieces(3, 3, order=LOT_ORDER), "L-1")
    async with connected(tryton_with_lots) as connector:
        await carry_all(connector, first, of_lot(pieces(2, 5, 2, LOT_ORDER), "L-2"), back(first, 1, 1))
    assert tryton_with_lots.lots(LOT_ORDER) == {("LOT-1", "L-1"): 2, ("LOT-1", "L-2"): 2}


async def test_posting_of_another_lot_by_hand_is_not_taken_for_the_event_s(tryton_with_lots):
    async with connected(tryton_with_lots) as connector:
        await carry(connector, of_lot(pieces(3, 3, order=LOT_ORDER), "L-1"))
        with pytest.raises(BusinessError, match="the event has the lot L-9"):
            await connector.lookup(of_lot(pieces(3, 3, order=LOT_ORDER), "L-9"))


async def test_serials_are_told(tryton_with_lots):
    async with connected(tryton_with_lots) as connector:
        with pytest.raises(BusinessError, match="S1, S2"):
            await connector.plan(replace(pieces(2, 2), serials=("S1", "S2")))
