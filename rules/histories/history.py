"""What a history is: the past of one or more expressions of a rule on one asset, taken reading by reading, bounded, pure.

An expression such as `mean(v, 5m) > 7.1` names one; the engine keeps an object for it and gives it every value in the order of
source time. Instants are microseconds since 1970 UTC. The same readings give the same values, in a run, after `restore(dump())`
at any point, and in a backtest: nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Protocol

from rules.production.counter import CounterSpec

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
Number = float | None
"""A value that was read or computed; None is unknown: bad, missing or stale."""
_LARGEST: Final = 1e150  # squares of what is taken stay numbers


def known(value: Number) -> Number:
    """A value that can be reckoned with; what is not finite, or beyond 1e150, is unknown."""
    return value if value is not None and -_LARGEST <= value <= _LARGEST else None


class History(Protocol):
    """The past of the arguments of one function. Memory and time of a call are bounded by its parameters."""

    def take(self, at_us: int, values: tuple[Number, ...]) -> None:
        """Take the arguments as they are at an instant; never earlier than the one before. Several may come at one instant."""
        ...

    def value(self, now_us: int) -> Number:
        """The function's value at an instant, not before the newest taken; None while too little is known."""
        ...

    def due_us(self) -> int | None:
        """When `value` changes although nothing is taken; None where it does not. The engine judges the rule then."""
        ...

    def dump(self) -> Any:
        """All of it as plain JSON: numbers, texts, lists, mappings."""
        ...

    def restore(self, stored: Any) -> None:
        """Become what was dumped. Raises ValueError, KeyError or TypeError where it is of another shape; then begin anew."""
        ...


class Parameter(NamedTuple):
    """A literal after the arguments: `5m` in `mean(v, 5m)`. Bounds are inclusive; durations are written as such, kept in us."""

    name: str
    kind: Literal["duration", "number", "count"]
    minimum: float
    maximum: float
    default: float | None = None  # None: must be written


@dataclass(frozen=True, slots=True)
class Setting:
    """What a history is made with: its parameters (durations in us and counts whole, numbers float) and what it is about."""

    parameters: tuple[float, ...]
    arguments: int = 1
    counter: CounterSpec | None = None  # where the argument is an input that is a counter


@dataclass(frozen=True, slots=True)
class HistoryKind:
    """A function of the past, for the checker and for people.

    `arguments` is the least and the greatest number of numeric expressions before the parameters; where the two differ, the first
    parameter is a duration, so that the arguments end where it stands. A default of nan means that there is none. `unit` of the result: that of the
    first argument, none, or the argument's a second. A kind that `is_boolean` gives 1.0 or 0.0 as a truth value.
    """

    name: str
    make: Callable[[Setting], History]
    parameters: tuple[Parameter, ...] = ()
    arguments: tuple[int, int] = (1, 1)
    unit: Literal["same", "none", "per_second"] = "same"
    is_boolean: bool = False
    says: str = ""
    each_sample: bool = (
        False  # takes every sample of an instant in the order of ordinal (a waveform), not only the last
    )
