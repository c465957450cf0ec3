"""The control tower with the simulated ERP behind it, and its ERP page in a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.store.database import connected
from tests.dashboard_process import TowerProcess
from tests.erp_process import SimulatedErp
from tests.erp_scene import Poster, connector_table
from tests.plant_seed import Seed, apply, demo_settings


@pytest_asyncio.fixture(loop_scope="session")
async def erp(tmp_path: Path) -> AsyncIterator[SimulatedErp]:
    async with SimulatedErp(tmp_path / "erp") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def seed(database_dsn: str) -> AsyncIterator[Seed]:
    await apply(demo_settings(database_dsn), datetime.now(UTC))
    seed = Seed(database_dsn)
    yield seed
    seed.close()


@pytest.fixture
def tower(seed: Seed, erp: SimulatedErp, database_dsn: str, tmp_path: Path) -> Iterator[TowerProcess]:
    tower = TowerProcess(database_dsn, tmp_path, connector_table(erp))
    tower.start()
    yield tower
    tower.kill()


@pytest_asyncio.fixture(loop_scope="session")
async def connection(database_dsn):
    async with connected(database_dsn, "test") as connection:
        yield connection


@pytest.fixture
def poster(seed, connection) -> Poster:
    return Poster(seed, connection)


@pytest_asyncio.fixture(loop_scope="session")
async def page(watched):
    await watched.log_in("/login?next=/erp")
    await watched.page.locator('[data-connector="erp"]').wait_for()
    return watched.page
