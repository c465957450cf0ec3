"""What the database says was taken in, made, posted and ticketed: one side of the comparison of ledgers."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("ledger")


@dataclass(frozen=True, slots=True)
class Ledger:
    """The database's totals. Pieces are counts; `rules_behind` is in batches; `material_posted` is by item, in its unit."""

    stored: int
    duplicates: int
    dead_letters: int
    good: int
    scrap: int
    good_without_order: int
    good_without_posting: int
    tickets: int
    occurrences: int
    evidence_pending: int
    posted: int
    scrap_posted: int
    scrap_without_posting: int
    material_without_posting: int
    outbox_open: int
    outbox_parked: int
    rules_behind: int
    good_by_order: dict[str, int]
    tickets_by_fault: dict[tuple[str, str], int]  # by machine path and failure mode
    material_posted: dict[str, Decimal]


async def read_ledger(connection: Connection) -> Ledger:
    """All totals in one snapshot."""
    async with connection.transaction():
        await connection.execute(_QUERIES.one_snapshot)
        readings = await _one(connection, _QUERIES.readings)
        counts = await _one(connection, _QUERIES.counts)
        tickets = await _one(connection, _QUERIES.tickets)
        states = {row["state"]: row["n"] async for row in await connection.execute(_QUERIES.outbox_states)}
        return Ledger(
            stored=readings["stored"],
            duplicates=readings["duplicates"],
            dead_letters=readings["dead_letters"],
            good=counts["good"],
            scrap=counts["scrap"],
            good_without_order=counts["good_without_order"],
            good_without_posting=counts["good_without_posting"],
            tickets=tickets["tickets"],
            occurrences=tickets["occurrences"],
            evidence_pending=(await _one(connection, _QUERIES.evidence_pending))["pending"],
            posted=int((await _one(connection, _QUERIES.posted))["posted"]),
            scrap_posted=int((await _one(connection, _QUERIES.scrap_posted))["posted"]),
            scrap_without_posting=(await _one(connection, _QUERIES.scrap_without_posting))["pieces"],
            material_without_posting=(await _one(connection, _QUERIES.material_without_posting))["pieces"],
            material_posted={
                row["item"]: row["quantity"] async for row in await connection.execute(_QUERIES.material_posted)
            },
            outbox_open=states.get("pending", 0) + states.get("sending", 0),
            outbox_parked=states.get("parked", 0),
            good_by_order={
                row["order_number"]: row["good"] async for row in await connection.execute(_QUERIES.good_by_order)
            },
            tickets_by_fault={
                (row["path"], row["failure_mode"]): row["n"]
                async for row in await connection.execute(_QUERIES.tickets_by_fault)
            },
            rules_behind=(await _one(connection, _QUERIES.rules_behind))["batches"],
        )


async def active_rules(connection: Connection) -> int:
    """How many rules are in force; 0 until the rule engine has begun for the first time."""
    return int((await _one(connection, _QUERIES.active_rules))["n"])


async def stored_by_source(connection: Connection) -> dict[str, int]:
    """Readings stored, per source."""
    return {row["source"]: row["stored"] async for row in await connection.execute(_QUERIES.stored_by_source)}


async def message_to_commit_ms(connection: Connection) -> dict[str, list[float]]:
    """Source time to commit, milliseconds at the percentiles 50, 95 and 99, per source and under "" of all.

    Empty where the server does not keep commit times (track_commit_timestamp).
    """
    setting = await (await connection.execute(_QUERIES.keeps_commit_times)).fetchone()
    if setting is None or not setting["kept"]:
        return {}
    rows = await (await connection.execute(_QUERIES.message_to_commit)).fetchall()
    return {row["source"] or "": row["ms"] for row in rows if row["ms"]}


async def _one(connection: Connection, query: bytes) -> Row:
    row = await (await connection.execute(query)).fetchone()
    assert row is not None, "an aggregate has one row"
    return row
