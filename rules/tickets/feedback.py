"""How often a rule told the truth, and a limit that would have told it more often.

Precision is true / (true + false); its interval is Wilson's score interval (Wilson 1927), which also holds for few verdicts. The
suggested limit is judged on the readings of the alarms themselves: an alarm would have been raised by a limit if the value had
stayed beyond it for the level's on_delay. So a limit between the weakest true alarm and the strongest false one below it
keeps every true alarm, and drops the false ones that are weaker.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final

from bridge.store import feedback
from bridge.store.database import Connection
from rules.conditions.threshold import Level, Threshold
from rules.rulebook.model import Rule

_Z95: Final = 1.959963984540054  # the standard normal distribution's 97.5 % quantile
_MOST_ALARMS: Final = 200
_MOST_READINGS: Final = 50_000
_OVERLAP: Final = timedelta(seconds=5)  # no verdict takes longer from its instant to its commit


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A limit that keeps every true alarm and drops `dropped` of `of_false` false ones. `above`: exceeded upwards."""

    input: str
    tag: str
    above: bool
    limit: float
    suggested: float
    kept: int
    dropped: int
    of_false: int


def wilson(successes: int, of: int, z: float = _Z95) -> tuple[float, float] | None:
    """The score interval of a share, 95 % by default; None where nothing was counted."""
    if of == 0:
        return None
    share, square = successes / of, z * z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = z / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def sustained(times_us: Sequence[int], values: Sequence[float], delay_us: int, *, above: bool) -> float | None:
    """The level beyond which the value stayed for `delay_us`; a value holds until the next, the last for no time at all.

    A limit below it (above it where `above` is False) would have been exceeded so long. None where the readings do not last.
    """
    signed = [value if above else -value for value in values]
    least: deque[int] = deque()  # indices of the window, their values rising
    best: float | None = None
    end = 0
    for start, at in enumerate(times_us):
        while end < len(times_us) and (times_us[end] < at + delay_us or end == start):
            while least and signed[least[-1]] >= signed[end]:
                least.pop()
            least.append(end)
            end += 1
        if times_us[-1] < at + delay_us:
            break  # what came after the last reading is not known
        while least[0] < start:
            least.popleft()
        best = signed[least[0]] if best is None else max(best, signed[least[0]])
    return best if best is None or above else -best


def suggest(
    limit: float, *, above: bool, true_levels: Sequence[float], false_levels: Sequence[float]
) -> tuple[float, int] | None:
    """A stricter limit that keeps every true alarm, and how many false ones it drops; None where it would drop none.

    Without a true alarm nothing is suggested: nobody knows yet what must be kept.
    """
    if not true_levels or not false_levels:
        return None
    sign = 1 if above else -1
    weakest_true = min(sign * level for level in true_levels)
    dropped = [sign * level for level in false_levels if sign * level < weakest_true]
    if not dropped:
        return None
    suggested = (max(dropped) + weakest_true) / 2
    return (sign * suggested, len(dropped)) if suggested > sign * limit else None


async def compute(connection: Connection, rules: Mapping[str, Rule], now: datetime) -> int:
    """Compute the figures of every rule that was judged anew; returns of how many levels."""
    stale = await feedback.stale(connection, _OVERLAP)
    for row in stale:
        async with connection.transaction():
            await _compute(connection, row["rule_id"], row["severity"], rules.get(row["rule_id"]), now)
    return len(stale)


async def _compute(connection: Connection, rule_id: str, severity: str, rule: Rule | None, now: datetime) -> None:
    alarms = await feedback.judged(connection, rule_id, severity, _MOST_ALARMS)
    counts = Counter(row["verdict"] for row in alarms)
    suggestion: Suggestion | None = None
    if rule is not None and (level := _level(rule, severity)) and (found := _comparison(rule, level)):
        name, tag, limit, above = found
        levels: dict[str, list[float]] = {"true": [], "false": [], "unknown": []}
        for row in alarms:
            first = row["raised_at"] - level.on_delay - timedelta(seconds=1)
            times, values = await feedback.values_of_alarm(
                connection, row["equipment_id"], tag, first, row["ended_at"], _MOST_READINGS
            )
            delay_us = int(level.on_delay.total_seconds() * 1_000_000)
            if (reached := sustained(times, values, delay_us, above=above)) is not None:
                levels[row["verdict"]].append(reached)
        # A true alarm without its readings may not be dropped unseen.
        if len(levels["true"]) == counts["true"] and (
            better := suggest(limit, above=above, true_levels=levels["true"], false_levels=levels["false"])
        ):
            suggestion = Suggestion(
                name, tag, above, limit, better[0], counts["true"], better[1], counts["false"]
            )  # fmt: skip
    interval = wilson(counts["true"], counts["true"] + counts["false"])
    await feedback.save(
        connection, rule_id, severity, dict(counts), interval, asdict(suggestion) if suggestion else None, now
    )


def _level(rule: Rule, severity: str) -> Level | None:
    condition = rule.condition
    if not isinstance(condition, Threshold):
        return None
    return next((level for level in condition.levels if level.severity == severity), None)


def _comparison(rule: Rule, level: Level) -> tuple[str, str, float, bool] | None:
    """The input, its tag, the limit and the direction of a level that only compares one input with a number."""
    limits = level.condition.limits()
    operator = getattr(level.condition.tree, "operator", "")
    if len(limits) != 1 or operator[:1] not in ("<", ">"):
        return None
    name, limit = limits[0]
    tag = next((entry.tag for entry in rule.inputs if entry.name == name), None)
    # The input may stand on either side: 7.1 < v is v > 7.1.
    is_left = level.condition.text.lstrip(" (").startswith(name)
    return (name, tag, limit, (operator[0] == ">") == is_left) if tag else None
