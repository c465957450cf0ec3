"""The gate before a business system: its rate, its pauses, its circuit."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.erp.backoff import Backoff
from bridge.erp.connector import Refusal
from bridge.erp.relay.gate import Bucket, Gate
from bridge.erp.relay.rhythm import DEFAULT
from bridge.errors import BusinessError, CredentialsError, TransientError, UnknownOutcome

NEVER = Backoff(timedelta(0), timedelta(0))
RHYTHM = replace(DEFAULT, circuit=NEVER, refused_key=NEVER, most_failures=3)


def test_bucket_gives_its_burst_at_once_and_then_one_token_an_interval():
    bucket = Bucket(rate=10, burst=3)
    assert [bucket.take(0.0) for _ in range(5)] == [0, 0, 0, pytest.approx(0.1), pytest.approx(0.2)]


def test_bucket_fills_to_its_burst_and_not_above():
    bucket = Bucket(rate=10, burst=2)
    assert [bucket.take(1000.0) for _ in range(3)] == [0, 0, pytest.approx(0.1)]


def test_bucket_lets_no_more_than_its_rate_through_however_it_is_asked():
    bucket = Bucket(rate=50, burst=5)
    now, through = 0.0, []
    for n in range(1000):
        now = max(now, n * 0.001)  # asked a thousand times a second
        now += bucket.take(now)
        through.append(now)
    for first, last in zip(through, through[50:], strict=False):
        assert last - first >= 50 / 50 - 5 / 50 - 1e-9


async def opened():
    gate = Gate("erp", RHYTHM)
    for _ in range(RHYTHM.most_failures):
        gate.failed(TransientError("away"))
    return gate


async def test_circuit_opens_after_failures_in_a_row_whatever_the_events():
    gate = Gate("erp", RHYTHM)
    for _ in range(2):
        gate.failed(UnknownOutcome("no answer"))
    assert gate.state == "closed"
    gate.failed(TransientError("away"))
    assert gate.state == "open"


async def test_success_between_failures_keeps_the_circuit_closed():
    gate = Gate("erp", RHYTHM)
    for _ in range(10):
        gate.failed(TransientError("away"))
        gate.worked()
    assert gate.state == "closed"


async def test_open_circuit_lets_one_event_try_and_closes_when_it_goes_well():
    gate = await opened()
    await gate.ready(asyncio.Event())
    assert (gate.state, gate.most) == ("half open", 1)
    gate.worked()
    assert (gate.state, gate.most) == ("closed", None)


async def test_event_that_fails_while_half_open_opens_the_circuit_again():
    gate = await opened()
    await gate.ready(asyncio.Event())
    gate.failed(TransientError("still away"))
    assert gate.state == "open"


async def test_what_is_one_events_own_fault_opens_no_circuit():
    gate = Gate("erp", RHYTHM)
    own = TransientError("failed inside")
    own.__cause__ = Refusal(500, "KeyError", is_own_fault=True)
    for _ in range(20):
        gate.failed(own)
        gate.failed(BusinessError("unknown product"))
        gate.failed(KeyError("a mistake of our own"))
    assert gate.state == "closed"


async def test_refused_key_holds_everything_until_its_pause_is_over():
    gate = Gate("erp", replace(RHYTHM, refused_key=Backoff(timedelta(hours=1), timedelta(hours=1))))
    gate.failed(CredentialsError("401"))
    stop = asyncio.Event()
    waiting = asyncio.create_task(gate.ready(stop))
    await asyncio.sleep(0)
    assert not waiting.done()
    stop.set()
    await waiting


async def test_retry_after_holds_everything_but_no_longer_than_the_longest_pause():
    gate = Gate("erp", replace(RHYTHM, longest_pause=timedelta(0)))
    gate.failed(TransientError("429", timedelta(days=365)))
    async with asyncio.timeout(5):
        await gate.ready(asyncio.Event())


async def test_condition_tells_people_why_nothing_goes_out_and_when_it_works_again():
    gate = Gate("erp", RHYTHM)
    assert gate.condition.state == "works"
    gate.failed(CredentialsError("the ERP refuses the key"))
    assert (gate.condition.state, gate.condition.reason) == ("refused", "the ERP refuses the key")
    assert gate.changed.is_set()
    gate.changed.clear()
    gate.worked()
    assert gate.condition.state == "works"
    assert gate.changed.is_set()
    gate = await opened()
    assert (gate.condition.state, gate.condition.reason) == ("failing", "away")
    await gate.ready(asyncio.Event())
    assert (gate.state, gate.condition.state) == ("half open", "failing")


async def test_condition_that_stays_is_not_told_again():
    gate = Gate("erp", RHYTHM)
    gate.worked()
    gate.changed.clear()
    gate.worked()
    gate.failed(TransientError("away"))  # one failure is no condition yet
    gate.failed(BusinessError("unknown item"))
    assert not gate.changed.is_set()
