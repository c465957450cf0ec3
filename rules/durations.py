"""Durations as people write them: `500ms`, `20s`, `5m`, `1h`, `14d`, and sums such as `1h30m`."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache
from typing import Final

_UNITS: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_PART: Final = r"[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d)"
PATTERN: Final = f"(?:{_PART})+"
_WHOLE: Final = re.compile(PATTERN)
_EACH: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_MICROSECOND: Final = timedelta(microseconds=1)
_MAX_LENGTH: Final = 60
MAX: Final = timedelta(days=366)


@lru_cache(maxsize=1024)
def duration(text: str) -> timedelta:
    """Read a duration. Raises ValueError with a sentence for people."""
    if len(text) > _MAX_LENGTH or not _WHOLE.fullmatch(text):
        raise ValueError(f"{text[:_MAX_LENGTH]!r} is no duration; write 500ms, 20s, 5m, 1h or 14d")
    try:
        total = sum((float(amount) * _UNITS[unit] for amount, unit in _EACH.findall(text)), timedelta())
    except OverflowError:
        total = timedelta.max
    if total > MAX:
        raise ValueError(f"{text!r} is more than {MAX.days} days")
    return total


def duration_us(text: str) -> int:
    """Read a duration in microseconds, as all times inside of the rule engine are. Raises ValueError."""
    return microseconds(duration(text))


def microseconds(span: timedelta) -> int:
    """A span in whole microseconds."""
    return span // _MICROSECOND
