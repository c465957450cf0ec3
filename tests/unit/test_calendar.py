"""Shifts as instants; the answers are those of the published night shifts of Europe/Berlin."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bridge.model.calendar import WEEKDAYS, expand

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 28), 7), (date(2026, 10, 24), 9), (date(2026, 11, 21), 8)])
def test_night_shift_lasts_its_real_hours_when_the_clock_changes(day: date, hours: int) -> None:
    [(start, end)] = expand(time(22), time(6), WEEKDAYS, BERLIN, day, 1)
    assert end - start == timedelta(hours=hours)


def test_shift_starts_on_its_weekdays_only() -> None:
    starts = [start for start, _ in expand(time(6), time(14), ["mon", "tue"], BERLIN, date(2026, 11, 16), 7)]
    assert starts == [datetime(2026, 11, 16, 5, tzinfo=UTC), datetime(2026, 11, 17, 5, tzinfo=UTC)]


def test_shift_that_ends_when_it_starts_lasts_a_day() -> None:
    [(start, end)] = expand(time(6), time(6), WEEKDAYS, BERLIN, date(2026, 11, 21), 1)
    assert end - start == timedelta(days=1)
