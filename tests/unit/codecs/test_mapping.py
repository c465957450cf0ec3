"""Formats, paths, columns, units: what each setting makes of a payload, and that nothing costs its neighbours."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime

import cbor2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.quality import BAD_NO_DATA
from bridge.model.reading import Reading

SECOND = 1_790_000_000
TIME_US = SECOND * 1_000_000
CSV = {"format": "csv", "columns": ["ts", "temp", "rpm"]}


def rows(decoded):
    return [(r.tag.name, r.source_time_us - TIME_US, r.value if r.text is None else r.text) for r in decoded.readings]


@pytest.mark.parametrize(("form", "encode"), [("msgpack", msgspec.msgpack.encode), ("cbor", cbor2.dumps)])
def test_binary_formats_give_what_json_gives_and_their_own_timestamps(mapped, form, encode):
    when = datetime.fromtimestamp(SECOND, UTC)
    decoded = mapped("m", encode({"ts": when, "a": 1, "bin": b"\xff", "deep": {"b": True}}), format=form)
    assert rows(decoded) == [("a", 0, 1.0), ("deep.b", 0, 1.0)]
    assert [f.reason for f in decoded.failures] == ["bin: a string of bytes is no value of a reading"]


def test_csv_lines_are_read_each_for_itself(mapped):
    payload = f'ts,temp,rpm\n{SECOND},41.2,8000\n{SECOND},1\r\n{SECOND + 1},,"a, b"\n"x,1\n'.encode()
    decoded = mapped("m", payload, **CSV)
    assert rows(decoded) == [("temp", 0, 41.2), ("rpm", 0, 8000.0), ("temp", 10**6, None), ("rpm", 10**6, "a, b")]
    assert decoded.readings[2].quality == BAD_NO_DATA
    assert [f.payload for f in decoded.failures] == [f"{SECOND},1".encode(), b'"x,1']


def test_a_dead_letter_of_csv_is_read_again_by_its_mapping(mapped):
    [failure] = mapped("m", f"{SECOND},1\n{SECOND},1,2", **CSV).failures
    assert mapped("m", failure.payload, format="csv", columns=["ts", "temp"]).failures == []


def test_csv_with_semicolons_decimal_commas_and_a_column_that_is_not_read(mapped):
    decoded = mapped("m", f"{SECOND};41,2;8", format="csv", separator=";", decimal=",", columns=["ts", "temp", ""])
    assert rows(decoded) == [("temp", 0, 41.2)]


@pytest.mark.parametrize(
    ("payload", "value"), [("41.5", 41.5), (" -1e3\n", -1000.0), ("true", 1.0), ("ON", "ON"), ("1_000", "1_000")]
)
def test_raw_values(mapped, payload, value):
    [reading] = mapped("m/temp", payload, topic="m/{tag}", format="raw").readings
    assert (reading.tag.name, reading.value if reading.text is None else reading.text) == ("temp", value)


def test_levels_that_follow_are_the_tags_name(mapped):
    [reading] = mapped("m/a/b/c", "1", topic="m/{tag#}", format="raw").readings
    assert reading.tag.name == "a.b.c"


def test_rows_take_their_columns_and_a_short_one_costs_no_neighbour(mapped):
    decoded = mapped("m", [[SECOND, 1, 2], [SECOND], [SECOND + 1, 3, 4]], columns=["ts", "a", "b"])
    assert rows(decoded) == [("a", 0, 1.0), ("b", 0, 2.0), ("a", 10**6, 3.0), ("b", 10**6, 4.0)]
    assert [f.reason for f in decoded.failures] == ["[1] 1 cells, and the configuration names 3 columns"]
    assert rows(mapped("m", [SECOND, 1, 2], columns=["ts", "a", "b"])) == [("a", 0, 1.0), ("b", 0, 2.0)]


def test_paths_find_value_time_unit_and_tag(mapped):
    fields = {"time": "h.t", "value": "d.v[0]", "unit": "d.u", "tag": "h.n"}
    content = {"h": {"t": SECOND, "n": "temp"}, "d": {"v": [41.5], "u": "Cel"}}
    [reading] = mapped("m", content, fields=fields).readings
    assert (*rows(mapped("m", content, fields=fields)), reading.unit) == (("temp", 0, 41.5), "Cel")


def test_records_share_the_time_of_their_message(mapped):
    content = {"ts": SECOND, "d": [{"n": "a", "v": 1}, {"n": "b", "v": 2, "ts": SECOND + 1}, {"v": 3}]}
    decoded = mapped("m", content, records="d", fields={"tag": "n", "value": "v"})
    assert rows(decoded) == [("a", 0, 1.0), ("b", 10**6, 2.0)]
    assert len(decoded.failures) == 1


def test_only_chosen_values_are_read(mapped):
    content = {"ts": SECOND, "d": [{"v": 1}, {"v": 2}], "other": 3}
    assert rows(mapped("m", content, values={"x": "d[1].v", "y": "nowhere"})) == [("x", 0, 2.0)]
    assert "none of the paths" in mapped("m", {"z": 1}, values={"y": "nowhere"}).failures[0].reason


def test_what_is_ignored_is_no_dead_letter(mapped):
    decoded = mapped("m", {"ts": SECOND, "a": 1, "raw": [1, 2], "b": {"c": [3]}}, ignore=["raw", "b.*"])
    assert rows(decoded) == [("a", 0, 1.0)]
    assert decoded.failures == []


@pytest.mark.parametrize(
    ("form", "written", "off_us"),
    [
        ("s", SECOND + 0.5, 500_000),
        ("ms", SECOND * 1000 + 1, 1000),
        ("us", TIME_US + 1, 1),
        ("ns", TIME_US * 1000 + 1999, 1),
        ("ms", str(SECOND * 1000), 0),
        ("iso8601", "2026-09-21T14:13:20Z", 0),
        ("auto", SECOND, 0),
    ],
)
def test_a_time_is_read_in_the_form_that_is_named(mapped, form, written, off_us):
    assert rows(mapped("m", {"ts": written, "a": 1}, time_format=form)) == [("a", off_us, 1.0)]


def test_a_time_of_another_form_is_refused_and_none_is_not_used(mapped, now_us):
    assert "not ISO 8601" in mapped("m", {"ts": SECOND, "a": 1}, time_format="iso8601").failures[0].reason
    decoded = mapped("m", {"ts": "whatever", "a": 1}, time_format="none")
    assert rows(decoded) == [("a", now_us - TIME_US, 1.0)]


@pytest.mark.parametrize(
    ("unit", "target", "value", "converted"),
    [
        ("Cel", "[degF]", 25, 77.0),
        ("degF", "Cel", 98.6, 37.0),
        ("kWh", "J", 1, 3_600_000.0),
        ("bar", "kPa", 1.5, 150.0),
        ("rpm", "Hz", 60, 1.0),
    ],
)
def test_units_are_converted_and_the_target_is_stored(mapped, unit, target, value, converted):
    content = {"ts": SECOND, "value": value, "unit": unit}
    [reading] = mapped("m/a", content, topic="m/{tag}", adjust=[{"match": "*", "to_unit": target}]).readings
    assert (reading.value, reading.unit) == (pytest.approx(converted, rel=1e-12), target)


def test_scale_and_offset_come_before_the_conversion(mapped):
    adjust = [{"match": "t*", "scale": 0.1, "offset": -40, "unit": "Cel", "to_unit": "K"}]
    decoded = mapped("m", {"ts": SECOND, "temp": 650, "other": 650, "text": "x"}, adjust=adjust)
    assert [(r.tag.name, r.value, r.unit) for r in decoded.readings if r.text is None] == [
        ("temp", pytest.approx(298.15), "K"),
        ("other", 650.0, ""),
    ]


@pytest.mark.parametrize("unit", ["banana", "m", ""])
def test_a_unit_that_cannot_be_converted_is_a_dead_letter_and_costs_no_neighbour(mapped, unit):
    content = [{"tag": "a", "value": 1, "unit": unit}, {"tag": "a", "value": 2, "unit": "K"}]
    decoded = mapped("m", content, adjust=[{"match": "a", "to_unit": "Cel"}])
    assert [r.value for r in decoded.readings] == [pytest.approx(-271.15)]
    assert "unit" in decoded.failures[0].reason


MAPPINGS = [
    {"format": "json", "records": "a", "fields": {"time": "b.c", "value": "d[0]"}},
    {"format": "json", "columns": ["ts", "a", "b"]},
    {"format": "json", "values": {"x": "a", "y": "b[0].c"}, "adjust": [{"match": "*", "scale": 2, "to_unit": "Cel"}]},
    {"format": "json", "ignore": ["a*"], "clock": {"policy": "clamp", "past": "1 h"}},
    {"format": "msgpack"},
    {"format": "cbor"},
    {"format": "csv", "columns": ["ts", "a", "b"]},
    {"format": "raw", "topic": "{tag}"},
    {"preset": "tasmota", "topic": "+"},
    {"preset": "shelly", "topic": "{tag}"},
    {"preset": "zigbee2mqtt", "topic": "+"},
    {"preset": "esphome", "topic": "{tag}"},
]
CONTENT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["a", "b", SECOND]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["a", "b", "c", "d", "ts", "value", "unit", "params", "method", "Time"]), inner
        )
    ),
    max_leaves=12,
)


def check(decoded, payload):
    for reading in decoded.readings:
        assert isinstance(reading, Reading)
        assert reading.value is None or abs(reading.value) < float("inf")
        assert reading.text is None or "\x00" not in reading.text.encode().decode()
    assert all(isinstance(f.payload, bytes) and f.reason for f in decoded.failures)


@pytest.mark.parametrize("table", MAPPINGS, ids=lambda table: table.get("preset") or "-".join(map(str, table)))
@given(content=CONTENT, junk=st.binary(max_size=60))
def test_any_payload_gives_readings_or_failures_and_never_raises(mapped, table, content, junk):
    topic = {"topic": "m", **table}["topic"]
    encode = {"msgpack": lambda c: msgspec.msgpack.encode(c) if fits(c) else junk, "cbor": cbor2.dumps}
    form = table.get("format", "json")
    payload = (
        encode[form](content) if form in encode else msgspec.json.encode(content, order=None) if fits(content) else junk
    )
    for written in (payload, junk):
        check(mapped("m", written, **{**table, "topic": topic}), written)


def fits(content):
    try:
        msgspec.msgpack.encode(content)
        msgspec.json.encode(content)
    except (OverflowError, UnicodeEncodeError, ValueError):
        return False
    return True


def test_a_neighbour_of_fuzzed_bytes_is_read(mapped):
    """Random damage to good payloads, for some seconds; the many are in the load tests."""
    chance = random.Random(7)
    good = [msgspec.msgpack.encode({"ts": SECOND, "a": 1.5}), cbor2.dumps({"ts": SECOND, "a": 1.5})]
    for form, payload in zip(("msgpack", "cbor"), good, strict=True):
        for _ in range(1000):
            damaged = bytearray(payload)
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            check(mapped("m", bytes(damaged), format=form), damaged)
            assert rows(mapped("m", payload, format=form)) == [("a", 0, 1.5)]


def test_shared_references_of_cbor_do_not_grow_without_bound(mapped):
    layer = ["x"] * 10
    for _ in range(12):
        layer = [layer] * 10
    payload = cbor2.dumps(layer, value_sharing=True)
    assert len(payload) < 2000
    started = time.monotonic()
    decoded = mapped("m", payload, format="cbor")
    assert "more than" in decoded.failures[0].reason
    assert time.monotonic() - started < 60  # it ends at all
