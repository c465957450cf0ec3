from __future__ import annotations

from dashboard.api.throttle import Throttle


def test_after_five_failures_one_waits_until_the_first_is_a_minute_old():
    throttle = Throttle(limit=5, span_s=60)
    for second in range(5):
        assert throttle.wait_s("olga", second) == 0
        throttle.tried("olga", second)
    assert throttle.wait_s("olga", 10) == 50
    assert throttle.wait_s("olga", 60) == 0


def test_a_try_without_an_answer_yet_counts_and_one_that_is_taken_back_does_not():
    throttle = Throttle(limit=2)
    throttle.tried("olga", 0)
    throttle.tried("olga", 1)
    assert throttle.wait_s("olga", 2) == 58
    throttle.take_back("olga", 1)
    throttle.take_back("olga", 1)
    throttle.take_back("ivan", 1)
    assert throttle.wait_s("olga", 2) == 0
    throttle.tried("olga", 3)
    assert throttle.wait_s("olga", 4) == 56


def test_others_do_not_wait():
    throttle = Throttle(limit=1)
    throttle.tried("olga", 0)
    assert throttle.wait_s("ivan", 1) == 0


def test_success_forgets_the_failures():
    throttle = Throttle(limit=1)
    throttle.tried("olga", 0)
    throttle.succeeded("olga")
    assert throttle.wait_s("olga", 1) == 0


def test_memory_is_bounded():
    throttle = Throttle()
    for n in range(20_000):
        throttle.tried(str(n), 0)
    assert len(throttle._failures) == 10_000
