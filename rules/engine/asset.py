"""One asset in the engine: holds its readings until their time has come, then accounts for them and lets its rules see them.

Readings are worked on in the order of their source time, not of their arrival: each waits until the asset's own clock, taken from
the newest source time seen, is `lateness` further. So the same readings give the same result in any order of arrival within that
bound, and a machine whose clock is wrong disturbs no other. While no batch is unread that clock runs on with the wall's, which
lets delays end without a reading; those of rules only while their lanes are heard. What comes later than the bound is accounted
for at once, as late; rules that it concerns go back to before it (rules/engine/correcting.py).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, NamedTuple

import structlog

from bridge.model.reading import instant, microseconds
from bridge.store.cursor import FollowedReading
from rules.engine import situation
from rules.engine.lanes import Lanes
from rules.instance import Instance, Situation, Told
from rules.production.accounting import Accounting, Role
from rules.production.effects import Effect
from rules.sample import Sample

log = structlog.get_logger()

MAX_AHEAD: Final = timedelta(
    minutes=5
)  # a source time further in the future is a broken clock's, and must not move ours


class Held(NamedTuple):
    """A reading that waits, in the order of work: within an instant the order's number first and the counters last."""

    at: datetime
    role: int
    tag_id: int
    ordinal: int
    sample: Sample
    lane: int
    seq: int


@dataclass(slots=True, eq=False)
class Asset:
    """The engine's memory of one asset. `released` is how far its readings are worked on, `ruled` how far delays of rules are."""

    equipment_id: int
    path: str
    accounting: Accounting
    lateness: timedelta
    following: Lanes
    equipment_class: str | None = None  # as the database has it
    tags: dict[str, int] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    instances: list[Instance] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    released: datetime | None = None
    ruled: datetime | None = None
    newest: datetime | None = None
    lanes: set[int] = field(default_factory=set)  # that bring its readings
    left_out: int = 0  # readings of the far future since the start
    behind: timedelta = timedelta()  # how long after its source time the newest reading was received
    situation: Situation = field(default_factory=Situation)
    corrections: dict[Instance, datetime] = field(
        default_factory=dict
    )  # instances that must go back to before an instant
    stored: object = None  # what rule_state holds of its clock and accounting
    wake: datetime | None = None  # for when it is noted in the plant's list

    def hold(self, reading: FollowedReading, received_at: datetime | None) -> None:
        """Keep a reading until its time has come; `received_at` is None where it was received before a restart."""
        if received_at is None:
            if self.newest is not None and reading.ts > self.newest:
                return  # left out before the restart too: its source time is far in the future
        elif reading.ts > received_at + max(self.lateness, MAX_AHEAD):
            self._leave_out(reading, received_at)
            return
        elif self.newest is None or reading.ts > self.newest:
            self.newest, self.behind = reading.ts, received_at - reading.ts
        self.lanes.add(reading.lane)
        self._keep(reading)

    def hear_of(self, reading: FollowedReading, received_at: datetime | None) -> None:
        """Keep a reading of another asset that rules compare with; it moves no clock of this one."""
        if self.newest is None or (received_at and reading.ts > received_at + max(self.lateness, MAX_AHEAD)):
            return
        self._keep(reading)

    def _keep(self, reading: FollowedReading) -> None:
        role = self.accounting.roles.get(reading.tag_id, Role.NONE)
        held = Held(
            reading.ts, role, reading.tag_id, reading.ordinal, sample_of(reading), reading.lane, reading.batch_seq
        )
        if not self.held or held >= self.held[-1]:
            self.held.append(held)
        else:
            insort(self.held, held)

    def _leave_out(self, reading: FollowedReading, received_at: datetime) -> None:
        self.left_out += 1
        log.warning(
            "reading is left out: its time is in the future", asset=self.path, tag=self._name_of(reading.tag_id),
            at=str(reading.ts), ahead_s=round((reading.ts - received_at).total_seconds(), 1), left_out=self.left_out,
        )  # fmt: skip

    def _name_of(self, tag_id: int) -> str:
        return next((name for name, known in self.tags.items() if known == tag_id), str(tag_id))

    def _tell_late(self, late: list[Held]) -> None:
        """Say what came so late that counters and orders had gone on: what it told of may be missing there."""
        assert self.released is not None, "late is what is before it"
        log.warning(
            "readings came too late", asset=self.path, readings=len(late),
            tags=sorted({self._name_of(held.tag_id) for held in late}), first=str(late[0].at),
            late_s=round((self.released - late[0].at).total_seconds(), 1), rules_corrected=len(self.corrections),
        )  # fmt: skip

    def clock(self, now: datetime | None) -> datetime | None:
        """How far time may go: behind the newest source time, or behind the asset's running clock where `now` is given."""
        reached = self._reached(now)
        return reached if self.released is None or reached is None else max(reached, self.released)

    def rules_clock(self, now: datetime | None) -> datetime | None:
        """How far delays of rules may run out: with the wall's clock only as far as the asset's lanes were heard.

        What a value was before an outage says nothing of the time in it.
        """
        return self._reached(None if now is None else self.following.heard_until(self.lanes, self._arrived(), now))

    def is_due(self, now: datetime | None) -> bool:
        """Whether a reading or a delay is to be worked on."""
        until, rules_until = self.clock(now), self.rules_clock(now)
        if until is None or rules_until is None:
            return False
        if self.held and self.held[0].at <= until:
            return True
        rules_due = self._rules_due()
        return rules_due is not None and rules_due <= rules_until

    def may_wake_at(self) -> datetime | None:
        """When, by the wall's clock, the first thing is due if its lanes are heard and nothing more is read."""
        if self.newest is None:
            return None
        wakes = [self.held[0].at] if self.held else []
        if rules_due := self._rules_due():
            wakes.append(rules_due)
        return min(wakes) + self.behind + self.lateness if wakes else None

    def wakes_at(self) -> datetime | None:
        """When, by the wall's clock, the first thing is due if nothing more is read; None where nothing will be."""
        wakes = [self.held[0].at + self.behind + self.lateness] if self.held else []
        if rules_due := self._rules_due():
            wake = rules_due + self.behind + self.lateness
            if (at := self.following.heard_from(self.lanes, self._arrived(), wake)) is not None:
                wakes.append(at)
        return min(wakes, default=None)

    def _arrived(self) -> datetime | None:
        return self.newest + self.behind if self.newest else None

    def _reached(self, now: datetime | None) -> datetime | None:
        if self.newest is None:
            return self.released
        return max(self.newest, now - self.behind if now else self.newest) - self.lateness

    def _rules_due(self) -> datetime | None:
        found = [due for instance in self.instances if (due := instance.due_us()) is not None]
        return instant(min(found)) if found else None

    def release(self, now: datetime | None, told: list[tuple[Instance, Told]]) -> Iterator[Effect]:
        """Work on readings and delays whose time has come: gives what accounting finds, adds what the rules tell to `told`."""
        until, rules_until = self.clock(now), self.rules_clock(now)
        assert until is not None, "only what is due is released"
        assert rules_until is not None, "only what is due is released"
        count = bisect_right(self.held, until, key=lambda held: held.at)
        ready, self.held = self.held[:count], self.held[count:]
        if late := [held for held in ready if self.released and held.at <= self.released]:
            self._go_back(late)
            self._tell_late(late)
        ruled = rules_until if self.ruled is None else max(rules_until, self.ruled)
        for at, group in groupby(ready, key=lambda held: held.at):
            samples = [held.sample for held in group]
            yield from self.accounting.apply(at, samples)
            if self.released is None or at > self.released:
                self._show(microseconds(at), samples, told)
                ruled = max(ruled, at)
        self._advance(microseconds(ruled), told)
        self.ruled = ruled
        self.released = until if self.released is None else max(until, self.released)

    def correct_from(self, instance: Instance, at: datetime) -> None:
        """Have an instance go back to before an instant."""
        self.corrections[instance] = min(at, self.corrections.get(instance, at))

    def _go_back(self, late: list[Held]) -> None:
        for held in late:
            tells = held.role in situation.TELLING
            for instance in self.instances:
                if (tells or held.tag_id in instance.inputs) and not instance.is_parked:
                    self.correct_from(instance, held.at)

    def _show(self, at_us: int, samples: list[Sample], told: list[tuple[Instance, Told]]) -> None:
        accounting = self.accounting
        now = situation.after(self.situation, at_us, samples, accounting.roles, accounting.facts.states)
        has_changed, self.situation = now is not self.situation, now
        for instance in self.instances:
            seen = [sample for sample in samples if sample.tag_id in instance.inputs]
            if (seen or has_changed) and instance not in self.corrections:
                self._safely(instance, lambda each, seen=seen: each.observe(at_us, seen, now), told)  # type: ignore[misc]  # a default binds the loop's value

    def _advance(self, until_us: int, told: list[tuple[Instance, Told]]) -> None:
        for instance in self.instances:
            if instance not in self.corrections:
                self._safely(instance, lambda each: each.advance(until_us), told)

    def _safely(
        self, instance: Instance, work: Callable[[Instance], list[Told]], told: list[tuple[Instance, Told]]
    ) -> None:
        """Let one rule work; one that fails is parked until the rules are read again, and the others go on."""
        if instance.is_parked:
            return
        try:
            told += [(instance, found) for found in work(instance)]
        except Exception as error:
            instance.park(f"{type(error).__name__}: {error}")
            log.exception("rule is parked: it failed", rule=instance.rule.id, asset=self.path)


def sample_of(reading: FollowedReading) -> Sample:
    """A followed reading as rules see it."""
    return Sample(reading.tag_id, microseconds(reading.ts), *reading[2:6])
