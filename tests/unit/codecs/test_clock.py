"""Clocks that are wrong: trusted, clamped, quarantined; and times that nobody believes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from asyncua import ua
from pydantic import ValidationError

from bridge.codecs.clock import Clock
from bridge.config.settings import ClockSettings
from bridge.errors import PayloadError
from bridge.model.quality import BAD, GOOD, UNCERTAIN_SUBSTITUTE
from bridge.model.reading import TagKey, microseconds
from bridge.sources.opcua_values import to_reading

POLICIES = {
    "trust": {"policy": "trust"},
    "clamp": {"policy": "clamp", "past": "1 h", "future": "1 h"},
    "quarantine": {"policy": "quarantine", "past": "1 h", "future": "1 h"},
}
THREE_H_US = 3 * 3600 * 1_000_000


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    ("year", "reason"), [(1601, "before 2001"), (2000, "before 2001"), (2099, "more than one day")]
)
def test_no_policy_stores_a_time_that_would_make_a_chunk_of_its_own(mapped, policy, year, reason):
    decoded = mapped("m", {"ts": f"{year}-01-01T00:00:00Z", "a": 1}, clock=POLICIES[policy])
    assert decoded.readings == []
    assert reason in decoded.failures[0].reason


@pytest.mark.parametrize("off_us", [-THREE_H_US, THREE_H_US])
def test_three_hours_are_kept_clamped_or_quarantined(mapped, now_us, off_us):
    content = {"ts": (now_us + off_us) // 1000, "a": 1}
    [kept] = mapped("m", content, clock=POLICIES["trust"]).readings
    assert (kept.source_time_us, kept.quality) == (now_us + off_us, GOOD)
    clamped = mapped("m", content, clock=POLICIES["clamp"])
    assert [(r.source_time_us, r.quality) for r in clamped.readings] == [(now_us, UNCERTAIN_SUBSTITUTE)]
    assert not clamped.is_timed
    quarantined = mapped("m", content, clock=POLICIES["quarantine"])
    assert quarantined.readings == []
    assert "3:00:00" in quarantined.failures[0].reason


@pytest.mark.parametrize("policy", POLICIES)
def test_a_missing_time_is_the_time_of_arrival_whatever_the_policy(mapped, now_us, policy):
    decoded = mapped("m", {"a": 1}, clock=POLICIES[policy])
    assert [(r.source_time_us, r.quality) for r in decoded.readings] == [(now_us, GOOD)]
    assert not decoded.is_timed


def test_a_quality_that_is_worse_is_not_made_better_by_clamping(mapped, now_us):
    content = {"ts": (now_us + THREE_H_US) // 1000, "quality": "bad", "a": 1}
    assert [r.quality for r in mapped("m", content, clock=POLICIES["clamp"]).readings] == [BAD]


def test_a_bound_itself_is_believed():
    clock = Clock(ClockSettings.model_validate(POLICIES["quarantine"]))
    arrived = microseconds(datetime(2026, 11, 21, tzinfo=UTC))
    hour = THREE_H_US // 3
    assert clock.judge(arrived - hour, arrived) == (arrived - hour, False)
    with pytest.raises(PayloadError):
        clock.judge(arrived - hour - 1, arrived)


def test_opc_ua_values_pass_the_same_clock():
    now = microseconds(datetime(2026, 11, 21, 12, tzinfo=UTC))
    value = ua.DataValue(ua.Variant(1.5, ua.VariantType.Double), SourceTimestamp=datetime(2026, 11, 21, 9, tzinfo=UTC))
    tag = TagKey("acme", "a")
    clamping = Clock(ClockSettings.model_validate(POLICIES["clamp"]))
    quarantining = Clock(ClockSettings.model_validate(POLICIES["quarantine"]))
    assert to_reading(tag, value, now).source_time_us == now - THREE_H_US
    clamped = to_reading(tag, value, now, clamping)
    assert (clamped.source_time_us, clamped.quality) == (now, UNCERTAIN_SUBSTITUTE)
    with pytest.raises(PayloadError, match="3:00:00 behind"):
        to_reading(tag, value, now, quarantining)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"policy": "clamp"}, "needs a bound"),
        ({"policy": "trust", "past": "1 h"}, "trust knows no bounds"),
        ({"policy": "clamp", "past": "soon"}, "no duration"),
        ({"policy": "clamp", "past": "-1 h"}, "no duration"),
    ],
)
def test_a_clock_that_means_nothing_is_refused(table, words):
    with pytest.raises(ValidationError, match=words):
        ClockSettings.model_validate(table)
