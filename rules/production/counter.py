"""Counters: the change between two readings of a count that only rises, but for rollover and reset. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Cause = Literal["first", "reset", "jump"]


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


def step(last: float | None, value: float, spec: CounterSpec) -> Step:
    """The step from `last` to `value`; None is before the first, which is the base line and counts nothing.

    After a reset the value counts from zero. A jump that is not believed counts nothing: the value is a new base line.
    """
    if last is None:
        return Step(0, "first")
    risen = value - last
    if risen < 0 and spec.modulus is not None and value + spec.modulus - last <= spec.max_delta:
        return Step(int(value + spec.modulus - last), None)
    if 0 <= risen <= spec.max_delta:
        return Step(int(risen), None)
    return Step(int(value), "reset") if value <= spec.max_delta else Step(0, "jump")


def is_count(value: float | None) -> bool:
    """Whether a counter can show this: a whole number from 0 (floats hold those exactly up to 2**53)."""
    return value is not None and 0 <= value < 2.0**53 and value.is_integer()
