"""What a preset is: levels that somebody else has thought through, for one signal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from bridge.model.alarm import Severity
from rules.conditions.facts import Facts, expression_text
from rules.language import Typed, resolve
from rules.language.canonical import number_text
from rules.language.types import NUMBER
from rules.section import Section


class Draft(NamedTuple):
    """A level as text."""

    severity: Severity
    condition: str
    clear: str


@dataclass(frozen=True, slots=True)
class Signal:
    """The expression that a preset is about; `deadband` is a share of the limit, None where the rule does not say."""

    text: str
    typed: Typed
    facts: Facts
    deadband: float | None

    def share(self, default: float) -> float:
        """The deadband as a share of a limit."""
        return default if self.deadband is None else self.deadband


@dataclass(frozen=True, slots=True)
class Preset:
    """A preset by its name in the file. `draft` takes its own fields and gives levels, mildest first; durations are defaults."""

    name: str
    draft: Callable[[Section, Signal], list[Draft]]
    on_delay: str
    off_delay: str
    says: str


def above(signal: str, severity: Severity, limit: float, share: float) -> Draft:
    """A level above a limit, left at a share of it below."""
    return Draft(
        severity, f"{signal} > {number_text(limit)}", f"{signal} < {number_text(rounded(limit * (1 - share)))}"
    )


def rounded(value: float) -> float:
    """To twelve digits: 2.8 less a tenth is 2.52."""
    return float(f"{value:.12g}")


def bracketed(text: str) -> str:
    """An expression as an operand."""
    return text if text.replace(".", "").replace("_", "").isalnum() else f"({text})"


def need_expression(fields: Section, name: str, facts: Facts, why: str) -> str | None:
    """Take a number, or an expression of one such as baseline.mean; gives its text as an operand."""

    def convert(value: object) -> str:
        text = (
            number_text(value)
            if isinstance(value, int | float) and not isinstance(value, bool)
            else expression_text(value)
        )
        resolve(text, facts.scope, NUMBER)
        return bracketed(text)

    return fields.need(name, convert, why)
