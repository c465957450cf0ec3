"""One rule on one asset, pure: samples and instants in, transitions of its alarm out.

A value is unknown where its quality is bad, where it is older than the input's `max_age`, and before the first reading. That a
value grows stale is an instant known beforehand, like the end of a delay: `due` says when, `advance` lets it happen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bridge.model.production import MachineState
from bridge.model.quality import is_bad, is_good
from rules import lifecycle
from rules.conditions.facts import OPERATION_IS_FINAL, ORDER_ACTIVE
from rules.conditions.threshold import Threshold, Verdict
from rules.language import Value
from rules.lifecycle import Memory, Quality, Transition
from rules.production.counter import step
from rules.rulebook.model import Input, Rule
from rules.sample import Sample

_SOUNDNESS: Final[tuple[Quality, ...]] = ("GOOD", "UNCERTAIN", "NO_DATA", "ERROR")  # worse ones later


@dataclass(slots=True)
class InputNow:
    """The newest reading of an input; `goes_stale` is None where it never does or already has."""

    spec: Input
    slot: int | None
    delta_slot: int | None
    at: datetime | None = None
    ordinal: int = 0
    value: Value = None
    good: float | None = None  # the newest number whose quality was not bad
    status: int = 0
    goes_stale: datetime | None = None
    quality: Quality = "NO_DATA"


@dataclass(frozen=True, slots=True)
class Told:
    """A transition with the inputs as they were."""

    transition: Transition
    inputs: dict[str, Any]


@dataclass(slots=True)
class Situation:
    """What the asset is doing, for `when_state` and the facts that expressions may name."""

    state: MachineState | None = None
    since: datetime | None = None
    order: str | None = None


@dataclass(slots=True)
class Instance:
    """The running form of a rule with levels. `alarm_id` is the open alarm's row, None where there is none."""

    rule: Rule
    condition: Threshold
    equipment_id: int
    path: str
    is_final: bool
    memory: Memory
    inputs: dict[int, list[InputNow]] = field(default_factory=dict)  # by tag
    situation: Situation = field(default_factory=Situation)
    alarm_id: int | None = None
    returned_at: datetime | None = None
    now: datetime | None = None
    late: int = 0
    is_parked: bool = False
    _row: list[Value] = field(default_factory=list)
    _judged: tuple[tuple[Verdict, ...], bool | None, Quality] | None = None

    @classmethod
    def create(cls, rule: Rule, equipment_id: int, path: str, is_final: bool, tags: dict[str, int]) -> Instance:
        """An instance of which nothing is known yet; `tags` gives the id of each tag name that the rule uses."""
        assert isinstance(rule.condition, Threshold), "only rules with levels raise alarms"
        memory = lifecycle.fresh(len(rule.condition.levels))
        made = cls(rule, rule.condition, equipment_id, path, is_final, memory)
        made._row = [None] * len(made.condition.slots)
        slots = {slot: index for index, slot in enumerate(made.condition.slots)}
        for spec in rule.inputs:
            entry = InputNow(spec, slots.get(spec.name), slots.get(f"delta({spec.name})"))
            made.inputs.setdefault(tags[spec.tag], []).append(entry)
        return made

    def recall(self, samples: list[Sample], until: datetime) -> None:
        """Take the newest readings before a restart, oldest first, without judging them; `until` is how far time had gone."""
        for sample in samples:
            self._take(sample)
        for entry in self._entries():
            if entry.goes_stale and entry.goes_stale <= until:
                self._go_stale(entry)
        self.now = until

    def due(self) -> datetime | None:
        """When something happens without a further reading; None where nothing will."""
        if self.is_parked:
            return None
        found = lifecycle.next_deadline(self.memory, self.condition.levels)
        for entry in self._entries():
            if entry.goes_stale and (found is None or entry.goes_stale < found):
                found = entry.goes_stale
        settled = self._settles_at()
        return settled if settled and (found is None or settled < found) else found

    def advance(self, until: datetime) -> list[Told]:
        """Let time go on to `until` without readings."""
        told: list[Told] = []
        while (due := self.due()) and due <= until:
            self.memory, transitions = lifecycle.advance(self.memory, self.condition.levels, due)
            told += self._with_inputs(transitions)
            for entry in self._entries():
                if entry.goes_stale and entry.goes_stale <= due:
                    self._go_stale(entry)
            told += self._judge(due)
            self.now = max(due, self.now or due)
        return told

    def observe(self, at: datetime, samples: list[Sample], situation: Situation) -> list[Told]:
        """Take what was read at one instant, after what was due before. An older reading than the one known is late."""
        at = max(at, self.now or at)
        told = self.advance(at)
        self.now = at
        for sample in samples:
            self._take(sample)
        self.situation = situation
        return told + self._judge(at)

    def dump(self) -> dict[str, Any]:
        """What must survive a restart; the inputs do not: they are read again."""
        stored = lifecycle.dump(self.memory, self.condition.levels)
        returned_at = self.returned_at.isoformat() if self.returned_at else None
        return {**stored, "alarm_id": self.alarm_id, "returned_at": returned_at}

    def restore(self, stored: dict[str, Any]) -> None:
        """Take what survived."""
        self.memory = lifecycle.restore(stored, self.condition.levels)
        self.alarm_id = stored["alarm_id"]
        self.returned_at = datetime.fromisoformat(stored["returned_at"]) if stored["returned_at"] else None

    def _entries(self) -> list[InputNow]:
        return [entry for entries in self.inputs.values() for entry in entries]

    def _take(self, sample: Sample) -> None:
        for entry in self.inputs.get(sample.tag_id, ()):
            if entry.at is not None and (sample.at, sample.ordinal) <= (entry.at, entry.ordinal):
                self.late += 1
                continue
            value = None if is_bad(sample.quality) else sample.text if entry.spec.is_text else _number(sample.value)
            if entry.delta_slot is not None:
                self._row[entry.delta_slot] = _delta(entry, value)
            if isinstance(value, float):
                entry.good = value
            entry.at, entry.ordinal, entry.value, entry.status = sample.at, sample.ordinal, value, sample.quality
            entry.quality = "ERROR" if value is None else "GOOD" if is_good(sample.quality) else "UNCERTAIN"
            max_age = entry.spec.max_age
            entry.goes_stale = sample.at + max_age if max_age and value is not None else None
            if entry.slot is not None:
                self._row[entry.slot] = value

    def _go_stale(self, entry: InputNow) -> None:
        entry.value, entry.goes_stale, entry.quality = None, None, "NO_DATA"
        for slot in (entry.slot, entry.delta_slot):
            if slot is not None:
                self._row[slot] = None

    def _judge(self, at: datetime) -> list[Told]:
        self._take_facts()
        verdicts = self.condition.judge(self._row)
        enabled = self._is_enabled(at)
        quality = _worst([entry.quality for entry in self._entries()])
        judged = (verdicts, enabled, quality)
        if judged == self._judged:
            return []  # the commonest case by far; what was due is done before
        self._judged = judged
        self.memory, told = lifecycle.with_quality(self.memory, quality, at)
        known = tuple(self._by_policy(verdict, index) for index, verdict in enumerate(verdicts))
        self.memory, more = lifecycle.observe(self.memory, self.condition.levels, at, known, enabled=enabled)
        return self._with_inputs(told + more)

    def _take_facts(self) -> None:
        for slot, name in enumerate(self.condition.slots):
            if name == ORDER_ACTIVE:
                self._row[slot] = self.situation.order is not None
            elif name == OPERATION_IS_FINAL:
                self._row[slot] = self.is_final

    def _by_policy(self, verdict: Verdict, index: int) -> Verdict:
        if verdict.holds is not None or self.rule.on_unknown == "hold":
            return verdict
        if self.rule.on_unknown == "clear":
            return Verdict(False, True)
        return Verdict(True, False) if index == 0 else verdict

    def _is_enabled(self, at: datetime) -> bool | None:
        wanted, situation = self.rule.when_state, self.situation
        if not wanted:
            return True
        if situation.state is None or situation.state is MachineState.UNKNOWN:
            return None
        if situation.state not in wanted:
            return False
        settled = self._settled()
        return settled is None or at >= settled

    def _settled(self) -> datetime | None:
        since = self.situation.since
        return since + self.rule.settle if since and self.rule.settle else None

    def _settles_at(self) -> datetime | None:
        """When the rule begins to look after the machine came into one of its states; None where that is past."""
        if not self.rule.when_state or self.situation.state not in self.rule.when_state:
            return None
        settled = self._settled()
        return settled if settled and (self.now is None or settled > self.now) else None

    def _with_inputs(self, transitions: list[Transition]) -> list[Told]:
        if not transitions:
            return []
        inputs = {
            entry.spec.name: {
                "tag": entry.spec.tag,
                "value": entry.value,
                "unit": entry.spec.unit or "",
                "quality": entry.quality,
                "at": entry.at.isoformat() if entry.at else None,
            }
            for entry in self._entries()
        }
        return [Told(transition, inputs) for transition in transitions]


def _worst(qualities: list[Quality]) -> Quality:
    return next((quality for quality in reversed(_SOUNDNESS) if quality in qualities), "GOOD")


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _delta(entry: InputNow, value: Value) -> float | None:
    if not isinstance(value, float) or entry.good is None:
        return None
    if entry.spec.counter is None:
        return value - entry.good
    return float(step(entry.good, value, entry.spec.counter).pieces)
