"""Counters: the change between two readings of a count that only rises, but for rollover, reset, correction and glitch. Pure.

What a fall means cannot be seen at the fall. Near zero it is taken for a reset, and the value counts from zero; anywhere else for
an operator's correction, which is a new base line and counts nothing. The value before is remembered: where the counter comes
back to it in one step it was a glitch, counting goes on from there, and what was counted meanwhile is taken off what follows.
In doubt fewer pieces are counted, since what is posted to the ERP cannot be taken back here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

Cause = Literal["first", "reset", "correction", "jump", "glitch"]

RESET_MAX: Final = 20  # a counter that begins again shows no more than this at first; higher falls are corrections
_STEPS_TO_BELIEVE: Final = 3  # rising steps after which a fall or jump is believed for good


@dataclass(frozen=True, slots=True)
class CounterSpec:
    """`modulus`: begins again at 0 after modulus - 1, None for never. A step above `max_delta` is not believed."""

    modulus: int | None
    max_delta: int


@dataclass(frozen=True, slots=True)
class Step:
    """What a reading of a counter means: pieces since the one before, and why a new epoch begins, None where none does."""

    pieces: int
    new_epoch: Cause | None


@dataclass(frozen=True, slots=True)
class Count:
    """What is remembered of a counter: its value, and while a fall or jump is fresh, what it came from (`before`).

    `away` is where it went, `rises` how often it has risen since, `since` the pieces since; `ahead` were counted too many.
    """

    value: float
    before: float | None = None
    away: float = 0.0
    rises: int = 0
    since: int = 0
    ahead: int = 0


def follow(last: Count | None, value: float, spec: CounterSpec) -> tuple[Count, Step]:
    """What is remembered after a reading of a counter, and what the reading means."""
    if last is None:
        return Count(value), Step(0, "first")
    if last.before is not None and _comes_back(last, last.before, value, spec):
        risen, extra = _risen(last.before, value, spec) or 0, last.since + last.ahead
        return Count(value, ahead=max(0, extra - risen)), Step(max(0, risen - extra), "glitch")
    taken = step(last.value, value, spec)
    now = replace(last, value=value, ahead=max(0, last.ahead - taken.pieces))
    if last.before is not None:
        now = replace(now, since=last.since + taken.pieces, rises=last.rises + (value > last.value))
    elif taken.new_epoch or value < last.value:
        now = replace(now, before=last.value, away=value, since=taken.pieces)
    if now.rises >= _STEPS_TO_BELIEVE:
        now = Count(value, ahead=now.ahead)
    return now, replace(taken, pieces=max(0, taken.pieces - last.ahead))


def step(last: float | None, value: float, spec: CounterSpec) -> Step:
    """The step from `last` to `value` by itself; None is before the first, which is the base line and counts nothing.

    After a reset the value counts from zero. A jump that is not believed counts nothing: the value is a new base line.
    """
    if last is None:
        return Step(0, "first")
    risen = _risen(last, value, spec)
    if risen is not None:
        return Step(risen, None)
    if value > last:
        return Step(0, "jump")
    if value <= min(spec.max_delta, RESET_MAX) and 2 * value < last:
        return Step(int(value), "reset")
    return Step(0, "correction")


def is_count(value: float | None) -> bool:
    """Whether a counter can show this: a whole number from 0 (floats hold those exactly up to 2**53)."""
    return value is not None and 0 <= value < 2.0**53 and value.is_integer()


def _risen(last: float, value: float, spec: CounterSpec) -> int | None:
    """How far a counter has risen, over its end where it has one; None where that is not to be believed."""
    risen = value - last
    if risen < 0 and spec.modulus is not None:
        risen += spec.modulus
    return int(risen) if 0 <= risen <= spec.max_delta else None


def _comes_back(last: Count, before: float, value: float, spec: CounterSpec) -> bool:
    """Whether one step leads back to where the counter was: most of the way that it went, not a climb piece by piece."""
    if _risen(before, value, spec) is None:
        return False
    back = value - last.value
    return back < 0 or 2 * back > abs(before - last.away)
