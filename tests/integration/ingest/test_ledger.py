"""The database's totals."""

from __future__ import annotations

from bridge.store import ledger
from bridge.store.database import connected
from bridge.store.ledger import read_ledger
from tests.integration.ingest.ingest_stage import query


async def test_all_totals_are_of_one_instant(database_dsn, monkeypatch):
    calls = 0

    async def one(connection, text):
        nonlocal calls
        calls += 1
        row = await (await connection.execute(text)).fetchone()
        # Another writer, between two of the queries: nothing of it is seen.
        await query(dsn=database_dsn, text=LETTER)
        return row

    monkeypatch.setattr(ledger, "_one", one)
    async with connected(database_dsn, "test") as connection:
        before, written = await read_ledger(connection), calls
        seen_later = await read_ledger(connection)
    assert before.dead_letters == 0
    assert before.tickets == 0
    assert seen_later.dead_letters == seen_later.tickets == written > 1


LETTER = """
with letter as (
    insert into dead_letter (source, received_at, address, payload, reason) values ('s', now(), 'a', 'x', 'r')
), plant as (
    insert into equipment (level, path, name) values ('enterprise', gen_random_uuid(), 'n') returning id
)
insert into ticket (equipment_id, failure_mode, priority, title, description, opened_at)
select id, 'VIB', 'low', 't', 'd', now() from plant returning id
"""
