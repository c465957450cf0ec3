"""What the engine found, written in the caller's transaction: production first, then what rules tell, then corrections.

Whatever the database refuses for good is left out, logged and kept, when each thing is written carefully by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import psycopg
import structlog

from bridge.store.alarm import NewAlarm, fail
from bridge.store.database import Connection
from rules.engine import effects, journal
from rules.engine.asset import Asset
from rules.engine.correcting import correct
from rules.engine.plant import Plant, Released
from rules.engine.posting import PostingBook
from rules.instance import Instance, Told

log = structlog.get_logger()

# What the database says of a value that it will never take, however often it is tried.
REFUSALS: Final = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes one step's findings; `is_careful` leaves out, logged and kept, what the database refuses."""

    connection: Connection
    plant: Plant
    book: PostingBook
    now: datetime
    is_careful: bool = False

    async def write(self, released: Released, known: dict[Asset, datetime | None]) -> None:
        """Write everything in its order; `known` is how far the assets were worked on before."""
        for effect in released.effects:
            refused = await self._try(partial(effects.write, self.connection, self.plant, self.book, effect))
            if refused:
                await effects.keep(self.connection, self.plant, effect, refused)
        for instance, told in released.told:
            await self._tell(instance, told)
        for asset in released.assets:
            await self._correct(asset, known.get(asset) or asset.released)

    async def raise_failures(self, assets: Collection[Asset]) -> None:
        """Raise an alarm for each rule that failed: nobody watches there any longer."""
        for asset in assets:
            for instance in asset.instances:
                if instance.error is not None and instance.stored is not instance.error:
                    await fail(self.connection, self._failure(asset, instance), instance.error)
                    instance.stored = instance.error

    async def _tell(self, instance: Instance, told: Told) -> None:
        if instance.is_parked:
            return
        before = instance.alarm_id, instance.returned_at
        refused = await self._try(partial(journal.write, self.connection, self.plant, instance, told))
        if refused:
            if instance.alarm_id != before[0] and instance.alarm_id is not None:
                self.plant.by_alarm.pop(instance.alarm_id, None)
            instance.alarm_id, instance.returned_at = before
            self._park(instance, f"the database refuses what it tells: {refused}")

    async def _correct(self, asset: Asset, known: datetime | None) -> None:
        assert known is not None, "an asset that was worked on has a time"
        corrections, asset.corrections = asset.corrections, {}
        for instance, late in corrections.items():
            if instance.is_parked:
                continue
            work = partial(correct, self.connection, self.plant, instance, late, known, self.now)
            try:
                refused = await self._try(work)
            except (psycopg.Error, OSError):
                raise
            except Exception as error:
                log.exception("rule is parked: it failed", rule=instance.rule.id, asset=asset.path)
                refused = f"{type(error).__name__}: {error}"
            if refused:
                self._park(instance, refused)

    async def _try(self, work: Callable[[], Awaitable[None]]) -> str | None:
        """Do work, when careful by itself; returns why the database refuses it, and nothing of it is left then."""
        if not self.is_careful:
            await work()
            return None
        try:
            async with self.connection.transaction():
                await work()
        except REFUSALS as error:
            return str(error).strip()
        return None

    def _park(self, instance: Instance, error: str) -> None:
        instance.park(error)
        log.error("rule is parked", rule=instance.rule.id, asset=instance.path, error=error)

    def _failure(self, asset: Asset, instance: Instance) -> NewAlarm:
        rule = instance.rule
        return NewAlarm(
            rule_id=rule.id, rule_version=self.plant.versions[rule.id].number, equipment_id=asset.equipment_id,
            severity="high", quality="ERROR", message=f"rule {rule.id} does not work any longer: {instance.error}",
            consequence=f"nobody watches: {rule.consequence or rule.id}",
            response=f"mend the rule in {rule.file}:{rule.line} and load it again", inputs={},
            at=asset.ruled or asset.released or self.now,  # also of a rule on trial: that it fails is to be seen
        )  # fmt: skip
