"""Source times as devices write them -> microseconds since the epoch, exact; and which of them are believed.

A time outside of the believed span would make a chunk of the hypertable for 1601 or 2099: a wrong clock is a dead letter.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from bridge.errors import PayloadError
from bridge.model.reading import microseconds

EARLIEST_US: Final = 0  # 1970-01-01T00:00:00Z
LATEST_AHEAD_US: Final = 86_400_000_000  # one day: a time zone taken for UTC is at most 14 h ahead

# Numbers since 1970, told apart by size: seconds reach 1e11 in the year 5138, milliseconds 1e14, microseconds 1e17.
_SECONDS_BELOW: Final = 1e11
_MILLISECONDS_BELOW: Final = 1e14
_MICROSECONDS_BELOW: Final = 1e17
_SHORTEST_ISO: Final = len("2026-11-21T03:20")


def parse_time(written: object) -> int:
    """Read ISO 8601 (UTC where it names no offset) or a number of s, ms, us or ns since 1970 told apart by size.

    Decimals are kept to the microsecond, rounded to the nearest. Raises PayloadError.
    """
    if isinstance(written, str):
        return _from_iso(written)
    if isinstance(written, bool) or not isinstance(written, int | float):
        raise PayloadError(f"neither ISO 8601 nor a number: {written!r:.80}")
    return _from_number(written)


def check_time(source_time_us: int, now_us: int) -> None:
    """Raise PayloadError where the time is not believed: before 1970 or more than a day ahead of `now_us`."""
    if source_time_us < EARLIEST_US:
        raise PayloadError("before 1970")
    if source_time_us > now_us + LATEST_AHEAD_US:
        raise PayloadError("more than one day ahead")


def is_believed(source_time_us: int, now_us: int) -> bool:
    """Whether a time lies between 1970 and one day from now."""
    return EARLIEST_US <= source_time_us <= now_us + LATEST_AHEAD_US


def _from_iso(text: str) -> int:
    if len(text) < _SHORTEST_ISO or text[10] not in "Tt ":
        raise PayloadError(f"not ISO 8601 with date and time: {text!r:.80}")
    try:
        parsed = datetime.fromisoformat(text)
        return microseconds(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as error:
        raise PayloadError(f"not ISO 8601: {text!r:.80}") from error


def _from_number(number: float) -> int:
    size = abs(number)
    if not size < float("inf"):
        raise PayloadError(f"not a time: {number!r}")
    # A double holds seconds and milliseconds of this century to a quarter of a microsecond, so rounding the product is exact.
    if size < _SECONDS_BELOW:
        return round(number * 1_000_000)
    if size < _MILLISECONDS_BELOW:
        return round(number * 1_000)
    if size < _MICROSECONDS_BELOW:
        return round(number)
    return number // 1_000 if isinstance(number, int) else round(number / 1_000)
