"""When to remember all of an instance, to go back to when readings come late, and to begin at after a restart."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from bridge.model.reading import microseconds
from bridge.store.rule import Checkpoint
from rules.engine.asset import Asset
from rules.instance import Instance

_SECOND: Final = 1_000_000
WITH_HISTORIES_US: Final = 600 * _SECOND  # these are gone through again after a restart as well
PLAIN_US: Final = 3600 * _SECOND  # the others, but for those whose alarm has changed


def due(assets: Collection[Asset]) -> Iterator[Checkpoint]:
    """The checkpoints that are to be written, noted as written. Instances of a rule take theirs at different times."""
    for asset in assets:
        if asset.released is None:
            continue
        at_us = microseconds(asset.released)
        for instance in asset.instances:
            if not instance.is_parked and instance not in asset.corrections and _is_due(instance, at_us):
                instance.checkpoint_us = at_us
                yield Checkpoint(instance.rule.id, asset.equipment_id, asset.released, instance.dump())


def of(asset: Asset, instance: Instance) -> Checkpoint | None:
    """A checkpoint of an instance as it is now; None where nothing was worked on yet."""
    if asset.released is None:
        return None
    instance.checkpoint_us = microseconds(asset.released)
    return Checkpoint(instance.rule.id, asset.equipment_id, asset.released, instance.dump())


def _is_due(instance: Instance, at_us: int) -> bool:
    is_plain = not instance.histories and instance.memory is instance.plan.fresh
    every = PLAIN_US if is_plain else WITH_HISTORIES_US
    if instance.checkpoint_us is None:
        # Not all at once: the first is taken when its share of the interval has come round.
        share = hash((instance.rule.id, instance.equipment_id)) % every
        instance.checkpoint_us = at_us - share
        return False
    return at_us - instance.checkpoint_us >= every
