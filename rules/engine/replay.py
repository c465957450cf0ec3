"""An instance shown stored readings again, exactly as they were shown when they came in time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from bridge.model.alarm import AlarmState, acknowledged, can_be_reset
from bridge.model.reading import microseconds
from bridge.store import cursor
from bridge.store.database import Connection
from rules.engine import situation
from rules.engine.asset import MAX_AHEAD, Asset
from rules.engine.plant import Plant
from rules.instance import Instance, Told
from rules.production.accounting import Role
from rules.sample import Sample


class Operation(NamedTuple):
    """What an operator did, at the instant of the asset's time at which the rules took it over."""

    at_us: int
    kind: str  # ACK or RESET
    closes: bool = False  # whether it ended the alarm


Step = Told | Operation


async def read(
    connection: Connection, plant: Plant, asset: Asset, instance: Instance, after: datetime, until: datetime
) -> list[Sample]:
    """The readings that an instance sees after an instant and up to another, of what was read from the lanes, oldest first."""
    roles = asset.accounting.roles
    tags = {*instance.inputs, *(tag for tag, role in roles.items() if role in situation.TELLING)}
    rows = await cursor.readings_between(connection, tags, after, until, plant.read, max(asset.lateness, MAX_AHEAD))
    return [Sample(row[0], microseconds(row[1]), *row[2:]) for row in rows]


def replay(
    instance: Instance, asset: Asset, samples: Sequence[Sample], operations: Collection[Operation], ruled_us: int
) -> list[Step]:
    """Show readings in the order of work, let operators do what they did, and let delays run out up to `ruled_us`."""
    roles, states = asset.accounting.roles, asset.accounting.facts.states
    steps: list[Step] = []
    waiting = sorted(operations)
    for at_us, group in groupby(samples, key=lambda sample: sample.at_us):
        while waiting and waiting[0].at_us < at_us:
            steps += _operate(instance, waiting.pop(0))
        told = sorted(group, key=lambda sample: (roles.get(sample.tag_id, Role.NONE), sample.tag_id, sample.ordinal))
        now = situation.after(instance.situation, at_us, told, roles, states)
        seen = [sample for sample in told if sample.tag_id in instance.inputs]
        if seen or now is not instance.situation:
            steps += instance.observe(at_us, seen, now)
    for operation in waiting:
        steps += _operate(instance, operation)
    return steps + instance.advance(ruled_us)


def _operate(instance: Instance, operation: Operation) -> list[Step]:
    steps: list[Step] = [*instance.advance(operation.at_us)]
    state = instance.memory.state
    if not instance.memory.is_open or (operation.kind == "RESET" and not can_be_reset(state)):
        return steps
    closes = operation.kind == "RESET" or acknowledged(state) is AlarmState.NORMAL
    instance.operate(operation.at_us, acked=True, closed=closes)
    return [*steps, operation._replace(closes=closes)]
