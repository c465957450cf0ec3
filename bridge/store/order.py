"""Production orders as the business system tells of them; it is their master, nothing here changes them otherwise."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

from bridge.model.production import ProductionOrder
from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("order")


async def upsert(connection: Connection, connector: str, orders: Iterable[ProductionOrder]) -> None:
    """Write the orders of one connector; those that changed are told on the live channel, the others are not touched."""
    rows = [{"connector": connector, **dataclasses.asdict(order)} for order in orders]
    async with connection.cursor() as cursor:
        await cursor.executemany(_QUERIES.upsert, rows)
