"""The alarm life cycle of ISA-18.2 / IEC 62682 as a pure machine: (memory, verdicts, instant) -> (memory, transitions).

Time is event time and comes from outside. Delays are instants in the memory: `rising` since when a level's condition holds,
`falling` since when it is clear; `next_deadline` says when something happens without a further reading, and `advance` lets it
happen at exactly that instant. So the same readings give the same alarms in a run, after a restart in the middle of a delay,
and in a backtest.

One level is in force at a time. A higher one takes over when its condition has held for its on_delay. The one in force is left
when it has been clear for its off_delay: for the highest level below whose condition holds, otherwise for the lowest level until
that one is clear as well. Unknown keeps what rises and stops what falls: it never clears an alarm, and a delay that began with
a known condition runs out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from bridge.model.alarm import AlarmState, Severity
from rules.conditions.threshold import Level, Verdict

TransitionKind = Literal["RAISE", "ESCALATE", "DEESCALATE", "RETURN", "LATCH", "CLEAR", "QUALITY"]
Quality = Literal["GOOD", "UNCERTAIN", "NO_DATA", "ERROR"]
Since = tuple[datetime | None, ...]  # one a level


@dataclass(frozen=True, slots=True)
class Transition:
    """Something that people are told of; `severity` is the level in force after it (before it, where none is after it)."""

    kind: TransitionKind
    at: datetime
    severity: Severity
    previous: Severity | None = None  # the level that an escalation or de-escalation came from


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of one alarm of one asset; `level` is the index of the level in force."""

    rising: Since
    falling: Since
    level: int | None = None
    severity: Severity | None = None  # the last in force while the alarm is open
    acked: bool = False
    latched: bool = False  # a latching level was reached: only a reset ends the alarm
    ended: AlarmState | None = None  # RTN_UNACK or LATCHED: open, though its condition is gone
    quality: Quality = "GOOD"

    @property
    def state(self) -> AlarmState:
        """The state by its name in the standard."""
        if self.level is not None:
            if all(self.falling[: self.level + 1]):
                return AlarmState.RECOVERING
            return AlarmState.ACTIVE_ACK if self.acked else AlarmState.ACTIVE_UNACK
        if self.ended:
            return self.ended
        return AlarmState.PENDING if any(self.rising) else AlarmState.NORMAL

    @property
    def is_open(self) -> bool:
        """Whether there is an alarm that people see."""
        return self.level is not None or self.ended is not None


Outcome = tuple[Memory, list[Transition]]
_UNKNOWN: Final = Verdict(None, None)


def fresh(levels: int) -> Memory:
    """The memory of an asset of which nothing is known."""
    return Memory((None,) * levels, (None,) * levels)


def next_deadline(memory: Memory, levels: Sequence[Level]) -> datetime | None:
    """When something happens without a further reading; None where nothing will."""
    found = _next(memory, levels)
    return found[0] if found else None


def advance(memory: Memory, levels: Sequence[Level], now: datetime) -> Outcome:
    """Let every delay run out that ends at or before `now`, each at its own instant."""
    told: list[Transition] = []
    while (due := _next(memory, levels)) and due[0] <= now:
        at, index = due
        memory, more = _leave(memory, levels, at) if index is None else _enter(memory, levels, index, at)
        told += more
    return memory, told


def observe(
    memory: Memory, levels: Sequence[Level], now: datetime, verdicts: Sequence[Verdict], *, enabled: bool | None = True
) -> Outcome:
    """Take what the inputs say at `now`, after the delays that ended before.

    `enabled` is False where the rule is suppressed by design (the machine is not in one of its states): nothing new is raised
    and nothing clears; None where that is not known.
    """
    memory, told = advance(memory, levels, now)
    if enabled is None:
        verdicts = [_UNKNOWN] * len(levels)
    rising = tuple(_rises(since, verdict, now) for since, verdict in zip(memory.rising, verdicts, strict=True))
    falling = tuple(_falls(since, verdict, now) for since, verdict in zip(memory.falling, verdicts, strict=True))
    if enabled is False:
        rising = falling = (None,) * len(levels)
    memory, more = advance(replace(memory, rising=rising, falling=falling), levels, now)
    return memory, told + more


def with_quality(memory: Memory, quality: Quality, now: datetime) -> Outcome:
    """Lay the quality of the inputs over the state; told while the alarm is open."""
    if quality == memory.quality:
        return memory, []
    told = [Transition("QUALITY", now, memory.severity)] if memory.is_open and memory.severity else []
    return replace(memory, quality=quality), told


def after_operator(memory: Memory, *, acked: bool, closed: bool) -> Memory:
    """The memory after what an operator did to the alarm's row meanwhile (acknowledge, reset)."""
    if closed and memory.is_open:
        return replace(memory, level=None, severity=None, acked=False, latched=False, ended=None)
    return replace(memory, acked=acked) if memory.is_open else memory


def _rises(since: datetime | None, verdict: Verdict, now: datetime) -> datetime | None:
    if verdict.holds is None:
        return since
    return (since or now) if verdict.holds else None


def _falls(since: datetime | None, verdict: Verdict, now: datetime) -> datetime | None:
    return (since or now) if verdict.clear else None


def _next(memory: Memory, levels: Sequence[Level]) -> tuple[datetime, int | None] | None:
    """The next instant and the level that is entered then, None for leaving the one in force. Worse comes first in a tie."""
    in_force = -1 if memory.level is None else memory.level
    found: tuple[datetime, int | None] | None = None
    for index in range(len(levels) - 1, in_force, -1):
        since = memory.rising[index]
        if since is not None and (found is None or since + levels[index].on_delay < found[0]):
            found = (since + levels[index].on_delay, index)
    cleared = None if memory.level is None else _cleared_at(memory, levels, memory.level)
    return (cleared, None) if cleared is not None and (found is None or cleared < found[0]) else found


def _cleared_at(memory: Memory, levels: Sequence[Level], index: int) -> datetime | None:
    since = memory.falling[index]
    return None if since is None else since + levels[index].off_delay


def _enter(memory: Memory, levels: Sequence[Level], index: int, at: datetime) -> Outcome:
    kind: TransitionKind = "RAISE" if memory.level is None else "ESCALATE"
    level = levels[index]
    # A level is never both entered and being left: a stale `falling` of a condition that was unknown in between must not count.
    falling = (*memory.falling[:index], None, *memory.falling[index + 1 :])
    entered = replace(
        memory, level=index, severity=level.severity, acked=False, ended=None, falling=falling,
        latched=memory.latched or level.latch,
    )  # fmt: skip
    return entered, [Transition(kind, at, level.severity, None if memory.level is None else memory.severity)]


def _leave(memory: Memory, levels: Sequence[Level], at: datetime) -> Outcome:
    assert memory.level is not None, "only a level in force is left"
    below = _below(memory, levels, memory.level, at)
    if below is not None:
        severity = levels[below].severity
        return replace(memory, level=below, severity=severity), [
            Transition("DEESCALATE", at, severity, memory.severity)
        ]
    severity = levels[memory.level].severity
    told = [Transition("RETURN", at, severity)]
    if memory.latched:
        return (
            replace(memory, level=None, ended=AlarmState.LATCHED),
            [*told, Transition("LATCH", at, severity)],
        )
    if not memory.acked:
        return replace(memory, level=None, ended=AlarmState.RTN_UNACK), told
    return replace(memory, level=None, severity=None, acked=False), [*told, Transition("CLEAR", at, severity)]


def _below(memory: Memory, levels: Sequence[Level], index: int, at: datetime) -> int | None:
    """The level to fall to: the highest below that holds, otherwise the lowest while it is not clear; None is normal."""
    for lower in range(index - 1, -1, -1):
        if memory.rising[lower] is not None:
            return lower
    if index == 0:
        return None
    cleared = _cleared_at(memory, levels, 0)
    return None if cleared is not None and cleared <= at else 0


def dump(memory: Memory, levels: Sequence[Level]) -> dict[str, Any]:
    """The memory as JSON: by severity, so that a rule may gain or lose levels between two versions."""
    names = [str(level.severity) for level in levels]
    return {
        "rising": {n: at.isoformat() for n, at in zip(names, memory.rising, strict=True) if at},
        "falling": {n: at.isoformat() for n, at in zip(names, memory.falling, strict=True) if at},
        "level": None if memory.level is None else names[memory.level],
        "severity": memory.severity and str(memory.severity),
        "acked": memory.acked,
        "latched": memory.latched,
        "ended": memory.ended and str(memory.ended),
        "quality": memory.quality,
    }


def restore(stored: dict[str, Any], levels: Sequence[Level]) -> Memory:
    """The memory from JSON. A level that the rule has no longer is replaced by the highest one that is not worse."""
    names = [str(level.severity) for level in levels]
    level = _index(stored["level"], names) if stored["level"] else None
    return Memory(
        rising=_since(stored["rising"], names),
        falling=_since(stored["falling"], names),
        level=level,
        severity=Severity(stored["severity"]) if stored["severity"] else None,
        acked=bool(stored["acked"]),
        latched=bool(stored["latched"]),
        ended=AlarmState(stored["ended"]) if stored["ended"] else None,
        quality=stored["quality"],
    )


def _since(stored: dict[str, str], names: list[str]) -> Since:
    return tuple(datetime.fromisoformat(stored[name]) if name in stored else None for name in names)


def _index(name: str, names: list[str]) -> int:
    rank = Severity(name).rank
    return max((i for i, n in enumerate(names) if Severity(n).rank <= rank), default=0)
