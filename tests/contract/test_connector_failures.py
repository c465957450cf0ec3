"""What every connector does when the network or the system fails under it: nothing is lost, nothing is there twice.

A proxy before the system (tests/faulty_proxy.py) strikes one request; the event is then resumed as the relay does it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.erp.connectors import CONNECTORS
from bridge.errors import ConnectorError, CredentialsError, TransientError, UnknownOutcome
from bridge.model.production import EventKind
from tests.contract.scenes import Scene, all_but_last, carry, pieces, quirks, redirected, resume, wire

ORDERS = [f"MES-{number:04}" for number in range(1, 7)]


def unclear(step):
    """What an answer means that does not say what became of the step."""
    return TransientError if step.is_repeatable else UnknownOutcome


async def is_answered(connector, step):
    try:
        await connector.execute(step)
    except unclear(step):
        return False
    return True


async def test_answer_that_is_lost_at_any_step_changes_nothing(through, proxy, system, system_type, kind):
    """The answer to each step in turn is cut off after the system carried it out, on an order of its own."""
    for number, order in enumerate(ORDERS):
        scene = Scene(kind, quirks(system_type), order)
        event = await scene.next(through)
        steps = list(await through.plan(event))
        if number >= len(steps):
            break
        for step in steps[:number]:
            await through.execute(step)
        proxy.fail("drop_after_commit", wire(steps[number].call))
        if await is_answered(through, steps[number]):
            assert proxy.pending, "an answer that was cut off was taken for one"
            proxy.clear()  # a step that had nothing to do
            continue
        assert not proxy.pending
        found = await resume(through, event, steps, number)
        assert found.is_posted
        assert await through.lookup(event) == found
        if kind is EventKind.WIP_TO_FG:
            assert await system.good_posted(order) == 2
    else:
        assert len(steps) <= len(ORDERS)


@pytest.mark.parametrize("mode", ["timeout_after_commit", "malformed", "drip"])
async def test_answer_that_cannot_be_had_is_unclear_and_lookup_finds_the_document(
    through, impatient, proxy, system, system_type, mode
):
    event = pieces(3, 3)
    steps = await all_but_last(through, event)
    proxy.fail(mode, wire(steps[-1].call))
    with pytest.raises(unclear(steps[-1])):
        await impatient.execute(steps[-1])
    await proxy.idle()
    assert (await through.lookup(event)).is_posted
    assert (await resume(through, event, steps, len(steps) - 1)).is_posted
    assert await system.good_posted(event.order_ref) == 3


@pytest.mark.parametrize("mode", ["timeout_before_commit", "drop_before_commit", "500", "502"])
async def test_request_that_never_arrived_is_not_found_and_goes_out_again(
    through, impatient, proxy, system, system_type, mode
):
    event = pieces(3, 3)
    steps = await all_but_last(through, event)
    proxy.fail(mode, wire(steps[-1].call))
    with pytest.raises(unclear(steps[-1])):
        await impatient.execute(steps[-1])
    assert not (await through.lookup(event)).is_posted
    assert (await resume(through, event, steps, len(steps) - 1)).is_posted
    assert await system.good_posted(event.order_ref) == 3


@pytest.mark.parametrize(
    "body", [b"true", b"{}", b'{"id": 1, "state": "done"}', b'{"d": {}}', b'{"data": {"name": "X"}}', b"[7]"]
)
async def test_success_that_was_none_is_not_verified(through, proxy, system, system_type, body):
    event = pieces(3, 3)
    steps = await all_but_last(through, event)
    proxy.fail("success_without_effect", wire(steps[-1].call), body=body)
    with suppress(ConnectorError):
        await through.execute(steps[-1])
    assert not proxy.pending
    assert not (await through.verify(event)).is_posted
    assert await system.good_posted(event.order_ref) == 0


async def test_wait_that_the_system_asks_for_is_handed_on_and_nothing_happened(through, proxy, system, system_type):
    event = pieces(3, 3)
    steps = await all_but_last(through, event)
    for send in (lambda: through.execute(steps[-1]), lambda: through.lookup(event), lambda: through.read_orders(None)):
        proxy.fail("429", seconds=7)
        with pytest.raises(TransientError) as raised:
            await send()
        assert raised.value.retry_after == timedelta(seconds=7)
    assert (await resume(through, event, steps, len(steps) - 1)).is_posted
    assert await system.good_posted(event.order_ref) == 3


async def test_credentials_that_expire_are_renewed_or_told_and_nothing_happened(through, proxy, system, system_type):
    event = pieces(3, 3)
    steps = await all_but_last(through, event)
    proxy.fail("401", wire(steps[-1].call))
    try:
        await through.execute(steps[-1])
    except CredentialsError:
        assert not (await through.lookup(event)).is_posted
    assert not proxy.pending
    assert (await resume(through, event, steps, len(steps) - 1)).is_posted
    assert await system.good_posted(event.order_ref) == 3


async def test_answer_in_slow_motion_is_an_answer(through, proxy, system, system_type):
    steps = await all_but_last(through, pieces(3, 3))
    proxy.fail("slow", wire(steps[-1].call), seconds=0.3)
    await through.execute(steps[-1])
    assert (await through.verify(pieces(3, 3))).is_posted


async def test_event_that_comes_twice_at_every_step_is_posted_once(through, proxy, system, system_type):
    """A plan that is carried out again in full: every step is one that was done, or does nothing."""
    for sequence in (1, 2):
        event = pieces(3, 3 * sequence, sequence)
        steps = list(await through.plan(event))
        for step in steps:
            await through.execute(step)
        for step in (step for step in steps if step.is_repeatable):
            await through.execute(step)
        assert await through.plan(event) == []
        assert await system.good_posted(event.order_ref) == 3 * sequence


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


async def test_answer_that_says_nothing_leaves_a_posting_unclear_and_a_question_transient(
    connector, system, system_type, kind, answering
):
    event = await Scene(kind, quirks(system_type)).next(connector)
    *_, last = await connector.plan(event)
    for answer in BROKEN_ANSWERS:
        async with answering(answer) as url, CONNECTORS[system_type](system.settings(url=url)) as misled:
            # One that must ask which record it is about has sent nothing yet.
            with pytest.raises(TransientError if last.call == "stock.scrap/action_validate" else unclear(last)):
                await misled.execute(redirected(last, system.url, url))
            with pytest.raises(TransientError):
                await misled.lookup(event)


async def test_answer_that_drips_is_not_waited_for_without_end(connector, system, system_type, answering):
    *_, last = await connector.plan(pieces(3, 3))
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    async with (
        answering(endless, drips=True) as url,
        CONNECTORS[system_type](system.settings(url=url, timeout_s=0.2)) as misled,
    ):
        with pytest.raises(unclear(last)):
            await misled.execute(redirected(last, system.url, url))


async def test_failure_while_the_document_is_looked_up_is_transient(through, proxy, system, system_type):
    event = pieces(3, 3)
    await carry(through, event)
    for mode in ("500", "drop_before_commit", "malformed"):
        proxy.fail(mode, "^GET" if system_type != "odoo19" else "search_read$")
        with pytest.raises(TransientError):
            await through.verify(event)
    assert (await through.verify(event)).is_posted
    assert await through.plan(replace(event)) == []
