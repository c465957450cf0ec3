"""Shipments as the business system tells of them, for the lead time from order to ship."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

from bridge.model.production import ShipmentStatus
from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("shipment")


async def upsert(connection: Connection, connector: str, shipments: Iterable[ShipmentStatus]) -> None:
    """Write the shipments of one connector; those that changed are told on the live channel, the others are not touched."""
    rows = [{"connector": connector, **dataclasses.asdict(shipment)} for shipment in shipments]
    async with connection.cursor() as cursor:
        await cursor.executemany(_QUERIES.upsert, rows)
