"""The seam between sources and the ingest path: what a source hands over, and what it is told when it starts.

    source --Delivery--> lane's buffer -> one transaction -> Delivery.ack()

A delivery may carry many messages; it is stored whole or not at all, and acknowledged once. Sources know no database: what
they must remember (`state`) travels with a delivery and is written in its transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol

from bridge.model.numbers import Numbers
from bridge.model.reading import DeadLetter, Reading, TagKey

_SOURCE_TIME: Final = attrgetter("source_time_us")  # read of every reading


class Gap(NamedTuple):
    """Time that was not heard; `recovered` where what was missed came later. `tag` None: all of the source."""

    tag: TagKey | None
    start: datetime
    end: datetime
    cause: str
    recovered: bool


def _no_ack() -> None:
    """Nothing waits for this delivery."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one or many messages gave. `ack` is called once, on the event loop, after the commit, in the order of delivery.

    `numbers` are further readings, in columns. Where one of them and one of `readings` have the same key, it counts as the first.
    `repeated` are dead letters of messages that may have been here before: each is kept only where no equal one is.
    `state` is merged into the source's memory, by key.
    """

    readings: Sequence[Reading]
    received_at: datetime
    ack: Callable[[], None] = _no_ack
    dead_letters: Sequence[DeadLetter] = ()
    repeated: Sequence[DeadLetter] = ()
    gaps: Sequence[Gap] = ()
    state: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    messages: int = 1
    numbers: Numbers | None = None

    @property
    def weight(self) -> int:
        """What it counts for in the buffer: its readings and dead letters, at least 1."""
        columns = len(self.numbers) if self.numbers is not None else 0
        return columns + len(self.readings) + len(self.dead_letters) + len(self.repeated) or 1

    @property
    def newest_us(self) -> int | None:
        """The newest source time of its readings, microseconds since 1970; None where there are none."""
        times = [max(map(_SOURCE_TIME, self.readings))] if self.readings else []
        if self.numbers is not None:
            times.append(int(self.numbers.times_us.max()))
        return max(times, default=None)


Deliver = Callable[[Delivery], Awaitable[None]]
"""Hand a delivery over; returns when the buffer has taken it, which may be long while the database is away."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the database knows of a source when it starts.

    Its state by key, when it was last heard (the newest batch), and the newest stored reading of each tag that the source
    knows beforehand.
    """

    state: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    last_heard: datetime | None = None
    newest: Mapping[TagKey, Reading] = field(default_factory=dict)


@dataclass(slots=True)
class SourceHealth:
    """What a source says of itself: healthy only where it is connected and everything wanted is live.

    `wanted` counts subscriptions or nodes, `live` those of them that the other side confirmed.
    """

    wanted: int = 0
    live: int = 0
    is_connected: bool = False
    unacknowledged: int = 0
    dropped: int = 0

    @property
    def is_healthy(self) -> bool:
        """Whether everything that is wanted is live."""
        return self.is_connected and self.live == self.wanted


class Source(Protocol):
    """A connection to devices. Its constructor checks and never connects."""

    health: SourceHealth

    def known_tags(self) -> Mapping[TagKey, str]:
        """The tags that the configuration names, with their UCUM units; empty where tags are found on sight."""
        ...

    def address_of(self, tag: TagKey) -> str:
        """Where the tag's readings come from: topic, node id."""
        ...

    async def run(self, memory: Memory, deliver: Deliver) -> None:
        """Connect, deliver, and connect again after any failure of the other side, until cancelled.

        Bounded in memory: waits in `deliver` without reading on.
        """
        ...
