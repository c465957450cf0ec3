"""The score of the Numenta Anomaly Benchmark against figures worked out by hand from its published formulas."""

from __future__ import annotations

import math

import pytest

from bridge.cli.bench.nab_score import (
    PROFILES,
    Counts,
    Series,
    count,
    probation,
    scaled_sigmoid,
    score_corpus,
    score_series,
)

STANDARD, LOW_FP, LOW_FN = PROFILES
# 1000 rows, of which 150 are not scored; a window of 100 rows.
ONE = ((500, 599),)


def series(*alarms, rows=1000, windows=ONE):
    return Series(rows, windows, alarms)


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (-1, 0.986614),
        (-0.5, 0.848284),
        (0, 0.0),
        (0.5, -0.848284),
        (1, -0.986614),
        (2.999, -0.999999),
        (3, -1),
        (90, -1),
    ],
)
def test_sigmoid_is_that_of_the_paper(position, value):
    assert scaled_sigmoid(position) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(("rows", "unscored"), [(0, 0), (7, 1), (1000, 150), (4032, 604), (5000, 750), (22695, 750)])
def test_probation_is_fifteen_percent_and_at_most_750_rows(rows, unscored):
    assert probation(rows) == unscored


@pytest.mark.parametrize("profile", PROFILES)
def test_no_alarms_score_0(profile):
    assert score_corpus([series(), series(windows=())], profile) == 0


@pytest.mark.parametrize("profile", PROFILES)
def test_first_row_of_each_window_and_nothing_else_scores_100(profile):
    several = ((200, 219), (500, 599), (900, 999))
    assert score_corpus([series(200, 500, 900, windows=several), series(windows=())], profile) == pytest.approx(100)


def test_alarm_in_the_middle_of_a_window_is_worth_086():
    # row 550 of 500-599: position -(599 - 550 + 1) / 100 = -0.5, so 0.848284 / 0.986614
    assert score_series(series(550), STANDARD) == pytest.approx(0.859793, abs=1e-6)
    # and on the scale from -1 (missed) to 1 (perfect)
    assert score_corpus([series(550)], STANDARD) == pytest.approx(100 * 1.859793 / 2, abs=1e-4)


def test_last_row_of_a_window_is_worth_nearly_nothing_yet_no_miss():
    # position -0.01: (2 / (1 + e^-0.05) - 1) / 0.986614
    assert score_series(series(599), STANDARD) == pytest.approx(0.024995 / 0.986614, abs=1e-5)


def test_only_the_first_alarm_of_a_window_counts():
    assert score_series(series(510, 550, 551, 599), STANDARD) == score_series(series(510), STANDARD)


def test_false_alarm_before_any_window_costs_its_whole_weight():
    assert score_series(series(300), STANDARD) == pytest.approx(-1 - 0.11)
    assert score_series(series(300), LOW_FP) == pytest.approx(-1 - 0.22)


def test_false_alarm_behind_a_window_costs_by_its_distance():
    # row 649 is 50 behind row 599, of a width of 99 from edge to edge
    cost = 0.11 * (2 / (1 + math.exp(5 * 50 / 99)) - 1)
    assert cost == pytest.approx(-0.0937, abs=1e-4)
    assert score_series(series(649), STANDARD) == pytest.approx(-1 + cost)
    assert score_series(series(600), STANDARD) == pytest.approx(-1 + 0.11 * (2 / (1 + math.exp(5 / 99)) - 1))
    assert score_series(series(599 + 3 * 99), STANDARD) == -1.11


def test_false_alarm_is_measured_from_the_window_just_before_it():
    two = ((200, 299), (500, 509))
    assert score_series(series(514, windows=two), STANDARD) == pytest.approx(
        -2 + 0.11 * (2 / (1 + math.exp(5 * 5 / 9)) - 1)
    )


def test_missed_window_costs_twice_where_misses_are_dear():
    assert score_series(series(), STANDARD) == -1
    assert score_series(series(), LOW_FN) == -2
    # one window hit in the middle, one missed: ((0.859793 - 2) - (-4)) / (2 - (-4))
    two = ((200, 299), (500, 599))
    assert score_corpus([series(550, windows=two)], LOW_FN) == pytest.approx(100 * 2.859793 / 6, abs=1e-4)


def test_alarms_and_windows_of_the_probation_are_not_scored():
    assert score_series(series(10, 149), STANDARD) == -1
    assert score_series(series(10, 149, windows=((100, 140),)), STANDARD) == 0
    assert score_corpus([series(windows=((100, 140),))], STANDARD) is None
    across = ((100, 199),)  # half of it is scored, by its place in the whole window
    assert score_series(series(120, windows=across), STANDARD) == -1
    assert score_series(series(150, windows=across), STANDARD) == pytest.approx(0.859793, abs=1e-6)


def test_series_weigh_by_their_windows_not_by_themselves():
    # three windows, one of them hit at its first row: (1 - 2 + 3) / 6
    three = ((200, 219), (400, 419), (600, 619))
    assert score_corpus([series(200, windows=three)], STANDARD) == pytest.approx(100 / 3)
    # a series without windows only loses by its false alarms: 10 x 0.11 / 6
    quiet = series(*range(300, 310), windows=())
    assert score_corpus([series(200, windows=three), quiet], STANDARD) == pytest.approx(100 * (2 - 1.1) / 6)


def test_counts_say_what_happened():
    two = ((200, 299), (500, 599))
    assert count(series(10, 160, 210, 220, 700, windows=two)) == Counts(windows=2, hits=1, false_alarms=2)


def test_window_of_a_single_row_is_scored():
    assert score_series(series(500, windows=((500, 500),)), STANDARD) == pytest.approx(1)
    assert score_series(series(501, windows=((500, 500),)), STANDARD) == pytest.approx(-1 - 0.11 * 0.986614, abs=1e-6)
