"""A run of messages is read as each of them is read carefully, or not at all."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codecs.decoded import Place
from bridge.codecs.json_readings import decode_json
from bridge.codecs.json_run import JsonRun, is_plain_run
from bridge.config.settings import MqttFields

NOW_US = 1_790_000_000_000_000
PLACE = Place("acme/d/a/l/m", "temp", MqttFields())
RUN = JsonRun(MqttFields())
SOUND = b'{"ts":1790000000000,"value":1.5}'

values = st.integers(-(2**70), 2**70) | st.floats() | st.booleans() | st.none() | st.text(max_size=3)
times = st.sampled_from(
    [1_790_000_000_000, 1_790_000_000_001, NOW_US, "2026-09-21T10:00:00Z", "2026-09-21T10:00:00.1234567+02:00"]
) | st.sampled_from([1_790_000_000, "x", -1, 10**18, 10**30, 99_999_999_999_999, None, 1.5, 1.79e12, True])
ones = st.fixed_dictionaries(
    {"value": values},
    optional={
        "ts": times,
        "quality": st.sampled_from(["good", "GOOD", "bad", 0, None]),
        "unit": st.sampled_from(["Cel", "", "\1", "°C", "\ud800", 5, "x" * 65]),
        "x": values,
    },
)
# Beginnings and ends of objects, which together could pass for others.
shreds = st.lists(
    st.sampled_from(
        [SOUND, b",", b"\n", b"{", b"}", b'{"ts":1790000000000', b'"value":2}', b'"value":2', b"[", b"]", b" ", b'"']
    ),
    max_size=6,
).map(b"".join)
plain = st.fixed_dictionaries(
    {
        "value": st.floats(-(2.0**53), 2.0**53) | st.integers(-(2**53), 2**53),
        "ts": st.integers(1_790_000_000_000, 1_790_000_001_000)
        | st.integers(NOW_US - 10**9, NOW_US)
        | st.sampled_from(["2026-09-21T10:00:00Z", "2026-09-21T10:00:00.1234567+02:00", "2026-09-21 10:00:00,5"]),
    },
    optional={"quality": st.just("good"), "unit": st.sampled_from(["Cel", "", "°C", "mm/s"])},
)
written = plain.map(json.dumps) | plain.map(
    lambda content: json.dumps(content, ensure_ascii=False, separators=(",", ":"))
)
mixed = ones.map(json.dumps).map(str.encode) | shreds | st.just(SOUND) | st.binary(max_size=20)
payloads = st.lists(written.map(str.encode), min_size=1, max_size=6) | st.lists(mixed, min_size=1, max_size=5)


def carefully(payload):
    decoded = decode_json(payload, PLACE, NOW_US)
    assert decoded.is_timed
    assert not decoded.failures
    [reading] = decoded.readings
    assert (reading.quality, reading.text, reading.ordinal) == (0, None, 0)
    return reading.source_time_us, reading.value, reading.unit


@given(payloads)
def test_what_a_run_reads_the_careful_way_reads_alike(written):
    if (run := RUN.read(written, NOW_US)) is not None:
        found = list(zip(run.times_us.tolist(), run.values.tolist(), run.units, strict=True))
        assert found == [carefully(payload) for payload in written]


@pytest.mark.parametrize(
    "content",
    [
        {"ts": 1_790_000_000_000, "value": 41.2, "unit": "Cel", "quality": "good"},
        {"value": 7, "ts": NOW_US},
        {"ts": "2026-09-21T10:00:00.5Z", "value": -3.25e-7},
    ],
)
def test_the_plain_forms_are_read(content):
    run = RUN.read([json.dumps(content).encode(), SOUND], NOW_US)
    assert run is not None
    assert run.values.tolist() == [content["value"], 1.5]


@pytest.mark.parametrize(
    "written",
    [
        [SOUND + b",\n" + SOUND, b'{"ts":1790000000000', b'"value":2}'],
        [SOUND + b"," + SOUND, b'{"ts":1790000000000,"value":[{"a":1}', b'{"b":2}]}'],
        [b'{"unit":"}', b'{","ts":1790000000000,"value":1}'],
        [SOUND + b"\n", SOUND],
        [b"", SOUND],
        [SOUND, b""],
    ],
)
def test_messages_that_only_together_are_objects_are_refused(written):
    assert RUN.read(written, NOW_US) is None


def test_a_name_that_stands_for_two_parts_is_not_read_in_runs():
    assert is_plain_run(MqttFields())
    assert not is_plain_run(MqttFields(time="value"))
