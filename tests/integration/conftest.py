"""A session of a test's own on its database."""

from __future__ import annotations

import pytest

from bridge.store.database import connected


@pytest.fixture
async def connection(database_dsn):
    async with connected(database_dsn, "test") as connection:
        yield connection
