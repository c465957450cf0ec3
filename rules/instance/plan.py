"""What all instances of a rule share: made once a rule, so that an instance holds its asset's values only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, Final, NamedTuple
from weakref import WeakValueDictionary

from bridge.model.production import MachineState
from rules import lifecycle
from rules.conditions.facts import MACHINE_STATE, OPERATION_IS_FINAL, ORDER_ACTIVE
from rules.conditions.threshold import Level, Threshold, Verdict
from rules.language import HistorySpec
from rules.language.closures import Closure, Values
from rules.language.quality import quality_slot
from rules.lifecycle import Ladder, Memory, microseconds_of
from rules.rulebook.model import Input, Rule

# What is judged of a level, as small as it can be: the commonest case is that it is what it was.
UNKNOWN, INSIDE, HOLDS, CLEAR = range(4)
VERDICTS: Final = (Verdict(None, None), Verdict(False, False), Verdict(True, False), Verdict(False, True))
Judged = tuple[int, ...]


class InputPlan(NamedTuple):
    """An input of the rule; `slot` is its place in the row, None where no expression names it; `bit` tells it apart."""

    spec: Input
    slot: int | None
    max_age_us: int  # 0: a value never grows stale
    bit: int
    quality_slot: int | None = None


class HistoryPlan(NamedTuple):
    """A history of the rule, with the inputs at whose readings it is taken as bits."""

    spec: HistorySpec
    slot: int
    arguments: tuple[Closure, ...]
    bits: int
    is_boolean: bool
    each_sample: bool


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Plan:
    """A rule made ready to run."""

    rule: Rule
    condition: Threshold
    ladder: Ladder
    fresh: Memory
    inputs: tuple[InputPlan, ...]
    histories: tuple[HistoryPlan, ...]
    waveform_bits: int  # the inputs whose every sample of an instant is taken, not only the last
    judge: Callable[[Values], Judged]
    verdicts: dict[Judged, tuple[Verdict, ...]]  # by policy for what is unknown
    wanted: frozenset[MachineState]
    settle_us: int
    order_slot: int | None
    state_slot: int | None
    final_slot: int | None
    width: int

    @property
    def has_situation(self) -> bool:
        """Whether what the asset is doing matters to the rule."""
        asked = self.order_slot is not None or self.state_slot is not None
        return bool(self.wanted) or asked or any(h.spec.where for h in self.histories)

    def verdicts_of(self, judged: Judged) -> tuple[Verdict, ...]:
        """What is judged of the levels, after the rule's policy for what is unknown."""
        found = self.verdicts.get(judged)
        if found is None:
            found = tuple(_by_policy(self.rule.on_unknown, index, code) for index, code in enumerate(judged))
            self.verdicts[judged] = found
        return found


_PLANS: Final[WeakValueDictionary[int, Plan]] = WeakValueDictionary()


def plan_of(rule: Rule) -> Plan:
    """The plan of a rule, the same object while any instance of the rule lives."""
    plan = _PLANS.get(id(rule))
    if plan is None or plan.rule is not rule:
        plan = _PLANS[id(rule)] = _make(rule)
    return plan


def _make(rule: Rule) -> Plan:
    condition = rule.condition
    assert isinstance(condition, Threshold), "only rules with levels raise alarms"
    places = {slot: index for index, slot in enumerate(condition.slots)}
    bits = {spec.name: 1 << index for index, spec in enumerate(rule.inputs)}
    ladder = Ladder.of(condition.levels)
    histories = tuple(_history(spec, places, bits) for spec in condition.histories)
    return Plan(
        rule=rule,
        condition=condition,
        ladder=ladder,
        fresh=lifecycle.fresh(len(condition.levels)),
        inputs=tuple(
            InputPlan(
                spec,
                places.get(spec.name),
                microseconds_of(spec.max_age),
                bits[spec.name],
                places.get(quality_slot(spec.name)),
            )
            for spec in rule.inputs
        ),
        histories=histories,
        waveform_bits=reduce(or_, (each.bits for each in histories if each.each_sample), 0),
        judge=_judge(condition.levels),
        verdicts={},
        wanted=rule.when_state,
        settle_us=microseconds_of(rule.settle),
        order_slot=places.get(ORDER_ACTIVE),
        state_slot=places.get(MACHINE_STATE),
        final_slot=places.get(OPERATION_IS_FINAL),
        width=len(places),
    )


def _history(spec: HistorySpec, places: dict[str, int], bits: dict[str, int]) -> HistoryPlan:
    arguments = tuple(expression.evaluate for expression in spec.arguments)
    named = sum(bits[name] for name in spec.inputs if name in bits)
    return HistoryPlan(spec, places[spec.slot], arguments, named, spec.kind.is_boolean, spec.kind.each_sample)


def _judge(levels: tuple[Level, ...]) -> Callable[[Values], Judged]:
    """Judges all levels over a row; one and two levels, which most rules have, without a loop."""
    parts = [_level(level.condition.evaluate, level.clear.evaluate if level.clear else None) for level in levels]
    if len(parts) == 1:
        (only,) = parts
        return lambda values: (only(values),)
    if len(parts) == 2:
        lower, higher = parts
        return lambda values: (lower(values), higher(values))
    return lambda values: tuple([part(values) for part in parts])  # a list is twice as fast here


def _level(holds: Closure, clear: Closure | None) -> Callable[[Values], int]:
    def judge(values: Values) -> int:
        found: Any = holds(values)
        if found is None:
            return UNKNOWN
        if found:
            return HOLDS
        # A condition that holds is not clear, and one that is unknown is not clear either, whatever the deadband says.
        return CLEAR if clear is None or clear(values) else INSIDE

    return judge


def _by_policy(on_unknown: str, index: int, code: int) -> Verdict:
    if code == UNKNOWN and on_unknown == "clear":
        return VERDICTS[CLEAR]
    if code == UNKNOWN and on_unknown == "raise" and index == 0:
        return VERDICTS[HOLDS]
    return VERDICTS[code]
