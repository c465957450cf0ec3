"""Types and units of the rule language."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rules.production.counter import CounterSpec

Value = float | bool | str | None
"""What an expression gives: None is unknown."""


class Kind(Enum):
    """The type of an expression."""

    NUMBER = "number"
    BOOL = "truth value"
    TEXT = "text"


NUMBER, BOOL, TEXT = Kind.NUMBER, Kind.BOOL, Kind.TEXT


@dataclass(frozen=True, slots=True)
class Name:
    """What an expression may name; `unit` is a UCUM code, None where any unit fits (literals, counts of nothing)."""

    kind: Kind
    unit: str | None = None
    is_input: bool = True
    counter: CounterSpec | None = None
    words: tuple[str, ...] = ()  # all that a text can be, where that is known
