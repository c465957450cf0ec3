"""Through the relay into each simulated system: exact to the piece while the systems fail and the relay is killed."""

from __future__ import annotations

import asyncio

import pytest

from bridge.store.database import connected
from simulators.erp.failures import Failures
from tests.erp_systems.business_central import SimulatedBusinessCentral
from tests.erp_systems.declarative import Described
from tests.erp_systems.erpnext import SimulatedErpNext
from tests.erp_systems.sap_s4 import SimulatedSap
from tests.erp_systems.webhook import SimulatedReceiver
from tests.relay_process import drained, post, relaying, request, start, until

SYSTEMS = {
    "sap_s4": SimulatedSap,
    "business_central": SimulatedBusinessCentral,
    "erpnext": SimulatedErpNext,
    "declarative": Described,
    "webhook": SimulatedReceiver,
}
MADE = {"MES-0001": [3, 4, 5, 6], "MES-0002": [1, 1, 2, 10], "MES-0003": [40]}
# A request dies with its relay, and the system may finish it after the next relay's lookup would have asked; so nobody waits here.
LIVES = ("after execute 1", "before record_step 1", "before verify 1", "after plan 2", "before finish 1", "")


@pytest.fixture(params=sorted(SYSTEMS))
async def system(request):
    async with SYSTEMS[request.param]() as running:
        yield running


async def fill(dsn: str) -> None:
    async with connected(dsn, "test") as connection:
        for order, quantities in MADE.items():
            await post(connection, order, quantities)
        for ticket in (1, 2):
            await request(connection, ticket)


async def assert_exact(system) -> None:
    truth = await system.truth()
    posted = {order: quantity for order, quantity in truth["good_posted_by_origin"].items() if quantity}
    assert posted == {order: sum(quantities) for order, quantities in MADE.items()}
    assert truth["postings_by_origin"] == {order: len(quantities) for order, quantities in MADE.items()}
    assert len(truth["maintenance_requests"]) == 2


async def test_every_piece_is_posted_once_while_a_third_of_the_postings_fails(system, database_dsn, monkeypatch):
    """500, 429, answers that come late or never, before and after the commit.

    No commit comes later than a connector's timeout after its request was given up: what a system without an own fence does
    later than that, nobody can tell from what never arrived (docs/connectors.md).
    """
    monkeypatch.setattr("simulators.erp.failures.SLOW_S", 0.2)
    system.failures = Failures(seed=11, share=0.35, hold_s=0.2)
    await system.stop()
    await system.start()
    await fill(database_dsn)
    async with relaying(database_dsn, system.settings(name="erp", timeout_s=1)):
        async with asyncio.timeout(90):
            rows = await drained(database_dsn)
    assert all(row["external_id"] for row in rows)
    await assert_exact(system)
    assert sum(system.failures.applied.values()) >= 2


# The one whose events have two steps always; the others in `make chaos`: a life of a relay takes a second to begin.
KILLED = [
    pytest.param(name, marks=[] if name == "business_central" else [pytest.mark.chaos], id=name)
    for name in sorted(SYSTEMS)
]


@pytest.mark.parametrize("system", KILLED, indirect=True)
async def test_every_piece_is_posted_once_while_the_relay_is_killed(system, database_dsn):
    await fill(database_dsn)
    process = start(database_dsn, system.settings(name="erp"), *LIVES)
    try:
        async with asyncio.timeout(90):
            await drained(database_dsn)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.ended()
    await assert_exact(system)


@pytest.mark.parametrize("system", ["business_central", "erpnext", "sap_s4"], indirect=True)
async def test_events_that_a_restored_database_makes_anew_are_found_or_told_and_never_posted_twice(
    system, connection, database_dsn
):
    """What was written since the backup is gone here, and stands in the system."""
    await post(connection, "MES-0001", [1, 1, 1])
    async with relaying(database_dsn, system.settings()):
        await drained(database_dsn)
    await connection.execute("delete from outbox_attempt where outbox_id in (select id from outbox where seq > 1)")
    await connection.execute("delete from outbox where seq > 1")
    await post(connection, "MES-0001", [1, 4], first=2, before=1)  # the same piece, then three more than were there
    async with relaying(database_dsn, system.settings()):
        rows = await until(database_dsn, lambda rows: rows[-1]["state"] in ("done", "parked"))
    assert [row["state"] for row in rows] == ["done", "done", "parked"]
    assert await system.good_posted("MES-0001") == 3
