"""Quantities as decimals: computed exactly, and as people read them."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact
from typing import Final

# 16 digits of pieces times 21 of a quantity a piece, and sums of such: all of their digits, or an error.
EXACT: Final = Context(prec=60, traps=[Inexact])
_SHOWN: Final = Context(prec=60)  # what another system says may have more, and showing it is no place to fail


def plain(quantity: Decimal) -> str:
    """A quantity as a person reads it: 40, never 4E+1."""
    return f"{_SHOWN.create_decimal(quantity).normalize(_SHOWN):f}"
