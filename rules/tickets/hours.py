"""The hours in which a clock of a ticket runs, by the name that the configuration gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bridge.config.settings import Settings, Shift
from bridge.model.calendar import expand
from bridge.model.sla import Hours, Span, always


def hours_of(settings: Settings, name: str) -> Hours:
    """`always`, or `shifts`: the plant's shifts in its zone. Without any shift nothing is counted there."""
    return in_shifts(settings.shift, settings.plant.zone) if name == "shifts" else always


def in_shifts(shifts: Sequence[Shift], zone: ZoneInfo) -> Hours:
    """The hours that lie in any of some shifts; those that touch or overlap count once."""

    def hours(start: datetime, end: datetime) -> list[Span]:
        first = start.astimezone(zone).date() - timedelta(days=1)
        days = (end.astimezone(zone).date() - first).days + 1
        spans = sorted(
            span for shift in shifts for span in expand(shift.start, shift.end, shift.days, zone, first, days)
        )
        cut = ((max(begin, start), min(stop, end)) for begin, stop in spans)
        return _merged([(begin, stop) for begin, stop in cut if begin < stop])

    return hours


def _merged(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for begin, stop in spans:
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((begin, stop))
    return merged
