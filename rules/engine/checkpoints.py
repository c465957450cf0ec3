"""When to remember all of an instance, to go back to when readings come late, and to begin at after a restart."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Final

from bridge.model.reading import microseconds
from bridge.store.rule import Checkpoint, Version
from rules.engine.asset import Asset
from rules.instance import Instance

_SECOND: Final = 1_000_000
WITH_HISTORIES_US: Final = 600 * _SECOND  # these are gone through again after a restart as well
PLAIN_US: Final = 3600 * _SECOND  # the others, but for those whose alarm has changed


def due(assets: Collection[Asset], versions: Mapping[str, Version]) -> Iterator[Checkpoint]:
    """The checkpoints that are to be written, noted as written. Instances of a rule take theirs at different times."""
    for asset in assets:
        if asset.released is None:
            continue
        at_us = microseconds(asset.released)
        for instance in asset.instances:
            if not instance.is_parked and instance not in asset.corrections and _is_due(instance, at_us):
                instance.checkpoint_us = at_us
                yield of(instance, asset.released, versions[instance.rule.id].number)


def of(instance: Instance, at: datetime, version: int, *, is_carried: bool = False) -> Checkpoint:
    """A checkpoint of an instance as it is when everything up to `at` is worked on.

    `is_carried`: it took over what an earlier version of the rule remembered; nothing goes back to before that.
    """
    state = {**instance.dump(), "version": version, "carried": is_carried}
    return Checkpoint(instance.rule.id, instance.equipment_id, at, state)


def _is_due(instance: Instance, at_us: int) -> bool:
    is_plain = not instance.histories and instance.memory is instance.plan.fresh
    every = PLAIN_US if is_plain else WITH_HISTORIES_US
    if instance.checkpoint_us is None:
        # Not all at once: the first is taken when its share of the interval has come round.
        share = hash((instance.rule.id, instance.equipment_id)) % every
        instance.checkpoint_us = at_us - share
        return False
    return at_us - instance.checkpoint_us >= every
