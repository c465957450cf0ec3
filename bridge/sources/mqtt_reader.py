"""paho's client with another way of reading: one large read, its PUBLISH frames as one list, everything else by paho itself.

paho makes a select, three recv and a send for each packet; this makes one recv for a thousand. It uses private names of
paho-mqtt 2.2 (the dependency is pinned to the series); `mqtt_self_check` tries them at the start.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MalformedPacket

from bridge.sources.mqtt_frames import Frames, Publish, whole_frame

READ_BYTES: Final = 256 * 1024
_PUBACK: Final = 0x40
_PUBACK_FRAME: Final = 0x4002_0000  # a PUBACK of two bytes is success, in both versions


class BatchClient(paho.Client):
    """A paho client for an event loop of the caller's: `read_batch` in place of `loop_read`, `ack_batch` in place of `ack`.

    `on_publishes` takes messages of QoS 0 and 1; `on_message` is called for those of QoS 2 only.
    """

    def __init__(self, on_publishes: Callable[[list[Publish]], None], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._on_publishes = on_publishes
        self._frames = self._no_frames()

    def reconnect(self) -> MQTTErrorCode:
        """See paho; what was left of the old connection's bytes is forgotten."""
        self._frames = self._no_frames()
        return super().reconnect()

    def read_batch(self) -> MQTTErrorCode:
        """Read once and handle every frame that is whole."""
        if self._sock is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        try:
            content = self._sock_recv(READ_BYTES)
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        except OSError:
            content = b""
        result = self._handle(content) if content else MQTTErrorCode.MQTT_ERR_CONN_LOST
        return self._loop_rc_handle(result) if result > 0 else result

    def ack_batch(self, packet_ids: Sequence[int]) -> None:
        """Acknowledge messages of QoS 1, in order, in one send."""
        acks = struct.pack(f">{len(packet_ids)}I", *[_PUBACK_FRAME | packet_id for packet_id in packet_ids])
        self._packet_queue(_PUBACK, acks, 0, 1)

    def _no_frames(self) -> Frames:
        return Frames(is_v5=self._protocol == MQTTProtocolVersion.MQTTv5)

    def _handle(self, content: bytes) -> MQTTErrorCode:
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()
        frames = self._frames
        joined = frames.join(content)
        position = 0
        while joined is not None:
            publishes: list[Publish] = []
            try:
                position, missing = frames.read(joined, position, publishes)
            except MalformedPacket:
                self._hand_over(publishes)
                return MQTTErrorCode.MQTT_ERR_PROTOCOL
            self._hand_over(publishes)
            if missing:
                frames.keep(joined[position:], missing)
                break
            result, position = self._handle_other(joined, position)
            if result > 0 or self._sock is None or frames is not self._frames:
                return result
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _hand_over(self, publishes: list[Publish]) -> None:
        if publishes:
            self._on_publishes(publishes)

    def _handle_other(self, content: bytes, position: int) -> tuple[MQTTErrorCode, int]:
        """Let paho handle one frame as if it had read it; returns its answer and where the next frame begins."""
        first, body, position = whole_frame(content, position)
        self._in_packet = _packet(first, body)
        try:
            return self._packet_handle(), position
        except MalformedPacket:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL, position
        finally:
            self._in_packet = _packet(0, b"")


def _packet(first: int, body: bytes) -> Any:
    """A packet that is read whole, as paho keeps it; `first` 0: none."""
    return {
        "command": first,
        "have_remaining": int(first > 0),
        "remaining_count": [],
        "remaining_mult": 1,
        "remaining_length": len(body),
        "packet": bytearray(body),
        "to_process": 0,
        "pos": 0,
    }
