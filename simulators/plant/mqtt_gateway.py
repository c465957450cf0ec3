"""The gateway of line 1: hands messages to the broker at QoS 1, in order, and keeps them until acknowledged.

What waits for the broker is kept in memory, oldest first, and goes out in order after any outage. After a
broken connection the messages that were under way are sent again first, and nothing new until all of them are
acknowledged; so a subscriber sees repeated messages but never an older one after a newer one of another kind.
The queue is bounded; a message that finds it full is refused and not counted as sent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

QUEUE_MESSAGES = 100_000
UNDER_WAY_MESSAGES = 200
KEEPALIVE_S = 15


class MqttGateway:
    """One persistent MQTT 3.1.1 session; use its methods from the event loop only."""

    def __init__(self, url: str, client_id: str) -> None:
        self._address = urlsplit(url)
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, protocol=paho.MQTTv311
        )
        self._client.max_inflight_messages_set(UNDER_WAY_MESSAGES)
        self._client.reconnect_delay_set(min_delay=1, max_delay=4)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._queue: deque[tuple[str, bytes]] = deque()
        self._under_way = 0
        self._connected = False
        self._repeats = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._report: Callable[[str], None] | None = None
        self._all_acknowledged = asyncio.Event()
        self._all_acknowledged.set()
        self._disconnected = asyncio.Event()
        self._disconnected.set()

    def start(self, report: Callable[[str], None]) -> None:
        """Connect in the background and keep trying; `report` is told of connects and disconnects."""
        self._loop, self._report = asyncio.get_running_loop(), report
        if self._address.username:
            self._client.username_pw_set(self._address.username, self._address.password)
        secured = self._address.scheme in ("mqtts", "ssl")
        if secured:
            self._client.tls_set()
        port = self._address.port or (8883 if secured else 1883)
        self._client.connect_async(self._address.hostname or "127.0.0.1", port, KEEPALIVE_S)
        self._client.loop_start()

    def send(self, topic: str, payload: bytes) -> bool:
        """Take a message for delivery at least once; False when the queue is full."""
        if len(self._queue) >= QUEUE_MESSAGES:
            return False
        self._queue.append((topic, payload))
        self._all_acknowledged.clear()
        self._drain()
        return True

    @property
    def delivered(self) -> bool:
        """Whether the broker has acknowledged every message taken."""
        return not self._queue and not self._under_way

    async def wait_delivered(self) -> None:
        """Return when everything is acknowledged."""
        await self._all_acknowledged.wait()

    async def stop(self) -> None:
        """Disconnect; what is not acknowledged is lost with the process.

        paho's thread is left to end with the process: joining it would wait for its next try to connect.
        """
        self._client.disconnect()
        await self._disconnected.wait()

    def _drain(self) -> None:
        while self._queue and self._connected and not self._repeats and self._under_way < UNDER_WAY_MESSAGES:
            topic, payload = self._queue.popleft()
            self._under_way += 1
            self._client.publish(topic, payload, qos=1)

    def _enter_loop(self, step: Callable[[], None]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(step)

    def _on_connect(self, client: paho.Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if not reason.is_failure:
            self._enter_loop(self._now_connected)

    def _on_disconnect(self, client: paho.Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._connected = False
        self._enter_loop(self._now_disconnected)

    def _on_publish(self, client: paho.Client, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        self._enter_loop(self._acknowledged)

    def _tell(self, event: str) -> None:
        if self._report is not None:
            self._report(event)

    def _now_connected(self) -> None:
        self._connected = True
        self._disconnected.clear()
        self._repeats = self._under_way > 0
        self._tell("broker connected")
        self._drain()

    def _now_disconnected(self) -> None:
        self._connected = False
        self._repeats = self._under_way > 0
        self._disconnected.set()
        self._tell("broker disconnected")

    def _acknowledged(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._repeats = False
        self._drain()
        if self.delivered:
            self._all_acknowledged.set()
