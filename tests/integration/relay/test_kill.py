"""kill -9 of a relay at every point of its work: the quantities in the ERP are exact, and no document is there twice."""

from __future__ import annotations

import signal

import pytest

from bridge.store.database import connected
from tests.relay_process import drained, post, relaying, request, start

ORDER = "MES-0001"


PIECES = [
    *(f"after {point} 1" for point in ("claim", "plan", "keep_plan", "verify", "finish")),
    *(f"{when} execute {step}" for step in (1, 2, 3) for when in ("before", "after")),
    *(f"after record_step {step}" for step in (1, 2, 3)),
    "after execute 6",  # the second event's mark done, not yet recorded
]
REQUESTS = ["after keep_plan 1", "before execute 1", "after execute 1", "after record_step 1", "after verify 1"]


@pytest.mark.parametrize("die_at", PIECES)
async def test_pieces_are_posted_once_when_the_relay_is_killed(erp, database_dsn, die_at):
    table = erp.settings(max_in_flight=1, timeout_s=0.5)
    async with connected(database_dsn, "test") as connection:
        await post(connection, ORDER, [5, 4, 31])
    process = start(database_dsn, table, die_at)
    assert await process.ended() == -signal.SIGKILL
    async with relaying(database_dsn, table):
        rows = await drained(database_dsn)
    truth = await erp.truth()
    assert truth["good_posted_by_origin"] == {ORDER: 40}
    assert truth["postings_by_origin"] == {ORDER: 3}
    assert len({row["external_id"] for row in rows}) == 3


@pytest.mark.parametrize("die_at", REQUESTS)
async def test_work_request_is_made_once_when_the_relay_is_killed(erp, database_dsn, die_at):
    table = erp.settings(max_in_flight=1, timeout_s=0.5)
    async with connected(database_dsn, "test") as connection:
        await request(connection, 1)
    process = start(database_dsn, table, die_at)
    assert await process.ended() == -signal.SIGKILL
    async with relaying(database_dsn, table):
        [row] = await drained(database_dsn)
    [made] = (await erp.truth())["maintenance_requests"]
    assert row["external_id"] == str(made["id"])


async def test_relay_that_dies_again_while_it_looks_up_loses_and_doubles_nothing(erp, database_dsn):
    table = erp.settings(max_in_flight=1, timeout_s=0.5)
    async with connected(database_dsn, "test") as connection:
        await post(connection, ORDER, [5, 4])
    for die_at in ("after execute 3", "after lookup 1", "before finish 1", "before execute 3"):
        process = start(database_dsn, table, die_at)
        assert await process.ended() == -signal.SIGKILL
    async with relaying(database_dsn, table):
        await drained(database_dsn)
    truth = await erp.truth()
    assert truth["good_posted_by_origin"] == {ORDER: 9}
    assert truth["postings_by_origin"] == {ORDER: 2}
