"""Units of measure of Tryton's: a quantity goes in exactly, or not at all.

A move keeps what it says in its own unit, and what it is in stock in the product's default unit, rounded to that unit's steps: 0.4 g
of what is kept in hundredths of a kilogram would be posted and change no stock. So both are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, Self

from bridge.erp.quantity import Units
from bridge.errors import BusinessError

FIELDS: Final = ("symbol", "name", "digits", "rounding", "factor", "rate")
_PIECE_NAMES: Final = frozenset({"u", "Unit"})


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measure; people may call it by its symbol or its name.

    `rounding` is the step of its quantities, `size` how many of its category's base unit one is.
    """

    id: int
    names: tuple[str, str]
    digits: int
    rounding: Fraction
    size: Fraction

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Read `FIELDS`. Raises KeyError, TypeError or ValueError for what is no unit."""
        factor, rate = (Decimal(record[name]) for name in ("factor", "rate"))
        # As Tryton does: the one of the two that has fewer digits is the exact one.
        size = Fraction(factor) if _digits(factor) <= _digits(rate) else 1 / Fraction(rate)
        names = (str(record["symbol"]), str(record["name"]))
        return cls(int(record["id"]), names, int(record["digits"]), Fraction(Decimal(record["rounding"])), size)

    def amount(self, units: Units, quantity: Decimal, uom: str, item: str, stock: Unit | None = None) -> Decimal:
        """A quantity of an event in this unit; `stock`: the unit that the item is kept in, where that may be another.

        Raises BusinessError where units, digits or steps do not fit.
        """
        posted = units.posted(quantity, uom, item, self.digits)
        if not ({posted.uom} if posted.uom else _PIECE_NAMES) & set(self.names):
            raise BusinessError(
                f"the event counts {item} in {posted.uom or 'pieces'}, Tryton in {self.names[0]}: name the unit in the "
                "connector's units, or its factor in items"
            )
        for unit in (self, stock or self):
            there = Fraction(posted.quantity) * self.size / unit.size
            if unit.rounding and (there / unit.rounding).denominator != 1:
                raise BusinessError(
                    f"{posted.quantity} {self.names[0]} of {item} are {float(there):.9g} {unit.names[0]}, of which Tryton keeps steps of "
                    f"{float(unit.rounding):g}: it would round; give the product a finer unit there, or post in another"
                )
        return posted.quantity


def _digits(number: Decimal) -> int:
    return len(number.normalize().as_tuple().digits)
