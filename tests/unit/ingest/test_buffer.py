"""The buffer closes batches by rows or by age, and says when it is full."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.settings import IngestSettings
from bridge.ingest.buffer import Buffer
from bridge.model.reading import Reading, TagKey
from bridge.sources.delivery import Delivery

NOW = datetime(2026, 9, 21, tzinfo=UTC)
READING = Reading(TagKey("a", "b"), 0, 0, 1.0, None, 0)


def buffer(**limits):
    return Buffer(IngestSettings(**{"max_rows": 10, "max_age_ms": 20, "max_pending_rows": 30, **limits}))


def delivery(rows):
    return Delivery([READING] * rows, NOW)


def test_an_empty_buffer_has_nothing_due():
    assert buffer().due_in(5.0) is None
    with pytest.raises(IndexError):
        buffer().take()


def test_a_batch_closes_when_its_first_delivery_is_old_enough():
    held = buffer()
    held.add(delivery(1), 5.0)
    held.add(delivery(1), 5.015)
    assert held.due_in(5.015) == pytest.approx(0.005)
    assert held.due_in(5.02) == 0


def test_a_batch_closes_at_its_rows_whatever_its_age():
    held = buffer()
    held.add(delivery(9), 5.0)
    assert held.due_in(5.0) == pytest.approx(0.02)
    held.add(delivery(1), 5.0)
    assert held.due_in(5.0) == 0


def test_a_delivery_larger_than_a_batch_is_a_batch_of_its_own():
    held = buffer()
    held.add(delivery(2), 5.0)
    held.add(delivery(25), 5.0)
    assert [len(d.readings) for d in held.take()] == [2]
    assert [len(d.readings) for d in held.take()] == [25]


def test_it_is_full_at_its_limit_and_has_room_again_after_a_batch():
    held = buffer(max_rows=300, max_pending_rows=900)
    for _ in range(3):
        assert not held.is_full
        held.add(delivery(300), 5.0)
    assert held.is_full
    held.take()
    assert not held.is_full


@pytest.mark.parametrize("rows", [0, 1])
def test_many_small_deliveries_fill_it_with_fewer_readings_than_few_large_ones(rows):
    held = buffer(max_pending_rows=110)
    for _ in range(10):
        assert not held.is_full
        held.add(delivery(rows), 5.0)
    assert held.is_full
    assert held.rows == 10


def test_a_delivery_without_readings_counts_as_one():
    held = buffer(max_rows=2)
    held.add(delivery(0), 5.0)
    assert held.due_in(5.0) == pytest.approx(0.02)
    held.add(delivery(0), 5.0)
    assert held.due_in(5.0) == 0


@given(st.lists(st.integers(0, 15), max_size=40))
def test_every_delivery_is_taken_once_and_in_order(sizes):
    held = buffer()
    deliveries = [delivery(size) for size in sizes]
    for one in deliveries:
        held.add(one, 5.0)
    taken = []
    while held.due_in(9.0) is not None:
        taken += held.take()
    assert all(a is b for a, b in zip(taken, deliveries, strict=True))
    assert held.rows == 0
