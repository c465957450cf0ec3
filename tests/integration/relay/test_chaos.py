"""Relays that are killed at random while the ERP fails at random: the totals are exact."""

from __future__ import annotations

import random

import pytest

from bridge.store.database import connected
from tests.erp_process import SimulatedErp
from tests.relay_process import drained, post, request, start, until

KILLS = 12
EVENTS = 8


@pytest.mark.chaos
@pytest.mark.timeout(600)
async def test_totals_are_exact_after_random_kills_and_failures(tmp_path, database_dsn):
    orders = [f"MES-{number:04}" for number in range(1, 13)]
    chance = random.Random(20)
    async with SimulatedErp(tmp_path / "erp", fail=0.1) as erp, connected(database_dsn, "test") as connection:
        # "slow" answers after 2 s, so the relay's patience and settling time together outlast it.
        table = erp.settings(timeout_s=1.5)
        for order in orders:
            await post(connection, order, [chance.randint(1, 5) for _ in range(EVENTS)])
        for ticket in range(1, 5):
            await request(connection, ticket)
        relays = [start(database_dsn, table) for _ in range(2)]
        for kill in range(KILLS):
            bar = (kill + 1) * 8
            await until(database_dsn, lambda rows, bar=bar: sum(row["state"] == "done" for row in rows) >= bar)
            victim = relays.pop(chance.randrange(2))
            victim.kill()
            await victim.ended()
            relays.append(start(database_dsn, table))
        rows = await drained(database_dsn)
        for process in relays:
            process.terminate()
            assert await process.ended() == 0
        truth = await erp.truth()
    told = {order: sum(int(row["payload"]["quantity"]) for row in rows if row["stream"] == order) for order in orders}
    assert truth["good_posted_by_origin"] == told
    assert truth["postings_by_origin"] == dict.fromkeys(orders, EVENTS)
    assert len(truth["maintenance_requests"]) == 4
    assert sum(truth["failures_applied"].values()) > 0
