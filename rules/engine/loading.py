"""The plant as of the last commit: what was remembered, the newest readings worked on, and those that wait.

An instance without histories needs the newest reading of each input. One with histories begins at its newest checkpoint and is
shown the readings since, silently: what they told was written when they came.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bridge.config.settings import Settings
from bridge.model.reading import microseconds
from bridge.store import cursor, machine_state, rule
from bridge.store.cursor import Cursor
from bridge.store.database import Connection
from bridge.store.rule import Checkpoint, Version
from rules.engine import checkpoints, situation
from rules.engine.asset import Asset, sample_of
from rules.engine.fitting import RuleIndex
from rules.engine.lanes import Lanes
from rules.engine.plant import ASSET, CLOCK, CLOCK_INSTANCE, Plant, Saved
from rules.engine.replay import read, replay
from rules.instance import Instance, Situation
from rules.sample import Sample

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def load(
    connection: Connection,
    settings: Settings,
    rules: RuleIndex,
    versions: Mapping[str, Version],
    cursors: Mapping[int, Cursor],
) -> Plant:
    """Read everything that is remembered."""
    saved: Saved = {key: found.state for key, found in (await rule.states(connection)).items()}
    clock = saved.pop((CLOCK, CLOCK_INSTANCE), {})
    _take_over_earlier_version(saved, clock)
    known = {int(lane): seq for lane, seq in clock.get("read", {}).items()}
    lanes = Lanes(frozenset(source.lane for source in settings.source))
    lanes.restore(clock.get("held"))
    plant = Plant(
        settings=settings, rules=rules, versions=versions, state_map=await machine_state.state_map(connection),
        read={lane: max(found.seq, known.get(lane, 0)) for lane, found in cursors.items()}, saved=saved, lanes=lanes,
    )  # fmt: skip
    plant.learn(await cursor.tags(connection))
    await _recall(connection, plant)
    await ready(connection, plant)
    plant.settle()
    return plant


async def ready(connection: Connection, plant: Plant) -> None:
    """Make the new instances ready: each sees what was read since its rule is active, or knows the newest readings before."""
    warm: list[tuple[Asset, Instance]] = []
    for instance in plant.new:
        asset = plant.assets[instance.equipment_id]
        since = plant.versions[instance.rule.id].since
        if asset.released is None:
            continue
        if since < asset.released:
            asset.correct_from(instance, since)
        else:
            warm.append((asset, instance))
    await _warm(connection, plant, warm)
    plant.new.clear()


async def _recall(connection: Connection, plant: Plant) -> None:
    known = [asset for asset in plant.assets.values() if asset.released]
    new = set(plant.new)
    old = [(asset, each) for asset in known for each in asset.instances if each not in new]
    asked = {each.rule.id for _, each in old if each.plan.histories or plant.versions[each.rule.id].number > 1}
    newest = await rule.newest_checkpoints(connection, sorted(asked))
    await _warm(connection, plant, [(asset, each) for asset, each in old if not each.plan.histories])
    for asset, instance in old:
        if instance.plan.histories:
            found = newest.get((instance.rule.id, instance.equipment_id))
            await _relive(connection, plant, asset, instance, found)
    await _carry(connection, plant, [(asset, each) for asset, each in old if each.rule.id in asked], newest)
    released = {tag: asset.released for tag, asset in plant.by_tag.items() if asset.released}
    for reading in await cursor.readings_after(connection, released, plant.read) if released else []:
        plant.by_tag[reading.tag_id].hold(reading, None)
        plant.touched.add(plant.by_tag[reading.tag_id])
    for asset in known if plant.families.listeners else ():
        foreign = plant.families.foreign(asset)
        assert asset.released is not None, "only what was worked on is recalled"
        for reading in await cursor.readings_after(connection, dict.fromkeys(foreign, asset.released), plant.read):
            asset.hear_of(reading, None)
            plant.touched.add(asset)


async def _carry(
    connection: Connection,
    plant: Plant,
    which: Collection[tuple[Asset, Instance]],
    newest: Mapping[tuple[str, int], Checkpoint],
) -> None:
    """Write down with what a new version of a rule begins where an earlier one was active."""
    made = []
    for asset, instance in which:
        version, found = plant.versions[instance.rule.id].number, newest.get((instance.rule.id, instance.equipment_id))
        if version > 1 and asset.released and (found is None or found.state["version"] != version):
            made.append(checkpoints.of(instance, asset.released, version, is_carried=True))
    await rule.save_checkpoints(connection, made)


async def _warm(connection: Connection, plant: Plant, which: Collection[tuple[Asset, Instance]]) -> None:
    """Give instances the newest readings that were worked on, without judging them; those with siblings by themselves."""
    compare = [(asset, each) for asset, each in which if any(entry.of for entry in each.rule.inputs)]
    if compare and len(which) > 1:
        await _warm(connection, plant, [pair for pair in which if pair not in compare])
        for pair in compare:
            await _warm(connection, plant, [pair])
        return
    until = {tag: asset.released for asset, each in which for tag in each.inputs if asset.released}
    newest: dict[int, list[Sample]] = {}
    for reading in await cursor.readings_before(connection, until, plant.read) if until else []:
        newest.setdefault(reading.tag_id, []).append(sample_of(reading))
    for asset, instance in which:
        samples = [sample for tag in instance.inputs for sample in newest.get(tag, ())]
        samples.sort(key=lambda sample: (sample.at_us, sample.ordinal))
        ruled = asset.ruled or asset.released or _LONG_AGO
        instance.warm(samples, asset.situation, microseconds(ruled))


async def _relive(
    connection: Connection, plant: Plant, asset: Asset, instance: Instance, checkpoint: Checkpoint | None
) -> None:
    """Bring an instance's histories to where they were; what the alarm is is remembered by itself."""
    assert asset.released is not None, "only what was worked on is gone through again"
    essence, alarm = instance.essence, instance.dump_alarm()
    start = checkpoint.at if checkpoint else plant.versions[instance.rule.id].since - timedelta(microseconds=1)
    known = checkpoint.state if checkpoint else plant.create(asset, instance.rule).dump()
    instance.restore({**known, **alarm})
    samples = await read(connection, plant, asset, instance, start, asset.released)
    replay(instance, asset, samples, [], microseconds(asset.ruled or asset.released))
    instance.restore_alarm(alarm)
    instance.situation = asset.situation
    instance.stored = essence
    instance.checkpoint_us = microseconds(checkpoint.at) if checkpoint else None


def _take_over_earlier_version(saved: Saved, clock: dict[str, Any]) -> None:
    """Earlier versions kept how far the assets are worked on in one row."""
    for equipment_id, (released, newest, behind_s) in clock.get("assets", {}).items():
        if (ASSET, equipment_id) not in saved:
            saved[ASSET, equipment_id] = {
                "released": released, "ruled": released, "newest": newest, "behind_s": behind_s,
                "situation": situation.dump(Situation()),
            }  # fmt: skip
