"""The folder of the Numenta Anomaly Benchmark: `<category>/<series>.csv` (timestamp,value) and combined_windows.json."""

from __future__ import annotations

import csv
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import orjson

from bridge.cli.bench.nab_score import Window
from bridge.errors import ConfigError, Problem
from rules.backtest import AssetSpec, Chunk, Column

WINDOWS: Final = "combined_windows.json"
_HEADER: Final = ["timestamp", "value"]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MOST_TOLD: Final = 20


@dataclass(frozen=True, slots=True)
class Labelled:
    """A series. `name` is its path in the folder; `texts` its timestamps as written, `times_us` as instants, in order.

    `windows` is None where the series is not labelled at all: it can be run, and not scored.
    """

    name: str
    texts: list[str]
    times_us: list[int]
    values: list[float]
    windows: tuple[Window, ...] | None

    @property
    def category(self) -> str:
        """The folder that it is in."""
        return self.name.partition("/")[0]

    def chunk(self) -> Chunk:
        """The readings as one stretch of the tag `value`."""
        times = np.array(self.times_us, np.int64)
        ordinals = [0] * len(times)  # several rows at one time are several samples of that instant
        for row, (before, at) in enumerate(pairwise(self.times_us), 1):
            ordinals[row] = ordinals[row - 1] + 1 if at == before else 0
        numbered = np.array(ordinals, np.int64) if any(ordinals) else None
        column = Column(1, times, np.array(self.values), ordinals=numbered)
        return Chunk(AssetSpec(self.name, {"value": 1}), (column,), self.times_us[-1])

    def row_at(self, at_us: int) -> int:
        """The first row at an instant or after it."""
        return min(bisect_left(self.times_us, at_us), len(self.times_us) - 1)


def read_folder(folder: Path) -> list[Labelled]:
    """All series, by name. Raises ConfigError with every mistake where the folder, its windows or a series cannot be read."""
    labels = _labels(folder / WINDOWS)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.csv"))
    problems = [] if names else [Problem(str(folder), 0, 0, "", "holds no <category>/<series>.csv")]
    found = []
    for name in names:
        try:
            found.append(_series(folder, name, labels.get(name)))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems[:_MOST_TOLD])
    return found


def _labels(file: Path) -> Mapping[str, list[list[str]]]:
    if not file.exists():
        return {}  # alarms can be raised without labels, and not scored
    try:
        read = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise ConfigError([Problem(str(file), 0, 0, "", f"the labelled windows cannot be read: {error}")]) from error
    if not isinstance(read, dict):
        raise ConfigError([Problem(str(file), 0, 0, "", "must map the name of a series to its windows")])
    return read


def _series(folder: Path, name: str, labels: list[list[str]] | None) -> Labelled:
    file = str(folder / name)
    try:
        with (folder / name).open(newline="", encoding="utf-8") as lines:
            rows = [row for row in csv.reader(lines) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError([Problem(file, 0, 0, "", f"cannot be read: {error}")]) from error
    if not rows or [cell.strip() for cell in rows[0]] != _HEADER or len(rows) == 1:
        raise ConfigError([Problem(file, 1, 0, "", f"must begin with the line {','.join(_HEADER)} and have rows")])
    texts, times, values = _columns(file, rows[1:])
    return Labelled(name, texts, times, values, None if labels is None else _windows(file, labels, times))


def _columns(file: str, rows: list[list[str]]) -> tuple[list[str], list[int], list[float]]:
    problems: list[Problem] = []
    times: list[int] = []
    values: list[float] = []
    for line, row in enumerate(rows, 2):
        try:
            text, number = row
            times.append(instant_us(text))
            values.append(float(number) if number.strip() else float("nan"))
        except ValueError as error:
            problems.append(Problem(file, line, 0, "", f"must be a time and a number: {error}"))
            continue
        if len(times) > 1 and times[-1] < times[-2]:
            problems.append(Problem(file, line, 1, "timestamp", f"{text} is before the row above"))
    if problems:
        raise ConfigError(problems[:_MOST_TOLD])
    return [row[0] for row in rows], times, values


def _windows(file: str, labels: list[list[str]], times: list[int]) -> tuple[Window, ...]:
    """The rows between each window's ends, both included; those of which no row is in the series are left out."""
    try:
        spans = sorted((instant_us(first), instant_us(last)) for first, last in labels)
    except (TypeError, ValueError) as error:
        raise ConfigError([Problem(file, 0, 0, "", f"its windows must be pairs of times: {error}")]) from error
    rows = ((bisect_left(times, first), bisect_right(times, last) - 1) for first, last in spans)
    return tuple((first, last) for first, last in rows if first <= last)


def instant_us(text: str) -> int:
    """A time as the benchmark writes it, in microseconds since 1970; without an offset it is UTC. Raises ValueError."""
    read = datetime.fromisoformat(text.strip())
    return ((read if read.tzinfo else read.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
