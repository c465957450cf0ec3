"""Confirmations in the real Tryton: posted once, whatever is cut off, late, edited or passed over."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bridge.erp.connector import OrderTotals
from bridge.errors import BusinessError
from tests.contract.scenes import ORDER, carry, pieces
from tests.contract.tryton82.tryton_scenes import (
    STORY,
    at_each_of,
    back,
    carry_all,
    confirmation,
    connected,
    cut_at,
)


@at_each_of(7)  # marked, dated, reserved, started, split, carried out twice
@pytest.mark.parametrize("is_replayed", [False, True])
async def test_confirmations_are_posted_once_whichever_answer_is_lost(tryton, number, of, is_replayed):
    async with cut_at(tryton, STORY, number, of, is_replayed=is_replayed) as connector:
        assert (tryton.made(ORDER), tryton.made(ORDER, "lost_found")) == (22, 5)
        assert tryton.documents(ORDER) == 6
        assert tryton.order_state(ORDER) == "done"
        assert tryton.open_moves(ORDER) == 0
        assert (await connector.read_totals([ORDER]))[ORDER] == OrderTotals(Decimal(22), Decimal(5))


async def test_confirmations_are_documents_of_their_own(tryton):
    async with connected(tryton) as connector:
        found = await carry_all(connector, *STORY)
        assert [await connector.lookup(event) for event in STORY] == found
    assert len({each.external_id for each in found}) == len(STORY)


async def test_confirmation_leaves_its_id_in_tryton(tryton):
    async with connected(tryton) as connector:
        await carry_all(connector, *STORY)
    notes = tryton.notes(ORDER)
    assert len(notes) == len(STORY) - 1  # one said nothing
    assert notes[0] == f"amor {STORY[0].event_id}: good 5 after 0, scrap 1 after 0"
    assert notes[-1] == f"amor {STORY[-1].event_id}: good 10 after 12, scrap 2 after 3"


async def test_more_is_confirmed_than_was_ordered_before_the_last(tryton):
    async with connected(tryton) as connector:
        events = [confirmation(1, 38), confirmation(2, 5), confirmation(3, 4, 1), confirmation(4, 0, is_final=True)]
        await carry_all(connector, *events)
    assert (tryton.made(ORDER), tryton.made(ORDER, "lost_found")) == (47, 1)
    assert tryton.order_state(ORDER) == "done"


async def test_last_confirmation_drops_what_was_still_planned(tryton):
    async with connected(tryton) as connector:
        await carry_all(connector, confirmation(1, 5), confirmation(2, 0, is_final=True))
    assert tryton.made(ORDER) == 5
    assert tryton.order_state(ORDER) == "done"
    assert len(tryton.moves(ORDER, "production_output", "cancelled")) == 1


async def test_confirmation_that_was_edited_is_posted_as_it_is_now_or_waits(tryton):
    async with connected(tryton) as connector:
        steps = list(await connector.plan(confirmation(1, 5)))
        await connector.execute(steps[0])  # its mark, and then a person corrects it
        await carry(connector, confirmation(1, 4))
        assert tryton.made(ORDER) == 4
        with pytest.raises(BusinessError, match="good 4 after 0"):
            await connector.lookup(confirmation(1, 5))


async def test_confirmation_that_was_passed_over_is_not_taken_for_the_next_one(tryton):
    """It left its mark and waits for a person; the next one, of as many, goes on before it. Both are posted in the end."""
    async with connected(tryton) as connector:
        first, second = confirmation(1, 5, 1), confirmation(2, 5, 1)
        steps = list(await connector.plan(first))
        await connector.execute(steps[0])
        await carry(connector, second)
        assert not (await connector.lookup(first)).is_posted
        found = await carry_all(connector, first, confirmation(3, 2))
        assert await connector.lookup(first) == found[0] != await connector.lookup(second)
    assert (tryton.made(ORDER), tryton.made(ORDER, "lost_found")) == (12, 2)


async def test_mark_that_comes_again_late_does_not_hide_the_confirmation_after_it(tryton):
    async with connected(tryton) as connector:
        first, second = confirmation(1, 5, 1), confirmation(2, 5, 1)
        [late, *_] = await connector.plan(first)
        found = await carry_all(connector, first, second)
        tryton.note(ORDER, late.body["message"])
        assert [await connector.lookup(event) for event in (first, second)] == found


async def test_confirmations_of_pieces_that_were_posted_count_nothing_twice(tryton):
    async with connected(tryton) as connector:
        await carry(connector, pieces(5, 5))
        with pytest.raises(BusinessError, match='performance = "closes"'):
            await connector.plan(confirmation(1, 5))
    async with connected(tryton, performance="closes") as connector:
        await carry_all(connector, confirmation(1, 5), pieces(4, 9, 2), confirmation(2, 9, is_final=True))
    assert tryton.made(ORDER) == 9
    assert tryton.order_state(ORDER) == "done"


async def test_confirmation_of_an_operation_is_for_a_person(tryton):
    async with connected(tryton) as connector:
        with pytest.raises(BusinessError, match="0010"):
            await connector.lookup(replace(confirmation(1, 5), segment="0010"))


async def test_good_pieces_of_a_confirmation_are_taken_back(tryton):
    async with connected(tryton) as connector:
        await carry_all(connector, confirmation(1, 5, 1), confirmation(2, 7))
        before = tryton.stock("HSG-L1")
        await carry_all(connector, back(confirmation(1, 5, 1), 2, 2), back(confirmation(2, 7), 1, 1))
        assert (await connector.read_totals([ORDER]))[ORDER] == OrderTotals(Decimal(9), Decimal(1))
        with pytest.raises(BusinessError, match="5 good pieces"):
            await connector.plan(back(confirmation(1, 5, 1), 4, 6, 2))
    assert tryton.stock("HSG-L1") == before - 3


async def test_note_that_somebody_changed_is_told(tryton):
    async with connected(tryton) as connector:
        await carry(connector, confirmation(1, 5))
        tryton.rewrite_notes(f"amor {confirmation(1, 5).event_id}: good five")
        with pytest.raises(BusinessError, match="was changed by somebody"):
            await connector.lookup(confirmation(1, 5))
