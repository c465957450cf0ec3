"""Whether the batch reader and the paho that is installed go together: both read the same recorded bytes, once a process.

The batch reader lives on private names of paho. Where one of them is gone or means something else, the comparison fails and
the session goes by paho's own reading: slower, not wrong.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from bridge.sources.mqtt_frames import DUP, QOS, RETAIN, Publish
from bridge.sources.mqtt_reader import BatchClient

_CONNACK: Final = {
    MQTTProtocolVersion.MQTTv311: b"\x20\x02\x01\x00",
    MQTTProtocolVersion.MQTTv5: b"\x20\x03\x01\x00\x00",
}
Seen = tuple[int, int, bytes, bytes]


@cache
def batch_reader_fault() -> str:
    """Why the batch reader cannot be used with this paho; empty where it can."""
    try:
        for version in _CONNACK:
            stream = _CONNACK[version] + _stream(version)
            if (found := _by_batch(version, stream)) != (expected := _by_paho(version, stream)):
                return f"reads {found!r:.200} where paho reads {expected!r:.200}"
    except Exception as error:  # noqa: BLE001  # whatever it is, paho's own way is the answer
        return f"{type(error).__name__}: {error}"
    return ""


def _stream(version: MQTTProtocolVersion) -> bytes:
    """PUBLISH of both kinds between packets of others."""
    is_v5 = version == MQTTProtocolVersion.MQTTv5
    return b"".join(
        [
            _publish(0x30, b"a/b", b"", b"", is_v5=is_v5),
            _publish(0x32, b"a/b", b"\x00\x01", b"x" * 300, is_v5=is_v5),
            b"\xd0\x00",  # PINGRESP
            _publish(0x3B, b"c", b"\x01\x00", b"{}", is_v5=is_v5),
        ]
    )


def _publish(first: int, topic: bytes, packet_id: bytes, payload: bytes, *, is_v5: bool) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + packet_id + (b"\x00" if is_v5 else b"") + payload
    length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) & 0x7F | 0x80, len(body) >> 7])
    return bytes([first]) + length + body


def _by_paho(version: MQTTProtocolVersion, stream: bytes) -> tuple[list[Seen], bool, bytes]:
    seen: list[Seen] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, "check", None, protocol=version, manual_ack=True)
    client.on_message = lambda _client, _data, message: seen.append(as_publish(message))

    def acknowledge() -> None:
        client.ack(1, 1)
        client.ack(256, 1)

    return seen, *_run(client, client.loop_read, stream, acknowledge)


def _by_batch(version: MQTTProtocolVersion, stream: bytes) -> tuple[list[Seen], bool, bytes]:
    seen: list[Seen] = []
    client = BatchClient(seen.extend, CallbackAPIVersion.VERSION2, "check", None, protocol=version, manual_ack=True)
    return seen, *_run(client, client.read_batch, stream, lambda: client.ack_batch([1, 256]))


def _run(
    client: Any, read: Callable[[], MQTTErrorCode], stream: bytes, acknowledge: Callable[[], None]
) -> tuple[bool, bytes]:
    """Whether the client takes itself for connected after the stream, and what it wrote when it acknowledged."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        client._sock = ours  # noqa: SLF001  # no connection is made: the bytes are recorded
        client._ping_t = 1.0  # noqa: SLF001  # the PINGRESP clears it
        for byte in stream[:9], stream[9:]:
            theirs.sendall(byte)
            for _ in range(5):
                if read() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    raise ConnectionError("the recorded bytes were refused")
        acknowledge()
        client.loop_write()
        client._sock = None  # noqa: SLF001
        return client.is_connected() and client._ping_t == 0, theirs.recv(64)  # noqa: SLF001


def as_publish(message: paho.MQTTMessage) -> Publish:
    """A message of paho's own as the batch reader gives it."""
    first = 0x30 | (DUP if message.dup else 0) | (message.qos << 1 & QOS) | (RETAIN if message.retain else 0)
    # The raw topic: paho's property fails where it is not UTF-8, and would end the connection for one message.
    return first, message.mid, message._topic, bytes(message.payload)  # noqa: SLF001
