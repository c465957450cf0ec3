"""The histories of many nodes come as one stream in the order of source time, however their pages fall."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.reading import DeadLetter, Reading, TagKey, instant
from bridge.sources.opcua_history import NodeHistory, deliver_in_order
from bridge.sources.opcua_items import Item

BEGAN_US = 1_795_000_000_000_000


def value(second: int, content: object) -> ua.DataValue:
    when = instant(BEGAN_US + second * 1_000_000)
    return ua.DataValue(ua.Variant(content), SourceTimestamp=when, ServerTimestamp=when)


def item(number: int) -> Item:
    return Item(number, TagKey("acme/dortmund", f"tag{number}"), "", f"nsu=urn:x;s=tag{number}")


async def pages(values: Sequence[ua.DataValue], size: int) -> AsyncIterator[list[ua.DataValue]]:
    for position in range(0, len(values), size):
        yield list(values[position : position + size])


def no_dead_letter(item: Item, _value: ua.DataValue, reason: str) -> DeadLetter:
    return DeadLetter("line2", item.address, b"", reason, datetime.now(UTC))


@given(st.lists(st.tuples(st.sets(st.integers(0, 200), max_size=40), st.integers(1, 7)), min_size=1, max_size=5))
async def test_readings_of_all_nodes_come_in_the_order_of_time_and_none_is_missing(
    nodes: list[tuple[set[int], int]],
) -> None:
    delivered: list[Reading] = []

    async def deliver(readings: Sequence[Reading], _dead: Sequence[DeadLetter]) -> None:
        delivered.extend(readings)

    histories = [
        NodeHistory(item(number), None, pages([value(s, float(s)) for s in sorted(seconds)], size), no_dead_letter)
        for number, (seconds, size) in enumerate(nodes)
    ]
    noted: list[Reading] = []
    await deliver_in_order(histories, noted.append, deliver)
    times = [reading.source_time_us for reading in delivered]
    assert times == sorted(times)
    assert noted == delivered
    assert sorted((r.tag.name, r.value) for r in delivered) == sorted(
        (f"tag{number}", float(second)) for number, (seconds, _) in enumerate(nodes) for second in seconds
    )


async def test_value_that_cannot_be_stored_is_a_dead_letter_and_costs_no_neighbour() -> None:
    delivered: list[Reading] = []
    dead: list[DeadLetter] = []

    async def deliver(readings: Sequence[Reading], letters: Sequence[DeadLetter]) -> None:
        delivered.extend(readings)
        dead.extend(letters)

    values = [value(1, 1.0), value(2, float("inf")), value(3, 3.0)]
    await deliver_in_order([NodeHistory(item(0), None, pages(values, 2), no_dead_letter)], lambda _: None, deliver)
    assert [reading.value for reading in delivered] == [1.0, 3.0]
    assert len(dead) == 1
