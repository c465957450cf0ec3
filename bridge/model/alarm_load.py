"""Alarm load as ISA-18.2 and EEMUA 191 count it: floods, chattering, rates, and which alarm of several came first. Pure.

The limits are those of IEC 62682 (table "recommended alarm performance metrics") and EEMUA 191: about 6 alarms an hour and console are
acceptable, 12 the most that can be managed; a flood begins above 10 in 10 minutes and ends below 5; under 1 % of the time in
flood; the ten worst sources at most 5 %; priorities about 80/15/5; stale (standing for more than 24 h) under 5; none chatters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt

WINDOW_S: Final = 600.0
FLOOD_ABOVE: Final = 10
FLOOD_BELOW: Final = 5
ACCEPTABLE_PER_H: Final = 6.0
MANAGEABLE_PER_H: Final = 12.0
MOST_IN_FLOOD: Final = 0.01
MOST_OF_TOP: Final = 0.05
TOP: Final = 10
MOST_STALE: Final = 5
STALE_AFTER: Final = timedelta(hours=24)
CHATTERING_PER_MIN: Final = 3


@dataclass(frozen=True, slots=True)
class Flood:
    """A flood, in seconds since 1970: from the alarm that made it one until the count fell; `ended` is None while it lasts.

    `alarms`: how many came in it, those that began it included. `peak`: most in 10 minutes.
    """

    began: float
    ended: float | None
    alarms: int
    peak: int


def floods(times: Sequence[float], now: float) -> list[Flood]:
    """The floods among the instants of alarms, in seconds, oldest first; up to `now`."""
    at = np.asarray(times, dtype=float)
    counts = _in_window(at)
    # How many are left in the window when each alarm leaves it, at its instant plus the window.
    left = np.searchsorted(at, at + WINDOW_S, side="left") - np.arange(1, at.size + 1)
    over = np.flatnonzero((left < FLOOD_BELOW) & (at + WINDOW_S <= now))
    found: list[Flood] = []
    free_from = 0  # alarms before this index were in an earlier flood
    for start in np.flatnonzero(counts > FLOOD_ABOVE):
        if start < free_from:
            continue
        # The oldest alarm that was in the window when the flood began leaves it after that, and so do all later ones.
        leaving = over[np.searchsorted(over, start + 1 - counts[start]) :]
        ended = float(at[leaving[0]]) + WINDOW_S if leaving.size else None
        free_from = int(np.searchsorted(at, ended, side="left")) if ended is not None else at.size
        alarms = int(counts[start]) + free_from - int(start) - 1
        found.append(Flood(float(at[start]), ended, alarms, int(counts[start:free_from].max())))
    return found


def time_in_flood(found: Sequence[Flood], start: float, end: float) -> float:
    """Seconds of a span that lie in floods."""
    spans = ((max(flood.began, start), min(end if flood.ended is None else flood.ended, end)) for flood in found)
    return sum(max(0.0, stop - begin) for begin, stop in spans)


def peak_rate(times: Sequence[float]) -> int:
    """The most alarms in any 10 minutes."""
    return int(_in_window(np.asarray(times, dtype=float)).max(initial=0))


def _in_window(at: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """How many alarms lie in the window that ends with each, itself included."""
    return np.arange(1, at.size + 1) - np.searchsorted(at, at - WINDOW_S, side="right")


def first_up(alarms: Sequence[Mapping[str, Any]], window: timedelta) -> list[tuple[int, list[int]]]:
    """Alarms by the first of their line: (id of the first-up, ids of those within `window` of it), oldest first.

    Each alarm has id, line_id, position and raised_at. Of those at the same instant the first is the one furthest up the line's
    flow: what it causes shows downstream. Alarms outside of any line, and all where the window is 0, are alone.
    """
    groups: list[tuple[datetime, int, list[int]]] = []
    newest: dict[int, int] = {}  # line -> its newest group
    for alarm in sorted(alarms, key=lambda row: (row["raised_at"], row["position"] or 0, row["id"])):
        line, at = alarm["line_id"], alarm["raised_at"]
        group = newest.get(line) if line is not None and window else None
        if group is not None and at - groups[group][0] <= window:
            groups[group][2].append(alarm["id"])
            continue
        if line is not None:
            newest[line] = len(groups)
        groups.append((at, alarm["id"], []))
    return [(first, others) for _, first, others in groups]
