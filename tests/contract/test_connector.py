"""What every connector promises (bridge/erp/connector.py), against a running system."""

from __future__ import annotations

import pkgutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import bridge.erp
from bridge.erp.connectors import CONNECTORS, ONE_WAY
from bridge.errors import BusinessError, CredentialsError, TransientError
from bridge.model.production import EventKind, MaterialActual, Reversal
from tests.contract.scenes import KINDS, ORDER, Scene, all_but_last, carry, pieces, quirks, request
from tests.erp_process import free_port


def test_every_module_of_a_connector_is_in_the_table():
    ours = {"backoff", "connector", "connectors", "event", "http", "odata", "one_way", "posting", "quantity", "relay"}
    called = {"notify": "apprise"}  # by what it is, not by what it speaks
    modules = {module.name for module in pkgutil.iter_modules(bridge.erp.__path__)} - ours
    assert {called.get(name, name) for name in modules} == {*CONNECTORS, *ONE_WAY}


@pytest.fixture
def scene(kind, system_type):
    return Scene(kind, quirks(system_type))


@pytest.fixture
def asks(system_type):
    """A system that takes requests for maintenance; the others say so where they are given one."""
    return EventKind.WORK_REQUEST in CONNECTORS[system_type].kinds


async def test_event_is_absent_before_and_posted_with_an_id_after_its_steps(connector, scene):
    event = await scene.next(connector)
    assert not (await connector.lookup(event)).is_posted
    found = await carry(connector, event)
    assert found.is_posted
    assert found.external_id
    assert await connector.lookup(event) == found
    assert not isinstance(event, MaterialActual | Reversal) or await connector.plan(event) == []


async def test_kind_that_is_not_carried_is_for_a_person(connector, system_type):
    for kind in sorted(KINDS - connector.kinds):
        event = await Scene(kind, quirks(system_type)).next(connector)
        with pytest.raises(BusinessError, match=str(kind)):
            await connector.lookup(event)
        with pytest.raises(BusinessError, match=str(kind)):
            await connector.plan(event)


async def test_duplicate_event_of_pieces_plans_nothing(connector, system):
    event = pieces(3, 3)
    await carry(connector, event)
    assert await connector.plan(event) == []
    assert await system.good_posted(ORDER) == 3


async def test_duplicate_work_request_is_found(connector, asks):
    if not asks:
        return
    first = await carry(connector, request(1))
    second = await carry(connector, request(2))
    assert first.external_id != second.external_id
    assert (await connector.lookup(request(1))).external_id == first.external_id


async def test_parts_of_one_order_in_order_are_documents_of_their_own(connector, system):
    documents = [
        (await carry(connector, pieces(quantity, cumulative, sequence))).external_id
        for sequence, (quantity, cumulative) in enumerate([(5, 5), (5, 10), (1, 11), (29, 40)], start=1)
    ]
    assert len(set(documents)) == 4
    assert await system.good_posted(ORDER) == 40
    for sequence, (quantity, cumulative) in enumerate([(5, 5), (5, 10), (1, 11), (29, 40)], start=1):
        found = await connector.lookup(pieces(quantity, cumulative, sequence))
        assert found.external_id == documents[sequence - 1]


async def test_more_pieces_than_ordered_are_all_posted(connector, system):
    await carry(connector, pieces(38, 38))
    found = await carry(connector, pieces(5, 43, 2))
    assert found.is_posted
    assert await system.good_posted(ORDER) == 43


async def test_pieces_after_the_order_is_complete_are_for_a_person(connector):
    await carry(connector, pieces(40, 40))
    with pytest.raises(BusinessError):
        await connector.plan(pieces(1, 41, 2))


async def test_event_whose_predecessor_is_missing_is_for_a_person(connector):
    with pytest.raises(BusinessError):
        await connector.plan(pieces(5, 10, 2))


async def test_unknown_order_is_for_a_person(connector):
    with pytest.raises(BusinessError, match="NOWHERE"):
        await connector.plan(pieces(1, 1, order="NOWHERE"))


async def test_unknown_equipment_is_for_a_person(connector, asks):
    with pytest.raises(BusinessError, match="acme/nowhere" if asks else "work_request"):
        await connector.plan(request(equipment="acme/nowhere"))


async def test_failure_inside_the_system_is_transient_and_left_nothing(connector, system, scene):
    event = await scene.next(connector)
    *_, last = await all_but_last(connector, event)
    await system.fail("500", match=last.call)
    with pytest.raises(TransientError):
        await connector.execute(last)
    assert not (await connector.lookup(event)).is_posted


async def test_system_that_is_away_is_transient_for_every_step(connector, system):
    steps = await connector.plan(pieces(3, 3))
    await system.stop()
    for step in steps:
        with pytest.raises(TransientError):
            await connector.execute(step)


async def test_wrong_key_is_a_matter_of_credentials_and_stands_in_no_message(system, system_type):
    async with CONNECTORS[system_type](system.settings(api_key="wrong-key-7731")) as connector:
        for question in (connector.lookup(pieces(3, 3)), connector.read_orders(None), connector.read_shipments(None)):
            with pytest.raises(CredentialsError) as raised:
                await question
            assert "wrong-key-7731" not in f"{raised.value} {raised.value.__cause__}"


async def test_nobody_listening_is_transient_for_reading(system, system_type):
    nowhere = system.settings(url=f"http://127.0.0.1:{free_port()}")
    async with CONNECTORS[system_type](nowhere) as connector:
        with pytest.raises(TransientError):
            await connector.read_orders(None)


async def test_order_keeps_its_number_id_and_quantity_over_partial_completions(connector):
    before = {order.number: order for order in await connector.read_orders(None)}[ORDER]
    for sequence in (1, 2):
        await carry(connector, pieces(5, 5 * sequence, sequence))
    after = {order.number: order for order in await connector.read_orders(None)}
    assert after[ORDER] == before
    assert before.state == "released"
    assert before.quantity == 40
    await carry(connector, pieces(30, 40, 3))
    assert {order.number: order for order in await connector.read_orders(None)}[ORDER] == replace(before, state="done")


async def test_change_of_a_part_reads_the_whole_order(connector):
    await carry(connector, pieces(5, 5))
    soon = datetime.now(UTC) - timedelta(seconds=1)
    changed = {order.number: order for order in await connector.read_orders(soon)}
    assert changed[ORDER].quantity == 40


async def test_nothing_is_read_that_did_not_change(connector):
    later = datetime.now(UTC) + timedelta(hours=1)
    assert await connector.read_orders(later) == []
    assert await connector.read_shipments(later) == []


async def test_shipments_carry_aware_times_and_leave_open_what_did_not_happen(connector):
    shipments = await connector.read_shipments(None)
    assert len({shipment.number for shipment in shipments}) == len(shipments)
    assert all(shipment.created_at.utcoffset() == timedelta(0) for shipment in shipments)
    assert any(shipment.shipped_at for shipment in shipments)
    assert any(shipment.shipped_at is None for shipment in shipments)
