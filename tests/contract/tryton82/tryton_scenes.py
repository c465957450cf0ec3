"""Events of the real Tryton's own tests, and how the answer to each of their steps is cut off in turn."""

from __future__ import annotations

import datetime as dt
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from bridge.erp.tryton82 import Tryton82
from bridge.errors import TransientError, UnknownOutcome
from bridge.model.production import (
    Disposition,
    MaterialUse,
    ProductionPerformance,
    Reversal,
    event_id,
)
from tests.contract.scenes import AT, EQUIPMENT, ORDER, actual, carry, resume, wire
from tests.faulty_proxy import FaultyProxy

BARS = 5000
MONTH = dt.date(2026, 7, 31)  # a closed period that has the orders' planned days in it


def bars(quantity, cumulative, sequence=1, order=ORDER):
    return actual(quantity, cumulative, sequence, order, use=MaterialUse.CONSUMED, item="BAR-60")


def powder(quantity, cumulative, sequence=1, order=ORDER):
    return actual(quantity, cumulative, sequence, order, "kg", use=MaterialUse.CONSUMED, item="POW-1")


def scrapped(quantity, cumulative, sequence=1, order=ORDER):
    return actual(quantity, cumulative, sequence, order, disposition=Disposition.SCRAP)


def confirmation(sequence, good, scrap=0, *, is_final=False, order=ORDER):
    fact = event_id("test", f"{order} confirmation", sequence)
    return ProductionPerformance(
        fact, order, sequence, "", AT, AT, Decimal(good), Decimal(scrap), "1", EQUIPMENT, is_final=is_final
    )  # fmt: skip


def back(event, quantity, cumulative, sequence=1):
    fact = event_id("test", f"{event.order_ref} reversal of {event.event_id}", sequence)
    return Reversal(
        fact, event.order_ref, sequence, AT, Decimal(quantity), Decimal(cumulative), "crack", event
    )  # fmt: skip


@asynccontextmanager
async def connected(server, **settings):
    async with Tryton82(server.settings(**settings)) as connector:
        yield connector


async def carry_all(connector, *events):
    return [await carry(connector, event) for event in events]


async def execute(connector, steps):
    for step in steps:
        await connector.execute(step)


@asynccontextmanager
async def cut_at(server, events, number, of, *, is_replayed=False, **settings):
    """The events are carried, and the answer to the step `number` (from 0) of each is cut off after the commit, if it has as many.

    `of` is how many the longest has. `is_replayed`: goes on as when a person replays it, without the plan of the attempt before.
    """
    was_cut, longest = False, 0
    async with (
        FaultyProxy.before(server.port) as proxy,
        connected(server, url=proxy.url, timeout_s=30, **settings) as connector,
    ):
        for event in events:
            steps = list(await connector.plan(event))
            longest = max(longest, len(steps))
            await execute(connector, steps[:number])
            if number < len(steps):
                proxy.fail("drop_after_commit", wire(steps[number].call))
                try:
                    await connector.execute(steps[number])
                except (TransientError, UnknownOutcome):
                    was_cut = True
                proxy.clear()
            found = await resume(connector, event, steps, 0 if is_replayed else min(number, len(steps)))
            assert found.is_posted
            assert await connector.lookup(event) == found
            assert await connector.plan(event) == []
        yield connector
    assert was_cut
    assert longest == of


def at_each_of(steps):
    return pytest.mark.parametrize(("number", "of"), [(number, steps) for number in range(steps)])


STORY = [
    confirmation(1, 5, 1),
    confirmation(2, 0, 2),
    confirmation(3, 7),
    confirmation(4, 0, 0),
    confirmation(5, 10, 2, is_final=True),
]
