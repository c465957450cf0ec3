"""Alarms that nobody is to be called for (ISA-18.2, suppressed by design and by another alarm): evaluated and journalled all the same."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from bridge.store import alarm
from bridge.store.database import Connection
from rules.engine.asset import Asset
from rules.engine.plant import Plant
from rules.instance import Instance


async def update(connection: Connection, plant: Plant, assets: Collection[Asset]) -> None:
    """Bring what the open alarms of these assets, and of those below them, are suppressed by to what it is now."""
    for instance in _concerned(plant, assets):
        if instance.now:
            await settle(connection, plant, instance, instance.now)


async def settle(connection: Connection, plant: Plant, instance: Instance, at: datetime) -> None:
    """Bring what one alarm is suppressed by to what it is now; the actions of the alarm look at its row."""
    by = suppressed_by(plant, instance) if instance.alarm_id is not None else None
    if by != instance.suppressed_by and instance.alarm_id is not None:
        await alarm.suppress(connection, instance.alarm_id, by, at)
    instance.suppressed_by = by


def suppressed_by(plant: Plant, instance: Instance) -> str | None:
    """What an instance's alarm is suppressed by: `design`, `rule:<id>`, or nothing."""
    if instance.is_suppressed_by_design:
        return "design"
    parent = instance.rule.parent
    if parent is None:
        return None
    for other in plant.by_alarm.values():
        if other.rule.id == parent and other.memory.level is not None and _is_above(other.path, instance.path):
            return f"rule:{parent}"
    return None


def _concerned(plant: Plant, assets: Collection[Asset]) -> list[Instance]:
    """Instances of these assets whose suppression can have changed, and children anywhere of rules that are parents."""
    here = [i for asset in assets for i in asset.instances if i.rule.when_state or i.rule.parent]
    elsewhere = [i for i in plant.by_alarm.values() if i.rule.parent]
    return list(dict.fromkeys([*here, *elsewhere]))


def _is_above(path: str, other: str) -> bool:
    return other == path or other.startswith(f"{path}/")
