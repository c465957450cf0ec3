"""OPC UA values -> readings: numbers, booleans, text, localized text, enumerations.

With their status code and the better of their two timestamps (Part 4, 7.11 DataValue; Part 6, 5.1 built-in types).
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Final

from asyncua import ua

from bridge.codecs.clock import Clock
from bridge.codecs.source_time import is_believed
from bridge.errors import PayloadError
from bridge.model.quality import BAD_NO_DATA, GOOD, is_bad
from bridge.model.reading import Reading, TagKey, microseconds

MAX_TEXT: Final = 100_000  # characters
MAX_EXACT_INTEGER: Final = 2**53

_OVERFLOW: Final = 0x0480  # info type DataValue with the overflow bit (Part 4, 7.39.1)
_OVERFLOW_BIT: Final = 0x0080
_INFO_BITS: Final = 0x03FF
_INFO_TYPE: Final = 0x0C00
_HISTORIAN_BITS: Final = 0x001F
_NUMBERS: Final = frozenset(
    {
        ua.VariantType.Boolean,
        ua.VariantType.SByte,
        ua.VariantType.Byte,
        ua.VariantType.Int16,
        ua.VariantType.UInt16,
        ua.VariantType.Int32,
        ua.VariantType.UInt32,
        ua.VariantType.Int64,
        ua.VariantType.UInt64,
        ua.VariantType.Float,
        ua.VariantType.Double,
    }
)


def to_reading(tag: TagKey, value: ua.DataValue, now_us: int, clock: Clock | None = None) -> Reading:
    """The reading of a data value, its ordinal 0. Raises PayloadError where the type is not stored or the clock is wrong.

    `clock` judges values that are new; history is old by nature and has none.
    """
    number, text = _content(value.Value)
    quality = stored_quality(status(value))
    if number is None and text is None and not is_bad(quality):
        quality = BAD_NO_DATA
    time_us = source_time_us(value, now_us)
    if clock is not None:
        time_us, is_clamped = clock.judge(time_us, now_us)
        quality = clock.marked(quality) if is_clamped else quality
    return Reading(tag, time_us, 0, number, text, quality)


def source_time_us(value: ua.DataValue, now_us: int) -> int:
    """Source time, else server time, else now: the first one that is believed (servers send 1601 and 9999)."""
    for written in (value.SourceTimestamp, value.ServerTimestamp):
        if written is not None and is_believed(time_us := to_microseconds(written), now_us):
            return time_us
    return now_us


def to_microseconds(written: datetime) -> int:
    """Microseconds since the epoch; asyncua's older datetimes carry no zone and mean UTC."""
    return microseconds(written if written.tzinfo else written.replace(tzinfo=UTC))


def status(value: ua.DataValue) -> int:
    """The status code as it came; absent means good."""
    return GOOD if value.StatusCode is None else int(value.StatusCode.value)


def has_overflowed(code: int) -> bool:
    """Whether the server says that it discarded values before this one."""
    return code & _OVERFLOW == _OVERFLOW


def stored_quality(code: int) -> int:
    """The status code without what tells of the transport, not of the value: overflow, and where a historian had it from.

    So a value has the same quality whichever way it came.
    """
    code &= ~(_OVERFLOW_BIT | _HISTORIAN_BITS)
    return code if code & _INFO_BITS else code & ~_INFO_TYPE


def _content(variant: ua.Variant | None) -> tuple[float | None, str | None]:
    if variant is None or variant.Value is None or variant.VariantType == ua.VariantType.Null:
        return None, None
    content: Any = variant.Value
    if variant.is_array or isinstance(content, list):
        raise PayloadError(f"an array of {variant.VariantType.name}, which is not stored")
    if variant.VariantType in _NUMBERS:
        return _number(content), None
    if variant.VariantType == ua.VariantType.String:
        return None, _text(content)
    if variant.VariantType == ua.VariantType.LocalizedText:
        return None, None if content.Text is None else _text(content.Text)
    raise PayloadError(f"a value of the type {variant.VariantType.name}, which is not stored")


def _number(content: Any) -> float | None:
    if isinstance(content, int) and not -MAX_EXACT_INTEGER <= content <= MAX_EXACT_INTEGER:
        raise PayloadError(f"a whole number past 2^53 cannot be kept exactly: {int(content)}")
    number = float(content)
    if math.isinf(number):
        raise PayloadError(f"not a finite number: {number}")
    return None if math.isnan(number) else number  # not a number is how devices say that they have none


def _text(content: str) -> str:
    if "\x00" in content:
        raise PayloadError("text with a NUL character, which the database refuses")
    if len(content) > MAX_TEXT:
        raise PayloadError(f"text longer than {MAX_TEXT} characters")
    return content
