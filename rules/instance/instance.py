"""The running form of a rule with levels on one asset.

A value is unknown where its quality is bad, where it is older than the input's `max_age`, and before the first reading. That a
value grows stale, and that a history changes although nothing is read, are instants known beforehand, like the end of a delay:
`due_us` says when, `advance` lets it happen. Instants are microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bridge.model.production import MachineState
from bridge.model.reading import instant
from rules import lifecycle
from rules.conditions.threshold import Threshold
from rules.histories import History
from rules.instance.inputs import InputNow, SiblingsNow, worst
from rules.instance.plan import HOLDS, UNKNOWN, Judged, Plan, plan_of
from rules.instance.told import Situation, Told
from rules.language import Value
from rules.lifecycle import Memory, Quality, Transition
from rules.rulebook.model import Rule
from rules.sample import Sample

_NOTHING_KNOWN: Final = Situation()
_NO_SIBLINGS: Final[Mapping[str, Sequence[int]]] = {}


class HistoryStandsStillError(RuntimeError):
    """A history is due at an instant at which it was just asked: the rule is at fault, and would never come to an end."""


@dataclass(slots=True, eq=False)
class Instance:
    """One rule on one asset. `alarm_id` is the open alarm's row, None where there is none; `now_us` is how far its time has gone."""

    plan: Plan
    equipment_id: int
    path: str
    is_final: bool
    memory: Memory
    inputs: dict[int, tuple[InputNow, ...]]  # by tag
    entries: tuple[InputNow, ...]  # the same, in the order of the rule
    histories: tuple[History, ...] = ()
    situation: Situation = _NOTHING_KNOWN
    alarm_id: int | None = None
    returned_at: datetime | None = None
    now_us: int | None = None
    late: int = 0
    error: str | None = None  # why the rule is parked here: it failed, and does nothing until the rules are read again
    suppressed_by: str | None = None  # `design`, or `rule:<id>` of the parent whose alarm is active
    stored: object = None  # what the database holds of the alarm's part, see `essence`
    checkpoint_us: int | None = None  # how far time had gone at the newest checkpoint
    row: list[Value] = field(default_factory=list)
    quality: Quality = "NO_DATA"
    judged: tuple[Judged, bool | None, Quality] | None = None

    @classmethod
    def create(
        cls,
        rule: Rule,
        equipment_id: int,
        path: str,
        is_final: bool,
        tags: Mapping[str, int],
        siblings: Mapping[str, Sequence[int]] = _NO_SIBLINGS,
    ) -> Instance:
        """An instance of which nothing is known yet.

        `tags` gives the id of each tag name that the rule uses, `siblings` the ids of the other assets' tags of a name.
        """
        plan = plan_of(rule)
        entries = tuple(SiblingsNow(each) if each.spec.of else InputNow(each) for each in plan.inputs)
        inputs: dict[int, tuple[InputNow, ...]] = {}
        for entry in entries:
            name = entry.plan.spec.tag
            for tag_id in siblings.get(name, ()) if entry.plan.spec.of else (tags[name],):
                inputs[tag_id] = (*inputs.get(tag_id, ()), entry)
        histories = tuple(each.spec.kind.make(each.spec.setting) for each in plan.histories)
        made = cls(plan, equipment_id, path, is_final, plan.fresh, inputs, entries, histories, row=[None] * plan.width)
        if plan.final_slot is not None:
            made.row[plan.final_slot] = is_final
        made._see(_NOTHING_KNOWN)
        return made

    def add_sibling(self, name: str, tag_id: int) -> None:
        """Let another asset's tag of this name count for the inputs that are about siblings."""
        for entry in self.entries:
            if entry.plan.spec.of and entry.plan.spec.tag == name and entry not in self.inputs.get(tag_id, ()):
                self.inputs[tag_id] = (*self.inputs.get(tag_id, ()), entry)

    @property
    def rule(self) -> Rule:
        """The rule."""
        return self.plan.rule

    @property
    def condition(self) -> Threshold:
        """The rule's levels."""
        return self.plan.condition

    @property
    def is_parked(self) -> bool:
        """Whether the rule failed here."""
        return self.error is not None

    def park(self, error: str) -> None:
        """Let the rule do nothing here any longer, because of an error."""
        self.error = error[:500]

    @property
    def essence(self) -> object:
        """What `dump_alarm` says, to be compared without dumping."""
        return (self.memory, self.alarm_id, self.returned_at)

    @property
    def now(self) -> datetime | None:
        """How far its time has gone, for rows and people."""
        return None if self.now_us is None else instant(self.now_us)

    def due_us(self) -> int | None:
        """When something happens without a further reading; None where nothing will."""
        if self.is_parked:
            return None
        found = self.due_but_for_histories_us()
        for history in self.histories:
            due = history.due_us()
            if due is not None and (found is None or due < found):
                found = due
        return found

    def due_but_for_histories_us(self, skip: InputNow | None = None) -> int | None:
        """When a delay ends, a value grows stale (but for that of `skip`), or the rule begins to look; None where nothing will."""
        found = lifecycle.next_deadline(self.memory, self.plan.ladder)
        for entry in self.entries:
            stale = entry.stale_us
            if stale is not None and (found is None or stale < found) and entry is not skip:
                found = stale
        settled = self._settles_us()
        return settled if settled is not None and (found is None or settled < found) else found

    def advance(self, until_us: int) -> list[Told]:
        """Let time go on to `until_us` without readings."""
        told: list[Told] = []
        while (due := self.due_us()) is not None and due <= until_us:
            at = due if self.now_us is None else max(due, self.now_us)
            self.memory, transitions = lifecycle.advance(self.memory, self.plan.ladder, at)
            told += self._tell(transitions)
            self.now_us = at
            self._grow_stale(at)
            self._let_histories_run(at)
            told += self.judge(at)
        return told

    def observe(self, at_us: int, samples: Sequence[Sample], situation: Situation) -> list[Told]:
        """Take what was read at one instant, after what was due before. An older reading than the one known is late."""
        if self.now_us is not None and at_us < self.now_us:
            at_us = self.now_us
        told = self.advance(at_us)
        self.now_us = at_us
        if situation is not self.situation:
            self._see(situation)
        self.take(at_us, samples)
        return told + self.judge(at_us)

    def operate(self, at_us: int, *, acked: bool, closed: bool) -> None:
        """Take over what an operator did to the alarm's row."""
        self.memory = lifecycle.after_operator(self.memory, at_us, acked=acked, closed=closed)

    def warm(self, samples: Iterable[Sample], situation: Situation, until_us: int) -> None:
        """Take readings from before, oldest first, without judging them; `until_us` is how far time had gone."""
        if situation is not self.situation:
            self._see(situation)
        for sample in samples:
            self._grow_stale(sample.at_us)
            self._let_histories_run(sample.at_us)
            self.take(sample.at_us, [sample])
        self._grow_stale(until_us)
        self._let_histories_run(until_us)
        self.now_us = until_us

    def take(self, at_us: int, samples: Iterable[Sample]) -> None:
        """Put the samples of one instant into the row, then let the histories see them."""
        touched, waveforms = 0, self.plan.waveform_bits
        for sample in samples:
            for entry in self.inputs.get(sample.tag_id, ()):
                if not entry.take(sample):
                    self.late += 1
                    continue
                touched |= entry.plan.bit
                entry.show_in(self.row)
                if waveforms & entry.plan.bit:
                    self._let_histories_take(at_us, entry.plan.bit, each_sample=True)
        if touched:
            self._reckon_quality()
            if self.histories:
                self._let_histories_take(at_us, touched)

    def judge(self, at_us: int) -> list[Told]:
        """Judge the row as it is; nothing is told where it is what it was, the commonest case by far."""
        plan = self.plan
        now = (plan.judge(self.row), not plan.wanted or self._is_enabled(at_us), self.quality)
        if now == self.judged:
            return []
        self.judged = now
        judged, enabled, quality = now
        self.memory, told = lifecycle.with_quality(self.memory, quality, at_us)
        self.memory, more = lifecycle.observe(
            self.memory, plan.ladder, at_us, plan.verdicts_of(judged), enabled=enabled
        )
        return self._tell(told + more) if told or more else []

    @property
    def is_suppressed_by_design(self) -> bool:
        """Whether the machine is not in a state in which the rule looks (ISA-18.2: suppressed by design)."""
        return self.judged is not None and self.judged[1] is False

    def explain(self) -> dict[str, Any]:
        """What the levels make of the values now: levels with their expressions, histories with their values, the situation."""
        judged = self.plan.judge(self.row)
        words = {UNKNOWN: None, HOLDS: True}
        return {
            "sha256": self.rule.sha256,
            "levels": [
                {
                    "severity": str(level.severity), "if": level.condition.text,
                    "clear": level.clear.text if level.clear else None, "holds": words.get(code, False),
                }
                for level, code in zip(self.condition.levels, judged, strict=True)
            ],
            "histories": {each.spec.slot: self.row[each.slot] for each in self.plan.histories},
            "state": self.situation.state and str(self.situation.state),
            "order": self.situation.order,
            "quality": self.quality,
        }  # fmt: skip

    def dump_alarm(self) -> dict[str, Any]:
        """The alarm's part of what must survive a restart: small, and changed only when the alarm changes."""
        returned_at = self.returned_at.isoformat() if self.returned_at else None
        stored = lifecycle.dump(self.memory, self.plan.ladder)
        return {**stored, "alarm_id": self.alarm_id, "returned_at": returned_at}

    def dump(self) -> dict[str, Any]:
        """All of it as JSON: alarm, newest readings, histories, situation."""
        situation = self.situation
        return {
            **self.dump_alarm(),
            "now_us": self.now_us,
            "inputs": {entry.plan.spec.name: entry.dump() for entry in self.entries},
            "histories": {
                each.spec.slot: history.dump()
                for each, history in zip(self.plan.histories, self.histories, strict=True)
            },
            "situation": [situation.state and str(situation.state), situation.since_us, situation.order],
        }

    def restore_alarm(self, stored: dict[str, Any]) -> None:
        """Take the alarm's part, also into a rule whose levels have changed."""
        self.memory = lifecycle.restore(stored, self.plan.ladder)
        self.alarm_id = stored["alarm_id"]
        self.returned_at = datetime.fromisoformat(stored["returned_at"]) if stored["returned_at"] else None
        self.quality = self.memory.quality
        self.judged = None

    def restore(self, stored: dict[str, Any]) -> None:
        """Take all that was dumped, also into a changed rule: levels by severity, histories by slot, inputs by name."""
        self.restore_alarm(stored)
        self.now_us = stored["now_us"]
        state, since_us, order = stored["situation"]
        self._see(Situation(MachineState(state) if state else None, since_us, order))
        for entries in self.inputs.values():
            for entry in entries:
                if (found := stored["inputs"].get(entry.plan.spec.name)) is not None:
                    entry.restore(found)
                    entry.show_in(self.row)
        self._restore_histories(stored["histories"])
        self._reckon_quality()

    def become(self, other: Instance) -> None:
        """Take over everything that another instance of the same rule and asset came to know."""
        for name in (
            "memory",
            "inputs",
            "entries",
            "histories",
            "situation",
            "now_us",
            "row",
            "quality",
            "judged",
            "error",
        ):
            setattr(self, name, getattr(other, name))

    def _restore_histories(self, stored: dict[str, Any]) -> None:
        made = []
        for each, history in zip(self.plan.histories, self.histories, strict=True):
            if each.spec.slot in stored:
                try:
                    history.restore(stored[each.spec.slot])
                except (ValueError, KeyError, TypeError, IndexError):
                    history = each.spec.kind.make(each.spec.setting)  # noqa: PLW2901  # of another shape: begins anew
                self._show_history(each.slot, each.is_boolean, history, self.now_us)
            made.append(history)
        self.histories = tuple(made)

    def _see(self, situation: Situation) -> None:
        self.situation = situation
        if self.plan.order_slot is not None:
            self.row[self.plan.order_slot] = situation.order is not None
        if self.plan.state_slot is not None:
            state = situation.state
            self.row[self.plan.state_slot] = None if state in (None, MachineState.UNKNOWN) else str(state)

    def _reckon_quality(self) -> None:
        self.quality = worst({entry.quality for entry in self.entries})

    def _grow_stale(self, now_us: int) -> None:
        has_changed = False
        for entries in self.inputs.values():
            for entry in entries:
                if entry.grow_stale(now_us):
                    has_changed = True
                    entry.show_in(self.row)
        if has_changed:
            self._reckon_quality()

    def _let_histories_take(self, at_us: int, touched: int, *, each_sample: bool = False) -> None:
        row, state = self.row, self.situation.state
        for each, history in zip(self.plan.histories, self.histories, strict=True):
            if (
                each.bits & touched
                and each.each_sample is each_sample
                and (not each.spec.where or state in each.spec.where)
            ):
                history.take(at_us, tuple([argument(row) for argument in each.arguments]))  # faster
                self._show_history(each.slot, each.is_boolean, history, at_us)

    def _let_histories_run(self, now_us: int) -> None:
        for each, history in zip(self.plan.histories, self.histories, strict=True):
            due = history.due_us()
            if due is not None and due <= now_us:
                self._show_history(each.slot, each.is_boolean, history, now_us)
                after = history.due_us()
                if after is not None and after <= now_us:
                    raise HistoryStandsStillError(f"{each.spec.slot} is due at {instant(now_us)} again and again")

    def _show_history(self, slot: int, is_boolean: bool, history: History, now_us: int | None) -> None:
        value = history.value(now_us) if now_us is not None else None
        self.row[slot] = bool(value) if is_boolean and value is not None else value

    def _is_enabled(self, at_us: int) -> bool | None:
        situation = self.situation
        if situation.state is None or situation.state is MachineState.UNKNOWN:
            return None
        if situation.state not in self.plan.wanted:
            return False
        settled = self._settled_us()
        return settled is None or at_us >= settled

    def _settled_us(self) -> int | None:
        since, settle = self.situation.since_us, self.plan.settle_us
        return since + settle if since is not None and settle else None

    def _settles_us(self) -> int | None:
        """When the rule begins to look after the machine came into one of its states; None where that is past."""
        if not self.plan.wanted or self.situation.state not in self.plan.wanted:
            return None
        settled = self._settled_us()
        return settled if settled is not None and (self.now_us is None or settled > self.now_us) else None

    def _tell(self, transitions: list[Transition]) -> list[Told]:
        if not transitions:
            return []
        inputs = {entry.plan.spec.name: entry.shown() for entry in self.entries}
        because = self.explain()
        return [Told(transition, inputs, because) for transition in transitions]
