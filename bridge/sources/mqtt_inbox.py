"""What arrived and is not decoded yet: messages as they came, in the lists that they came in. Bounded; the owner pauses reading."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from bridge.sources.mqtt_frames import DUP, QOS, Publish

MAX_BYTES: Final = 32 * 1024 * 1024  # of payload; one message more may come, however large
_MESSAGE_BYTES: Final = 200  # what a message takes besides its payload


@dataclass(slots=True)
class Arrived:
    """Messages of one read. Each is a microsecond apart, so that one without a source time is known by its arrival."""

    generation: int
    first_us: int
    publishes: list[Publish]


class Inbox:
    """Messages in the order of their coming. Full at `max_messages` or MAX_BYTES: then those of QoS 0 are not taken."""

    def __init__(self, max_messages: int) -> None:
        self._max_messages = max_messages
        self._waiting: deque[Arrived] = deque()
        self._newest_us = 0
        self._bytes = 0
        self.messages = 0

    @property
    def is_full(self) -> bool:
        """Whether reading should pause."""
        return self.messages >= self._max_messages or self._bytes >= MAX_BYTES

    @property
    def has_room(self) -> bool:
        """Whether reading should go on: half of it is free."""
        return 2 * self.messages < self._max_messages and 2 * self._bytes < MAX_BYTES

    def put(self, generation: int, publishes: list[Publish], now_us: int) -> int:
        """Take messages; returns how many of QoS 0 were not taken, for want of room."""
        taken = [publish for publish in publishes if publish[0] & QOS] if self.is_full else publishes
        if taken:
            first_us = max(now_us, self._newest_us + 1)
            self._newest_us = first_us + len(taken) - 1
            self._waiting.append(Arrived(generation, first_us, taken))
            self._count(taken, 1)
        return len(publishes) - len(taken)

    def take(self, limit: int, limit_bytes: int = MAX_BYTES) -> Arrived:
        """The next messages, of one read; at most so many, and so many bytes by the mean size of all. Raises IndexError when empty."""
        arrived = self._waiting[0]
        payload_bytes = self._bytes - self.messages * _MESSAGE_BYTES
        limit = max(1, min(limit, limit_bytes * self.messages // max(1, payload_bytes)))
        if len(arrived.publishes) <= limit:
            self._waiting.popleft()
        else:
            rest = Arrived(arrived.generation, arrived.first_us + limit, arrived.publishes[limit:])
            arrived = Arrived(arrived.generation, arrived.first_us, arrived.publishes[:limit])
            self._waiting[0] = rest
        self._count(arrived.publishes, -1)
        return arrived

    def forget_repeated(self) -> None:
        """Drop messages that came again on a later connection: marked DUP, of the same packet id (MQTT 5.0, 4.4), topic and payload.

        The others stay: a broker that came back from an older state of its own does not have them any more.
        """
        again = {
            publish[1:]: arrived.generation
            for arrived in self._waiting
            for publish in arrived.publishes
            if publish[0] & DUP and publish[0] & QOS
        }
        waiting, self._waiting = self._waiting, deque()
        self._bytes = self.messages = 0
        for arrived in waiting:
            if again:
                arrived.publishes = [p for p in arrived.publishes if again.get(p[1:], 0) <= arrived.generation]
            if arrived.publishes:
                self._waiting.append(arrived)
                self._count(arrived.publishes, 1)

    def _count(self, publishes: list[Publish], sign: int) -> None:
        size = len(publishes) * _MESSAGE_BYTES + sum([len(publish[3]) for publish in publishes])
        self.messages += sign * len(publishes)
        self._bytes += sign * size
