"""What all tables of the file are: unknown keys are mistakes, values never change after loading."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)")
_UNITS: Final = {"ms": "milliseconds", "s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


class Table(BaseModel):
    """A table of the file: unknown keys are mistakes, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _duration(written: Any) -> timedelta:
    if isinstance(written, timedelta):
        return written
    match = _DURATION.fullmatch(written.strip()) if isinstance(written, str) else None
    if match is None:
        raise ValueError(f'{written!r} is no duration; write a number and ms, s, min, h or d, e.g. "90 s" or "30 d"')
    try:
        return timedelta(**{_UNITS[match[2]]: float(match[1])})
    except OverflowError:
        raise ValueError(f"{written!r} is longer than any time of the calendar") from None


def _written(duration: timedelta) -> str:
    return f"{duration.total_seconds()} s"


Duration = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(_written, when_used="json")]
"""A length of time, written as a number with ms, s, min, h or d."""


def zone_name(name: str) -> str:
    """The name of a time zone that exists. Raises ValueError."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"unknown time zone {name!r}; write an IANA name such as Europe/Berlin") from None
    return name


ZoneName = Annotated[str, AfterValidator(zone_name)]
"""The IANA name of a time zone that exists."""
