"""What every connector promises (bridge/erp/connector.py), against a running system."""

from __future__ import annotations

import pkgutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

import bridge.erp
from bridge.erp.connectors import CONNECTORS
from bridge.errors import BusinessError, CredentialsError, TransientError, UnknownOutcome
from bridge.model.production import MaterialActual, WorkRequest, event_id
from tests.erp_process import free_port

ORDER = "MES-0001"
EQUIPMENT = "acme/dortmund/machining/line1/cnc1"
AT = datetime(2026, 7, 1, 12, tzinfo=UTC)


def pieces(quantity, cumulative, sequence=1, order=ORDER):
    return MaterialActual(
        event_id("test", order, sequence), order, sequence, AT, Decimal(quantity), Decimal(cumulative), "1", EQUIPMENT
    )


def request(sequence=1, equipment=EQUIPMENT):
    return WorkRequest(
        event_id("test", "ticket", sequence),
        sequence,
        equipment,
        "VIB",
        "high",
        "Vibration <b>",
        "4.9 mm/s\n& rising",
        AT,
    )


async def carry(connector, event):
    for step in await connector.plan(event):
        await connector.execute(step)
    return await connector.verify(event)


def test_every_module_of_a_connector_is_in_the_table():
    ours = {"backoff", "connector", "connectors", "event", "http", "posting", "quantity", "relay"}
    assert {module.name for module in pkgutil.iter_modules(bridge.erp.__path__)} - ours == set(CONNECTORS)


@pytest.mark.parametrize("event", [pieces(3, 3), request()])
async def test_event_is_absent_before_and_posted_with_an_id_after_its_steps(connector, event):
    assert not (await connector.lookup(event)).is_posted
    found = await carry(connector, event)
    assert found.is_posted
    assert found.external_id
    assert await connector.lookup(event) == found


async def test_duplicate_event_of_pieces_plans_nothing(connector, system):
    event = pieces(3, 3)
    await carry(connector, event)
    assert await connector.plan(event) == []
    assert await system.good_posted(ORDER) == 3


async def test_duplicate_work_request_is_found(connector, system):
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


async def test_unknown_equipment_is_for_a_person(connector):
    with pytest.raises(BusinessError, match="acme/nowhere"):
        await connector.plan(request(equipment="acme/nowhere"))


@pytest.mark.parametrize("event", [pieces(3, 3), request()])
@pytest.mark.parametrize(
    ("mode", "is_posted"),
    [("timeout_after_commit", True), ("timeout_before_commit", False), ("drop_after_commit", True)],
)
async def test_answer_that_never_comes_is_unknown_and_lookup_tells_the_truth(connector, system, event, mode, is_posted):
    *_, last = await execute_all_but_last(connector, event)
    await system.fail(mode, match=last.call)
    with pytest.raises(UnknownOutcome):
        await connector.execute(last)
    assert (await connector.lookup(event)).is_posted == is_posted


async def execute_all_but_last(connector, event):
    steps = await connector.plan(event)
    for step in steps[:-1]:
        await connector.execute(step)
    return steps


async def test_lost_answer_to_a_repeatable_step_is_transient(connector, system):
    first = next((step for step in await connector.plan(pieces(3, 3)) if step.is_repeatable), None)
    if first is None:
        return  # a system whose one document is the whole event
    for mode in ("timeout_before_commit", "timeout_after_commit", "drop_after_commit"):
        await system.fail(mode, match=first.call)
        with pytest.raises(TransientError):
            await connector.execute(first)


async def test_wait_that_the_system_asks_for_is_handed_on(connector, system):
    await system.fail("429")
    with pytest.raises(TransientError) as raised:
        await connector.lookup(pieces(3, 3))
    assert raised.value.retry_after == timedelta(seconds=1)


@pytest.mark.parametrize("event", [pieces(3, 3), request()])
async def test_failure_inside_the_system_is_transient_and_left_nothing(connector, system, event):
    *_, last = await execute_all_but_last(connector, event)
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


BROKEN_ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
    b'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"true"',
    b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe",
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nbad",
    b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops",
    b"nonsense\r\n\r\n",
    b"",
]


@pytest.mark.parametrize("answer", BROKEN_ANSWERS)
@pytest.mark.parametrize("event", [pieces(3, 3), request()])
async def test_answer_that_says_nothing_leaves_a_posting_unknown_and_a_question_transient(
    connector, system, system_type, answering, answer, event
):
    *_, last = await connector.plan(event)
    async with answering(answer) as url, CONNECTORS[system_type](system.settings(url=url)) as misled:
        with pytest.raises(UnknownOutcome):
            await misled.execute(last)
        with pytest.raises(TransientError):
            await misled.lookup(event)


async def test_answer_that_drips_is_not_waited_for_without_end(connector, system, system_type, answering):
    *_, last = await connector.plan(pieces(3, 3))
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    async with (
        answering(endless, drips=True) as url,
        CONNECTORS[system_type](system.settings(url=url, timeout_s=0.2)) as misled,
    ):
        with pytest.raises(UnknownOutcome):
            await misled.execute(last)


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
