"""What the tests of codecs share: a subscription written as in the file, and what it makes of a payload."""

from __future__ import annotations

import json

import pytest

from bridge.codecs import CODECS
from bridge.config.settings import MqttSubscription
from bridge.sources.mqtt_topics import Topics

NOW_US = 1_795_000_000_000_000  # 2026-11-18T11:06:40Z


@pytest.fixture(scope="session")
def mapped():
    """(topic, payload, **subscription) -> Decoded."""

    def decode(arrived_on, payload, **table):
        written = payload if isinstance(payload, bytes) else payload.encode() if isinstance(payload, str) else None
        table = {"equipment": "acme/m", "topic": arrived_on, **table}
        if "preset" in table and table["topic"] == arrived_on:
            del table["topic"]
        place = Topics([MqttSubscription.model_validate(table)]).place(arrived_on)
        return CODECS["json"](json.dumps(payload).encode() if written is None else written, place, NOW_US)

    return decode


@pytest.fixture(scope="session")
def brief():
    """Decoded -> name: value, with its unit where it has one."""

    def told(decoded):
        assert decoded.failures == []
        values = {r.tag.name: r.value if r.text is None else r.text for r in decoded.readings}
        units = {r.tag.name: r.unit for r in decoded.readings if r.unit}
        return {name: (value, units[name]) if name in units else value for name, value in values.items()}

    return told


@pytest.fixture(scope="session")
def now_us():
    return NOW_US
