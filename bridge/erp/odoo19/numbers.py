"""Quantities between Decimal and Odoo's JSON numbers, and its times: exact, or refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from bridge.errors import BusinessError

# Odoo keeps quantities as doubles, so a sum of 0.1 and 0.2 comes back as 0.30000000000000004: a step of a millionth is finer
# than any unit of measure, and what lies further from one than a double's error is no quantity that we sent.
_STEP: Final = Decimal("0.000001")
_DOUBLE_ERROR: Final = Decimal("0.000000001")
_LARGEST: Final = Decimal(10**12)
# "Product Unit" is kept to 2 digits unless somebody changed it, and Odoo rounds the rest away without a word.
DIGITS: Final = 2


def from_odoo(number: Any) -> Decimal:
    """A quantity that Odoo answered. Raises BusinessError where it is none."""
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        raise BusinessError(f"Odoo gives {number!r} for a quantity")
    exact = Decimal(number)
    if not abs(exact) < _LARGEST:
        raise BusinessError(f"Odoo gives the quantity {number}, which no order has")
    rounded = exact.quantize(_STEP)
    if abs(rounded - exact) > _DOUBLE_ERROR:
        raise BusinessError(f"Odoo gives the quantity {number}, which is finer than {_STEP}")
    return rounded.quantize(Decimal(1)) if rounded == rounded.to_integral_value() else rounded.normalize()


def to_odoo(quantity: Decimal) -> int | float:
    """A quantity as a JSON number. Raises BusinessError where Odoo would round it or a double cannot hold it."""
    if quantity == quantity.to_integral_value() and abs(quantity) < 2**53:
        return int(quantity)
    number = float(quantity)
    if quantity != quantity.quantize(Decimal(1).scaleb(-DIGITS)) or Decimal(repr(number)) != quantity:
        raise BusinessError(f"the quantity {quantity} does not fit Odoo's {DIGITS} decimal places")
    return number


def instant(text: Any) -> datetime | None:
    """A time of Odoo's, which is UTC and says so nowhere; None for its empty value. Raises BusinessError for anything else."""
    if text is False or text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise BusinessError(f"Odoo gives {text!r} for a time") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def odoo_time(moment: datetime) -> str:
    """A time as Odoo compares it: UTC, whole seconds, no zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
