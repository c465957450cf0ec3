"""Messages that are read together give what each of them gives alone, whatever stands between them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.settings import MqttSettings
from bridge.sources import mqtt_decoding
from bridge.sources.mqtt_decoding import Decoding
from bridge.sources.mqtt_inbox import Arrived

NOW_US = 1_790_000_000_000_000
SUBSCRIBE = [
    {"topic": "p/{machine}/tag/{tag}", "equipment": "acme/d/a/l/{machine}"},
    {"topic": "q/{machine}/{tag}", "equipment": "acme/d/b/l/{machine}", "fields": {"time": "t", "value": "v"}},
    {"topic": "p/{machine}/many", "equipment": "acme/d/a/l/{machine}"},
]
SETTINGS = {"name": "test", "type": "mqtt", "lane": 1, "url": "mqtt://h", "subscribe": SUBSCRIBE}

topics = st.sampled_from(
    [b"p/m1/tag/a", b"p/m2/tag/a", b"p/m1/tag/b", b"q/m1/a", b"p/m1/many", b"p/\xff/tag/a", b"unknown"]
)
contents = st.sampled_from(
    [
        {"ts": NOW_US // 1000, "value": 1.5, "unit": "Cel"},
        {"ts": NOW_US, "value": 2},
        {"t": "2026-09-21T10:00:00Z", "v": 3},
        {"ts": NOW_US, "a": 1, "b": 2.5},
        {"ts": NOW_US, "a": 2**60, "b": 2.5},
        {"ts": NOW_US, "value": "running"},
        {"value": 4},
        {},
        5,
    ]
).map(lambda content: json.dumps(content).encode())
payloads = contents | st.sampled_from([b"", b"{", b"\xff"])
messages = st.tuples(st.sampled_from([0x30, 0x32, 0x3A, 0x33]), topics, payloads)


def decoding():
    return Decoding(MqttSettings.model_validate(SETTINGS))


def publishes(sent):
    return [(first, 0 if first == 0x30 else n + 1, topic, payload) for n, (first, topic, payload) in enumerate(sent)]


def everything(taken):
    """Readings and dead letters, in no order: those in columns come by themselves."""
    readings = [*taken.readings, *(taken.numbers.readings() if taken.numbers else [])]
    return (
        sorted(map(repr, readings)),
        sorted(map(repr, taken.dead)),
        sorted(map(repr, taken.repeated)),
        taken.packet_ids,
    )


def one_by_one(sent, first_us):
    taken = mqtt_decoding.Taken()
    for n, publish in enumerate(publishes(sent)):
        found = decoding().decode(Arrived(1, first_us + n, [publish]))
        taken.readings += [*found.readings, *(found.numbers.readings() if found.numbers else [])]
        taken.dead += found.dead
        taken.repeated += found.repeated
        taken.packet_ids += found.packet_ids
    return everything(taken)


@given(st.lists(st.lists(messages, min_size=1, max_size=40), min_size=1, max_size=4))
def test_what_is_read_together_is_what_is_read_one_by_one(deliveries):
    reader = decoding()
    for n, sent in enumerate(deliveries):
        first_us = NOW_US + 1000 * n
        assert everything(reader.decode(Arrived(1, first_us, publishes(sent)))) == one_by_one(sent, first_us)


@pytest.mark.parametrize("limit", ["_KEPT", "_TAGS"])
def test_what_is_remembered_is_forgotten_at_its_limit_and_read_anew(limit, monkeypatch):
    monkeypatch.setattr(mqtt_decoding, limit, 3)
    reader = decoding()
    for n in range(6):
        sent = [(0x32, b"p/m%d/tag/a" % m, b'{"ts":%d,"value":%d}' % (NOW_US, m)) for m in range(n, n + 20)]
        sent += [(0x32, b"p/m1/many", json.dumps({"ts": NOW_US, f"k{n}": 1, "k": 2}).encode())]
        assert everything(reader.decode(Arrived(1, NOW_US, publishes(sent)))) == one_by_one(sent, NOW_US)


def test_an_odd_message_has_its_topic_read_one_by_one_for_a_while_and_costs_the_others_nothing(monkeypatch):
    monkeypatch.setattr(mqtt_decoding, "_ONE_BY_ONE", 4)
    reader = decoding()
    plain = [(0x32, b"p/m%d/tag/a" % (n % 5), b'{"ts":%d,"value":1}' % (NOW_US + n)) for n in range(20)]
    odd = [*plain, (0x32, b"p/m1/tag/a", b'{"value":1}')]

    def alone(sent):
        return [
            reading.tag.equipment[-2:]
            for reading in reader.decode(Arrived(1, NOW_US + 10**6, publishes(sent))).readings
        ]

    assert len(alone(plain)) == 20  # topics that are seen for the first time
    assert alone(plain) == []
    assert len(alone(odd)) == 21
    assert alone(plain) == []  # m1 has come more often than that since


def test_the_careful_way_and_the_runs_agree_on_the_tag_of_a_topic():
    reader = decoding()
    sent = [(0x32, b"q/m1/a", b'{"t":%d,"v":%d}' % (NOW_US, n)) for n in range(9)]
    first = reader.decode(Arrived(1, NOW_US, publishes(sent)))
    second = reader.decode(Arrived(1, NOW_US, publishes(sent)))
    assert second.readings == []
    assert {reading.tag for reading in second.numbers.readings()} == {reading.tag for reading in first.readings}
