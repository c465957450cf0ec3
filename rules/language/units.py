"""What becomes of units in an expression. A literal has none (None) and fits any."""

from __future__ import annotations

from bridge.config.units import Conversion, UnitError, conversion

NO_UNIT = "1"  # UCUM: the unity


def product(left: str | None, right: str | None) -> str | None:
    """The unit of a product; of a value with a literal that of the value."""
    if left is None or right is None:
        return right if left is None else left
    if NO_UNIT in (left, right):
        return left if right == NO_UNIT else right
    return f"{_factor(left)}.{_factor(right)}"


def quotient(left: str | None, right: str | None) -> str | None:
    """The unit of a quotient."""
    if right is None or right == NO_UNIT:
        return left
    if left == right:
        return NO_UNIT
    return f"{_factor(left)}/{_factor(right)}" if left is not None and left != NO_UNIT else f"/{_factor(right)}"


def between(source: str, target: str) -> Conversion | None:
    """How a number of `source` becomes one of `target`; None where it cannot."""
    try:
        return conversion(source, target)
    except UnitError:
        return None


def _factor(unit: str) -> str:
    """A unit that may stand beside `.` or `/`: UCUM reads from left to right."""
    return f"({unit})" if "." in unit or "/" in unit else unit
