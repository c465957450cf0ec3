"""Connections to the database. Every one is UTC, autocommit (transactions are opened where they are meant), and bounded in waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

Row = dict[str, Any]
Connection = AsyncConnection[Row]

_OPTIONS: Final = {
    "autocommit": True,
    "row_factory": dict_row,
    "connect_timeout": 5,
    "options": "-c TimeZone=UTC -c lock_timeout=30s -c idle_in_transaction_session_timeout=60s",
    # A dead peer is noticed within half a minute, not after the kernel's two hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}

# Channels of NOTIFY. Payloads carry ids only; a listener that missed one finds the work by polling.
CHANNEL_BATCH: Final = "amor_batch"  # "<lane>:<seq>" after a batch of readings
CHANNEL_OUTBOX: Final = "amor_outbox"  # "<connector>" after new work for the relay
CHANNEL_LIVE: Final = (
    "amor_live"  # "<noun>:<id>" after a change that people see: alarm, ticket, count, state, order, shipment, outbox
)


async def connect(dsn: str, application: str) -> Connection:
    """Open one connection. Raises psycopg.OperationalError where the database is away."""
    return await AsyncConnection[Row].connect(dsn, application_name=f"amor {application}", **_OPTIONS)  # type: ignore[arg-type]  # row_factory is typed per call


@asynccontextmanager
async def connected(dsn: str, application: str) -> AsyncIterator[Connection]:
    """One connection, closed at the end."""
    connection = await connect(dsn, application)
    try:
        yield connection
    finally:
        await connection.close()


def pool(dsn: str, application: str, size: int = 4) -> AsyncConnectionPool[Connection]:
    """A pool that is not open yet: use it with `async with`."""
    return AsyncConnectionPool(
        dsn,
        min_size=1,
        max_size=size,
        open=False,
        timeout=10,
        connection_class=AsyncConnection[Row],
        kwargs={"application_name": f"amor {application}", **_OPTIONS},
        check=AsyncConnectionPool.check_connection,
    )
