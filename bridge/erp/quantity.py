"""Quantities into a business system's units and back: exact, or refused. Never rounded (erp.md, requirement 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from bridge.config.settings.master_data import Item, MasterDataTable
from bridge.errors import BusinessError

# UCUM, words, and UN/ECE recommendation 20: all of them a piece.
PIECES: Final = frozenset({"", "1", "{piece}", "piece", "pieces", "pcs", "C62"})
_AS_IT_IS: Final = Item(code="-")


@dataclass(frozen=True, slots=True)
class Posted:
    """A quantity as it is posted: the number, and the system's name of its unit (empty: the system's own for the item)."""

    quantity: Decimal
    uom: str


class Units:
    """The units of one connector's table."""

    def __init__(self, table: MasterDataTable) -> None:
        self._items: Mapping[str, Item] = table.items
        # A piece has many names: any of them finds what is configured for one.
        self._names = dict(table.units)
        for name, theirs in table.units.items():
            if name in PIECES:
                self._names |= {piece: theirs for piece in PIECES if piece not in table.units}

    def code(self, item: str) -> str:
        """The system's code of an item of ours."""
        return self._items[item].code if item in self._items else item

    def posted(self, quantity: Decimal, uom: str, item: str, digits: int) -> Posted:
        """A quantity of `item` in its unit there, at most `digits` behind the point.

        Raises BusinessError where the factor leaves a rest or the system would round.
        """
        mapping = self._items.get(item, _AS_IT_IS)
        exact = Fraction(quantity) * Fraction(mapping.numerator) / Fraction(mapping.denominator)
        return Posted(
            to_decimal(exact, digits, f"{quantity} {uom or '1'} of {item or 'the order'}"),
            mapping.uom or self.name(uom),
        )

    def name(self, uom: str) -> str:
        """The system's name of a unit of ours; empty for a piece that no table names."""
        if uom in self._names:
            return self._names[uom]
        return "" if uom in PIECES else uom


def to_decimal(exact: Fraction, digits: int, what: str) -> Decimal:
    """The number with at most `digits` behind the point. Raises BusinessError, naming `what`, where that is not exact."""
    scaled = exact * 10**digits
    if scaled.denominator != 1:
        raise BusinessError(
            f"{what}: {float(exact):.9g} in the system's unit does not fit its {digits} digits behind the point: "
            "post in another unit, or correct the factor in the connector's items"
        )
    number = Decimal(scaled.numerator).scaleb(-digits)
    return number.quantize(Decimal(1)) if number == number.to_integral_value() else number.normalize()
