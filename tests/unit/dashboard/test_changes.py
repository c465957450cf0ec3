from __future__ import annotations

from dashboard.api.live.changes import Changes


def test_a_change_heard_twice_is_done_once_and_in_order():
    changes = Changes()
    for alarm in (7, 3, 7):
        changes.heard("alarm", alarm)
    assert list(changes.take().alarms) == [7, 3]
    assert list(changes.take().alarms) == []


def test_pieces_move_figures_and_machines():
    changes = Changes()
    changes.heard("count", 1)
    due = changes.take()
    assert (due.machines, due.everything) == (True, False)
    assert changes.figures.is_set()


def test_an_answer_of_the_relay_is_told_and_moves_no_figures():
    changes = Changes()
    changes.heard("question", 17)
    assert list(changes.take().questions) == [17]
    assert not changes.figures.is_set()


def test_how_a_connector_is_moves_figures():
    changes = Changes()
    changes.heard("connector", 0)
    assert changes.figures.is_set()


def test_a_flood_becomes_the_whole_state_and_stays_bounded():
    changes = Changes()
    for alarm in range(10_000):
        changes.heard("alarm", alarm)
    due = changes.take()
    assert due.too_many
    assert len(due.alarms) < 1000


def test_what_nobody_told_is_looked_for_all_the_same():
    changes = Changes()
    for _ in range(5):
        changes.heard_nothing()
    assert changes.take().everything


def test_unknown_nouns_are_nothing():
    changes = Changes()
    changes.heard("weather", 1)
    due = changes.take()
    assert not (due.machines)
    assert not (due.everything)
    assert not (due.alarms)
