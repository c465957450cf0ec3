"""The bytes of an MQTT connection -> PUBLISH frames, many at once. Pure.

MQTT 3.1.1 (2.2 fixed header, 3.3 PUBLISH) and 5.0 (the same, with properties). Frames of other kinds, and PUBLISH of QoS 2,
are found and left to the caller. Whatever paho-mqtt's own parser refuses is refused here.

Where much is read at once, a loop finds only where frames end; their parts are found in columns. Frames with properties, long
frames and those that are wrong are left to the reading one by one, which says what is wrong with them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from paho.mqtt.exception import MalformedPacket, MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

Publish = tuple[int, int, bytes, bytes]
"""First byte of the frame (with DUP and RETAIN), packet id (0 at QoS 0), topic, payload."""

QOS: Final = 0x06  # in the first byte
DUP: Final = 0x08
RETAIN: Final = 0x01

_KIND_AND_QOS: Final = 0xF6
_KIND_AND_QOS_2: Final = 0xF4
_QOS_0: Final = 0x30
_QOS_1: Final = 0x32
_KINDS: Final = (_QOS_0, _QOS_1)
_LENGTH_BYTES: Final = 4
_MANY_BYTES: Final = 16_384  # from here on columns cost less


class Frames:
    """The frames of one connection: `join` what was read with what was left, `read` from it, `keep` the rest."""

    def __init__(self, *, is_v5: bool) -> None:
        self._is_v5 = is_v5
        self._parts: list[bytes] = []
        self._missing = 0
        self._topics: dict[int, bytes] = {}  # by alias

    def join(self, content: bytes) -> bytes | None:
        """What was left together with what came now; None while the first frame is not whole."""
        if not self._parts:
            return content
        self._parts.append(content)
        self._missing -= len(content)
        if self._missing > 0:
            return None
        content, self._parts = b"".join(self._parts), []
        return content

    def keep(self, rest: bytes, missing: int) -> None:
        """Keep the beginning of a frame until `missing` more bytes came."""
        if rest:
            self._parts, self._missing = [rest], missing

    def read(self, content: bytes, position: int, publishes: list[Publish]) -> tuple[int, int]:  # noqa: C901  # in one piece: a call a frame would double its cost
        """Append the PUBLISH frames from `position` on, up to the first frame that is none or is not whole.

        Returns its position, and how many bytes it misses: 0 where it is a whole frame of another kind. Raises MalformedPacket;
        the frames before are in the list.
        """
        if len(content) - position >= _MANY_BYTES:
            position = self._read_columns(content, position, publishes)
        append, end, is_v5 = publishes.append, len(content), self._is_v5
        try:
            while position + 1 < end:
                first, length, start = content[position], content[position + 1], position + 2
                if length > 127:
                    length, start = _long_length(content, position + 1)
                    if not start:
                        return position, 1
                stop = start + length
                if stop > end:
                    return position, stop - end
                kind = first & _KIND_AND_QOS
                if kind not in _KINDS:
                    return position, 0
                topic_start = at = start + 2
                topic_stop = at = at + (content[start] << 8 | content[start + 1])
                packet_id = 0
                if kind == _QOS_1:
                    packet_id = content[at] << 8 | content[at + 1]
                    at += 2
                if at + is_v5 > stop:
                    raise MalformedPacket("PUBLISH is shorter than its topic")
                topic = content[topic_start:topic_stop]
                if is_v5 and content[at] == 0:
                    at += 1
                elif is_v5:
                    topic, at = self._with_properties(topic, content, at, stop)
                if not topic:
                    raise MalformedPacket("PUBLISH without a topic")
                append((first, packet_id, topic, content[at:stop]))
                position = stop
        except IndexError as error:
            raise MalformedPacket("PUBLISH is shorter than its topic") from error
        return position, 2 - (end - position)

    def _read_columns(self, content: bytes, position: int, publishes: list[Publish]) -> int:
        """Append PUBLISH frames without properties up to the first frame that is none; returns its position."""
        edges = _edges(content, position)
        ends, octets = np.fromiter(edges, np.int64, len(edges)), np.frombuffer(content, np.uint8)
        begin, end = ends[:-1], ends[1:]
        first = octets[begin]
        topic = begin + 4 + (octets[begin + 1] > 127)
        topic_end = topic + _two_bytes(octets, topic - 2)
        has_id = first & QOS > 0
        payload = topic_end + 2 * has_id + self._is_v5
        is_plain = (first & _KIND_AND_QOS_2 == _QOS_0) & (topic_end > topic) & (payload <= end)
        if self._is_v5:
            is_plain &= octets.take(payload - 1, mode="clip") == 0
        count = len(begin) if is_plain.all() else int(np.argmin(is_plain))
        packet_id = np.where(has_id, _two_bytes(octets, topic_end), 0)
        publishes += zip(
            first[:count].tolist(),
            packet_id[:count].tolist(),
            [content[a:b] for a, b in zip(topic[:count].tolist(), topic_end[:count].tolist(), strict=True)],
            [content[a:b] for a, b in zip(payload[:count].tolist(), end[:count].tolist(), strict=True)],
            strict=True,
        )
        return edges[count]

    def _with_properties(self, topic: bytes, content: bytes, at: int, stop: int) -> tuple[bytes, int]:
        """The topic, by its alias where it has one, and where the payload begins."""
        length, start = _long_length(content[:stop], at)
        if not start or start + length > stop:
            raise MalformedPacket("properties are longer than their frame")
        alias = _alias(content[at : start + length])
        if alias is not None and topic:
            self._topics[alias] = topic
        elif alias is not None:
            topic = self._topics.get(alias, b"")
        return topic, start + length


def _edges(content: bytes, position: int) -> list[int]:
    """Where whole frames begin from `position` on, and where the last of them ends; up to one with a length of three bytes."""
    edges = [position]
    add, last = edges.append, len(content) - 1
    while position < last:
        length = content[position + 1]
        if length < 0x80:
            position += 2 + length
        elif position + 2 > last or content[position + 2] >= 0x80:
            break
        else:
            position += 3 + (length & 0x7F) + (content[position + 2] << 7)
        add(position)
    if position > last + 1:
        edges.pop()
    return edges


def _two_bytes(octets: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole numbers of two bytes; of bytes past the end whatever they are."""
    high = octets.take(at, mode="clip").astype(np.int64)
    return high << 8 | octets.take(at + 1, mode="clip")


def whole_frame(content: bytes, position: int) -> tuple[int, bytes, int]:
    """The frame of any kind that is whole at `position`: first byte, what follows its length, and where the next one begins."""
    length, start = _long_length(content, position + 1)
    return content[position], content[start : start + length], start + length


def _long_length(content: bytes, position: int) -> tuple[int, int]:
    """A length of 1 to 4 bytes (2.2.3) and where it ends; the end is 0 where it is not whole."""
    length = 0
    for n, byte in enumerate(content[position : position + _LENGTH_BYTES]):
        length |= (byte & 0x7F) << (7 * n)
        if byte < 0x80:
            return length, position + n + 1
    if len(content) - position >= _LENGTH_BYTES:
        raise MalformedPacket("a length of more than four bytes")
    return 0, 0


@lru_cache(maxsize=4096)
def _alias(written: bytes) -> int | None:
    """The topic alias that the properties name. They are read by paho, once for equal ones: most messages carry the same."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's has no types
    try:
        properties.unpack(written)  # type: ignore[no-untyped-call]
    except (MQTTException, IndexError, KeyError, ValueError) as error:
        raise MalformedPacket(str(error)) from error
    except Exception as error:  # struct.error and what else it does not expect
        raise MalformedPacket(f"{type(error).__name__}: {error}") from error
    alias = getattr(properties, "TopicAlias", None)
    return int(alias) if alias is not None else None
