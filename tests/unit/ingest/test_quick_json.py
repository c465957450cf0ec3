"""The quick way reads what it reads as the careful way does, and leaves the rest to it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codecs.decoded import Place
from bridge.codecs.json_readings import decode_json
from bridge.codecs.quick_json import QuickJson
from bridge.config.settings import MqttFields
from bridge.model.numbers import NumbersInHand, TagNumbers

NOW_US = 1_790_000_000_000_000
NAMED = Place("acme/d/a/l/m", "temp", MqttFields())
OPEN = Place("acme/d/a/l/m", None, MqttFields())

numbers = st.integers(-(2**70), 2**70) | st.floats() | st.integers(-10, 10)
values = (
    numbers
    | st.none()
    | st.booleans()
    | st.text(max_size=5)
    | st.dictionaries(st.text(max_size=2), st.integers(), max_size=2)
)
times = st.sampled_from(
    [1_790_000_000_000, 1_790_000_000, NOW_US, "2026-09-21T10:00:00Z", "x", -1, 10**18, None, 1.5, True]
)
qualities = st.sampled_from(["good", "bad", 0, None, "?"])
names = st.sampled_from(["a", "b.c", "", "x\0", "ts", "\ud800"]) | st.text(max_size=4)
ones = st.fixed_dictionaries(
    {"value": values},
    optional={
        "ts": times,
        "tag": names | values,
        "quality": qualities,
        "unit": st.sampled_from(["Cel", "\1", 5]),
        "x": values,
    },
)
manies = st.dictionaries(names, values, max_size=4).flatmap(lambda m: times.map(lambda t: {"ts": t, **m}))


def read(quick, payload):
    """What the quick way makes of a message, one by one; None where it leaves it."""
    readings, numbers = [], NumbersInHand(TagNumbers())
    is_read = quick.read(payload, NOW_US, readings, numbers)
    if (columns := numbers.done()) is not None:
        readings += columns.readings()
    assert is_read or not readings
    return readings if is_read else None


@given(st.sampled_from([NAMED, OPEN]), ones | manies | st.lists(ones, max_size=4) | values)
def test_what_it_reads_the_careful_way_reads_alike(place, content):
    payload = json.dumps(content).encode()
    readings = read(QuickJson(place), payload)
    if readings is not None:
        decoded = decode_json(payload, place, NOW_US)
        assert readings == decoded.readings
        assert [type(r.value) for r in readings] == [type(r.value) for r in decoded.readings]
        assert decoded.is_timed
        assert not decoded.failures


@pytest.mark.parametrize(
    ("place", "content", "count"),
    [
        (NAMED, {"ts": 1_790_000_000_000, "value": 41.2, "unit": "Cel"}, 1),
        (NAMED, {"ts": NOW_US, "value": 41, "quality": "good"}, 1),
        (OPEN, {"ts": "2026-09-21T10:00:00.5Z", "tag": "t", "value": 41}, 1),
        (OPEN, {"ts": 1_790_000_000_000, "a": 1, "b": 2.5}, 2),
        (OPEN, [{"ts": 1_790_000_000_000, "tag": "t", "value": n} for n in (1,)], 1),
        (OPEN, [{"ts": 1_790_000_000_000 + n, "tag": "t", "value": n} for n in range(3)], 3),
    ],
)
def test_the_common_forms_are_read(place, content, count):
    readings = read(QuickJson(place), json.dumps(content).encode())
    assert readings == decode_json(json.dumps(content).encode(), place, NOW_US).readings
    assert len(readings) == count


@given(st.binary(max_size=60))
def test_any_bytes_are_read_alike_or_left(payload):
    readings = read(QuickJson(NAMED), payload)
    if readings is not None:
        assert readings == decode_json(payload, NAMED, NOW_US).readings
