"""One asset in the engine: holds its readings until their time has come, then accounts for them and lets its rules see them.

Readings are worked on in the order of their source time, not of their arrival: each waits until the asset's own clock, taken from
the newest source time seen, is `lateness` further. So the same readings give the same result in any order of arrival within that
bound, and a machine whose clock is wrong disturbs no other. While no batch is unread that clock runs on with the wall's, which
lets delays end without a reading; those of rules only while their lane is heard. What comes later than the bound is worked on at once, as late.
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
from rules.instance import Instance, Situation, Told
from rules.production.accounting import Accounting, Role
from rules.production.effects import Effect
from rules.sample import Sample

log = structlog.get_logger()

MAX_AHEAD: Final = timedelta(
    minutes=5
)  # a source time further in the future is a broken clock's, and must not move ours
QUIET: Final = timedelta(
    seconds=30
)  # a lane that sends nothing for so long has nothing to say; before, it may be unheard


class Held(NamedTuple):
    """A reading that waits, in the order of work: within an instant the order's number first and the counters last."""

    at: datetime
    role: int
    tag_id: int
    ordinal: int
    sample: Sample
    lane: int
    seq: int


@dataclass(slots=True)
class Asset:
    """The engine's memory of one asset. `released` is how far its readings and delays are worked on."""

    equipment_id: int
    path: str
    accounting: Accounting
    tags: dict[str, int] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    instances: list[Instance] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    released: datetime | None = None
    newest: datetime | None = None
    lateness: timedelta = timedelta()
    lanes: set[int] = field(default_factory=set)  # that brought its readings
    heard: datetime | None = None  # when the newest batch of these was received
    left_out: int = 0  # readings of the far future since the start
    behind: timedelta = timedelta()  # how long after its source time the newest reading was received

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
        role = self.accounting.roles.get(reading.tag_id, Role.NONE)
        sample = sample_of(reading)
        held = Held(reading.ts, role, reading.tag_id, reading.ordinal, sample, reading.lane, reading.batch_seq)
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
        """Say what came so late that counters, orders and rules had gone on: what it told of may be missing."""
        assert self.released is not None, "late is what is before it"
        log.warning(
            "readings came too late", asset=self.path, readings=len(late),
            tags=sorted({self._name_of(held.tag_id) for held in late}), first=str(late[0].at),
            late_s=round((self.released - late[0].at).total_seconds(), 1),
        )  # fmt: skip

    def clock(self, now: datetime | None, lateness: timedelta) -> datetime | None:
        """How far time may go: behind the newest source time, or behind the asset's running clock where `now` is given."""
        reached = self._reached(now, lateness)
        return reached if self.released is None or reached is None else max(reached, self.released)

    def rules_clock(self, now: datetime | None, lateness: timedelta) -> datetime | None:
        """How far delays of rules may run out: with the wall's clock only as far as the asset's lanes were heard.

        What a value was before an outage says nothing of the time in it. A lane that is quiet for `QUIET` is taken at its word.
        """
        if now is not None and self.heard is not None and now < self.heard + QUIET:
            now = min(now, self.heard)
        return self._reached(now, lateness)

    def is_due(self, until: datetime, rules_until: datetime) -> bool:
        """Whether a reading or a delay is to be worked on at these instants."""
        if self.held and self.held[0].at <= until:
            return True
        rules_due = self._rules_due()
        return rules_due is not None and rules_due <= rules_until

    def wakes_at(self, lateness: timedelta) -> datetime | None:
        """When, by the wall's clock, the first thing is due if nothing more is read; None where nothing is."""
        wakes = [self.held[0].at + self.behind + lateness] if self.held else []
        if rules_due := self._rules_due():
            wake = rules_due + self.behind + lateness
            wakes.append(wake if self.heard is None or wake <= self.heard else max(wake, self.heard + QUIET))
        return min(wakes, default=None)

    def hear(self, lane: int, received_at: datetime) -> None:
        """Take note that a batch of a lane came, whoever's readings are in it."""
        if lane in self.lanes and (self.heard is None or received_at > self.heard):
            self.heard = received_at

    def _reached(self, now: datetime | None, lateness: timedelta) -> datetime | None:
        if self.newest is None:
            return self.released
        return max(self.newest, now - self.behind if now else self.newest) - lateness

    def _rules_due(self) -> datetime | None:
        found = [due for instance in self.instances if (due := instance.due_us()) is not None]
        return instant(min(found)) if found else None

    def release(self, until: datetime, rules_until: datetime, told: list[tuple[Instance, Told]]) -> Iterator[Effect]:
        """Work on readings and delays up to their instants: gives what accounting finds, adds what the rules tell to `told`."""
        count = bisect_right(self.held, until, key=lambda held: held.at)
        ready, self.held = self.held[:count], self.held[count:]
        if late := [held for held in ready if self.released and held.at <= self.released]:
            self._tell_late(late)
        for at, group in groupby(ready, key=lambda held: held.at):
            samples = [held.sample for held in group]
            effects = self.accounting.apply(at, samples)
            yield from effects
            self._show(at, samples, bool(effects), told)
        until_us = microseconds(rules_until)
        for instance in self.instances:
            self._safely(instance, lambda each: each.advance(until_us), told)
        self.released = until if self.released is None else max(until, self.released)

    def situation(self) -> Situation:
        """What the asset is doing."""
        since = self.accounting.since
        return Situation(self.accounting.state, microseconds(since) if since else None, self.accounting.order)

    def _show(self, at: datetime, samples: list[Sample], has_changed: bool, told: list[tuple[Instance, Told]]) -> None:
        situation, at_us = self.situation(), microseconds(at)
        for instance in self.instances:
            seen = [sample for sample in samples if sample.tag_id in instance.inputs]
            if seen or has_changed:
                self._safely(instance, lambda each, seen=seen: each.observe(at_us, seen, situation), told)  # type: ignore[misc]  # a default binds the loop's value

    def _safely(
        self, instance: Instance, work: Callable[[Instance], list[Told]], told: list[tuple[Instance, Told]]
    ) -> None:
        """Let one rule work; one that fails is parked until the next start and the others go on."""
        if instance.is_parked:
            return
        try:
            told += [(instance, found) for found in work(instance)]
        except Exception:
            instance.is_parked = True
            log.exception("rule is parked: it failed", rule=instance.rule.id, asset=self.path)


def sample_of(reading: FollowedReading) -> Sample:
    """A followed reading as rules see it."""
    return Sample(reading.tag_id, microseconds(reading.ts), *reading[2:6])
