"""A publisher for the bench, a process of its own: numbered messages at QoS 1, at a rate or as fast as the broker takes them.

    python -m bridge.cli.bench.publisher PORT FORM COUNT RATE     COUNT 0: until SIGTERM; RATE 0: as fast as possible

Loopback only, and bounded: at most WINDOW messages are not acknowledged. Each message carries the instant it was made, in
microseconds, none twice. It ends by printing how many the broker has acknowledged.
"""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

WINDOW: Final = 2_000
MACHINES: Final = 50
TAGS_OF_HUNDRED: Final = 100
_CHUNK: Final = 200
_PUBACK_BYTES: Final = 4

_stopping = False


def one(number: int, now_us: int) -> tuple[bytes, bytes]:
    """A message of one reading: topic and payload."""
    machine = number % MACHINES
    payload = b'{"ts":%d,"value":%d.25,"unit":"Cel","quality":"good"}' % (now_us, number % 1000)
    return b"bench/m%02d/tag/spindle.temp" % machine, payload


def hundred(number: int, now_us: int) -> tuple[bytes, bytes]:
    """A message of a hundred readings: topic and payload."""
    values = b",".join(b'"k%02d":%d.5' % (tag, (number + tag) % 1000) for tag in range(TAGS_OF_HUNDRED))
    return b"bench/m%02d/many" % (number % MACHINES), b'{"ts":%d,%s}' % (now_us, values)


FORMS: Final[dict[str, Callable[[int, int], tuple[bytes, bytes]]]] = {"one": one, "hundred": hundred}


def publish(port: int, form: str, count: int, rate: float) -> int:
    """Publish, and wait until the broker acknowledged all; returns how many."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = b"bench-publisher-%d" % time.time_ns()
        body = b"\x00\x04MQTT\x04\x02\x00\x00" + len(name).to_bytes(2, "big") + name  # keep-alive 0: never
        connection.sendall(bytes([0x10, len(body)]) + body)
        if connection.recv(4) != b"\x20\x02\x00\x00":
            raise ConnectionError("the broker refused the publisher")
        sent = acknowledged = 0
        for frames in _chunks(form, count, rate):
            connection.sendall(b"".join(frames))
            sent += len(frames) * _PUBACK_BYTES
            while sent - acknowledged > WINDOW * _PUBACK_BYTES:
                acknowledged += _read(connection)
        while acknowledged < sent:
            acknowledged += _read(connection)
        return sent // _PUBACK_BYTES


def _read(connection: socket.socket) -> int:
    """How many bytes of PUBACKs came."""
    if not (content := connection.recv(65536)):
        raise ConnectionError("the broker closed the connection")
    return len(content)


def _chunks(form: str, count: int, rate: float) -> Iterator[list[bytes]]:
    """Frames, a chunk at a time; paced where there is a rate."""
    make, number, last_us, began = FORMS[form], 0, 0, time.monotonic()
    while not _stopping and (not count or number < count):
        due = number + _CHUNK if not rate else int((time.monotonic() - began) * rate)
        due = min(due, number + _CHUNK, count or due)
        frames = []
        for n in range(number, due):
            last_us = max(time.time_ns() // 1000, last_us + 1)
            frames.append(_frame(n, *make(n, last_us)))
        if frames:
            yield frames
        else:
            time.sleep(0.0005)
        number = max(due, number)


def _frame(number: int, topic: bytes, payload: bytes) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + (number % 65535 + 1).to_bytes(2, "big") + payload
    length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) & 0x7F | 0x80, len(body) >> 7])
    return b"\x32" + length + body


def _stop(*_: object) -> None:
    global _stopping  # noqa: PLW0603  # one process, one flag
    _stopping = True


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    print(publish(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
