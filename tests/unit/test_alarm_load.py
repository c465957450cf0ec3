"""The figures of alarm load and first-up groups, pure."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from bridge.model.alarm_load import first_up, floods, peak_rate, time_in_flood

BEGAN = datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_flood_begins_above_ten_in_ten_minutes_and_ends_below_five():
    times = [float(minute * 30) for minute in range(12)]  # every 30 s, 12 alarms: the 11th is at 300 s
    [flood] = floods(times, 10_000)
    assert flood.began == 300
    assert flood.ended == 7 * 30 + 600  # the 8th leaves: four are left
    assert (flood.alarms, flood.peak) == (12, 12)
    assert time_in_flood([flood], 0, 10_000) == 510


def test_ten_in_ten_minutes_are_no_flood():
    assert floods([float(n) for n in range(10)], 10_000) == []


def test_flood_that_lasts_has_no_end():
    [flood] = floods([float(n) for n in range(20)], 100)
    assert flood.ended is None
    assert time_in_flood([flood], 0, 100) == 90


def test_rate_between_five_and_ten_keeps_a_flood_and_begins_none():
    steady = [n * 100.0 for n in range(100)]  # six in ten minutes
    assert floods(steady, 20_000) == []
    burst = sorted([*steady, *(5000.0 + n for n in range(8))])
    [flood] = floods(burst, 20_000)
    assert flood.ended is not None
    assert flood.ended > 9900, "six in ten minutes are not below five"


def by_definition(times: list[float], now: float) -> list[tuple[float, float | None]]:
    """Floods by walking through every instant at which the count of the last ten minutes changes."""
    spans: list[tuple[float, float | None]] = []
    began: float | None = None
    inside: list[float] = []
    changes = sorted([(t, 1) for t in times] + [(t + 600, 0) for t in times if t + 600 <= now])
    for instant, is_new in changes:  # what leaves at an instant leaves before what comes
        if is_new:
            inside.append(instant)
        else:
            inside.remove(instant - 600)
        if began is None and len(inside) > 10:
            began = instant
        elif began is not None and not is_new and len(inside) < 5:
            spans.append((began, instant))
            began = None
    return [*spans, (began, None)] if began is not None else spans


def test_floods_are_those_of_the_definition():
    chance = random.Random(5)
    for _ in range(300):
        times = sorted(float(chance.randrange(0, 6000)) for _ in range(chance.randrange(0, 120)))
        now = float(chance.randrange(6000, 8000))
        assert [(flood.began, flood.ended) for flood in floods(times, now)] == by_definition(times, now)


def test_peak_rate_is_that_of_the_worst_ten_minutes():
    assert peak_rate([0, 100, 599, 600, 601]) == 4
    assert peak_rate([]) == 0


def alarm(number: int, seconds: float, line: int | None = 1, position: int = 1) -> dict[str, object]:
    return {"id": number, "raised_at": BEGAN + timedelta(seconds=seconds), "line_id": line, "position": position}


def test_alarms_of_a_line_belong_to_the_first():
    alarms = [alarm(3, 20), alarm(1, 0), alarm(2, 10), alarm(4, 30, line=2), alarm(5, 61), alarm(6, 70)]
    assert first_up(alarms, timedelta(seconds=60)) == [(1, [2, 3]), (4, []), (5, [6])]


def test_of_alarms_at_one_instant_the_one_up_the_flow_is_the_first():
    assert first_up([alarm(1, 0, position=3), alarm(2, 0, position=1)], timedelta(seconds=60)) == [(2, [1])]


def test_alarms_outside_of_lines_and_without_a_window_are_alone():
    alarms = [alarm(1, 0, line=None), alarm(2, 1, line=None)]
    assert first_up(alarms, timedelta(seconds=60)) == [(1, []), (2, [])]
    assert first_up([alarm(1, 0), alarm(2, 0)], timedelta()) == [(1, []), (2, [])]
