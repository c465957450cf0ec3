"""What the bridge is compared with, each a process of its own that drains a persistent session and ends.

    python -m bridge.cli.bench.receivers KIND PORT CLIENT_ID COUNT DSN

    subscribe      makes the session and leaves
    drop           the batch reader: receives, acknowledges, and drops: the most that the bridge could store
    executemany    stock paho (loop_forever), json.loads, INSERT by executemany, acknowledged after the commit
    copy           the same, with the bridge's COPY

It prints the messages a second between the first one and the last commit.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any, Final

import paho.mqtt.client as paho
import psycopg
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bridge.config.settings import MqttSettings
from bridge.model.quality import GOOD
from bridge.model.reading import Reading, TagKey, instant
from bridge.sources.mqtt_frames import Publish
from bridge.sources.mqtt_session import MqttSession
from bridge.store.queries import load
from bridge.store.reading import pack

TOPIC: Final = "bench/#"
EXPIRY_S: Final = 3600
_BATCH: Final = 1000
_QUERIES: Final = load("bench")
_READINGS: Final = load("reading")


async def drop(port: int, client_id: str, count: int) -> float:
    """Messages a second that the batch reader receives and acknowledges."""
    done, times, received = asyncio.Event(), [0.0, 0.0], 0

    def take(publishes: list[Publish]) -> None:
        nonlocal received
        times[0] = times[0] or time.monotonic()
        received += len(publishes)
        session.acknowledge(session.generation, [publish[1] for publish in publishes])
        if received >= count:
            times[1] = time.monotonic()
            done.set()

    session = MqttSession(_settings(port, client_id), take)
    await session.connect()
    if count:
        await done.wait()
    else:
        await session.subscribe([TOPIC])
    session.disconnect()
    return count / (times[1] - times[0]) if count else 0.0


def _settings(port: int, client_id: str) -> MqttSettings:
    return MqttSettings.model_validate(
        {
            "name": "bench",
            "type": "mqtt",
            "lane": 1,
            "url": f"mqtt://127.0.0.1:{port}",
            "client_id": client_id,
            "subscribe": [{"topic": TOPIC, "equipment": "acme/bench/area/line/m"}],
        }
    )


class StockPaho:
    """What most would write: paho's own loop, one JSON document a message, a batch a commit, then its acknowledgements."""

    def __init__(self, kind: str, dsn: str, count: int) -> None:
        self._store = self._insert if kind == "executemany" else self._copy
        self._connection = psycopg.connect(dsn)
        self._rows: list[tuple[int, int, float]] = []
        self._ids: list[int] = []
        self._left = count
        self._began = 0.0

    def run(self, port: int, client_id: str) -> float:
        """Drain the session; messages a second."""
        count = self._left
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id, None, protocol=paho.MQTTv5, manual_ack=True)
        client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's has no types
        properties.SessionExpiryInterval = EXPIRY_S
        properties.ReceiveMaximum = 65535
        client.connect("127.0.0.1", port, clean_start=False, properties=properties)
        client.loop_forever()
        return count / (time.monotonic() - self._began)

    def _on_message(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self._began = self._began or time.monotonic()
        content = json.loads(message.payload)
        machine = int(message.topic.split("/")[1][1:])
        self._rows.append((machine + 1_000_000, content["ts"], content["value"]))
        self._ids.append(message.mid)
        self._left -= 1
        if len(self._rows) >= _BATCH or not self._left:
            self._store()
            self._connection.commit()
            for packet_id in self._ids:
                client.ack(packet_id, 1)
            self._rows.clear()
            self._ids.clear()
            if not self._left:
                client.disconnect()

    def _insert(self) -> None:
        with self._connection.cursor() as cursor:
            rows = [(instant(ts), value, GOOD, 1, tag, 0, 1) for tag, ts, value in self._rows]
            cursor.executemany(_QUERIES.insert_reading, rows)

    def _copy(self) -> None:
        key = TagKey("", "")
        rows = [(tag, Reading(key, ts, 0, value, None, GOOD)) for tag, ts, value in self._rows]
        with self._connection.cursor() as cursor, cursor.copy(_READINGS.copy) as stream:
            stream.write(pack(1, 1, rows))


def main(kind: str, port: int, client_id: str, count: int, dsn: str) -> None:
    """Run one of the kinds and print its rate."""
    if kind in ("drop", "subscribe"):
        print(asyncio.run(drop(port, client_id, count)))
    else:
        print(StockPaho(kind, dsn, count).run(port, client_id))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5])
