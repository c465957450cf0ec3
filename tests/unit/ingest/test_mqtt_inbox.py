"""The inbox keeps messages in order and within its bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sources.mqtt_inbox import MAX_BYTES, Inbox

QOS_0, QOS_1, AGAIN = 0x30, 0x32, 0x3A


def message(first=QOS_1, number=1, payload=b"x"):
    return (first, 0 if first == QOS_0 else number, b"t", payload)


@given(st.lists(st.integers(1, 40), max_size=10), st.integers(1, 25))
def test_every_message_is_taken_once_in_order_and_at_an_instant_of_its_own(sizes, limit):
    inbox, sent, found, instants = Inbox(10_000), [], [], []
    for size in sizes:
        messages = [message(number=len(sent) + n) for n in range(size)]
        sent += messages
        assert inbox.put(1, list(messages), now_us=1000) == 0
    while inbox.messages:
        arrived = inbox.take(limit)
        assert len(arrived.publishes) <= limit
        found += arrived.publishes
        instants += range(arrived.first_us, arrived.first_us + len(arrived.publishes))
    assert found == sent
    assert len(set(instants)) == len(sent)


def test_a_full_inbox_takes_qos_1_and_counts_what_it_did_not_take_of_qos_0():
    inbox = Inbox(2)
    assert inbox.put(1, [message(), message(QOS_0)], 1) == 0
    assert inbox.is_full
    assert inbox.put(1, [message(QOS_0), message(number=2), message(QOS_0)], 2) == 2
    assert inbox.messages == 3


def test_it_is_full_by_bytes_too_and_has_room_at_the_half():
    inbox = Inbox(1000)
    inbox.put(1, [message(payload=bytes(MAX_BYTES // 2)) for _ in range(2)], 1)
    assert inbox.is_full
    inbox.take(1)
    assert not inbox.is_full
    assert not inbox.has_room
    inbox.take(1)
    assert inbox.has_room


def everything(inbox):
    found = []
    while inbox.messages:
        found += inbox.take(100).publishes
    return found


def test_a_message_that_came_again_is_there_once_and_the_others_of_the_lost_connection_stay():
    inbox = Inbox(100)
    inbox.put(1, [message(number=1), message(QOS_0), message(number=2), message(number=3, payload=b"old")], 1)
    inbox.put(2, [message(AGAIN, 2), message(AGAIN, 3, b"new"), message(number=4)], 2)
    inbox.forget_repeated()
    assert everything(inbox) == [
        message(number=1), message(QOS_0), message(number=3, payload=b"old"),
        message(AGAIN, 2), message(AGAIN, 3, b"new"), message(number=4),
    ]  # fmt: skip


def test_a_message_that_came_again_twice_is_there_once():
    inbox = Inbox(100)
    for generation in (1, 2, 3):
        inbox.put(generation, [message(AGAIN if generation > 1 else QOS_1, 1)], generation)
        inbox.forget_repeated()
    assert everything(inbox) == [message(AGAIN, 1)]


@given(st.lists(st.tuples(st.sampled_from([QOS_0, QOS_1, AGAIN]), st.integers(1, 4)), max_size=30))
def test_no_message_is_gone_from_all_connections(sent):
    inbox, kept = Inbox(1000), set()
    for generation, (first, number) in enumerate(sent, 1):
        inbox.put(generation, [message(first, number)], generation)
        kept.add(message(first, number)[1:])
    inbox.forget_repeated()
    assert {publish[1:] for publish in everything(inbox)} == kept


def test_large_messages_are_taken_a_few_at_a_time_and_at_least_one():
    inbox = Inbox(100)
    inbox.put(1, [message(number=n, payload=bytes(1000)) for n in range(10)], 1)
    assert len(inbox.take(100, 3000).publishes) == 3
    assert len(inbox.take(2, 3000).publishes) == 2
    assert len(inbox.take(100, 10).publishes) == 1
    assert len(inbox.take(100).publishes) == 4


def test_an_empty_inbox_has_nothing_to_take():
    with pytest.raises(IndexError):
        Inbox(1).take(1)
