"""The engine's memory of the plant: a cache of what the database knows, thrown away and loaded again after any rollback."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from bridge.config.settings import ProductionSettings, Settings
from bridge.model.production import MachineState
from bridge.store.cursor import Batch, FollowedReading, FollowedTag
from bridge.store.rule import RuleState
from rules.conditions.threshold import Threshold
from rules.engine.asset import Asset
from rules.instance import Instance, Told
from rules.production.accounting import Accounting, AssetFacts, Role
from rules.production.counter import CounterSpec
from rules.production.effects import Effect
from rules.rulebook.model import Rule, Rulebook

log = structlog.get_logger()

PRODUCTION: Final = "@production"  # rule_state of the accounting, by asset; no rule's id can begin so
CLOCK: Final = "@clock"  # rule_state of how far the lanes are read and the assets worked on
CLOCK_INSTANCE: Final = "all"


@dataclass(frozen=True, slots=True)
class Released:
    """What became of readings and delays whose time had come."""

    effects: list[Effect]
    told: list[tuple[Instance, Told]]
    assets: list[Asset]


@dataclass(slots=True)
class Plant:
    """All assets. `read` is the newest batch that was read of each lane; `saved` is what rule_state holds."""

    settings: Settings
    rulebook: Rulebook
    state_map: Mapping[str, Mapping[str, str]]
    read: dict[int, int]
    saved: dict[tuple[str, str], dict[str, Any]]
    assets: dict[int, Asset] = field(default_factory=dict)
    by_tag: dict[int, Asset] = field(default_factory=dict)  # the tags that matter to anybody
    last_tag: dict[str, int] = field(default_factory=dict)  # the newest known id of each source
    lateness: timedelta = timedelta()

    def learn(self, tags: Collection[FollowedTag]) -> None:
        """Take tags: each joins the accounting or the rules of its asset, or is of no interest."""
        for tag in tags:
            self.last_tag[tag.source] = max(tag.id, self.last_tag.get(tag.source, 0))
            asset = self.assets.get(tag.equipment_id) or self._new_asset(tag)
            if tag.name not in asset.tags:
                asset.tags[tag.name], asset.units[tag.name] = tag.id, tag.unit
                if (role := _role(tag.name, self.settings.production)) is not Role.NONE:
                    asset.accounting.roles[tag.id] = role
                    self.by_tag[tag.id] = asset
                self._apply_rules(asset, tag)

    def hold(self, readings: Collection[FollowedReading], batches: Collection[Batch]) -> None:
        """Give readings of these batches to their assets, which keep them until their time has come."""
        received = {(batch.lane, batch.seq): batch.received_at for batch in batches}
        for reading in readings:
            self.by_tag[reading.tag_id].hold(reading, received[reading.lane, reading.batch_seq])
        for batch in batches:
            self.read[batch.lane] = batch.seq
        for lane in {batch.lane for batch in batches}:
            newest = max(batch.received_at for batch in batches if batch.lane == lane)
            for asset in self.assets.values():
                asset.hear(lane, newest)

    def release(self, now: datetime | None) -> Released:
        """Work on everything whose time has come; `now` is None while batches are unread."""
        released = Released([], [], [])
        for asset in self.assets.values():
            until = asset.clock(now, self.lateness)
            if asset.released is None and asset.held:
                # Its first readings: a restart must find them again, even when they are held for a while.
                asset.released = asset.held[0].at - self.lateness - timedelta(microseconds=1)
                released.assets.append(asset)
            rules_until = asset.rules_clock(now, self.lateness)
            if until is None or rules_until is None:
                continue
            if asset.is_due(until, rules_until):
                released.effects.extend(asset.release(until, rules_until, released.told))
                released.assets.append(asset)
        return released

    def is_due(self, now: datetime) -> bool:
        """Whether something waits whose time has come."""
        wake = self.wakes_at()
        return wake is not None and wake <= now

    def wakes_at(self) -> datetime | None:
        """When, by the wall's clock, the first thing is due that needs no further reading; None where nothing waits."""
        return min(
            (wake for asset in self.assets.values() if asset.newest and (wake := asset.wakes_at(self.lateness))),
            default=None,
        )

    def done(self) -> dict[int, int]:
        """How far each lane is worked on: every reading that matters in batches up to this one."""
        done = dict(self.read)
        for asset in self.assets.values():
            for held in asset.held:
                done[held.lane] = min(done[held.lane], held.seq - 1)
        return done

    def changed_states(self) -> list[RuleState]:
        """What is to be remembered and differs from what is stored; call `remember` when it is written."""
        states: dict[tuple[str, str], dict[str, Any]] = {(CLOCK, CLOCK_INSTANCE): self._dump_clock()}
        for asset in self.assets.values():
            if asset.accounting.roles:
                states[PRODUCTION, asset.path] = asset.accounting.dump()
            states.update({(i.rule.id, asset.path): i.dump_alarm() for i in asset.instances if not i.is_parked})
        return [RuleState(*key, state, None) for key, state in states.items() if self.saved.get(key) != state]

    def remember(self, written: Collection[RuleState]) -> None:
        """Note what rule_state holds now."""
        self.saved.update({(state.rule_id, state.instance): state.state for state in written})

    def _new_asset(self, tag: FollowedTag) -> Asset:
        production = self.settings.production
        table = {e.path: e for e in self.settings.equipment}.get(tag.path)
        states = {str(state): state for state in MachineState}
        for source in ("", tag.source):
            states |= {raw: MachineState(word) for raw, word in self.state_map.get(source, {}).items()}
        facts = AssetFacts(
            equipment_id=tag.equipment_id,
            path=tag.path,
            is_final=table.is_final if table else tag.is_final,
            counter=CounterSpec(production.modulus, production.max_delta),
            states={**states, **production.states},
        )
        asset = self.assets[tag.equipment_id] = Asset(
            tag.equipment_id, tag.path, Accounting(facts), lateness=self.lateness
        )
        if stored := self.saved.get((PRODUCTION, tag.path)):
            asset.accounting.restore(stored)
        self._restore_clock(asset)
        return asset

    def _apply_rules(self, asset: Asset, new: FollowedTag) -> None:
        """Make the instances that the new tag completes: a rule works where all its inputs are."""
        for rule in self.rulebook.rules:
            wanted = {entry.tag for entry in rule.inputs}
            if new.name not in wanted or not isinstance(rule.condition, Threshold) or not wanted <= asset.tags.keys():
                continue
            if rule.for_each.matches(asset.path, self.class_of(asset.path, new.equipment_class)) and _units_fit(
                rule, asset
            ):
                facts = asset.accounting.facts
                instance = Instance.create(rule, asset.equipment_id, asset.path, facts.is_final, asset.tags)
                if stored := self.saved.get((rule.id, asset.path)):
                    instance.restore_alarm(stored)
                instance.situation = asset.situation()
                asset.instances.append(instance)
                self.by_tag.update({asset.tags[name]: asset for name in wanted})

    def class_of(self, path: str, stored: str | None) -> str | None:
        """The class of an asset; the configuration comes before what the database has."""
        return next((e.equipment_class for e in self.settings.equipment if e.path == path), stored)

    def _dump_clock(self) -> dict[str, Any]:
        assets = {
            str(asset.equipment_id): [
                asset.released.isoformat(),
                asset.newest.isoformat() if asset.newest else None,
                asset.behind.total_seconds(),
            ]
            for asset in self.assets.values()
            if asset.released
        }
        return {"read": {str(lane): seq for lane, seq in self.read.items()}, "assets": assets}

    def _restore_clock(self, asset: Asset) -> None:
        stored = self.saved.get((CLOCK, CLOCK_INSTANCE), {}).get("assets", {}).get(str(asset.equipment_id))
        if stored:
            released, newest, behind_s = stored
            asset.released = datetime.fromisoformat(released)
            asset.newest = datetime.fromisoformat(newest) if newest else None
            asset.behind = timedelta(seconds=behind_s)
            asset.heard = asset.newest + asset.behind if asset.newest else None


def _role(name: str, production: ProductionSettings) -> Role:
    return {
        production.order: Role.ORDER,
        production.state: Role.STATE,
        production.reason: Role.REASON,
        production.scrap_reason: Role.SCRAP_REASON,
        production.good: Role.GOOD,
        production.scrap: Role.SCRAP,
    }.get(name, Role.NONE)


def _units_fit(rule: Rule, asset: Asset) -> bool:
    for entry in rule.inputs:
        unit = asset.units[entry.tag]
        if entry.unit is not None and unit and unit != entry.unit:
            log.error(
                "rule does not work on this asset: unit mismatch",
                rule=rule.id, asset=asset.path, tag=entry.tag, wanted=entry.unit, unit=unit,
            )  # fmt: skip
            return False
    return True
