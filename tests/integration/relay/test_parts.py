"""Events that are several documents there, while the relay is killed between them: each document once, whatever a plan said before."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from bridge.model.production import Disposition, Reversal, event_id
from bridge.store.database import connected
from tests.contract.scenes import AT, ORDER, actual
from tests.erp_systems.business_central import SimulatedBusinessCentral
from tests.erp_systems.sap_s4 import SimulatedSap
from tests.relay_process import drained, put, start

SCRAP = [actual(4, 4, disposition=Disposition.SCRAP), actual(2, 6, 2, disposition=Disposition.SCRAP)]
PART = Reversal(event_id("t", "part", 1), ORDER, 9, AT, Decimal(1), Decimal(1), "found good", SCRAP[0])
SERIALS = replace(actual(3, 3), serials=("S1", "S2", "S3"))
WHOLE = Reversal(event_id("t", "whole", 1), ORDER, 9, AT, Decimal(3), Decimal(3), "late", SERIALS)


@dataclass(frozen=True)
class Killed:
    """Events, where each life of the relay ends, and what must be booked then: quantity and scrap of each document, in order."""

    system: type[SimulatedSap | SimulatedBusinessCentral]
    events: tuple
    lives: tuple[str, ...]
    booked: list[tuple[int, int]]


CASES = {
    # Scrap, its cancellation and the confirmation of the rest, more scrap. SAP takes the same key twice without a word.
    "part of a confirmation": Killed(
        SimulatedSap,
        (SCRAP[0], PART, SCRAP[1]),
        ("after execute 2", "after keep_plan 1", "after execute 1", "before record_step 1", ""),
        [(0, 4), (0, -4), (0, 3), (0, 2)],
    ),
    # Each serial is entered and posted; a line that was posted is gone, and could be entered again.
    "a line for each serial": Killed(
        SimulatedBusinessCentral,
        (SERIALS, WHOLE),
        ("after execute 4", "before record_step 1", "after execute 2", "after execute 3", ""),
        [(1, 0), (1, 0), (1, 0), (-1, 0), (-1, 0), (-1, 0)],
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_every_document_is_booked_once_while_the_relay_is_killed_between_them(case, database_dsn):
    killed = CASES[case]
    async with killed.system() as system:
        async with connected(database_dsn, "test") as connection:
            for event in killed.events:
                await put(connection, event, ORDER)
        process = start(database_dsn, system.settings(name="erp", timeout_s=0.5), *killed.lives)
        try:
            async with asyncio.timeout(90):
                rows = await drained(database_dsn)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.ended()
        assert {row["state"] for row in rows} == {"done"}
        booked = system.system.business.bookings
        assert [(each.quantity, each.scrap) for each in booked] == killed.booked
        assert len({each.reference for each in booked}) == len(booked)
