"""Alarms (ISA-18.2, IEC 62682): written by the rule engine, acknowledged and reset by operators.

An operator's action changes the row; the engine locks the rows of its open alarms before it works on them and takes over what
changed. So both agree on every state, whoever comes first.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb

from bridge.model.alarm import AlarmState, acknowledged, can_be_reset
from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("alarm")


@dataclass(frozen=True, slots=True)
class NewAlarm:
    """What is told of an alarm when it is raised; `inputs` and `because` explain it.

    `shadow`: of a rule on trial. `late`: it came to be known by readings that came after their time had been worked on.
    """

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
    because: dict[str, Any] = field(default_factory=dict)
    shadow: bool = False
    late: bool = False


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """A line of an alarm's history. `at` is the asset's time; what an operator did is told by `actor`."""

    kind: str
    severity: str
    at: datetime
    actor: str = "rules"
    note: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    because: dict[str, Any] = field(default_factory=dict)
    late: bool = False


@dataclass(frozen=True, slots=True)
class Corrected:
    """What an alarm's row is to say after late readings; None leaves `message`, `inputs`, `because` and `raised_at` as they are."""

    state: AlarmState
    severity: str
    quality: str
    acked: bool
    message: str | None
    inputs: dict[str, Any] | None
    because: dict[str, Any] | None
    raised_at: datetime | None
    returned_at: datetime | None
    closed_at: datetime | None


async def raise_alarm(connection: Connection, alarm: NewAlarm) -> int:
    """Write a new alarm, or raise the open one of this rule and asset again; returns its id."""
    values = {**asdict(alarm), "inputs": Jsonb(alarm.inputs), "because": Jsonb(alarm.because)}
    row = await _one(connection, _QUERIES.raise_alarm, values)
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


async def add_event(connection: Connection, alarm_id: int, event: AlarmEvent) -> None:
    """Write a line of the alarm's history."""
    values = {**asdict(event), "alarm_id": alarm_id, "inputs": Jsonb(event.inputs), "because": Jsonb(event.because)}
    await connection.execute(_QUERIES.event, values)


async def lock(connection: Connection, alarm_ids: Collection[int]) -> dict[int, Row]:
    """Rows of alarms, locked until the transaction ends: id, state, severity, quality, acked, closed, returned_at."""
    rows = await connection.execute(_QUERIES.lock, {"ids": list(alarm_ids)})
    return {row["id"]: row async for row in rows}


async def close_without_rule(connection: Connection, rules: Collection[str], now: datetime) -> int:
    """Close the open alarms whose rule is no longer there; returns how many there were."""
    async with connection.transaction():
        rows = await (await connection.execute(_QUERIES.lock_without_rule, {"rules": list(rules)})).fetchall()
        for row in rows:
            await add_event(
                connection, row["id"], AlarmEvent("CLEAR", row["severity"], now, note="the rule was removed")
            )
            await update(
                connection, row["id"], state=AlarmState.NORMAL, severity=row["severity"], quality="GOOD", acked=True,
                returned_at=now, message=None, at=now,
            )  # fmt: skip
    return len(rows)


async def fail(connection: Connection, new: NewAlarm, error: str) -> int | None:
    """Raise the alarm of a rule that failed on an asset, once until it is closed; the rule's open alarm is not to be trusted then.

    Returns the id of the new alarm, None where there was one.
    """
    which = {"rule_id": new.rule_id, "equipment_id": new.equipment_id}
    async for row in await connection.execute(_QUERIES.doubt, which):
        await add_event(connection, row["id"], AlarmEvent("ERROR", row["severity"], new.at, note=error))
    raised = await (await connection.execute(_QUERIES.fail, asdict(new))).fetchone()
    if raised is None:
        return None
    await add_event(connection, raised["id"], AlarmEvent("ERROR", "high", new.at, note=error))
    return int(raised["id"])


async def close_failed(connection: Connection, now: datetime) -> int:
    """Close the alarms of rules that failed: they are tried again. Returns how many there were."""
    async with connection.transaction():
        rows = await (await connection.execute(_QUERIES.lock_failed)).fetchall()
        for row in rows:
            await add_event(
                connection, row["id"], AlarmEvent("CLEAR", row["severity"], now, note="the rule is tried again")
            )
            await update(
                connection, row["id"], state=AlarmState.NORMAL, severity=row["severity"], quality="GOOD", acked=True,
                returned_at=now, message=None, at=now,
            )  # fmt: skip
    return len(rows)


async def operated(connection: Connection) -> list[int]:
    """Alarms that somebody acknowledged or reset and whose rule does not know of it yet."""
    return [row["alarm_id"] async for row in await connection.execute(_QUERIES.operated)]


async def apply_operations(connection: Connection, alarm_id: int, at: datetime) -> None:
    """Note at which instant of the asset's time the rules took over what operators did."""
    await connection.execute(_QUERIES.apply, {"alarm_id": alarm_id, "at": at})


async def apply_rest(connection: Connection, alarm_ids: Collection[int]) -> None:
    """Note that no rule will take over what operators did to these alarms: none holds them any longer."""
    await connection.execute(_QUERIES.apply_rest, {"ids": list(alarm_ids)})


async def suppress(connection: Connection, alarm_id: int, by: str | None, at: datetime) -> None:
    """Say by what an alarm is suppressed (`design`, `rule:<id>`), None where it is not; the journal tells of a change."""
    async for row in await connection.execute(_QUERIES.suppress, {"id": alarm_id, "suppressed_by": by}):
        event = AlarmEvent("SUPPRESS" if by else "UNSUPPRESS", row["severity"], at, note=by or "")
        await add_event(connection, alarm_id, event)


async def journal(connection: Connection, rule_id: str, equipment_id: int, after: datetime) -> list[Row]:
    """What is told of a rule on an asset after an instant of its time and still holds, with what operators did, in its order."""
    values = {"rule_id": rule_id, "equipment_id": equipment_id, "after": after}
    return await (await connection.execute(_QUERIES.journal, values)).fetchall()


async def rows_after(connection: Connection, rule_id: str, equipment_id: int, after: datetime) -> list[Row]:
    """Alarms of a rule on an asset that stand or ended after an instant, oldest first, locked: id, raised_at, closed_at, acked."""
    values = {"rule_id": rule_id, "equipment_id": equipment_id, "after": after}
    return await (await connection.execute(_QUERIES.rows, values)).fetchall()


async def insert_late(connection: Connection, new: NewAlarm, state: Corrected) -> int:
    """Write an alarm of the past as it is to stand now; returns its id."""
    values = {
        **asdict(new), "inputs": Jsonb(new.inputs), "because": Jsonb(new.because), "state": str(state.state),
        "severity": state.severity, "quality": state.quality, "message": state.message or new.message,
        "returned_at": state.returned_at, "closed_at": state.closed_at,
    }  # fmt: skip
    return int((await _one(connection, _QUERIES.insert_late, values))["id"])


async def supersede(connection: Connection, event_ids: Collection[int]) -> None:
    """Mark lines of the history as not so; they stay for people to see."""
    if event_ids:
        await connection.execute(_QUERIES.supersede, {"ids": list(event_ids)})


async def retract(connection: Connection, alarm_id: int, severity: str, now: datetime) -> None:
    """Close an alarm that never was, as late readings showed; the tickets that it is on get a note."""
    await connection.execute(_QUERIES.retract, {"id": alarm_id, "now": now})
    await add_event(
        connection, alarm_id, AlarmEvent("RETRACT", severity, now, note="late readings show that it never was")
    )
    await connection.execute(_QUERIES.retract_note, {"id": alarm_id})


async def correct(connection: Connection, alarm_id: int, corrected: Corrected, *, late: bool) -> None:
    """Bring the row to what late readings showed; `late` marks it for people to see."""
    values: dict[str, Any] = {"id": alarm_id, **asdict(corrected), "state": str(corrected.state), "late": late}
    for name in ("inputs", "because"):
        values[name] = None if values[name] is None else Jsonb(values[name])
    await connection.execute(_QUERIES.correct, values)


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
    await add_event(connection, row["id"], AlarmEvent(kind, row["severity"], now, actor, note))
    if state is AlarmState.NORMAL:
        await add_event(connection, row["id"], AlarmEvent("CLEAR", row["severity"], now, actor))


async def _one(connection: Connection, query: bytes, values: dict[str, Any]) -> Row:
    row = await (await connection.execute(query, values)).fetchone()
    assert row is not None, "the query returns one row"
    return row
