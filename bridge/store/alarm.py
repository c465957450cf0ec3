"""Alarms (ISA-18.2, IEC 62682): written by the rule engine, acknowledged and reset by operators.

An operator's action changes the row; the engine locks the rows of its open alarms before it works on them and takes over what
changed. So both agree on every state, whoever comes first.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb

from bridge.model.alarm import AlarmState, acknowledged, can_be_reset
from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("alarm")


@dataclass(frozen=True, slots=True)
class NewAlarm:
    """What is told of an alarm when it is raised; `inputs` explains it."""

    rule_id: str
    rule_version: int
    equipment_id: int
    severity: str
    quality: str
    message: str
    consequence: str
    response: str
    inputs: dict[str, Any]
    at: datetime


async def raise_alarm(connection: Connection, alarm: NewAlarm) -> int:
    """Write a new alarm, or raise the open one of this rule and asset again; returns its id."""
    row = await _one(
        connection,
        _QUERIES.raise_alarm,
        {
            "rule_id": alarm.rule_id,
            "rule_version": alarm.rule_version,
            "equipment_id": alarm.equipment_id,
            "severity": alarm.severity,
            "quality": alarm.quality,
            "message": alarm.message,
            "consequence": alarm.consequence,
            "response": alarm.response,
            "inputs": Jsonb(alarm.inputs),
            "at": alarm.at,
        },
    )
    return int(row["id"])


async def update(
    connection: Connection,
    alarm_id: int,
    *,
    state: AlarmState,
    severity: str,
    quality: str,
    acked: bool,
    returned_at: datetime | None,
    message: str | None,
    at: datetime,
) -> None:
    """Bring the row to what the life cycle says; NORMAL closes it. `message` None leaves it."""
    values = {
        "id": alarm_id,
        "state": str(state),
        "severity": severity,
        "quality": quality,
        "acked": acked,
        "returned_at": returned_at,
        "message": message,
        "at": at,
    }
    await connection.execute(_QUERIES.update, values)


async def add_event(
    connection: Connection,
    alarm_id: int,
    kind: str,
    severity: str,
    at: datetime,
    *,
    actor: str = "rules",
    note: str = "",
    inputs: dict[str, Any] | None = None,
) -> None:
    """Write a line of the alarm's history."""
    values = {"alarm_id": alarm_id, "kind": kind, "severity": severity, "at": at, "actor": actor, "note": note}
    await connection.execute(_QUERIES.event, {**values, "inputs": Jsonb(inputs or {})})


async def lock(connection: Connection, alarm_ids: Collection[int]) -> dict[int, Row]:
    """Rows of alarms, locked until the transaction ends: id, state, severity, acked, closed, returned_at."""
    rows = await connection.execute(_QUERIES.lock, {"ids": list(alarm_ids)})
    return {row["id"]: row async for row in rows}


async def close_without_rule(connection: Connection, rules: Collection[str], now: datetime) -> int:
    """Close the open alarms whose rule is no longer there; returns how many there were."""
    async with connection.transaction():
        rows = await (await connection.execute(_QUERIES.lock_without_rule, {"rules": list(rules)})).fetchall()
        for row in rows:
            await add_event(connection, row["id"], "CLEAR", row["severity"], now, note="the rule was removed")
            await update(
                connection, row["id"], state=AlarmState.NORMAL, severity=row["severity"], quality="GOOD", acked=True,
                returned_at=now, message=None, at=now,
            )  # fmt: skip
    return len(rows)


async def acknowledge(connection: Connection, alarm_id: int, actor: str, note: str, now: datetime) -> AlarmState | None:
    """Acknowledge an alarm for a person; returns its state, or None where there is no such alarm.

    One that returned to normal is closed by it. One that is closed or acknowledged already stays as it is.
    """
    async with connection.transaction():
        row = (await lock(connection, [alarm_id])).get(alarm_id)
        if row is None or row["closed"] or row["acked"]:
            return AlarmState(row["state"]) if row else None
        state = acknowledged(AlarmState(row["state"]))
        await _operate(connection, row, state, "ACK", actor, note, now)
        return state


async def reset(connection: Connection, alarm_id: int, actor: str, note: str, now: datetime) -> AlarmState | None:
    """Reset a latched alarm for a person, which closes it; any other stays as it is. None where there is no such alarm."""
    async with connection.transaction():
        row = (await lock(connection, [alarm_id])).get(alarm_id)
        if row is None or not can_be_reset(AlarmState(row["state"])):
            return AlarmState(row["state"]) if row else None
        await _operate(connection, row, AlarmState.NORMAL, "RESET", actor, note, now)
        return AlarmState.NORMAL


async def _operate(
    connection: Connection, row: Row, state: AlarmState, kind: str, actor: str, note: str, now: datetime
) -> None:
    await connection.execute(_QUERIES.operate, {"id": row["id"], "state": str(state), "at": now, "actor": actor})
    await add_event(connection, row["id"], kind, row["severity"], now, actor=actor, note=note)
    if state is AlarmState.NORMAL:
        await add_event(connection, row["id"], "CLEAR", row["severity"], now, actor=actor)


async def _one(connection: Connection, query: bytes, values: dict[str, Any]) -> Row:
    row = await (await connection.execute(query, values)).fetchone()
    assert row is not None, "the query returns one row"
    return row
