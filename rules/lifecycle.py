"""The alarm life cycle of ISA-18.2 / IEC 62682 as a pure machine: (memory, verdicts, instant) -> (memory, transitions).

Time is event time, microseconds since 1970 UTC, and comes from outside. Delays are instants in the memory: `rising` since when a
level's condition holds, `falling` since when it is clear; `next_deadline` says when something happens without a further reading,
and `advance` lets it happen at exactly that instant. So the same readings give the same alarms in a run, after a restart in the
middle of a delay, and in a backtest.

One level is in force at a time. A higher one takes over when its condition has held for its on_delay. The one in force is left
when it has been clear for its off_delay: for the highest level below whose condition holds, otherwise for the lowest level until
that one is clear as well. Unknown keeps what rises and stops what falls: it never clears an alarm, and a delay that began with
a known condition runs out. Between two raises of an alarm lies the level's `rearm` at least; one that was acknowledged and still
stands after the level's `realarm` calls again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from bridge.model.alarm import AlarmState, Severity
from bridge.model.reading import instant, microseconds
from rules.conditions.threshold import Level, Verdict

TransitionKind = Literal["RAISE", "ESCALATE", "DEESCALATE", "REALARM", "RETURN", "LATCH", "CLEAR", "QUALITY"]
Quality = Literal["GOOD", "UNCERTAIN", "NO_DATA", "ERROR"]
Since = tuple[int | None, ...]  # one a level, us


@dataclass(frozen=True, slots=True)
class Ladder:
    """The levels' times in us, mildest first, shared by all alarms of a rule. 0 in `realarm_us`: an alarm never calls again."""

    severities: tuple[Severity, ...]
    on_us: tuple[int, ...]
    off_us: tuple[int, ...]
    rearm_us: tuple[int, ...]
    realarm_us: tuple[int, ...]
    latch: tuple[bool, ...]

    @classmethod
    def of(cls, levels: Sequence[Level]) -> Ladder:
        """The ladder of a rule's levels."""
        return cls(
            severities=tuple(level.severity for level in levels),
            on_us=tuple(microseconds_of(level.on_delay) for level in levels),
            off_us=tuple(microseconds_of(level.off_delay) for level in levels),
            rearm_us=tuple(microseconds_of(level.rearm) for level in levels),
            realarm_us=tuple(microseconds_of(level.realarm) for level in levels),
            latch=tuple(level.latch for level in levels),
        )


@dataclass(frozen=True, slots=True)
class Transition:
    """Something that people are told of; `severity` is the level in force after it (before it, where none is after it).

    `since_us` is since when the condition of a level that was entered has held.
    """

    kind: TransitionKind
    at_us: int
    severity: Severity
    previous: Severity | None = None  # the level that an escalation or de-escalation came from
    since_us: int | None = None

    @property
    def at(self) -> datetime:
        """The instant for rows and people."""
        return instant(self.at_us)


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of one alarm of one asset; `level` is the index of the level in force."""

    rising: Since
    falling: Since
    level: int | None = None
    severity: Severity | None = None  # the last in force while the alarm is open
    acked: bool = False
    acked_us: int | None = None  # when, while it stands: from then on counts `realarm`
    raised_us: int | None = None  # the last raise, also of an alarm that is closed: from then on counts `rearm`
    latched: bool = False  # a latching level was reached: only a reset ends the alarm
    ended: AlarmState | None = None  # RTN_UNACK or LATCHED: open, though its condition is gone
    quality: Quality = "GOOD"

    @property
    def state(self) -> AlarmState:
        """The state by its name in the standard."""
        if self.level is not None:
            if self.is_recovering:
                return AlarmState.RECOVERING
            return AlarmState.ACTIVE_ACK if self.acked else AlarmState.ACTIVE_UNACK
        if self.ended:
            return self.ended
        return AlarmState.PENDING if any(at is not None for at in self.rising) else AlarmState.NORMAL

    @property
    def is_open(self) -> bool:
        """Whether there is an alarm that people see."""
        return self.level is not None or self.ended is not None

    @property
    def is_recovering(self) -> bool:
        """Whether every level up to the one in force is clear."""
        return self.level is not None and None not in self.falling[: self.level + 1]


Outcome = tuple[Memory, list[Transition]]
_UNKNOWN: Final = Verdict(None, None)
_REALARM: Final = -1
_LEAVE: Final = -2
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds_of(span: timedelta | None) -> int:
    """A span in us; 0 where there is none."""
    return span // _MICROSECOND if span else 0


def fresh(levels: int) -> Memory:
    """The memory of an asset of which nothing is known."""
    return Memory((None,) * levels, (None,) * levels)


def next_deadline(memory: Memory, ladder: Ladder) -> int | None:
    """When something happens without a further reading; None where nothing will."""
    found = _next(memory, ladder)
    return found[0] if found else None


def advance(memory: Memory, ladder: Ladder, now_us: int) -> Outcome:
    """Let every delay run out that ends at or before `now_us`, each at its own instant."""
    return _run_out(memory, ladder, now_us, None)


def observe(
    memory: Memory, ladder: Ladder, now_us: int, verdicts: Sequence[Verdict], *, enabled: bool | None = True
) -> Outcome:
    """Take what the inputs say at `now_us`, after the delays that ended before.

    `enabled` is False where the rule is suppressed by design (the machine is not in one of its states): nothing new is raised
    and nothing clears; None where that is not known.
    """
    memory, told = advance(memory, ladder, now_us)
    if enabled is None:
        verdicts = [_UNKNOWN] * len(verdicts)
    rising = tuple(_rises(since, verdict, now_us) for since, verdict in zip(memory.rising, verdicts, strict=True))
    falling = tuple(_falls(since, verdict, now_us) for since, verdict in zip(memory.falling, verdicts, strict=True))
    if enabled is False:
        rising = falling = (None,) * len(verdicts)
    if (rising, falling) == (memory.rising, memory.falling):
        return memory, told
    memory, more = _run_out(replace(memory, rising=rising, falling=falling), ladder, now_us, now_us)
    return memory, told + more


def with_quality(memory: Memory, quality: Quality, now_us: int) -> Outcome:
    """Lay the quality of the inputs over the state; told while the alarm is open."""
    if quality == memory.quality:
        return memory, []
    told = [Transition("QUALITY", now_us, memory.severity)] if memory.is_open and memory.severity else []
    return replace(memory, quality=quality), told


def after_operator(memory: Memory, now_us: int, *, acked: bool, closed: bool) -> Memory:
    """The memory after what an operator did to the alarm's row meanwhile (acknowledge, reset)."""
    if not memory.is_open:
        return memory
    if closed:
        return _closed(memory)
    if acked == memory.acked:
        return memory
    return replace(memory, acked=acked, acked_us=now_us if acked else None)


def _run_out(memory: Memory, ladder: Ladder, now_us: int, floor_us: int | None) -> Outcome:
    told: list[Transition] = []
    while (due := _next(memory, ladder)) and due[0] <= now_us:
        at, index = due
        # What could only be told after the value came back inside the deadband is told then, not before.
        at = at if floor_us is None else max(at, floor_us)
        if index == _LEAVE:
            memory, more = _leave(memory, ladder, at)
        elif index == _REALARM:
            memory, more = _call_again(memory, at)
        else:
            memory, more = _enter(memory, ladder, index, at)
        told += more
    return memory, told


def _rises(since: int | None, verdict: Verdict, now_us: int) -> int | None:
    if verdict.holds is None:
        return since
    return (now_us if since is None else since) if verdict.holds else None


def _falls(since: int | None, verdict: Verdict, now_us: int) -> int | None:
    return (now_us if since is None else since) if verdict.clear else None


def _next(memory: Memory, ladder: Ladder) -> tuple[int, int] | None:
    """The next instant and the level that is entered then, or _LEAVE, or _REALARM. Worse comes first in a tie."""
    in_force = memory.level
    found: tuple[int, int] | None = None
    for index in range(len(ladder.on_us) - 1, -1 if in_force is None else in_force, -1):
        since = memory.rising[index]
        if since is not None:
            at = since + ladder.on_us[index]
            if in_force is None and memory.raised_us is not None:
                at = max(at, memory.raised_us + ladder.rearm_us[index])
            if found is None or at < found[0]:
                found = (at, index)
    if in_force is None:
        return found
    cleared = _cleared_at(memory, ladder, in_force)
    if cleared is not None and (found is None or cleared < found[0]):
        found = (cleared, _LEAVE)
    realarm = ladder.realarm_us[in_force]
    if realarm and memory.acked_us is not None and not memory.is_recovering:
        at = memory.acked_us + realarm
        if found is None or at < found[0]:
            found = (at, _REALARM)
    return found


def _cleared_at(memory: Memory, ladder: Ladder, index: int) -> int | None:
    since = memory.falling[index]
    return None if since is None else since + ladder.off_us[index]


def _enter(memory: Memory, ladder: Ladder, index: int, at_us: int) -> Outcome:
    is_raise = memory.level is None
    severity = ladder.severities[index]
    # A level is never both entered and being left: a stale `falling` of a condition that was unknown in between must not count.
    falling = (*memory.falling[:index], None, *memory.falling[index + 1 :])
    entered = replace(
        memory, level=index, severity=severity, acked=False, acked_us=None, ended=None, falling=falling,
        latched=memory.latched or ladder.latch[index], raised_us=at_us if is_raise else memory.raised_us,
    )  # fmt: skip
    previous = None if is_raise else memory.severity
    return entered, [Transition("RAISE" if is_raise else "ESCALATE", at_us, severity, previous, memory.rising[index])]


def _call_again(memory: Memory, at_us: int) -> Outcome:
    assert memory.severity is not None, "what calls again stands"
    return replace(memory, acked=False, acked_us=None), [Transition("REALARM", at_us, memory.severity)]


def _leave(memory: Memory, ladder: Ladder, at_us: int) -> Outcome:
    assert memory.level is not None, "only a level in force is left"
    below = _below(memory, ladder, memory.level, at_us)
    if below is not None:
        severity = ladder.severities[below]
        told = [Transition("DEESCALATE", at_us, severity, memory.severity)]
        return replace(memory, level=below, severity=severity), told
    severity = ladder.severities[memory.level]
    told = [Transition("RETURN", at_us, severity)]
    if memory.latched:
        ended = replace(memory, level=None, ended=AlarmState.LATCHED, acked_us=None)
        return ended, [*told, Transition("LATCH", at_us, severity)]
    if not memory.acked:
        return replace(memory, level=None, ended=AlarmState.RTN_UNACK), told
    return _closed(memory), [*told, Transition("CLEAR", at_us, severity)]


def _closed(memory: Memory) -> Memory:
    return replace(memory, level=None, severity=None, acked=False, acked_us=None, latched=False, ended=None)


def _below(memory: Memory, ladder: Ladder, index: int, at_us: int) -> int | None:
    """The level to fall to: the highest below that holds, otherwise the lowest while it is not clear; None is normal."""
    for lower in range(index - 1, -1, -1):
        if memory.rising[lower] is not None:
            return lower
    if index == 0:
        return None
    cleared = _cleared_at(memory, ladder, 0)
    return None if cleared is not None and cleared <= at_us else 0


def dump(memory: Memory, ladder: Ladder) -> dict[str, Any]:
    """The memory as JSON: by severity, so that a rule may gain or lose levels between two versions."""
    names = [str(severity) for severity in ladder.severities]
    return {
        "rising": {n: at for n, at in zip(names, memory.rising, strict=True) if at is not None},
        "falling": {n: at for n, at in zip(names, memory.falling, strict=True) if at is not None},
        "level": None if memory.level is None else names[memory.level],
        "severity": memory.severity and str(memory.severity),
        "acked": memory.acked,
        "acked_us": memory.acked_us,
        "raised_us": memory.raised_us,
        "latched": memory.latched,
        "ended": memory.ended and str(memory.ended),
        "quality": memory.quality,
    }


def restore(stored: dict[str, Any], ladder: Ladder) -> Memory:
    """The memory from JSON. A level that the rule has no longer is replaced by the highest one that is not worse."""
    names = [str(severity) for severity in ladder.severities]
    return Memory(
        rising=_since(stored["rising"], names),
        falling=_since(stored["falling"], names),
        level=_index(stored["level"], names) if stored["level"] else None,
        severity=ladder.severities[_index(stored["severity"], names)] if stored["severity"] else None,
        acked=bool(stored["acked"]),
        acked_us=stored.get("acked_us"),
        raised_us=stored.get("raised_us"),
        latched=bool(stored["latched"]),
        ended=AlarmState(stored["ended"]) if stored["ended"] else None,
        quality=stored["quality"],
    )


def _since(stored: dict[str, int | str], names: list[str]) -> Since:
    return tuple(_instant(stored.get(name)) for name in names)


def _instant(stored: int | str | None) -> int | None:
    """Earlier versions wrote instants as ISO 8601."""
    return microseconds(datetime.fromisoformat(stored)) if isinstance(stored, str) else stored


def _index(name: str, names: list[str]) -> int:
    rank = Severity(name).rank
    return max((i for i, n in enumerate(names) if Severity(n).rank <= rank), default=0)
