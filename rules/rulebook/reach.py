"""Levels that can never be in force, never be left, or say nothing: told where the limits themselves show it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, count

from rules.conditions.threshold import Level, Threshold
from rules.language.ranges import Demands, demands


def unreachable(condition: Threshold) -> Iterator[tuple[int, str]]:
    """The index of each level that its limits make senseless, and a sentence that says why."""
    asked = [demands(level.condition.tree) for level in condition.levels]
    for index, (level, wanted) in enumerate(zip(condition.levels, asked, strict=True)):
        if message := _alone(level, wanted):
            yield index, message
    for (index, lower, low), (_, higher, high) in combinations(zip(count(), condition.levels, asked), 2):
        if low.is_never or high.is_never or low.is_always or high.is_always:
            continue
        if low.implies(high) and higher.on_delay <= lower.on_delay:
            yield (
                index,
                (
                    f"the level {lower.severity} is never in force: whenever {lower.condition.text} holds, "
                    f"{higher.condition.text} of the level {higher.severity} does too"
                ),
            )


def _alone(level: Level, wanted: Demands) -> str | None:
    if wanted.is_never:
        return f"the level {level.severity} is never in force: no value meets {level.condition.text}"
    if wanted.is_always:
        return f"the level {level.severity} is always in force: every value meets {level.condition.text}"
    left = demands(level.clear.tree) if level.clear else None
    if level.clear is None or left is None:
        return None
    if left.is_never:
        return f"the level {level.severity} is never left: no value meets {level.clear.text}"
    if _is_wrong_way(wanted, left):
        return f"the deadband is the wrong way round: {level.clear.text} holds while {level.condition.text} does"
    return None


def _is_wrong_way(wanted: Demands, left: Demands) -> bool:
    """Whether both can hold of the same values of the one quantity that both are about."""
    if wanted.others or left.others or wanted.ranges.keys() != left.ranges.keys() or len(wanted.ranges) != 1:
        return False
    return not wanted.excludes(left)
