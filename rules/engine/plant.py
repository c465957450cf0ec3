"""The engine's memory of the plant: a cache of what the database knows, thrown away and loaded again after any rollback.

A step touches the assets that readings came for, and those whose delays may have run out; the others cost it nothing.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from bridge.config.settings import ProductionSettings, Settings
from bridge.model.production import MachineState
from bridge.store.cursor import Batch, FollowedReading, FollowedTag
from bridge.store.rule import RuleState, Version
from rules.engine import situation
from rules.engine.asset import Asset
from rules.engine.families import Families
from rules.engine.fitting import RuleIndex
from rules.engine.lanes import Lanes
from rules.instance import Instance, Told
from rules.production.accounting import Accounting, AssetFacts, Role
from rules.production.counter import CounterSpec
from rules.production.effects import Effect
from rules.production.serials import SerialSpec
from rules.rulebook.model import Rule, Rulebook

PRODUCTION: Final = "@production"  # rule_state of the accounting, by asset; no rule's id can begin so
ASSET: Final = "@asset"  # rule_state of how far an asset is worked on, by its id
CLOCK: Final = "@clock"  # rule_state of how far the lanes are read
CLOCK_INSTANCE: Final = "all"

Saved = dict[tuple[str, str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Released:
    """What became of readings and delays whose time had come."""

    effects: list[Effect]
    told: list[tuple[Instance, Told]]
    assets: list[Asset]


@dataclass(slots=True)
class Plant:
    """All assets. `read` is the newest batch that was read of each lane; `saved` what rule_state holds and nobody took over yet."""

    settings: Settings
    rules: RuleIndex
    versions: Mapping[str, Version]
    state_map: Mapping[str, Mapping[str, str]]
    read: dict[int, int]
    saved: Saved
    lanes: Lanes
    assets: dict[int, Asset] = field(default_factory=dict)
    by_tag: dict[int, Asset] = field(default_factory=dict)  # the tags that matter to anybody
    families: Families = field(default_factory=Families)
    by_alarm: dict[int, Instance] = field(default_factory=dict)  # the instances whose alarm is open
    last_tag: dict[str, int] = field(default_factory=dict)  # the newest known id of each source
    new: list[Instance] = field(default_factory=list)  # instances that nobody ever told anything yet
    touched: set[Asset] = field(default_factory=set)
    _holding: set[Asset] = field(default_factory=set)
    _sleeping: list[tuple[datetime, int]] = field(default_factory=list)  # a heap: when to look at an asset, its id
    _unheard: set[Asset] = field(default_factory=set)  # whose time has come, if only their lanes were heard
    _clock: dict[str, Any] = field(default_factory=dict)  # as stored

    @property
    def rulebook(self) -> Rulebook:
        """The rules."""
        return self.rules.rulebook

    def learn(self, tags: Collection[FollowedTag]) -> None:
        """Take tags: each joins the accounting or the rules of its asset, or is of no interest."""
        for tag in tags:
            self.last_tag[tag.source] = max(tag.id, self.last_tag.get(tag.source, 0))
            asset = self.assets.get(tag.equipment_id) or self._new_asset(tag)
            if tag.name not in asset.tags:
                asset.tags[tag.name], asset.units[tag.name] = tag.id, tag.unit
                asset.lateness = max(asset.lateness, self._lateness_of(tag.source))
                asset.lanes |= {each.lane for each in self.settings.source if each.name == tag.source}
                if (role := _role(tag.name, self.settings.production)) is not Role.NONE:
                    asset.accounting.roles[tag.id] = role
                    self.by_tag[tag.id] = asset
                asset_class = self.class_of(asset.path, tag.equipment_class)
                for rule in self.rules.completed_by(tag.name, asset, asset_class):
                    self.add_instance(asset, rule)
                if self.families.tell(asset, asset_class, tag.name):
                    self.by_tag[tag.id] = asset

    def hold(self, readings: Collection[FollowedReading], batches: Collection[Batch]) -> None:
        """Give readings of these batches to their assets, which keep them until their time has come."""
        received = {(batch.lane, batch.seq): batch.received_at for batch in batches}
        for reading in readings:
            asset, received_at = self.by_tag[reading.tag_id], received[reading.lane, reading.batch_seq]
            asset.hold(reading, received_at)
            self.touched.add(asset)
            for sibling in self.families.listeners.get(reading.tag_id, ()):
                sibling.hear_of(reading, received_at)
                self.touched.add(sibling)
        for batch in batches:
            self.read[batch.lane] = batch.seq
            self.lanes.hear(batch.lane, batch.received_at)

    def due(self, now: datetime | None) -> list[Asset]:
        """The assets on which something is to be worked; `now` is None while batches are unread."""
        if now is not None:
            self._unheard |= set(self._awake(now))
        found = {asset for asset in self.touched | self._unheard if asset.corrections or asset.is_due(now)}
        for asset in self.touched:
            if asset.released is None and asset.held:
                # Its first readings: a restart must find them again, even when they are held for a while.
                asset.released = asset.held[0].at - asset.lateness - timedelta(microseconds=1)
        return sorted(found, key=lambda asset: asset.equipment_id)

    def release(self, assets: Collection[Asset], now: datetime | None) -> Released:
        """Work on everything whose time has come on these assets."""
        released = Released([], [], [])
        for asset in assets:
            if asset.is_due(now):
                released.effects.extend(asset.release(now, released.told))
            released.assets.append(asset)
            self.touched.add(asset)
        return released

    def wakes_at(self) -> datetime | None:
        """When, by the wall's clock, a step may have work though nothing more is read; None where nothing waits."""
        wakes = [wake for asset in self._unheard | self.touched if (wake := asset.wakes_at())]
        while self._sleeping and self.assets[self._sleeping[0][1]].wake != self._sleeping[0][0]:
            heapq.heappop(self._sleeping)
        if self._sleeping:
            wakes.append(self._sleeping[0][0])
        return min(wakes, default=None)

    def settle(self) -> None:
        """Note when each asset that was touched is to be looked at again; call it when the step's work is written."""
        for asset in self.touched:
            (self._holding.add if asset.held else self._holding.discard)(asset)
            self._unheard.discard(asset)
            wake = asset.may_wake_at()
            # A later one than is noted is found when that has come: one note an asset, however often it is put off.
            if wake is not None and (asset.wake is None or wake < asset.wake):
                self._note(asset, wake)
        self.touched.clear()
        self.new.clear()

    def done(self) -> dict[int, int]:
        """How far each lane is worked on: every reading that matters in batches up to this one."""
        done = dict(self.read)
        for asset in self._holding | self.touched:
            for held in asset.held:
                done[held.lane] = min(done[held.lane], held.seq - 1)
        return done

    def changed_states(self) -> list[RuleState]:
        """What is to be remembered and differs from what is stored; noted as stored from now on."""
        states: Saved = {}
        clock = {"read": {str(lane): seq for lane, seq in self.read.items()}, "held": self.lanes.dump()}
        if clock != self._clock:
            states[CLOCK, CLOCK_INSTANCE] = self._clock = clock
        for asset in self.touched:
            kept = (_dump_asset(asset), asset.accounting.dump() if asset.accounting.roles else None)
            if kept != asset.stored and asset.released:
                asset.stored = kept
                states[ASSET, str(asset.equipment_id)] = kept[0]
                if kept[1] is not None:
                    states[PRODUCTION, asset.path] = kept[1]
            for instance in asset.instances:
                if not instance.is_parked and instance.stored != instance.essence:
                    instance.stored = instance.essence
                    states[instance.rule.id, asset.path] = instance.dump_alarm()
        return [RuleState(*key, state, None) for key, state in states.items()]

    def add_instance(self, asset: Asset, rule: Rule) -> Instance:
        """Let a rule work on an asset."""
        instance = self.create(asset, rule)
        instance.situation = asset.situation
        if stored := self.saved.pop((rule.id, asset.path), None):
            instance.restore_alarm(stored)
            instance.stored = instance.essence
        else:
            self.new.append(instance)
        if instance.alarm_id is not None:
            self.by_alarm[instance.alarm_id] = instance
        asset.instances.append(instance)
        for tag_id, owner in self.families.join(asset, self._class_of(asset), instance):
            self.by_tag[tag_id] = owner
        self.by_tag |= {asset.tags[each.tag]: asset for each in rule.inputs if each.of is None}
        self.touched.add(asset)
        return instance

    def create(self, asset: Asset, rule: Rule) -> Instance:
        """An instance of a rule on an asset, of which nothing is known yet."""
        siblings = self.families.tags(asset, self._class_of(asset), rule)
        is_final = asset.accounting.facts.is_final
        return Instance.create(rule, asset.equipment_id, asset.path, is_final, asset.tags, siblings)

    def fitting(self, asset: Asset, ids: Collection[str]) -> list[Rule]:
        """Those of some rules that work on an asset."""
        return self.rules.fitting(asset, self._class_of(asset), ids)

    def class_of(self, path: str, stored: str | None) -> str | None:
        """The class of an asset; the configuration comes before what the database has."""
        return next((e.equipment_class for e in self.settings.equipment if e.path == path), stored)

    def _class_of(self, asset: Asset) -> str | None:
        return self.class_of(asset.path, asset.equipment_class)

    def _awake(self, now: datetime) -> Iterator[Asset]:
        while self._sleeping and self._sleeping[0][0] <= now:
            noted, equipment_id = heapq.heappop(self._sleeping)
            asset = self.assets[equipment_id]
            if asset.wake != noted:
                continue
            asset.wake, wake = None, asset.may_wake_at()
            if wake is not None and wake > now:
                self._note(asset, wake)
            elif wake is not None:
                yield asset

    def _note(self, asset: Asset, wake: datetime) -> None:
        asset.wake = wake
        heapq.heappush(self._sleeping, (wake, asset.equipment_id))

    def _lateness_of(self, source: str) -> timedelta:
        rules = self.settings.rules
        return timedelta(milliseconds=rules.lateness_ms_of.get(source, rules.lateness_ms))

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
            serials=_serials(production, tag.path),
        )
        asset = self.assets[tag.equipment_id] = Asset(
            tag.equipment_id,
            tag.path,
            Accounting(facts),
            self._lateness_of(tag.source),
            self.lanes,
            tag.equipment_class,
        )
        self.families.add(asset, self._class_of(asset))
        if stored := self.saved.pop((PRODUCTION, tag.path), None):
            asset.accounting.restore(stored)
        if stored := self.saved.pop((ASSET, str(tag.equipment_id)), None):
            _restore_asset(asset, stored)
        return asset


def _dump_asset(asset: Asset) -> dict[str, Any]:
    return {
        "released": asset.released and asset.released.isoformat(),
        "ruled": asset.ruled and asset.ruled.isoformat(),
        "newest": asset.newest and asset.newest.isoformat(),
        "behind_s": asset.behind.total_seconds(),
        "situation": situation.dump(asset.situation),
    }


def _restore_asset(asset: Asset, stored: dict[str, Any]) -> None:
    asset.released = datetime.fromisoformat(stored["released"])
    asset.ruled = datetime.fromisoformat(stored["ruled"]) if stored["ruled"] else None
    asset.newest = datetime.fromisoformat(stored["newest"]) if stored["newest"] else None
    asset.behind = timedelta(seconds=stored["behind_s"])
    asset.situation = situation.restore(stored["situation"])


def _serials(production: ProductionSettings, path: str) -> SerialSpec:
    pattern = re.compile(production.serial_pattern) if production.serial_pattern else None
    within = timedelta(seconds=production.serial_within_s)
    return SerialSpec(is_told_after=production.is_serial_told_after(path), within=within, pattern=pattern)


def _role(name: str, production: ProductionSettings) -> Role:
    return {
        production.order: Role.ORDER,
        production.lot: Role.LOT,
        production.serial: Role.SERIAL,
        production.state: Role.STATE,
        production.reason: Role.REASON,
        production.scrap_reason: Role.SCRAP_REASON,
        production.good: Role.GOOD,
        production.scrap: Role.SCRAP,
    }.get(name, Role.NONE)
