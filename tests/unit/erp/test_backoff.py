from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from bridge.erp.backoff import Backoff

BACKOFF = Backoff(timedelta(seconds=1), timedelta(seconds=30))


def test_ceiling_doubles_with_every_failure_up_to_the_cap():
    ceilings = [BACKOFF.delay(n, 1.0).total_seconds() for n in range(1, 8)]
    assert ceilings == [1, 2, 4, 8, 16, 30, 30]


@given(st.integers(min_value=0, max_value=10**9), st.floats(min_value=0, max_value=1, exclude_max=True))
def test_delay_stays_between_nothing_and_the_cap_after_any_number_of_failures(attempts, chance):
    assert timedelta(0) <= BACKOFF.delay(attempts, chance) <= BACKOFF.cap


def test_jitter_covers_the_whole_of_the_ceiling():
    assert BACKOFF.delay(4, 0.0) == timedelta(0)
    assert BACKOFF.delay(4, 0.5) == timedelta(seconds=4)


@given(st.integers(min_value=1, max_value=100), st.floats(min_value=0, max_value=1, exclude_max=True))
def test_retry_after_is_never_undercut_even_above_the_cap(attempts, chance):
    asked = timedelta(minutes=5)
    assert BACKOFF.delay(attempts, chance, asked) >= asked
