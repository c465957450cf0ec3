"""How far the wall's clock is believed for an asset: as far as somebody writes what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rules.engine.lanes import QUIET, Lanes

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def lanes(*configured: int) -> Lanes:
    made = Lanes(frozenset(configured))
    made.see(configured, at(0))
    return made


def test_lane_that_is_heard_is_believed_up_to_its_newest_batch():
    made = lanes(1)
    made.hear(1, at(10))
    assert made.heard_until({1}, None, at(15)) == at(10)
    assert made.heard_from({1}, None, at(9)) == at(9)
    assert made.heard_from({1}, None, at(12)) == at(10) + QUIET


def test_lane_that_is_quiet_for_long_has_nothing_to_say():
    made = lanes(1)
    made.hear(1, at(10))
    assert made.heard_until({1}, None, at(40)) == at(40)


def test_lane_without_a_writer_is_never_believed_further():
    made = lanes(1)
    made.hear(1, at(10))
    made.see([], at(20))
    assert made.heard_until({1}, None, at(10_000)) == at(10)
    assert made.heard_from({1}, None, at(12)) is None


def test_writer_that_is_back_has_much_to_tell_first():
    made = lanes(1)
    made.hear(1, at(10))
    made.see([], at(20))
    made.see([1], at(500))
    assert made.heard_until({1}, None, at(510)) == at(10)
    assert made.heard_until({1}, None, at(500) + QUIET) == at(500) + QUIET


def test_outage_is_known_after_a_restart_in_it():
    before = lanes(1)
    before.see([], at(20))
    after = Lanes(frozenset({1}))
    after.restore(before.dump())
    after.hear(1, at(10))
    after.see([1], at(300))
    assert after.heard_until({1}, None, at(310)) == at(10)


def test_one_of_two_sources_away_holds_the_asset_back():
    made = lanes(1, 2)
    made.hear(1, at(10))
    made.hear(2, at(12))
    made.see([1], at(60))
    assert made.heard_until({1, 2}, None, at(600)) == at(12)
    assert made.heard_until({1}, None, at(600)) == at(600)


def test_lane_of_a_replay_is_not_waited_for():
    made = lanes(1)
    made.hear(7, at(10))
    assert made.heard_until({7}, None, at(600)) == at(600)
