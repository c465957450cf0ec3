"""The demonstration while everything in it is killed at random: plant, database and ERP have the same numbers at the end.

AMOR_CHAOS_SECONDS (120) is the length of production. The plant itself lives: it is what the ledgers are held against.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.whole_system import whole_system

PRODUCTION_S = float(os.environ.get("AMOR_CHAOS_SECONDS", "120"))
AUTOSAVE_S = 1
LONGEST_AWAY_S = 2 + 4  # until it is started again, and until the gateway tries again


@pytest.fixture
def folder(server_folder: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder that the servers' user can enter; pytest keeps its logs."""
    folder = server_folder / tmp_path.name
    (folder / "logs").mkdir(parents=True)
    yield folder
    shutil.copytree(folder / "logs", tmp_path / "logs")


@pytest.mark.chaos
@pytest.mark.timeout(PRODUCTION_S + 600)
async def test_ledgers_agree_though_every_process_the_database_and_the_erp_are_killed(installation, folder, chance):
    """The broker is ended in order and started again; of its kill -9 the next test says what holds."""
    async with whole_system(installation, folder, chance, production_s=PRODUCTION_S, autosave_s=AUTOSAVE_S) as system:
        blows = {**system.processes(), "database": system.kill_database, "broker": system.restart_broker}
        struck = await system.strike(blows)
        system.out.print(f"struck: {dict(struck)}")
        figures = await system.close_the_books(patience_s=180)
    assert [line for line in figures["balances"] if not line["agrees"]] == []
    assert figures["readings_sent"] > 0
    assert figures["good_posted"] > 0
    assert figures["outbox_open"] == figures["outbox_parked"] == 0


@pytest.mark.chaos
@pytest.mark.timeout(PRODUCTION_S + 600)
async def test_kill_of_the_broker_loses_only_what_it_had_not_written_and_doubles_nothing(installation, folder, chance):
    """mosquitto acknowledges before it writes: what came since its last autosave may be lost with it, and nothing else.

    The bound is coarse: what a second autosaved, and what the gateway had kept while the broker was away, comes at once.
    """
    async with whole_system(installation, folder, chance, production_s=PRODUCTION_S, autosave_s=AUTOSAVE_S) as system:
        struck = await system.strike(
            {**system.processes(), "database": system.kill_database, "broker": system.kill_broker}
        )
        system.out.print(f"struck: {dict(struck)}")
        figures = await system.close_the_books(patience_s=90)  # readings that are lost are waited for in vain
        gaps = await system.gaps("line1")
    sent, stored, bad = figures["sent_by_source"], figures["stored_by_source"], figures["dead_letters"]
    missing = sent["mqtt"] - stored["line1"] - bad
    system.out.print(f"readings that the broker lost: {missing} of {sent['mqtt']:,} in {struck['broker']} kills of it")
    assert 0 <= missing <= sent["mqtt"] / PRODUCTION_S * (AUTOSAVE_S + LONGEST_AWAY_S) * struck["broker"]
    assert missing == 0 or gaps > 0
    assert stored["line2"] == sent["opcua"]
    assert figures["good_counted"] == figures["good_posted"] <= figures["good_made"]
    assert figures["scrap_counted"] <= figures["scrap_made"]
    assert bad <= sent["mqtt"]
    assert figures["outbox_open"] == figures["outbox_parked"] == 0
