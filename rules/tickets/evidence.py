"""The evidence of a ticket: when the time after the event has passed, its readings as data and as a picture."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from bridge.store import ticket
from bridge.store.database import Connection, Row
from rules.tickets.picture import Curve, Limit, Scene, draw

log = structlog.get_logger()

MOST_POINTS: Final = 2000  # of one tag
PNG: Final = "image/png"

Clock = Callable[[int], datetime | None]


async def complete_due(connection: Connection, clock: Clock) -> int:
    """Complete the evidence of every ticket whose time has passed by the clock of its asset; returns how many there were.

    The picture is drawn in a thread, outside any transaction.
    """
    completed = 0
    for row in await ticket.evidence_due(connection):
        now = clock(row["equipment_id"])
        if now is not None and now >= row["last"]:
            await _complete(connection, row)
            completed += 1
    return completed


async def _complete(connection: Connection, row: Row) -> None:
    names = {tag["id"]: tag["name"] for tag in row["tags"]}
    readings = await ticket.evidence_readings(connection, names, row["first"], row["last"], MOST_POINTS)
    points: dict[str, list[Row]] = {name: [] for name in names.values()}
    for reading in readings:
        points[names[reading["tag_id"]]].append(reading)
    try:
        picture: bytes | None = await asyncio.to_thread(draw, _scene(row, points))
    except Exception:
        # The readings are the evidence; a picture that cannot be drawn must not keep them, or other tickets, waiting.
        log.exception("picture cannot be drawn", ticket=row["ticket_id"])
        picture = None
    data = {name: [_datum(reading) for reading in found] for name, found in points.items()}
    await ticket.complete_evidence(
        connection,
        row["ticket_id"],
        data=data,
        picture=picture,
        picture_type=PNG if picture else None,
        now=datetime.now(UTC),
    )
    log.info("evidence is complete", ticket=row["ticket_id"], readings=len(readings), picture_bytes=len(picture or b""))


def _datum(reading: Row) -> list[Any]:
    value = reading["text"] if reading["value"] is None else reading["value"]
    if isinstance(value, float) and not math.isfinite(value):
        value = str(value)  # JSON has no number for it
    return [reading["ts"].isoformat(), value, reading["quality"]]


def _is_drawn(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _scene(row: Row, points: dict[str, list[Row]]) -> Scene:
    limits = [Limit(limit["severity"], limit["tag"], limit["value"]) for limit in row["limits"]]
    curves = [
        Curve(
            tag["name"], tag["unit"], tuple((p["ts"], p["value"]) for p in points[tag["name"]] if _is_drawn(p["value"]))
        )
        for tag in row["tags"]
    ]
    return Scene(
        title=f"{row['path']}: {row['failure_mode']}",
        subtitle=f"ticket {row['ticket_id']}, rule {row['rule_id']} version {row['rule_version']}",
        at=row["opened_at"],
        first=row["first"],
        last=row["last"],
        curves=tuple(curve for curve in curves if curve.points),
        limits=tuple(limits),
    )
