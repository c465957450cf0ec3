"""Alarms that are shelved or out of service (ISA-18.2): beside their states, so that they are evaluated and logged and call nobody.

A shelf is of one rule on one asset, out of service is an asset with all below it, for one rule or for every rule. What an operator
does here is written with a line in the history of the alarm that stands, if one does.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("shelf")

ShelfKind = Literal["timed", "one_shot"]
Overlay = Literal["shelved", "out_of_service", "suppressed"]


async def shelve(
    connection: Connection,
    rule_id: str,
    equipment_id: int,
    *,
    kind: ShelfKind,
    reason: str,
    actor: str,
    now: datetime,
    until: datetime,
) -> int:
    """Shelve an alarm, which need not stand; one that is shelved already gets the new end and reason. Returns the shelf's id."""
    source: dict[str, Any] = {"rule_id": rule_id, "equipment_id": equipment_id, "now": now, "actor": actor}
    async with connection.transaction():
        await connection.execute(_QUERIES.lock_alarm, source)
        await connection.execute(_QUERIES.lock_source, source)
        await connection.execute(_QUERIES.unshelve, source)
        values = {**source, "kind": kind, "reason": reason, "until": until}
        row = await (await connection.execute(_QUERIES.shelve, values)).fetchone()
        await connection.execute(_QUERIES.hold_back, {**source, "overlay": "shelved"})
        note = f"{kind.replace('_', '-')}, until {until:%Y-%m-%d %H:%M:%S} UTC: {reason}"
        await connection.execute(_QUERIES.tell_alarm, {**source, "kind": "SHELVE", "note": note})
    assert row is not None, "the query returns the shelf"
    return int(row["id"])


async def unshelve(
    connection: Connection, rule_id: str, equipment_id: int, actor: str, note: str, now: datetime
) -> bool:
    """Take an alarm off the shelf before its end; whether it was there."""
    source: dict[str, Any] = {"rule_id": rule_id, "equipment_id": equipment_id, "now": now, "actor": actor}
    async with connection.transaction():
        await connection.execute(_QUERIES.lock_alarm, source)
        await connection.execute(_QUERIES.lock_source, source)
        row = await (await connection.execute(_QUERIES.unshelve, source)).fetchone()
        if row:
            await connection.execute(_QUERIES.tell_alarm, {**source, "kind": "UNSHELVE", "note": note})
    return row is not None


async def end_one_shot(connection: Connection, rule_id: str, equipment_id: int, now: datetime) -> bool:
    """End a one-shot shelf, because its alarm returned to normal; whether there was one."""
    source: dict[str, Any] = {"rule_id": rule_id, "equipment_id": equipment_id, "now": now, "actor": "rules"}
    row = await (await connection.execute(_QUERIES.end_one_shot, source)).fetchone()
    if row:
        note = "one-shot: the alarm returned to normal"
        await connection.execute(_QUERIES.tell_alarm, {**source, "kind": "UNSHELVE", "note": note})
    return row is not None


async def end_due(connection: Connection, now: datetime) -> list[Row]:
    """End the shelves whose time is over; returns them: id, rule_id, equipment_id, until."""
    async with connection.transaction():
        ended = await (await connection.execute(_QUERIES.end_due, {"now": now})).fetchall()
        for row in ended:
            values = {
                **row,
                "now": row["until"],
                "actor": "rules",
                "kind": "UNSHELVE",
                "note": "the time given is over",
            }
            await connection.execute(_QUERIES.tell_alarm, values)
    return ended


async def take_out_of_service(
    connection: Connection,
    equipment_id: int,
    rule_id: str | None,
    *,
    work_order: str,
    reason: str,
    actor: str,
    now: datetime,
) -> int | None:
    """Take the alarms of an asset and all below it out of service, of one rule or of all; None where they are already."""
    values: dict[str, Any] = {"equipment_id": equipment_id, "rule_id": rule_id, "work_order": work_order}
    values |= {"reason": reason, "actor": actor, "now": now}
    async with connection.transaction():
        row = await (await connection.execute(_QUERIES.take_out, values)).fetchone()
        if row is None:
            return None
        await connection.execute(_QUERIES.hold_back_below, {**values, "note": f"work order {work_order}: {reason}"})
    return int(row["id"])


async def bring_back(connection: Connection, out_id: int, actor: str, now: datetime) -> Row | None:
    """Put what was taken out back into service: id, rule_id, equipment_id, work_order. None where it is already."""
    return await (await connection.execute(_QUERIES.bring_back, {"id": out_id, "actor": actor, "now": now})).fetchone()


async def overlay(connection: Connection, alarm_id: int, now: datetime) -> tuple[Overlay | None, Overlay | None]:
    """Why an alarm is to call nobody at this instant, and why it was held back until now; None where people are called."""
    row = await (await connection.execute(_QUERIES.overlay, {"alarm_id": alarm_id, "now": now})).fetchone()
    return (row["overlay"], row["held_back"]) if row else (None, None)


async def mark_held_back(connection: Connection, alarm_id: int, why: Overlay) -> None:
    """Note that an alarm and its newest event call nobody."""
    await connection.execute(_QUERIES.mark_event, {"alarm_id": alarm_id})
    await connection.execute(_QUERIES.set_held_back, {"alarm_id": alarm_id, "overlay": why})


async def no_longer_held_back(connection: Connection, now: datetime) -> Row | None:
    """An alarm that stands and is held back without a reason any more, locked: id, rule_id, equipment_id, path, severity, ..."""
    return await (await connection.execute(_QUERIES.no_longer_held_back, {"now": now})).fetchone()


async def annunciate(connection: Connection, alarm_id: int, note: str, now: datetime) -> None:
    """An alarm that was held back calls people from now on."""
    await connection.execute(_QUERIES.annunciate, {"alarm_id": alarm_id, "note": note, "now": now})


async def shelved(connection: Connection, now: datetime, since: datetime | None = None) -> list[Row]:
    """What is on the shelf, the next to come back first; with `since` also what was put there after it."""
    return await (await connection.execute(_QUERIES.shelved, {"now": now, "since": since})).fetchall()


async def out_of_service(connection: Connection, since: datetime | None = None) -> list[Row]:
    """What is out of service; with `since` also what was taken out after it."""
    return await (await connection.execute(_QUERIES.out_of_service, {"since": since})).fetchall()
