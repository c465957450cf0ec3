"""A reading: one value of one tag at one instant, as it crosses from a codec to the store.

Readings are made by the hundred thousand a second, so they are named tuples, and their time is an integer: microseconds
since 1970-01-01T00:00:00Z, the resolution of timestamptz. Everywhere else a time is an aware UTC datetime.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from bridge.model.equipment import TagKind

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class TagKey(NamedTuple):
    """What names a tag: the path of its equipment and its name there, e.g. `spindle.vib_rms`."""

    equipment: str
    name: str


class TagSpec(NamedTuple):
    """What a source knows of a tag when it first sees it; `unit` is a UCUM code, empty when unknown."""

    key: TagKey
    datatype: str  # "number" or "text"
    unit: str
    kind: TagKind
    source: str
    address: str


class Reading(NamedTuple):
    """One value of one tag. Exactly one of `value` and `text` is set, or neither where the quality is bad.

    `ordinal` tells readings of one tag apart that carry the same source time in one message; (tag, source_time_us, ordinal)
    is the key by which a redelivery is recognised. `quality` is an OPC UA status code.
    """

    tag: TagKey
    source_time_us: int
    ordinal: int
    value: float | None
    text: str | None
    quality: int
    unit: str = ""


class DeadLetter(NamedTuple):
    """Input that could not become a reading, kept with its bytes and the reason."""

    source: str
    address: str
    payload: bytes
    reason: str
    received_at: datetime


def microseconds(instant: datetime) -> int:
    """Microseconds since the epoch of an aware datetime, exact."""
    return (instant - _EPOCH) // _MICROSECOND


def instant(source_time_us: int) -> datetime:
    """The aware UTC datetime of microseconds since the epoch. Raises OverflowError outside years 1 to 9999."""
    return _EPOCH + timedelta(microseconds=source_time_us)
