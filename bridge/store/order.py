"""Production orders as the business system tells of them; it is their master, nothing here changes them otherwise."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from bridge.model.production import ProductionOrder
from bridge.store import rows
from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("order")


async def upsert(
    connection: Connection, connector: str, orders: Sequence[ProductionOrder]
) -> list[tuple[ProductionOrder, str]]:
    """Write the orders of one connector; those that changed are told on the live channel, the others are not touched.

    Returns those that the database refused, with the reason; they keep no other from being written.
    """
    columns = [{"connector": connector, **dataclasses.asdict(order)} for order in orders]
    refused = await rows.write(connection, _QUERIES.upsert, columns)
    return [(orders[position], reason) for position, reason in refused]
