"""100 000 fuzzed payloads through every format and preset: readings or dead letters, never a crash, no neighbour lost."""

from __future__ import annotations

import random

import cbor2
import msgspec
import pytest

from bridge.codecs import CODECS
from bridge.config.settings import MqttSubscription
from bridge.sources.mqtt_topics import Topics

NOW_US = 1_795_000_000_000_000
TS = 1_790_000_000
OBJECT = {"ts": TS, "a": 1.5, "deep": {"value": 2, "unit": "Cel"}, "rows": [{"tag": "x", "value": 1}, [1, 2]]}
JSON = msgspec.json.encode(OBJECT)
GARBAGE = [
    b"\x00",
    b"NaN",
    b"1e400",
    b'"\\ud800"',
    b"[" * 5000,
    b'{"a":' * 3000,
    b"1" * 5000,
    b'{"a":1,"a":2}',
    b"\xff\xfe",
]
CASES = [
    ({}, JSON),
    ({"records": "rows", "fields": {"value": "v", "time": "h.t"}}, JSON),
    ({"values": {"x": "deep.value", "y": "rows[1][0]"}, "time_format": "s"}, JSON),
    ({"adjust": [{"match": "*", "scale": 2, "to_unit": "K"}]}, JSON),
    ({"columns": ["ts", "a", "b"]}, b"[[1790000000,1,2],[1790000001,3,4]]"),
    ({"format": "msgpack"}, msgspec.msgpack.encode(OBJECT)),
    ({"format": "cbor"}, cbor2.dumps(OBJECT)),
    ({"format": "csv", "columns": ["ts", "a", "b"]}, b'1790000000,41.2,"x"\n1790000001,1,2'),
    ({"format": "raw", "topic": "{tag}"}, b"41.25"),
    ({"preset": "tasmota", "topic": "+"}, b'{"Time":"2026-09-01T00:00:00","ENERGY":{"Power":[1,2]},"TempUnit":"C"}'),
    (
        {"preset": "shelly", "topic": "+"},
        b'{"method":"NotifyStatus","params":{"ts":1790000000.5,"switch:0":{"aenergy":{"total":1,"by_minute":[1]}}}}',
    ),
    (
        {"preset": "zigbee2mqtt", "topic": "+"},
        b'{"last_seen":"2026-09-01T00:00:00Z","temperature":20.5,"color":{"x":1}}',
    ),
]


@pytest.mark.parametrize("seed", range(4))
def test_fuzzed_payloads_cost_no_neighbour(seed):
    chance = random.Random(seed)
    for table, good in CASES:
        place = Topics([MqttSubscription.model_validate({"topic": "m", "equipment": "acme/m", **table})]).place("m")
        expected = CODECS["json"](good, place, NOW_US)
        assert expected.readings
        for number in range(2100):
            payload = chance.choice(GARBAGE) if number % 100 == 0 else _damaged(good, chance)
            decoded = CODECS["json"](payload, place, NOW_US)
            assert all(r.value is None or abs(r.value) < float("inf") for r in decoded.readings)
            assert all(type(f.payload) is bytes and f.reason for f in decoded.failures)
        assert CODECS["json"](good, place, NOW_US) == expected


def _damaged(good: bytes, chance: random.Random) -> bytes:
    """A good payload with bytes changed, taken away, doubled."""
    payload = bytearray(good)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(payload))
        match chance.randrange(4):
            case 0:
                payload[at] = chance.randrange(256)
            case 1:
                del payload[at : at + chance.randrange(1, 5)]
            case 2:
                payload[at:at] = payload[: chance.randrange(1, 20)]
            case _:
                payload[at:at] = bytes(chance.choices(b'{}[]":,0129eE-.\\untfal', k=3))
        if not payload:
            return b""
    return bytes(payload)
