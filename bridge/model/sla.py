"""Clocks of a service level: how much of a promised time is used up, and when it will be.

A clock counts the time since its start that lies within its hours (always, or the plant's shifts) and outside of its pauses. All
of it is instants in UTC, so that nothing here knows of summer time: hours come expanded (bridge/model/calendar.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

Span = tuple[datetime, datetime]
Pause = tuple[datetime, datetime | None]
"""From, until; None while it lasts."""

Hours = Callable[[datetime, datetime], Sequence[Span]]
"""The spans between two instants in which a clock runs: ordered, without overlap, cut to the two."""

_LOOK: Final = timedelta(days=14)
_FURTHEST: Final = timedelta(days=366)  # a target that is not reached in a year of its calendar is never


def always(start: datetime, end: datetime) -> list[Span]:
    """The hours of a clock that never stands."""
    return [(start, end)] if start < end else []


@dataclass(frozen=True, slots=True)
class Clock:
    """A running promise: `target` of counted time from `started_at`. Pauses in order, without overlap."""

    started_at: datetime
    target: timedelta
    hours: Hours
    pauses: tuple[Pause, ...] = ()

    def used(self, now: datetime) -> timedelta:
        """How much counted time has passed at `now`."""
        return sum((end - start for start, end in self._running(self.started_at, now)), timedelta())

    def reaches(self, share: float) -> datetime | None:
        """When `share` of the target is used up, as things stand; None while it is paused or its calendar has no such hours."""
        left = self.target * share
        start = self.started_at
        if left <= timedelta():
            return start
        while start < self.started_at + _FURTHEST:
            until = start + _LOOK
            for begin, end in self._running(start, until):
                if end - begin >= left:
                    return begin + left
                left -= end - begin
            start = until
        return None

    def _running(self, start: datetime, end: datetime) -> Iterator[Span]:
        for begin, stop in self.hours(start, end) if start < end else ():
            yield from _without(begin, stop, self.pauses)


def _without(begin: datetime, stop: datetime, pauses: Sequence[Pause]) -> Iterator[Span]:
    for paused, resumed in pauses:
        if resumed is not None and resumed <= begin:
            continue
        if paused >= stop:
            break
        if begin < paused:
            yield begin, paused
        if resumed is None or resumed >= stop:
            return
        begin = resumed
    if begin < stop:
        yield begin, stop
