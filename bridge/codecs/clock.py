"""How a source's own times are read, and how far they are believed: trust, clamp, quarantine.

Whatever the policy, a time before 2001 or more than a day ahead is refused (source_time): it would make a chunk of the
hypertable for 1601 or 2099. A time that was clamped is marked: the reading is of uncertain quality, where it was good.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from bridge.codecs.source_time import check_time, parse_time_as
from bridge.config.settings import ClockSettings
from bridge.errors import PayloadError
from bridge.model.quality import UNCERTAIN_SUBSTITUTE, is_good

_MICROSECOND: Final = timedelta(microseconds=1)


class Clock:
    """The clock of one source or subscription."""

    def __init__(self, settings: ClockSettings, time_format: str = "auto", time_zone: str = "UTC") -> None:
        self.is_unused = time_format == "none"
        self._format = time_format
        self._zone = UTC if time_zone == "UTC" else ZoneInfo(time_zone)
        self._past_us = None if settings.past is None else settings.past // _MICROSECOND
        self._future_us = None if settings.future is None else settings.future // _MICROSECOND
        self._is_clamping = settings.policy == "clamp"

    def read(self, written: object, arrived_us: int) -> tuple[int, bool]:
        """The time that is written, and whether it was clamped to the time of arrival. Raises PayloadError."""
        return self.judge(parse_time_as(written, self._format, self._zone), arrived_us)

    def judge(self, time_us: int, arrived_us: int) -> tuple[int, bool]:
        """The time to store, and whether it is the time of arrival because it was not believed. Raises PayloadError."""
        check_time(time_us, arrived_us)
        if (reason := self._doubt(time_us, arrived_us)) is None:
            return time_us, False
        if not self._is_clamping:
            raise PayloadError(reason)
        return arrived_us, True

    @staticmethod
    def marked(code: int) -> int:
        """The quality of a reading whose time was clamped."""
        return UNCERTAIN_SUBSTITUTE if is_good(code) else code

    def _doubt(self, time_us: int, arrived_us: int) -> str | None:
        if self._past_us is not None and time_us < arrived_us - self._past_us:
            return f"{_said(arrived_us - time_us)} behind, and the clock's past is {_said(self._past_us)}"
        if self._future_us is not None and time_us > arrived_us + self._future_us:
            return f"{_said(time_us - arrived_us)} ahead, and the clock's future is {_said(self._future_us)}"
        return None


def _said(span_us: int) -> str:
    return str(timedelta(seconds=round(span_us / 1_000_000, 3)))
