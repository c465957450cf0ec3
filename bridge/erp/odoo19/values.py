"""Odoo's values: quantities between Decimal and JSON numbers, exact or refused; relations, times and patterns."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from bridge.erp.odoo19.client import OdooClient
from bridge.errors import BusinessError

# Odoo keeps quantities as doubles, so a sum of 0.1 and 0.2 comes back as 0.30000000000000004: a step of a millionth is finer
# than any unit of measure, and what lies further from one than a double's error is no quantity that we sent.
_STEP: Final = Decimal("0.000001")
_DOUBLE_ERROR: Final = Decimal("0.000000001")
_LARGEST: Final = Decimal(10**12)
# The record of decimal.precision that quantities go by; Odoo takes 2 digits where somebody deleted it.
_PRECISION: Final = "Product Unit"
_DIGITS_WITHOUT: Final = 2
_MOST_DIGITS: Final = 6  # those of _STEP


async def read_digits(client: OdooClient) -> int:
    """How many digits behind the point Odoo keeps quantities to; it rounds the rest away without a word."""
    body = {"domain": [["name", "=", _PRECISION]], "fields": ["digits"], "order": "id", "limit": 1}
    records = await client.read("decimal.precision/search_read", body)
    if not records:
        return _DIGITS_WITHOUT
    digits = records[0].get("digits")
    if type(digits) is not int or digits < 0:
        raise BusinessError(f"Odoo gives {digits!r} for the digits of the decimal accuracy {_PRECISION}")
    return min(digits, _MOST_DIGITS)


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


def shown(many2one: Any) -> str:
    """The name that a many2one field `[id, name]` shows; empty where there is none."""
    return str(many2one[1]) if many2one else ""


def as_pattern(text: str) -> str:
    """A text as it stands in a pattern of Odoo's `=like`."""
    return re.sub(r"([\\%_])", r"\\\1", text)


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
