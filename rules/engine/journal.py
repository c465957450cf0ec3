"""What rules tell, written in the caller's transaction: the alarm's row, its journal, and what follows from it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from bridge.model.alarm import AlarmState
from bridge.model.reading import microseconds
from bridge.store import alarm
from bridge.store.alarm import AlarmEvent, NewAlarm
from bridge.store.database import Connection, Row
from rules.actions import act, message
from rules.engine import suppression
from rules.engine.asset import Asset
from rules.engine.plant import Plant
from rules.instance import Instance, Told

AlarmRow = tuple[AlarmState, str, str, bool]


async def write(connection: Connection, plant: Plant, instance: Instance, told: Told) -> None:
    """Write one transition, and what it causes where the rule is not on trial."""
    transition = told.transition
    version = plant.versions[instance.rule.id].number
    severity = str(transition.severity)
    if transition.kind == "RAISE":
        instance.returned_at = None
        instance.alarm_id = await alarm.raise_alarm(connection, new_alarm(instance, version, told))
        plant.by_alarm[instance.alarm_id] = instance
    alarm_id = instance.alarm_id
    assert alarm_id is not None, "what is told of an alarm follows its raise"
    event = event_of(instance, told)
    await alarm.add_event(connection, alarm_id, event)
    if transition.kind in ("RAISE", "ESCALATE"):
        await suppression.settle(connection, plant, instance, transition.at)
    if transition.kind == "RETURN":
        instance.returned_at = transition.at
    if transition.kind == "ESCALATE":
        await update(
            connection, instance, AlarmState.ACTIVE_UNACK, severity, transition.at, acked=False, message=event.note
        )
    await follow_up(connection, plant, instance, told)
    if transition.kind == "CLEAR":
        await update(
            connection,
            instance,
            AlarmState.NORMAL,
            severity,
            transition.at,
            acked=True,
            quality=told.because["quality"],
        )
        plant.by_alarm.pop(alarm_id, None)
        instance.alarm_id, instance.returned_at = None, None


async def follow_up(connection: Connection, plant: Plant, instance: Instance, told: Told) -> None:
    """Let the rule's actions follow; a rule on trial has none."""
    if told.transition.kind in ("RAISE", "ESCALATE", "RETURN", "CLEAR") and not instance.rule.shadow:
        await act(connection, plant, plant.versions[instance.rule.id].number, instance, told)


async def take_over_operators(
    connection: Connection, plant: Plant, assets: Collection[Asset]
) -> tuple[dict[int, AlarmRow], set[Asset]]:
    """Lock the open alarms of these assets, and those that operators acted on, and take over what they did.

    Returns the rows as they are, and the assets of the alarms that somebody acted on.
    """
    operated = await alarm.operated(connection)
    if strangers := [alarm_id for alarm_id in operated if alarm_id not in plant.by_alarm]:
        await alarm.apply_rest(connection, strangers)
    wanted = {i.alarm_id for asset in assets for i in asset.instances if i.alarm_id is not None}
    wanted.update(alarm_id for alarm_id in operated if alarm_id in plant.by_alarm)
    if not wanted:
        return {}, set()
    rows = await alarm.lock(connection, wanted)
    found: dict[int, AlarmRow] = {}
    acted: set[Asset] = set()
    for alarm_id in sorted(wanted):
        instance, row = plant.by_alarm[alarm_id], rows.get(alarm_id)
        asset = plant.assets[instance.equipment_id]
        if _has_acted(instance, row) or alarm_id in operated:
            await _take_over(connection, plant, asset, instance, row)
            acted.add(asset)
        if row is not None and not row["closed"]:
            found[alarm_id] = (AlarmState(row["state"]), row["severity"], row["quality"], row["acked"])
    return found, acted


def _has_acted(instance: Instance, row: Row | None) -> bool:
    return row is None or row["closed"] or row["acked"] != instance.memory.acked


async def _take_over(connection: Connection, plant: Plant, asset: Asset, instance: Instance, row: Row | None) -> None:
    """Let the rule know what somebody did to its alarm, and note at which instant of the asset's time it did."""
    closed = row is None or row["closed"]
    alarm_id, at = instance.alarm_id, asset.ruled or asset.released
    assert alarm_id is not None, "it is in the list by its alarm"
    assert at is not None, "an alarm was raised at some time"
    instance.operate(microseconds(at), acked=row is not None and row["acked"], closed=closed)
    await alarm.apply_operations(connection, alarm_id, at)
    if closed:
        plant.by_alarm.pop(alarm_id, None)
        instance.alarm_id, instance.returned_at = None, None


async def update_alarms(connection: Connection, assets: Collection[Asset], rows: dict[int, AlarmRow]) -> None:
    """Bring the rows of open alarms to what the life cycle says, where they differ."""
    for asset in assets:
        for instance in asset.instances:
            memory = instance.memory
            if instance.alarm_id is None or memory.severity is None or instance.is_parked:
                continue
            wanted = (memory.state, str(memory.severity), memory.quality, memory.acked)
            if rows.get(instance.alarm_id) != wanted and instance.now:
                await update(connection, instance, memory.state, wanted[1], instance.now, acked=memory.acked)


async def update(
    connection: Connection,
    instance: Instance,
    state: AlarmState,
    severity: str,
    at: datetime,
    *,
    acked: bool,
    message: str | None = None,
    quality: str | None = None,
) -> None:
    """Bring the alarm's row to a state; the quality is the present one unless it is given."""
    assert instance.alarm_id is not None, "there is a row to bring up to date"
    await alarm.update(
        connection, instance.alarm_id, state=state, severity=severity,
        quality=quality or instance.memory.quality, acked=acked,
        returned_at=instance.returned_at, message=message, at=at,
    )  # fmt: skip


def event_of(instance: Instance, told: Told, *, late: bool = False) -> AlarmEvent:
    """The line of the journal."""
    transition = told.transition
    return AlarmEvent(
        transition.kind, str(transition.severity), transition.at, note=message(instance, told), inputs=told.inputs,
        because=told.because, late=late,
    )  # fmt: skip


def new_alarm(instance: Instance, version: int, told: Told, *, late: bool = False) -> NewAlarm:
    """The row of an alarm that is raised."""
    return NewAlarm(
        rule_id=instance.rule.id,
        rule_version=version,
        equipment_id=instance.equipment_id,
        severity=str(told.transition.severity),
        quality=told.because["quality"],
        message=message(instance, told),
        consequence=instance.rule.consequence,
        response=instance.rule.response,
        inputs=told.inputs,
        at=told.transition.at,
        because=told.because,
        shadow=instance.rule.shadow,
        late=late,
    )
