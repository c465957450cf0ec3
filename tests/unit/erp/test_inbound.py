"""Since when a system is asked for changes: the clocks are not one, a relay is started anew, addresses change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bridge.erp.relay.inbound import Spans, is_fresh, next_reading
from bridge.store.inbound import Mark

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
OVERLAP, SPANS = 5 * MINUTE, Spans()
ERP = "http://erp"


def mark(read=5 * SECOND, wide=MINUTE, full=HOUR, system=ERP):
    return Mark(system, NOW - read, NOW - wide, NOW - full)


def asked(before, now=NOW):
    return next_reading(before, ERP, now, OVERLAP, SPANS)


def test_everything_is_read_the_first_time():
    assert asked(None) == (None, Mark(ERP, NOW, NOW, NOW))


def test_everything_is_read_of_another_system():
    since, following = asked(mark(system="http://old"))
    assert (since, following.system) == (None, ERP)


def test_next_reading_overlaps_the_last_by_minutes():
    since, following = asked(mark())
    assert since == NOW - 5 * SECOND - OVERLAP
    assert following == Mark(ERP, NOW, NOW - MINUTE, NOW - HOUR)


def test_relay_that_comes_back_reads_from_where_the_last_one_was():
    since, _ = asked(mark(read=20 * HOUR, wide=20 * HOUR, full=21 * HOUR))
    assert since == NOW - 20 * HOUR - SPANS.wide


def test_now_and_then_a_reading_overlaps_by_hours_and_once_a_day_everything_is_read():
    since, following = asked(mark(wide=SPANS.wide_every))
    assert since == NOW - SPANS.wide_every - SPANS.wide
    assert following == Mark(ERP, NOW, NOW, NOW - HOUR)
    assert asked(mark(full=SPANS.full_every)) == (None, Mark(ERP, NOW, NOW, NOW))


@pytest.mark.parametrize("behind", [MINUTE, 10 * MINUTE, 2 * HOUR])
def test_change_of_a_system_whose_clock_is_behind_is_asked_for_within_minutes(behind):
    """Polled every five seconds for ten minutes: one of the readings reaches back to the date that the system gave it."""
    changed_at, now, before = NOW - behind, NOW, mark(read=SECOND, wide=SECOND)
    reached = []
    for _ in range(120):
        since, before = asked(before, now)
        reached.append(since is None or since <= changed_at)
        now += 5 * SECOND
    assert any(reached[1:])


@pytest.mark.parametrize("ahead", [SECOND, HOUR, 400 * DAY])
def test_mark_of_a_clock_that_was_ahead_keeps_nothing_from_being_read(ahead):
    for which in (
        {"read": -ahead},
        {"wide": -ahead},
        {"full": -ahead},
        {"read": -ahead, "wide": -ahead, "full": -ahead},
    ):
        before = mark(**which)
        since, following = asked(before)
        assert since is None or since <= NOW - OVERLAP
        assert max(following.read_at, following.wide_at, following.full_at) <= NOW
        if "read" in which:
            assert not is_fresh(before, NOW, 5 * SECOND)


def test_what_another_relay_has_just_read_is_not_read_again():
    assert is_fresh(mark(read=2 * SECOND), NOW, 5 * SECOND)
    assert not is_fresh(mark(read=5 * SECOND), NOW, 5 * SECOND)
