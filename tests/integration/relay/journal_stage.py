"""A dispatcher's journal on a session of its own, and what happens to sessions."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

from bridge.erp.relay.journal import Journal
from bridge.store import relay as relay_store
from bridge.store.database import connected
from bridge.store.relay import Exchange

ORDER, OTHER = "MES-0001", "MES-0002"
SETTLE = timedelta(seconds=30)
OK = Exchange("step", "ok", 200, {"call": "x"}, "fine", 1.0)


@asynccontextmanager
async def journal_of(dsn, settle=SETTLE):
    """A dispatcher's journal on a session of its own."""
    async with connected(dsn, "relay") as session:
        await relay_store.prepare_session(session)
        journal = Journal(session, "erp", settle)
        writing = asyncio.create_task(journal.run())
        try:
            yield journal, session
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


async def claim(journal):
    looked = await journal.due_heads([], 10, "")
    return await journal.claim(looked.found, 10)


async def lose_locks(session):
    """As a failover or a pooler does it, under the holder's feet."""
    await session.execute("select pg_advisory_unlock_all()")


async def make_due(connection):
    await connection.execute("update outbox set next_at = now() where state = 'sending'")
