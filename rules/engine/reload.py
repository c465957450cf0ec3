"""Other rules in the place of these, between two steps: an unchanged rule's instances are not touched.

A changed rule begins with what its earlier version remembered: the alarm by severity, the inputs by name, histories by their text.
What it could be corrected by afterwards begins with it: a checkpoint is written, since nothing goes back to before a version.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge.store import rule
from bridge.store.database import Connection
from bridge.store.rule import Version
from rules.engine import checkpoints, loading
from rules.engine.asset import Asset
from rules.engine.fitting import RuleIndex
from rules.engine.plant import Plant
from rules.instance import Instance


async def exchange(connection: Connection, plant: Plant, rules: RuleIndex, versions: Mapping[str, Version]) -> None:
    """Go over to other rules, in the caller's transaction."""
    before = {each.id: each for each in plant.rulebook.rules}
    same = {each.id for each in rules.rulebook.rules if each.id in before and before[each.id].sha256 == each.sha256}
    plant.rules, plant.versions = rules, versions
    changed = {each.id for each in rules.rulebook.rules} - same
    carried = [
        (asset, instance) for asset in plant.assets.values() for instance in _exchange(plant, asset, changed, same)
    ]
    await loading.ready(connection, plant)
    kept = [
        checkpoints.of(instance, asset.released, versions[instance.rule.id].number, is_carried=True)
        for asset, instance in carried
        if asset.released
    ]
    await rule.save_checkpoints(connection, kept)


def _exchange(plant: Plant, asset: Asset, changed: set[str], same: set[str]) -> list[Instance]:
    """Exchange the instances of one asset; returns those that carry on what an earlier version remembered."""
    gone = {each.rule.id: each for each in asset.instances if each.rule.id not in same or each.is_parked}
    asset.instances = [each for each in asset.instances if each.rule.id not in gone]
    for instance in gone.values():
        asset.corrections.pop(instance, None)
        if instance.alarm_id is not None:
            plant.by_alarm.pop(instance.alarm_id, None)
    tried_again = [each.rule for each in gone.values() if each.rule.id in same]
    carried = []
    for wanted in [*plant.fitting(asset, changed), *tried_again]:
        instance = plant.add_instance(asset, wanted)
        old = gone.get(wanted.id)
        if (
            old is not None and not old.is_parked
        ):  # what failed begins anew, with all that was read since its rule is active
            _carry(plant, instance, old)
            carried.append(instance)
    if gone:
        plant.touched.add(asset)
    return carried


def _carry(plant: Plant, instance: Instance, old: Instance) -> None:
    instance.restore(old.dump())
    if instance in plant.new:
        plant.new.remove(instance)
    if instance.alarm_id is not None:
        plant.by_alarm[instance.alarm_id] = instance
