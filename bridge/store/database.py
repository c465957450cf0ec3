"""Connections to the database. Every one is UTC, autocommit (transactions are opened where they are meant), and bounded in waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection, waiting
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


_LOOK_UP_S: Final = 0.1  # as psycopg's own; without it a wait never rests


class _Impatient(AsyncConnection[Row]):
    """A connection that is given up where a statement is not answered in time, though the other machine still takes every packet."""

    answer_within: timedelta | None = None

    async def wait(self, gen: Any, interval: float = _LOOK_UP_S, timeout: float | None = None) -> Any:
        """As psycopg's, which waits for ever where it is given no timeout, and after a cancellation for a server that may be gone."""
        if self.answer_within is None or timeout is not None:
            return await super().wait(gen, interval, timeout)
        try:
            async with asyncio.timeout(self.answer_within.total_seconds()):
                return await waiting.wait_async(gen, self.pgconn.socket, interval=interval)
        except TimeoutError as error:
            self.pgconn.finish()  # its state is unknown
            raise psycopg.OperationalError(f"the database does not answer within {self.answer_within}") from error
        except asyncio.CancelledError:
            self.pgconn.finish()
            raise


async def connect(dsn: str, application: str, *, answer_within: timedelta | None = None) -> Connection:
    """Open one connection. Raises psycopg.OperationalError where the database is away.

    `answer_within`: a statement that takes longer raises it as well, and the connection is closed, as it is where somebody who
    waits for a statement is cancelled; None: no limit.
    """
    connection = await _Impatient.connect(dsn, application_name=f"amor {application}", **_OPTIONS)  # type: ignore[arg-type]  # row_factory is typed per call
    connection.answer_within = answer_within
    return connection


@asynccontextmanager
async def connected(dsn: str, application: str, *, answer_within: timedelta | None = None) -> AsyncIterator[Connection]:
    """One connection, closed at the end; see `connect`."""
    connection = await connect(dsn, application, answer_within=answer_within)
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
