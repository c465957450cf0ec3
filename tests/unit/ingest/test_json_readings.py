"""JSON payloads: every form, every bad element alone."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codecs import CODECS
from bridge.codecs.decoded import Place
from bridge.codecs.json_readings import decode_json
from bridge.config.settings import MqttFields
from bridge.model.quality import BAD, BAD_NO_DATA, GOOD, UNCERTAIN
from bridge.model.reading import TagKey

NOW_US = 1_790_000_000_000_000
EQUIPMENT = "acme/dortmund/test/line/m1"


def decode(content, tag=None):
    payload = content if isinstance(content, bytes) else json.dumps(content).encode()
    return decode_json(payload, Place(EQUIPMENT, tag, MqttFields()), NOW_US)


def brief(decoded):
    return [
        (r.tag.name, r.source_time_us, r.ordinal, r.value if r.text is None else r.text, r.quality, r.unit)
        for r in decoded.readings
    ]


def test_an_object_with_a_value_is_one_reading_of_the_topics_tag():
    decoded = decode({"value": 41.2, "unit": "Cel", "ts": "2026-09-21T14:13:20.123456Z", "quality": "good"}, tag="temp")
    assert brief(decoded) == [("temp", NOW_US + 123_456, 0, 41.2, GOOD, "Cel")]
    assert decoded.readings[0].tag == TagKey(EQUIPMENT, "temp")


def test_without_a_tag_in_the_topic_the_payload_names_it():
    assert brief(decode({"tag": "rpm", "value": 8000, "ts": NOW_US}))[0][:4] == ("rpm", NOW_US, 0, 8000.0)
    assert decode({"value": 1, "ts": NOW_US}).failures[0].reason == "tag: missing, and the topic names no tag"


def test_an_object_of_many_gives_one_reading_a_key_and_nested_ones_flatten_with_dots():
    content = {
        "ts": NOW_US,
        "quality": "uncertain",
        "state": "EXECUTE",
        "spindle": {"temp": 41, "rpm": {"value": 9, "unit": "1/min"}},
    }
    assert brief(decode(content)) == [
        ("state", NOW_US, 0, "EXECUTE", UNCERTAIN, ""),
        ("spindle.temp", NOW_US, 0, 41.0, UNCERTAIN, ""),
        ("spindle.rpm", NOW_US, 0, 9.0, UNCERTAIN, "1/min"),
    ]


def test_an_array_holds_either_form():
    content = [{"tag": "a", "value": 1, "ts": NOW_US}, {"ts": NOW_US + 1, "b": True, "c": None}]
    assert [row[:5] for row in brief(decode(content))] == [
        ("a", NOW_US, 0, 1.0, GOOD),
        ("b", NOW_US + 1, 0, 1.0, GOOD),
        ("c", NOW_US + 1, 0, None, BAD_NO_DATA),
    ]


def test_a_bare_value_is_a_reading_where_the_topic_names_the_tag():
    assert brief(decode(b"41.5", tag="temp")) == [("temp", NOW_US, 0, 41.5, GOOD, "")]
    assert not decode(b"41.5", tag="temp").is_timed
    assert decode(b"41.5").failures[0].reason == "a number alone, and the topic names no tag"


@pytest.mark.parametrize(
    ("written", "microseconds"),
    [
        (b'"2026-09-21T14:13:20Z"', NOW_US),
        (b'"2026-09-21T16:13:20.000001+02:00"', NOW_US + 1),
        (b'"2026-09-21 14:13:20"', NOW_US),
        (b"1790000000", NOW_US),
        (b"1790000000.123456", NOW_US + 123_456),
        (b"1790000000000", NOW_US),
        (b"1790000000000.123", NOW_US + 123),
        (b"1790000000000.999", NOW_US + 999),
        (b"1790000000000001", NOW_US + 1),
        (b"1790000000000001999", NOW_US + 1),
    ],
)
def test_a_time_is_kept_to_the_microsecond(written, microseconds):
    decoded = decode(b'{"value":1,"ts":' + written + b"}", tag="a")
    assert decoded.failures == []
    assert decoded.readings[0].source_time_us == microseconds


@given(st.integers(0, 86_400_000_000 - 1))
def test_milliseconds_with_three_decimals_are_exact(offset_us):
    time_us = NOW_US + offset_us
    written = f"{time_us // 1000}.{time_us % 1000:03d}"
    assert decode(f'{{"value":1,"ts":{written}}}'.encode(), tag="a").readings[0].source_time_us == time_us


@pytest.mark.parametrize(
    "written",
    ['"1601-01-01T00:00:00Z"', '"2099-01-01T00:00:00Z"', "-1", '"yesterday"', "true", "[]", "1e400", '"2026-09-21"'],
)
def test_a_time_that_is_not_believed_is_a_failure_that_names_the_field(written):
    decoded = decode(f'{{"ts":{written},"a":1,"b":2}}'.encode())
    assert decoded.readings == []
    assert [f.reason.startswith("ts: ") for f in decoded.failures] == [True]


@pytest.mark.parametrize(
    "bad",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "-1e400",
        "9007199254740993",
        "1" * 30,
        "1" * 5000,
        '"a\\u0000b"',
        "[1,2]",
        "{}",
        '"\\ud800"',
    ],
)
def test_a_bad_value_costs_no_neighbour(bad):
    decoded = decode(f'{{"ts":{NOW_US},"before":1,"bad":{bad},"after":"x"}}'.encode())
    assert [row[0] for row in brief(decoded)] == ["before", "after"]
    assert len(decoded.failures) == 1
    assert decoded.failures[0].reason.startswith("bad: ")
    assert b'"bad"' in decoded.failures[0].payload
    assert b"before" not in decoded.failures[0].payload


def test_each_bad_element_of_an_array_is_its_own_failure_with_its_bytes():
    content = [
        {"tag": "a", "value": 1},
        7,
        {"tag": "b", "value": 2, "ts": "never"},
        {"tag": "", "value": 3},
        {"tag": "c", "value": 4},
    ]
    decoded = decode(content)
    assert [row[0] for row in brief(decoded)] == ["a", "c"]
    assert [f.payload for f in decoded.failures] == [
        b"7",
        b'{"tag":"b","value":2,"ts":"never"}',
        b'{"tag":"","value":3}',
    ]
    assert [f.reason[:3] for f in decoded.failures] == ["[1]", "[2]", "[3]"]


def test_the_same_tag_and_time_twice_counts_up_and_without_times_too():
    timed = [{"tag": "a", "value": n, "ts": NOW_US} for n in range(3)]
    untimed = [{"tag": "a", "value": n} for n in range(2)]
    assert [row[2:4] for row in brief(decode(timed))] == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert [row[2:4] for row in brief(decode(untimed))] == [(0, 0.0), (1, 1.0)]


@pytest.mark.parametrize(
    ("written", "code"),
    [("good", GOOD), ("BAD", BAD), ("uncertain", UNCERTAIN), (0x80340000, 0x80340000), (None, GOOD)],
)
def test_quality_is_a_word_or_a_status_code(written, code):
    assert decode({"value": 1, "quality": written}, tag="a").readings[0].quality == code


@pytest.mark.parametrize("written", ["fine", 2**32, -1, 1.5, True, []])
def test_another_quality_is_a_failure(written):
    decoded = decode({"value": 1, "quality": written}, tag="a")
    assert decoded.readings == []
    assert decoded.failures[0].reason.startswith("quality: ")


def test_bytes_that_are_no_json_are_one_failure_with_the_same_bytes():
    for payload in (b"", b"\xff\xfe\x00", b'{"a":', b"[" * 100_000, b"{'a': 1}"):
        decoded = decode(payload)
        assert decoded.readings == []
        assert [f.payload for f in decoded.failures] == [payload]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@given(content=ANYTHING, tag=st.none() | st.just("t"))
def test_any_json_gives_storable_readings_or_failures_and_never_raises(codec, content, tag):
    _check(codec(json.dumps(content).encode(), Place(EQUIPMENT, tag, MqttFields()), NOW_US))


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@given(payload=st.binary(max_size=200))
def test_any_bytes_give_storable_readings_or_failures_and_never_raise(codec, payload):
    _check(codec(payload, Place(EQUIPMENT, None, MqttFields()), NOW_US))


@given(ANYTHING)
def test_a_neighbour_of_anything_is_read(content):
    decoded = decode(
        [{"tag": "first", "value": 1, "ts": NOW_US}, content, {"tag": "last", "value": 2, "ts": NOW_US + 1}]
    )
    names = [r.tag.name for r in decoded.readings]
    assert names[0] == "first"
    assert names[-1] == "last"


def _check(decoded):
    keys = [(r.tag, r.source_time_us, r.ordinal) for r in decoded.readings]
    assert len(set(keys)) == len(keys)
    for reading in decoded.readings:
        assert reading.value is None or math.isfinite(reading.value)
        assert reading.value is None or reading.text is None
        assert "\x00" not in (reading.text or "") + reading.tag.name
        (reading.text or "").encode()
        assert 0 <= reading.quality <= 0xFFFF_FFFF
        assert 0 <= reading.source_time_us <= NOW_US + 86_400_000_000
    for failure in decoded.failures:
        assert isinstance(failure.payload, bytes)
        assert "\x00" not in failure.reason
