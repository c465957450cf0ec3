"""A control tower with one event that waits for a person, and one more behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.dashboard_process import Tower, running_tower
from tests.plant_seed import Seed
from tests.relay_process import post

ORDER = "WH/MO/00017"


@pytest.fixture
async def tower(database_dsn: str) -> AsyncIterator[Tower]:
    async with running_tower(database_dsn) as tower:
        yield tower


@pytest.fixture
async def client(tower: Tower) -> AsyncIterator[httpx.AsyncClient]:
    async with tower.client() as client:
        assert (await tower.log_in(client)).status_code == 200
        yield client


@pytest.fixture
def seed(database_dsn: str) -> Iterator[Seed]:
    seed = Seed(database_dsn)
    yield seed
    seed.close()


@pytest.fixture
async def event(connection) -> int:
    """A parked event of 5 pieces; 4 more wait behind it."""
    first, _ = await post(connection, ORDER, [5, 4])
    await connection.execute(
        "update outbox set state = 'parked', attempts = 3, last_error = 'order is closed' where id = %s", (first,)
    )
    return first
