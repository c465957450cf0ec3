"""Times of a CSV column, many at once: ISO 8601 with or without an offset, or seconds since 1970. Gives microseconds UTC."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

_PLAIN: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?")
_SPAN_S: Final = 250_000 * 366 * 86_400 / 1e3  # seconds from 1970 that are believed to be seconds: some 250 years

Times = tuple[NDArray[np.int64], NDArray[np.bool_]]


def read_times(cells: Sequence[str]) -> Times:
    """The times and which of them could be read; 0 where not."""
    if (quick := _all_alike(cells)) is not None:
        return quick, np.ones(len(cells), dtype=bool)
    times, is_known = np.zeros(len(cells), dtype=np.int64), np.zeros(len(cells), dtype=bool)
    for index, cell in enumerate(cells):
        if (time_us := read_time(cell)) is not None:
            times[index], is_known[index] = time_us, True
    return times, is_known


def read_time(cell: str) -> int | None:
    """One time in microseconds since 1970; None where it is none."""
    text = cell.strip()
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        return round(seconds * 1e6) if math.isfinite(seconds) and abs(seconds) < _SPAN_S else None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _all_alike(cells: Sequence[str]) -> NDArray[np.int64] | None:
    """The usual column, in one go: all as numbers, or all written as the first is; None where they are not."""
    first = cells[0]
    try:
        if _PLAIN.fullmatch(first.removesuffix("Z")):
            return _plain(cells, len(first), has_z=first.endswith("Z"))
        seconds = np.array(cells, dtype=np.float64)
    except ValueError:
        return None
    is_sound = bool((np.abs(seconds) < _SPAN_S).all())  # also of nan: false
    return np.round(seconds * 1e6).astype(np.int64) if is_sound else None


def _plain(cells: Sequence[str], length: int, *, has_z: bool) -> NDArray[np.int64] | None:
    """Times of one length, with or without a Z each. Raises ValueError where one is no time."""
    if set(map(len, cells)) != {length}:
        return None
    letters = np.frombuffer("".join(cells).encode("ascii"), dtype=np.uint8).reshape(-1, length)
    if has_z != bool((letters[:, -1] == ord("Z")).all()) or bool((letters[:, 10:] == ord("+")).any()):
        return None
    texts = np.ascontiguousarray(letters[:, : length - has_z]).view(f"S{length - has_z}").ravel()
    return texts.astype("datetime64[us]").astype(np.int64)
