"""Source times as devices write them -> microseconds since the epoch, exact; and which of them are believed.

A time outside of the believed span would make a chunk of the hypertable for 1601 or 2099: a wrong clock is a dead letter.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Final

from bridge.errors import PayloadError
from bridge.model.reading import microseconds

# A clock whose battery is empty begins at 1601, 1970, 1980, 1990 or 2000: none of them is believed.
EARLIEST_US: Final = 978_307_200_000_000  # 2001-01-01T00:00:00Z
LATEST_AHEAD_US: Final = 86_400_000_000  # one day: a time zone taken for UTC is at most 14 h ahead

# Numbers since 1970, told apart by size: seconds reach 1e11 in the year 5138, milliseconds 1e14, microseconds 1e17.
_SECONDS_BELOW: Final = 1e11
_MILLISECONDS_BELOW: Final = 1e14
_MICROSECONDS_BELOW: Final = 1e17
_TO_US: Final = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 0}
_MOST: Final = 1e30  # what no form reaches, and its product still is a number
_SHORTEST_ISO: Final = len("2026-11-21T03:20")


def parse_time(written: object, zone: tzinfo = UTC) -> int:
    """Read ISO 8601 (in `zone` where it names no offset) or a number of s, ms, us or ns since 1970 told apart by size.

    Decimals are kept to the microsecond, rounded to the nearest. Raises PayloadError.
    """
    if isinstance(written, str):
        return _from_iso(written, zone)
    if isinstance(written, bool) or not isinstance(written, int | float):
        raise PayloadError(f"neither ISO 8601 nor a number: {written!r:.80}")
    return _from_number(written)


def parse_time_as(written: object, form: str, zone: tzinfo = UTC) -> int:
    """Read a time of one form: auto (see parse_time), iso8601, s, ms, us or ns. Raises PayloadError."""
    if isinstance(written, str) and form not in _TO_US:
        return _from_iso(written, zone)
    if form == "auto":
        return parse_time(written, zone)
    if form not in _TO_US:
        raise PayloadError(f"not ISO 8601 text: {written!r:.80}")
    if isinstance(written, str):
        try:
            written = int(written)
        except ValueError:
            raise PayloadError(f"not a number of {form} since 1970: {written!r:.80}") from None
    if isinstance(written, bool) or not isinstance(written, int | float) or not abs(written) < _MOST:
        raise PayloadError(f"not a number of {form} since 1970: {written!r:.80}")
    if form == "ns":
        return written // 1_000 if isinstance(written, int) else round(written / 1_000)
    return round(written * _TO_US[form])


def check_time(source_time_us: int, now_us: int) -> None:
    """Raise PayloadError where the time is not believed: before 2001 or more than a day ahead of `now_us`."""
    if source_time_us < EARLIEST_US:
        raise PayloadError("before 2001")
    if source_time_us > now_us + LATEST_AHEAD_US:
        raise PayloadError("more than one day ahead")


def is_believed(source_time_us: int, now_us: int) -> bool:
    """Whether a time lies between 2001 and one day from now."""
    return EARLIEST_US <= source_time_us <= now_us + LATEST_AHEAD_US


def _from_iso(text: str, zone: tzinfo = UTC) -> int:
    if len(text) < _SHORTEST_ISO or text[10] not in "Tt ":
        raise PayloadError(f"not ISO 8601 with date and time: {text!r:.80}")
    try:
        parsed = datetime.fromisoformat(text)
        return microseconds(parsed if parsed.tzinfo else parsed.replace(tzinfo=zone))
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
