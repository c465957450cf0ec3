"""Shifts as intervals of instants: expanded once in the plant's time zone, so that summer time needs no special case after."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = get_args(Weekday)


def expand(
    start: time, end: time, weekdays: Collection[str], zone: ZoneInfo, first: date, days: int
) -> Iterator[tuple[datetime, datetime]]:
    """The UTC intervals [start, end) of a shift that begins on `days` days from `first`.

    An end at or before the start is on the next day. The night shift 22:00-06:00 of Europe/Berlin lasts 7 h in March's
    night of change and 9 h in October's.
    """
    for day in (first + timedelta(days=n) for n in range(days)):
        if WEEKDAYS[day.weekday()] in weekdays:
            last = day if end > start else day + timedelta(days=1)
            yield (
                datetime.combine(day, start, zone).astimezone(UTC),
                datetime.combine(last, end, zone).astimezone(UTC),
            )
