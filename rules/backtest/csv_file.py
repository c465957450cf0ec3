"""A CSV file of readings as chunks: one row an instant, one column a tag, a header that names the columns.

The time column holds ISO 8601 (without an offset it is UTC) or seconds since 1970; without one, rows are one a second. An empty
cell is no reading. What cannot be read is told with file, line and column, and is a reading of bad quality: the rules see that
something was there. Rows must rise in time; one that is earlier than the row above is left out and told, one at the same time is a
further sample of that instant and told. The file is read in blocks, whatever its size.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from bridge.errors import ConfigError, Problem
from bridge.model.reading import microseconds
from rules.backtest.csv_times import read_times
from rules.backtest.data import AssetSpec, Chunk, Column

_BLOCK: Final = 8_192  # rows: what stays in the processor's cache
_BAD: Final = 0x8000_0000  # OPC UA Bad
_MOST_TOLD: Final = 20
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

Rows = list[list[str]]


@dataclass(frozen=True, slots=True)
class CsvFile:
    """Which file and what its columns are; `tags` is tag name -> column.

    Without `tags` the columns that `known` names are the tags that it says; without that as well each is the tag of its name.
    `texts` are the tags that hold words. Rows before `first` and from `end` on are passed over; where there is no time column,
    `first` is the time of the first row (None: 1970).
    """

    file: Path
    time: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    asset: str = "csv"
    first: datetime | None = None
    end: datetime | None = None
    texts: frozenset[str] = frozenset()
    known: Mapping[str, str] = field(default_factory=dict)  # column -> tag


@dataclass(slots=True)
class _Telling:
    """Mistakes of the data, each with its place: the first twenty, and how many more."""

    file: str
    told: list[str]
    left_out: int = 0

    def tell(self, line: int, column: int, field: str, message: str) -> None:
        if len(self.told) < _MOST_TOLD:
            self.told.append(str(Problem(self.file, line, column, field, message)))
        else:
            self.left_out += 1


def csv_chunks(source: CsvFile, problems: list[str]) -> Iterator[Chunk]:
    """The readings of a file. What is wrong with single rows goes to `problems`.

    Raises ConfigError where nothing can be read: no file, no header, a column that is not there.
    """
    telling = _Telling(str(source.file), problems)
    try:
        with source.file.open(encoding="utf-8", newline="", errors="replace") as lines:
            lines.seek(len(_BYTE_ORDER_MARK) if _has_mark(source.file) else 0)
            reader = csv.reader(lines)
            try:
                reading = _Reading(source, _header(source, reader), telling)
                yield from reading.chunks(reader)
            except csv.Error as error:
                _fail(source, reader.line_num, f"no CSV: {error}")
    except OSError as error:
        _fail(source, 0, f"cannot be read: {error.strerror}")
    if telling.left_out:
        problems.append(f"{source.file}: {telling.left_out:,} more such mistakes")


def _has_mark(file: Path) -> bool:
    """Whether a file begins with the mark that spreadsheets write; the codec that knows it is slow."""
    with file.open("rb") as content:
        return content.read(len(_BYTE_ORDER_MARK)) == _BYTE_ORDER_MARK


def _header(source: CsvFile, reader: Iterator[list[str]]) -> list[str]:
    header = [name.strip() for name in next(reader, [])]
    if not any(header):
        _fail(source, 1, "is empty: the first line must name the columns")
    wanted = ([source.time] if source.time else []) + list(source.tags.values())
    for name in wanted:
        if name not in header:
            _fail(source, 1, f"has no column {name!r}; there is {', '.join(header)}")
        if header.count(name) > 1:
            _fail(source, 1, f"has two columns {name!r}: which one is meant?")
    return header


def _named(source: CsvFile, header: list[str]) -> dict[str, str]:
    """Tag -> column, by the columns' names."""
    names = [name for name in dict.fromkeys(header) if name and name != source.time]
    found = {source.known.get(name, name): name for name in names if name in source.known or not source.known}
    if not found:
        wanted = ", ".join(sorted(set(source.known.values())))
        _fail(
            source,
            1,
            f"has no column of a tag that is asked for ({wanted}); there is {', '.join(header)}: use --tag NAME=COLUMN",
        )
    return found


def _fail(source: CsvFile, line: int, message: str) -> NoReturn:
    raise ConfigError([Problem(str(source.file), line, 1 if line else 0, "", message)])


class _Reading:
    """The blocks of one file, one after the other."""

    def __init__(self, source: CsvFile, header: list[str], telling: _Telling) -> None:
        self._source = source
        self._telling = telling
        self._width = len(header)
        self._time = header.index(source.time) if source.time else None
        named = source.tags or _named(source, header)
        self._columns = {name: header.index(column) for name, column in named.items()}
        self._ids = {name: number for number, name in enumerate(self._columns, 1)}
        self._asset = AssetSpec(source.asset, self._ids)
        self._first_us = microseconds(source.first) if source.first else None
        self._end_us = microseconds(source.end) if source.end else None
        self._line = 2
        self._row = 0
        self._newest: int | None = None
        self._ordinal = 0

    def chunks(self, reader: Any) -> Iterator[Chunk]:
        """The rows, in blocks."""
        while rows := list(islice(reader, _BLOCK)):
            lines: NDArray[np.int64] = np.arange(self._line, self._line + len(rows))
            if reader.line_num != self._line + len(rows) - 1:
                lines = np.full(len(rows), reader.line_num)  # quoted line breaks: the block's end is what is known
            self._line = reader.line_num + 1
            yield from self._block(*self._sound_rows(rows, lines))

    def _sound_rows(self, rows: Rows, lines: NDArray[np.int64]) -> tuple[Rows, NDArray[np.int64]]:
        """Those that have all columns; empty lines are nothing."""
        if set(map(len, rows)) == {self._width}:
            return rows, lines
        kept = []
        for index, row in enumerate(rows):
            if len(row) == self._width:
                kept.append(index)
            elif row:
                self._telling.tell(
                    int(lines[index]), 0, "", f"has {len(row)} columns, the header {self._width}; left out"
                )
        return [rows[index] for index in kept], lines[kept]

    def _block(self, rows: Rows, lines: NDArray[np.int64]) -> Iterator[Chunk]:
        if not rows:
            return
        cells = list(zip(*rows, strict=True))
        times, kept = self._times(cells, lines)
        if not len(times):
            return
        ordinals = self._ordinals(times, lines[kept])
        columns = []
        for name, at in self._columns.items():
            chosen = cells[at] if len(kept) == len(rows) else [cells[at][index] for index in kept]
            columns.append(self._column(name, at, chosen, lines[kept], times, ordinals))
        yield Chunk(self._asset, tuple(columns), int(times[-1]))

    def _times(
        self, cells: list[tuple[str, ...]], lines: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The times of the rows that can be used, and which those are."""
        if self._time is None:
            return self._counted(len(lines))
        times, is_known = read_times(cells[self._time])
        for index in np.flatnonzero(~is_known):
            cell = cells[self._time][index]
            self._tell(
                lines[index],
                self._time,
                f"{cell!r} is no time; write 2026-03-01T06:00:00Z or seconds since 1970; left out",
            )
        newest = np.maximum.accumulate(np.where(is_known, times, np.iinfo(np.int64).min))
        if self._newest is not None:
            newest = np.maximum(newest, self._newest)
        is_ordered = is_known & (times >= newest)
        for index in np.flatnonzero(is_known & ~is_ordered):
            self._tell(lines[index], self._time, "is earlier than a row above it: sort the file by time; left out")
        if self._first_us is not None:
            is_ordered &= times >= self._first_us
        if self._end_us is not None:
            is_ordered &= times < self._end_us
        kept = np.flatnonzero(is_ordered)
        return times[kept], kept

    def _counted(self, rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """One row a second, from `first` on."""
        times = (self._first_us or 0) + (self._row + np.arange(rows)) * 1_000_000
        self._row += rows
        kept = np.flatnonzero(times < self._end_us) if self._end_us is not None else np.arange(rows)
        return times[kept], kept

    def _ordinals(self, times: NDArray[np.int64], lines: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Which sample of its instant each row is; None where every row has an instant of its own."""
        first_again = self._newest is not None and bool(times[0] == self._newest)
        self._newest = int(times[-1])
        again = np.flatnonzero(np.diff(times) == 0) + 1
        if not len(again) and not first_again:
            self._ordinal = 0
            return None
        ordinals = np.zeros(len(times), dtype=np.int64)
        is_again = np.zeros(len(times), dtype=bool)
        is_again[again], is_again[0] = True, first_again
        for index in np.flatnonzero(is_again):
            ordinals[index] = (self._ordinal if index == 0 else ordinals[index - 1]) + 1
            self._tell(
                lines[index],
                self._time or 0,
                "is at the same time as the row above: taken as one more sample of that instant",
            )
        self._ordinal = int(ordinals[-1])
        return ordinals

    def _column(
        self,
        name: str,
        at: int,
        cells: Any,
        lines: NDArray[np.int64],
        times: NDArray[np.int64],
        ordinals: NDArray[np.int64] | None,
    ) -> Column:
        texts: list[str | None] | None = None
        bad = np.zeros(len(cells), dtype=bool)
        if name in self._source.texts:
            values = np.full(len(cells), np.nan)
            texts = [cell.strip() or None for cell in cells]
            there = np.array([text is not None for text in texts])
        else:
            values, there = self._numbers(cells, lines, at)
            bad = there & ~np.isfinite(values)
        if not there.all():
            times, values, bad = times[there], values[there], bad[there]
            ordinals = None if ordinals is None else ordinals[there]
            texts = texts and [text for text in texts if text is not None]
        qualities = np.where(bad, _BAD, 0) if bad.any() else None
        return Column(self._ids[name], times, values, texts, qualities, ordinals)

    def _numbers(self, cells: Any, lines: NDArray[np.int64], at: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The numbers, nan for what is none, and where there is anything at all."""
        try:
            return np.array(cells, dtype=np.float64), np.ones(len(cells), dtype=bool)
        except ValueError:
            pass
        values, there = np.full(len(cells), math.nan), np.ones(len(cells), dtype=bool)
        for index, cell in enumerate(cells):
            try:
                values[index] = float(cell)
            except ValueError:
                there[index] = bool(cell.strip())
                if there[index]:
                    self._tell(lines[index], at, f"{cell[:40]!r} is no number; taken as a reading of bad quality")
        return values, there

    def _tell(self, line: Any, column: int, message: str) -> None:
        self._telling.tell(int(line), column + 1, "", message)
