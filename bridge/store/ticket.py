"""Tickets: one open per asset and failure mode, its occurrences, its history and its evidence."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb

from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("ticket")


@dataclass(frozen=True, slots=True)
class Opened:
    """The ticket of a failure; `is_new` where it was opened now, otherwise this was its next occurrence."""

    id: int
    is_new: bool


async def open_or_recur(
    connection: Connection,
    *,
    equipment_id: int,
    failure_mode: str,
    priority: str,
    title: str,
    description: str,
    alarm_id: int,
    at: datetime,
) -> Opened:
    """Open a ticket, or count an occurrence on the open one, whose priority may rise and never falls."""
    values = {"equipment_id": equipment_id, "failure_mode": failure_mode, "priority": priority, "at": at}
    values |= {"title": title, "description": description}
    row = await (await connection.execute(_QUERIES.open_or_recur, values)).fetchone()
    assert row is not None, "the query returns the ticket"
    opened = Opened(row["id"], row["is_new"])
    await connection.execute(_QUERIES.occurrence, {"ticket_id": opened.id, "alarm_id": alarm_id, "at": at})
    await add_event(connection, opened.id, "opened" if opened.is_new else "occurred", at, note=title)
    return opened


async def raise_priority(
    connection: Connection, *, equipment_id: int, failure_mode: str, priority: str, at: datetime
) -> None:
    """Raise the priority of the open ticket, where there is one and it is lower."""
    values = {"equipment_id": equipment_id, "failure_mode": failure_mode, "priority": priority}
    row = await (await connection.execute(_QUERIES.raise_priority, values)).fetchone()
    if row:
        await add_event(connection, row["id"], "priority", at, note=f"rose to {priority}")


async def add_event(
    connection: Connection, ticket_id: int, kind: str, at: datetime, *, actor: str = "rules", note: str = ""
) -> None:
    """Write a line of the ticket's history."""
    await connection.execute(
        _QUERIES.event, {"ticket_id": ticket_id, "at": at, "kind": kind, "actor": actor, "note": note}
    )


async def ask_for_evidence(
    connection: Connection,
    ticket_id: int,
    *,
    alarm_id: int,
    during: tuple[datetime, datetime],
    rule_id: str,
    rule_version: int,
    tags: list[dict[str, Any]],
    limits: list[dict[str, Any]],
) -> None:
    """Note which readings belong to the ticket; they are added when the time after the event has passed."""
    values = {"ticket_id": ticket_id, "alarm_id": alarm_id, "from": during[0], "to": during[1], "rule_id": rule_id}
    values |= {"rule_version": rule_version, "tags": Jsonb(tags), "limits": Jsonb(limits)}
    await connection.execute(_QUERIES.evidence, values)


async def evidence_due(connection: Connection) -> list[Row]:
    """Evidence that is not complete, with its ticket; `first` and `last` bound its readings."""
    return await (await connection.execute(_QUERIES.evidence_due)).fetchall()


async def evidence_readings(
    connection: Connection, tags: Collection[int], first: datetime, last: datetime, most: int
) -> list[Row]:
    """Readings of tags in a span, by tag and time, thinned evenly to about `most` of each."""
    values = {"tags": list(tags), "first": first, "last": last, "most": most}
    return await (await connection.execute(_QUERIES.evidence_readings, values)).fetchall()


async def complete_evidence(
    connection: Connection,
    ticket_id: int,
    *,
    data: dict[str, Any],
    picture: bytes | None,
    picture_type: str | None,
    now: datetime,
) -> None:
    """Add the readings and the picture, once; `picture` is None where it cannot be drawn."""
    values = {"ticket_id": ticket_id, "data": Jsonb(data), "picture": picture, "picture_type": picture_type, "now": now}
    await connection.execute(_QUERIES.complete_evidence, values)
