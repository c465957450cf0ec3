"""Mapping with a real broker: what is listened to, what is proposed, and what the bridge stores of it."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import cbor2
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.integration.ingest.ingest_stage import EPOCH_MS, mqtt_settings, publishing, query, running, subscribed, until
from tests.program import run

HEAD = '[plant]\nname = "A plant"\n[database]\ndsn = "postgresql://127.0.0.1/amor"\n'
SOURCE = """\
[[source]]
name = "line1"
type = "mqtt"
lane = 1
url = "mqtt://127.0.0.1"
[[source.subscribe]]
topic = "acme/{machine}/{tag}"
equipment = "acme/{machine}"
fields = { value = "d.v", time = "t", unit = "d.u" }
[[source.subscribe.adjust]]
match = "*.temp"
to_unit = "Cel"
"""


def amor(*arguments: str | Path, written: bytes = b"") -> subprocess.CompletedProcess[str]:
    return run("bridge.cli", *map(str, arguments), stdin=written)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "amor.toml"
    file.write_text(HEAD + SOURCE)
    return file


MESSAGE = '{"t": "2026-11-21T05:00:00Z", "d": {"v": 98.6, "u": "degF"}}'


def test_map_shows_the_reading_that_a_message_would_become(config):
    result = amor("map", "-c", config, "--topic", "acme/cnc1/spindle.temp", "--payload", MESSAGE)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0] == "equipment acme/cnc1"
    assert result.stdout.splitlines()[2].split() == [
        "spindle.temp",
        "37",
        "Cel",
        "2026-11-21T05:00:00Z",
        "good",
        "0x00000000",
    ]


def test_map_takes_a_file_standard_input_and_hexadecimal_digits(config, tmp_path):
    (tmp_path / "payload").write_text(MESSAGE)
    arguments = ("map", "-c", config, "--source", "line1", "--topic", "acme/cnc1/spindle.temp", "--payload")
    shown = amor(*arguments, MESSAGE).stdout
    assert amor(*arguments, f"@{tmp_path / 'payload'}").stdout == shown
    assert amor(*arguments, "-", written=MESSAGE.encode()).stdout == shown
    assert amor(*arguments, MESSAGE.encode().hex(), "--hex").stdout == shown


@pytest.mark.parametrize(
    ("topic", "payload", "words"),
    [
        ("acme/cnc1/spindle.temp", '{"d": {"v": 1, "u": "banana"}}', "dead letter spindle.temp: unit: 'banana'"),
        ("acme/cnc1/spindle.temp", "not json", "dead letter not JSON"),
        ("elsewhere", "1", "no subscription of the configuration matches it"),
        ("acme/cnc1/a", "@nowhere", "the payload nowhere cannot be read"),
    ],
)
def test_map_says_why_nothing_was_mapped_and_ends_with_1(config, topic, payload, words):
    result = amor("map", "-c", config, "--topic", topic, "--payload", payload)
    assert result.returncode == 1
    assert words in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def test_what_listen_proposes_is_valid_and_maps_what_was_heard(broker, tmp_path):
    now_ms = int(time.time() * 1000)
    messages = {
        "heard/line1/cnc1/tag/temp": json.dumps({"value": 41.2, "ts": now_ms, "unit": "Cel"}).encode(),
        "heard/line1/cnc2/tag/rpm": json.dumps({"value": 8000, "ts": now_ms}).encode(),
        "heard/p7/pressure": b"41.5",
        "heard/packer": cbor2.dumps({"timestamp": now_ms, "speed": 12}),
        "heard/scale/line/csv/now": f"{now_ms};12,5;kg".encode(),
        "tele/heardlamp/SENSOR": b'{"Time":"2026-11-21T05:00:00","ENERGY":{"Power":5}}',
    }
    _retain(broker.url, messages)
    proposal = tmp_path / "proposal.toml"
    try:
        result = amor("listen", "--url", broker.url, "--seconds", "2", "--out", proposal)
        assert result.returncode == 0, result.stderr
        nothing = amor("listen", "--url", broker.url, "--seconds", "0.5", "--filter", "nowhere/#")
    finally:
        _retain(broker.url, dict.fromkeys(messages, b""))
    config = tmp_path / "amor.toml"
    config.write_text(HEAD + proposal.read_text())
    assert amor("check", config).returncode == 0
    assert "heard/line1/{machine}/tag/{tag}" in proposal.read_text()
    for topic, payload in messages.items():
        mapped = amor("map", "-c", config, "--topic", topic, "--payload", payload.hex(), "--hex")
        assert mapped.returncode == 0, (topic, mapped.stdout)
        assert "dead letter" not in mapped.stdout
    assert nothing.returncode == 1
    assert "nothing was published" in nothing.stderr


def test_listen_says_in_a_sentence_that_the_broker_is_away():
    result = amor("listen", "--url", "mqtt://127.0.0.1:1")
    assert result.returncode == 1
    assert "cannot be reached" in result.stderr
    assert "Traceback" not in result.stderr


async def test_mapped_readings_are_stored_and_a_wrong_clock_is_kept_aside(database_dsn, broker):
    settings = mqtt_settings(
        database_dsn,
        broker.url,
        "mapped",
        clock={"policy": "quarantine", "future": "1 h"},
        subscribe=[
            {
                "topic": "mapped/{machine}/csv",
                "equipment": "acme/{machine}",
                "format": "csv",
                "columns": ["ts", "temp"],
                "adjust": [{"match": "temp", "unit": "[degF]", "to_unit": "Cel"}],
            },
            {"topic": "mapped/{machine}/{tag}/state", "equipment": "acme/{machine}", "format": "raw"},
        ],
    )
    ahead_ms = int(time.time() * 1000) + 3 * 3_600_000
    client = paho.Client(CallbackAPIVersion.VERSION2)
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            _retain(broker.url, {}, client)
            client.publish("mapped/m1/csv", f"{EPOCH_MS},212\n{ahead_ms},1\n{EPOCH_MS + 1000},32", qos=1)
            client.publish("mapped/m1/door/state", "OPEN", qos=1)
            await until(database_dsn, "select count(*) from reading", lambda n: n == 3)
            await until(database_dsn, "select count(*) from dead_letter", lambda n: n == 1)
    client.loop_stop()
    del publisher
    stored = await query(
        database_dsn,
        "select t.name, t.unit, r.value, r.text from reading r join tag t on t.id = r.tag_id order by t.name, r.ts",
    )
    assert stored == [("door", "", None, "OPEN"), ("temp", "Cel", 100.0, None), ("temp", "Cel", 0.0, None)]
    [(payload, reason)] = await query(database_dsn, "select payload, reason from dead_letter")
    assert bytes(payload) == f"{ahead_ms},1".encode()
    assert "ahead, and the clock's future is 1:00:00" in reason


def _retain(url: str, messages: dict[str, bytes], client: paho.Client | None = None) -> None:
    """Publish retained messages and wait until the broker has them; a client that is given stays connected."""
    own = client or paho.Client(CallbackAPIVersion.VERSION2)
    address = urlsplit(url)
    own.connect(address.hostname or "", address.port or 1883)
    own.loop_start()
    for topic, payload in messages.items():
        own.publish(topic, payload, qos=1, retain=True).wait_for_publish(10)
    if client is None:
        own.disconnect()
        own.loop_stop()
