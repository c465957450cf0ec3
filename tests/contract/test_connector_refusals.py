"""What every connector does with events that its system must not take: they wait for a person, and nothing of them is posted."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest

from bridge.errors import BusinessError
from bridge.model.production import EventKind, MaterialActual
from tests.contract.scenes import ORDER, Scene, carry, pieces, quirks


async def refused(connector, event):
    """The refusal, while the event is planned or while it is carried out."""
    with pytest.raises(BusinessError) as raised:
        await carry(connector, event)
    return str(raised.value)


async def test_bad_unit_is_refused_before_anything_is_sent(connector, system, system_type):
    with pytest.raises(BusinessError, match="furlong"):
        await connector.plan(pieces(3, 3, uom="furlong"))
    assert await system.good_posted(ORDER) == 0


async def test_quantity_that_a_piece_cannot_have_is_refused_and_never_rounded(connector, system, system_type):
    for quantity in ("0.0000001", "2.9999999999"):
        await refused(connector, pieces(quantity, quantity))
    assert await system.good_posted(ORDER) == 0


async def test_more_is_not_taken_out_of_stock_than_is_there(connector, system, system_type):
    for kind in (EventKind.CONSUMED,):
        if kind in type(connector).kinds:
            event = await Scene(kind, quirks(system_type)).next(connector)
            much = Decimal(1_000_000)
            await refused(connector, replace(event, quantity=much, cumulative=much))
            assert not (await connector.lookup(event)).is_posted


async def test_event_of_a_closed_period_waits_for_a_person(connector, system, system_type):
    await system.close_period()
    event = pieces(3, 3)
    assert re.search(r"clos|lock date|range of allowed posting dates", await refused(connector, event))
    assert await system.good_posted(ORDER) == 0
    assert not (await connector.lookup(event)).is_posted


async def test_later_event_does_not_overtake_an_earlier_one(connector, system, system_type):
    await refused(connector, pieces(4, 7, 2))
    assert (await carry(connector, pieces(3, 3, 1))).is_posted
    assert (await carry(connector, pieces(4, 7, 2))).is_posted
    assert await system.good_posted(ORDER) == 7


async def test_lots_that_cannot_be_carried_are_not_dropped_without_a_word(connector, system, system_type):
    event = replace(pieces(3, 3), lot="L-1", serials=("S1", "S2", "S3"))
    told = ""
    try:
        told = str([step.to_json() for step in await connector.plan(event)])
    except BusinessError as error:
        told = str(error)
    assert "L-1" in told or "serial" in told


async def test_event_that_is_there_with_another_quantity_is_not_taken_for_posted(connector, kind, system_type):
    """An event's id follows from its order and number: made anew after a database was restored, it may be of other pieces."""
    if kind not in {EventKind.WIP_TO_FG, EventKind.SCRAP, EventKind.PERFORMANCE}:
        return
    scene = Scene(kind, quirks(system_type))
    for _ in range(2):
        event = await scene.next(connector)
        await carry(connector, event)
    is_whole = isinstance(event, MaterialActual)
    more = {"quantity": Decimal(5), "cumulative": Decimal(7)} if is_whole else {"yielded": Decimal(5)}
    for question in (connector.lookup, connector.plan, connector.verify):
        with pytest.raises(BusinessError, match=r"other pieces|neither|completed with|says 5"):
            await question(replace(event, **more))
    assert (await connector.lookup(event)).is_posted


async def test_master_data_of_a_good_configuration_has_no_problems(connector, system_type):
    assert await connector.check_master_data(["acme/dortmund/machining/line1/cnc1"]) == []


async def test_master_data_that_the_system_does_not_know_is_told_with_its_place(system, system_type):
    from bridge.erp.connectors import CONNECTORS

    settings = system.settings(items={"GADGET": {"code": "no-such-item"}}, locations={"MOON": "no-such-place"})
    async with CONNECTORS[system_type](settings) as connector:
        problems = await connector.check_master_data(["acme/dortmund/machining/line1/cnc1"])
    assert any(problem.field.startswith("items.GADGET") and "no-such-item" in problem.message for problem in problems)
