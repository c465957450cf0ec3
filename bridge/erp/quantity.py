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
_OUR_DIGITS: Final = 9  # no system here keeps finer ones


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

    @property
    def has_factors(self) -> bool:
        """Whether any item is counted otherwise there: then a quantity says nothing without its item."""
        return any(item.numerator != item.denominator for item in self._items.values())

    def code(self, item: str) -> str:
        """The system's code of an item of ours."""
        return self._items[item].code if item in self._items else item

    def ours(self, code: str) -> str:
        """Our item of a code of the system's; the code itself where no table has it."""
        return next((item for item, mapping in self._items.items() if mapping.code == code), code)

    def unit(self, item: str) -> str:
        """The system's unit that the table gives an item of ours; empty: none, so that of the system's item."""
        return self._items.get(item, _AS_IT_IS).uom

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

    def counted(self, quantity: Decimal, item: str, what: str) -> Decimal:
        """A quantity of the system's in our unit of `item`: the inverse of `posted`.

        Raises BusinessError, naming `what`, where the factor leaves more than 9 digits behind the point.
        """
        mapping = self._items.get(item, _AS_IT_IS)
        exact = Fraction(quantity) * Fraction(mapping.denominator) / Fraction(mapping.numerator)
        scaled = exact * 10**_OUR_DIGITS
        if scaled.denominator != 1:
            raise BusinessError(
                f"{what}: {quantity} {mapping.uom or 'of theirs'} are no exact number in our unit of {item}: "
                "look for a posting in another unit there, or correct the factor in the connector's items"
            )
        number = Decimal(scaled.numerator).scaleb(-_OUR_DIGITS)
        return number.quantize(Decimal(1)) if number == number.to_integral_value() else number.normalize()

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


# Systems that keep quantities as doubles answer the sum of 0.1 and 0.2 as 0.30000000000000004.
_DOUBLE_ERROR: Final = Decimal("0.000000001")
_LARGEST: Final = Decimal(10**12)


def from_number(number: object, digits: int, system: str) -> Decimal:
    """A quantity that a system answered as a JSON number. Raises BusinessError where it is none of `digits` behind the point."""
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        raise BusinessError(f"{system} gives {number!r} for a quantity")
    exact = Decimal(number)
    if not abs(exact) < _LARGEST:
        raise BusinessError(f"{system} gives the quantity {number}, which nothing has")
    rounded = exact.quantize(Decimal(1).scaleb(-digits))
    if abs(rounded - exact) > _DOUBLE_ERROR:
        raise BusinessError(f"{system} gives the quantity {number}, which is finer than its {digits} digits")
    return rounded.quantize(Decimal(1)) if rounded == rounded.to_integral_value() else rounded.normalize()


def to_number(quantity: Decimal) -> int | float:
    """A quantity as a JSON number for a system that keeps doubles. Raises BusinessError where one cannot hold it."""
    if quantity == quantity.to_integral_value() and abs(quantity) < 2**53:
        return int(quantity)
    number = float(quantity)
    if Decimal(repr(number)) != quantity:
        raise BusinessError(f"the quantity {quantity} has more digits than the system's numbers hold")
    return number
