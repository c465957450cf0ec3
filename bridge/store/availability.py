"""Levels of stock for warehouses and shops: what each was last told, and the next level that it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from bridge.model.production import Availability, event_id
from bridge.store import outbox
from bridge.store.database import Connection
from bridge.store.queries import load

_QUERIES: Final = load("availability")


class Stream(NamedTuple):
    """Whose stock is told to whom: names of connectors, our item, our location (empty: all stock)."""

    source: str
    target: str
    item: str
    location: str


@dataclass(frozen=True, slots=True)
class Level:
    """What a stream was last told. `is_on_its_way`: its target does not have it yet."""

    sequence: int
    available: Decimal
    is_on_its_way: bool


async def last_levels(connection: Connection, source: str) -> Mapping[Stream, Level]:
    """What the streams of a source were last told."""
    rows = await connection.execute(_QUERIES.last_levels, {"source": source})
    return {
        Stream(source, row["target"], row["item"], row["location"]): Level(
            row["sequence"], row["available"], row["is_on_its_way"]
        )
        async for row in rows
    }


async def write(
    connection: Connection, stream: Stream, sequence: int, available: Decimal, uom: str, at: datetime
) -> int | None:
    """Write the level `sequence` of a stream to its target's outbox and keep it, both or nothing; returns the outbox row's id.

    `at` is when the source was asked. None where somebody wrote a level with this number already.
    """
    of = "|".join(
        word.replace("%", "%25").replace("|", "%7C") for word in stream
    )  # | parts the words of an id's source
    fact = event_id("availability", of, sequence)
    event = Availability(fact, stream.item, stream.location, sequence, at, available, uom)
    async with connection.transaction():
        outbox_id = await outbox.insert(
            connection,
            connector=stream.target,
            stream=f"stock|{stream.source}|{stream.item}|{stream.location}",
            kind=event.kind,
            payload=event.payload(),
            key=str(fact),
        )
        if outbox_id is not None:
            kept = {**stream._asdict(), "sequence": sequence, "available": available, "outbox_id": outbox_id}
            await connection.execute(_QUERIES.keep_level, kept)
    return outbox_id
