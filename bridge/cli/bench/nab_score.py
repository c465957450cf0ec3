"""The score of the Numenta Anomaly Benchmark, pure: alarms and labelled windows in, one number a profile out.

A. Lavin and S. Ahmad, Evaluating real-time anomaly detection algorithms - the Numenta Anomaly Benchmark, ICMLA 2015
(arXiv:1510.03336), with the details of the benchmark's own scorer, version 1.1:

- the first 15 % of a series, at most 750 rows, are not scored;
- of the alarms in a window the one that scores most counts (the first): a scaled sigmoid of its place, 1 at the window's left edge
  and near 0 at its right; a window without an alarm costs the profile's weight of a miss;
- every alarm outside a window costs up to the profile's weight of a false alarm, by the same sigmoid of its distance behind the
  window before it, and all of it where there was none or it lies three widths behind;
- the sum over all series is put on a scale on which no alarms at all are 0 and the earliest in each window, without a false one, 100.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_PROBATION: Final = 0.15
_PROBATION_ROWS: Final = 5000  # of these at most the share above
_FAR: Final = 3.0  # widths behind a window, from where on a false alarm costs all of its weight

Window = tuple[int, int]
"""The first and the last row of a labelled window."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What is gained by a detection at a window's left edge, and lost by a false alarm and by a missed window."""

    name: str
    hit: float
    false_alarm: float
    miss: float


PROFILES: Final = (
    Profile("standard", 1.0, 0.11, 1.0),
    Profile("reward_low_fp", 1.0, 0.22, 1.0),
    Profile("reward_low_fn", 1.0, 0.11, 2.0),
)


@dataclass(frozen=True, slots=True)
class Series:
    """A series as the scorer sees it: how many rows, its windows in order and apart, and the rows at which an alarm was raised."""

    rows: int
    windows: tuple[Window, ...]
    alarms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened, without weights: windows that count, those with an alarm in them, and alarms outside of windows."""

    windows: int
    hits: int
    false_alarms: int


def scaled_sigmoid(position: float) -> float:
    """From 0.98661 at -1, a window's left edge, through 0 at 0, its right edge, to -0.98661 one width behind, and -1 from 3."""
    return -1.0 if position >= _FAR else 2 / (1 + math.exp(5 * position)) - 1


_EARLIEST: Final = scaled_sigmoid(-1.0)


def probation(rows: int) -> int:
    """How many rows at the beginning are not scored."""
    return int(min(math.floor(_PROBATION * rows), _PROBATION * _PROBATION_ROWS))


def score_series(series: Series, profile: Profile) -> float:
    """The raw score of one series: between its misses and its windows, less its false alarms."""
    hits, false = _scored(series)
    missed = len(_counting(series)) - len(hits)
    return profile.hit * sum(hits.values()) + profile.false_alarm * sum(false) - profile.miss * missed


def score_corpus(corpus: Iterable[Series], profile: Profile) -> float | None:
    """The score of all series together: 0 is no alarms at all, 100 is perfect; None where no window counts."""
    found = list(corpus)
    windows = sum(len(_counting(series)) for series in found)
    if not windows:
        return None
    nothing = -profile.miss * windows
    perfect = profile.hit * windows
    return 100 * (sum(score_series(series, profile) for series in found) - nothing) / (perfect - nothing)


def count(series: Series) -> Counts:
    """What happened in one series."""
    hits, false = _scored(series)
    return Counts(len(_counting(series)), len(hits), len(false))


def _counting(series: Series) -> Sequence[Window]:
    """The windows of which something is scored."""
    begin = probation(series.rows)
    return [window for window in series.windows if window[1] >= begin]


def _scored(series: Series) -> tuple[dict[Window, float], list[float]]:
    """The best place of an alarm in each window that has one, in (0, 1], and what each false alarm is worth, in [-1, 0)."""
    begin = probation(series.rows)
    hits: dict[Window, float] = {}
    false: list[float] = []
    for alarm in series.alarms:
        if alarm < begin:
            continue
        inside = next((window for window in series.windows if window[0] <= alarm <= window[1]), None)
        if inside is None:
            false.append(_behind(series.windows, alarm))
        else:
            hits[inside] = max(hits.get(inside, 0.0), _within(inside, alarm))
    return hits, false


def _within(window: Window, alarm: int) -> float:
    first, last = window
    return scaled_sigmoid(-(last - alarm + 1) / (last - first + 1)) / _EARLIEST


def _behind(windows: Sequence[Window], alarm: int) -> float:
    before = [window for window in windows if window[1] < alarm]
    if not before:
        return -1.0
    first, last = before[-1]
    return scaled_sigmoid((alarm - last) / max(1, last - first))
