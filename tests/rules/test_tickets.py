"""The life of a ticket and the clocks that run on it, without a database."""

from __future__ import annotations

import random
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.settings import Shift
from bridge.model.sla import Clock, always
from bridge.model.ticket import OVER, NotAllowed, Step, TicketState, after, steps
from rules.tickets.clocks import judge, shown
from rules.tickets.feedback import suggest, sustained, wilson
from rules.tickets.hours import in_shifts

AT = datetime(2026, 3, 27, 12, tzinfo=UTC)  # a Friday; summer time begins on Sunday
BERLIN = ZoneInfo("Europe/Berlin")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


# --- the life cycle -----------------------------------------------------------------------------------------------------


def test_ticket_goes_the_whole_way():
    way = [
        Step.TRIAGE,
        Step.APPROVE,
        Step.SCHEDULE,
        Step.START,
        Step.HOLD,
        Step.RESUME,
        Step.FINISH,
        Step.VERIFY,
        Step.CLOSE,
    ]
    state = TicketState.NEW
    for step in way:
        state = after(state, step)
    assert state is TicketState.CLOSED


def test_what_is_over_stays_over():
    for state in OVER:
        assert steps(state) == []
        for step in Step:
            with pytest.raises(NotAllowed, match="it is over"):
                after(state, step)


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (TicketState.NEW, Step.FINISH),
        (TicketState.NEW, Step.APPROVE),
        (TicketState.TRIAGED, Step.HOLD),
        (TicketState.ON_HOLD, Step.FINISH),
        (TicketState.DONE, Step.CLOSE),
        (TicketState.APPROVED, Step.REJECT),
    ],
)
def test_step_that_the_state_does_not_allow_is_refused_with_those_that_it_does(state, step):
    with pytest.raises(NotAllowed) as caught:
        after(state, step)
    assert str(state) in str(caught.value)
    assert all(str(possible) in str(caught.value) for possible in steps(state))


def test_every_state_but_the_last_ones_can_be_left_and_every_state_be_reached():
    reached, todo = {TicketState.NEW}, [TicketState.NEW]
    while todo:
        state = todo.pop()
        assert steps(state) or state in OVER
        for step in steps(state):
            if (target := after(state, step)) not in reached:
                reached.add(target)
                todo.append(target)
    assert reached == set(TicketState)


# --- clocks --------------------------------------------------------------------------------------------------------------


def test_pause_moves_what_is_due_by_its_length():
    clock = Clock(AT, 4 * HOUR, always, ((AT + HOUR, AT + 3 * HOUR),))
    assert clock.reaches(1.0) == AT + 6 * HOUR
    assert clock.used(AT + 2 * HOUR) == HOUR
    assert clock.reaches(0.25) == AT + HOUR


def test_clock_that_is_paused_is_due_at_no_time():
    clock = Clock(AT, 4 * HOUR, always, ((AT + HOUR, None),))
    assert clock.reaches(1.0) is None
    assert clock.reaches(0.25) == AT + HOUR
    assert clock.used(AT + 99 * HOUR) == HOUR


def test_clock_in_shifts_stands_over_the_weekend():
    weekdays = Shift(name="early", start=time(6), end=time(14), days=["mon", "tue", "wed", "thu", "fri"])
    # Friday 12:00 UTC is 13:00 in Berlin: one hour is left of the shift; Monday's begins at 06:00 summer time, 04:00 UTC.
    clock = Clock(AT, 2 * HOUR, in_shifts([weekdays], BERLIN))
    assert clock.reaches(0.5) == datetime(2026, 3, 27, 13, tzinfo=UTC)
    assert clock.reaches(1.0) == datetime(2026, 3, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(("day", "hours"), [(28, 7), (27, 8)])
def test_night_shift_of_the_change_to_summer_time_counts_seven_hours(day, hours):
    night = Shift(name="night", start=time(22), end=time(6))
    begin = datetime(2026, 3, day, 22, tzinfo=BERLIN).astimezone(UTC)
    clock = Clock(begin, HOUR, in_shifts([night], BERLIN))
    assert clock.used(begin + 12 * HOUR) == hours * HOUR


def test_shifts_that_overlap_count_once():
    shifts = [Shift(name="a", start=time(6), end=time(14)), Shift(name="b", start=time(13), end=time(22))]
    midnight = datetime(2026, 6, 1, tzinfo=BERLIN).astimezone(UTC)
    assert Clock(midnight, HOUR, in_shifts(shifts, BERLIN)).used(midnight + 24 * HOUR) == 16 * HOUR


def test_clock_without_any_hours_is_never_due():
    assert Clock(AT, HOUR, in_shifts([], BERLIN)).reaches(1.0) is None


@given(
    st.lists(st.integers(0, 10_000), max_size=10),
    st.integers(1, 20_000),
    st.integers(0, 4),
)
def test_what_is_used_when_a_share_is_reached_is_that_share(edges, target_s, open_shift):
    instants = [AT + timedelta(seconds=edge) for edge in sorted(set(edges))]
    pauses = tuple(pair for index, pair in enumerate(pairwise(instants)) if index % 2 == 0)
    shift = Shift(name="s", start=time(6 + open_shift), end=time(20))
    clock = Clock(AT, timedelta(seconds=target_s), in_shifts([shift], BERLIN), pauses)
    reached = clock.reaches(1.0)
    assert reached is not None
    assert clock.used(reached) == timedelta(seconds=target_s)
    assert not any(paused < reached < resumed for paused, resumed in pauses)


def test_breach_has_its_exact_instant_however_late_it_is_looked_at():
    clock = Clock(AT, 4 * HOUR, always)
    found = judge(clock, 0.75, [1.5], AT + 100 * HOUR, is_stopped=False)
    assert (found.warned_at, found.breached_at) == (AT + 3 * HOUR, AT + 4 * HOUR)
    assert found.passed == (1.5,)
    assert found.next_at is None


def test_next_look_is_at_the_next_share():
    clock = Clock(AT, 4 * HOUR, always)
    assert judge(clock, 0.75, [0.5, 2.0], AT, is_stopped=False).next_at == AT + 2 * HOUR
    assert judge(clock, 0.75, [0.5, 2.0], AT + 2 * HOUR, is_stopped=False).next_at == AT + 3 * HOUR
    assert judge(clock, 0.75, [0.5, 2.0], AT + 4 * HOUR, is_stopped=False).next_at == AT + 8 * HOUR


def test_clock_that_was_stopped_in_time_is_not_breached_though_it_is_looked_at_late():
    found = judge(Clock(AT, 4 * HOUR, always), 0.75, [], AT + 4 * HOUR - MINUTE, is_stopped=True)
    assert (found.breached_at, found.next_at) == (None, None)
    assert found.warned_at == AT + 3 * HOUR


def test_spans_are_shown_as_people_say_them():
    assert [shown(span) for span in (4 * HOUR, HOUR + 30 * MINUTE, 20 * timedelta(seconds=1), timedelta())] == [
        "4 h", "1 h 30 min", "20 s", "0 s",
    ]  # fmt: skip


# --- feedback ------------------------------------------------------------------------------------------------------------


def test_wilson_interval_is_that_of_the_literature():
    # Newcombe 1998, table I, method 3: 81 of 263 and 0 of 20.
    low, high = wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    low, high = wilson(0, 20)
    assert (round(low, 4), round(high, 4)) == (0.0, 0.1611)
    assert wilson(0, 0) is None


def test_level_that_a_value_held_for_a_delay():
    seconds = [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000]
    values = [1.0, 9.0, 5.0, 6.0, 1.0]
    assert sustained(seconds, values, 0, above=True) == 9.0
    assert sustained(seconds, values, 1_000_000, above=True) == 9.0
    assert sustained(seconds, values, 2_000_000, above=True) == 5.0
    assert sustained(seconds, values, 3_000_000, above=True) == 5.0
    assert sustained(seconds, values, 4_000_000, above=True) == 1.0
    assert sustained(seconds, values, 5_000_000, above=True) is None
    assert sustained(seconds, [-value for value in values], 2_000_000, above=False) == -5.0


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 9)), min_size=1, max_size=12), st.integers(0, 8))
def test_sustained_level_is_that_of_the_definition(steps_and_values, delay):
    times, at = [], 0
    for gap, _ in steps_and_values:
        times.append(at)
        at += gap
    values = [float(value) for _, value in steps_and_values]
    best = None
    for start in times:  # by definition: the least value in force within [start, start + delay)
        if start + delay <= times[-1]:
            inside = [v for t, v in zip(times, values, strict=True) if start <= t < start + delay or t == start]
            best = min(inside) if best is None else max(best, min(inside))
    assert sustained(times, values, delay, above=True) == best


def test_suggested_limit_keeps_every_true_alarm_and_drops_the_weaker_false_ones():
    suggested, dropped = suggest(4.5, above=True, true_levels=[6.0, 7.5], false_levels=[4.6, 5.0, 6.5])
    assert suggested == 5.5
    assert dropped == 2


def test_suggested_limit_of_an_alarm_downwards():
    suggested, dropped = suggest(10.0, above=False, true_levels=[5.0, 4.0], false_levels=[9.0, 8.0, 4.5])
    assert (suggested, dropped) == (6.5, 2)


@pytest.mark.parametrize(
    ("true_levels", "false_levels"),
    [([], [5.0]), ([5.0], []), ([5.0], [6.0, 7.0])],
    ids=["no true", "no false", "mixed"],
)
def test_nothing_is_suggested_that_would_drop_a_true_alarm_or_no_false_one(true_levels, false_levels):
    assert suggest(4.5, above=True, true_levels=true_levels, false_levels=false_levels) is None


def test_suggestion_holds_on_random_alarms():
    chance = random.Random(4)
    for _ in range(200):
        true_levels = [chance.uniform(4.5, 9) for _ in range(chance.randint(1, 6))]
        false_levels = [chance.uniform(4.5, 9) for _ in range(chance.randint(1, 6))]
        if found := suggest(4.5, above=True, true_levels=true_levels, false_levels=false_levels):
            limit, dropped = found
            assert all(level > limit for level in true_levels)
            assert sum(level <= limit for level in false_levels) == dropped > 0
            assert limit > 4.5
