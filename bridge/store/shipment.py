"""Shipments as the business system tells of them, for the lead time from order to ship."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from bridge.model.production import ShipmentStatus
from bridge.store import rows
from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("shipment")


async def upsert(
    connection: Connection, connector: str, shipments: Sequence[ShipmentStatus]
) -> list[tuple[ShipmentStatus, str]]:
    """Write the shipments of one connector; those that changed are told on the live channel, the others are not touched.

    Returns those that the database refused, with the reason; they keep no other from being written.
    """
    columns = [{"connector": connector, **dataclasses.asdict(shipment)} for shipment in shipments]
    refused = await rows.write(connection, _QUERIES.upsert, columns)
    return [(shipments[position], reason) for position, reason in refused]
