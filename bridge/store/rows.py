"""Rows from another system, of which one that the database refuses must not keep the others out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg

from bridge.store.database import Connection

# What a row itself is to blame for. A lost connection or a lock that is not to be had is not: that concerns all of them.
_REFUSALS: Final = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded, UnicodeEncodeError)


async def write(connection: Connection, query: bytes, rows: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """Run the query for each row, all in one go; one by one only where the database refuses any of them.

    Returns the positions of the rows that it refused, with the reason; all others are written.
    """
    try:
        async with connection.transaction(), connection.cursor() as cursor:
            await cursor.executemany(query, rows)
    except _REFUSALS:
        return await _one_by_one(connection, query, rows)
    return []


async def _one_by_one(connection: Connection, query: bytes, rows: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    refused = []
    for position, row in enumerate(rows):
        try:
            async with connection.transaction():
                await connection.execute(query, row)
        except _REFUSALS as error:
            refused.append((position, str(error)))
    return refused
