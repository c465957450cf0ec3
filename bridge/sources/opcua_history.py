"""Raw history of many nodes as one stream in the order of source time (OPC UA Part 11, 6.5.3).

Node by node would bring a machine's pieces before the orders that they were made for. So a page of each node is read, and what
is delivered is never newer than the oldest end of those pages: after it, some node may still have something earlier.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from operator import attrgetter

from asyncua import ua

from bridge.errors import PayloadError
from bridge.model.reading import DeadLetter, Reading, instant, microseconds
from bridge.sources.opcua_items import Item, counted
from bridge.sources.opcua_session import OpcUaSession, Page
from bridge.sources.opcua_values import source_time_us, to_reading

DeadLetterOf = Callable[[Item, ua.DataValue, str], DeadLetter]
DeliverHistory = Callable[[Sequence[Reading], Sequence[DeadLetter]], Awaitable[None]]

_time = attrgetter("source_time_us")


class NodeHistory:
    """One node's history from `known` on, its newest stored reading: read page by page as `take` empties it."""

    def __init__(
        self, item: Item, known: Reading | None, pages: AsyncIterator[list[ua.DataValue]], dead_letter: DeadLetterOf
    ) -> None:
        self.item = item
        self.known = known
        self.first_us: int | None = None
        self._pages = pages
        self._dead_letter = dead_letter
        self._waiting: list[Reading] = []
        self._dead: list[DeadLetter] = []
        self._last: Reading | None = None
        self._is_over = False

    async def fill(self) -> None:
        """Read on where nothing waits."""
        while not self._waiting and not self._is_over:
            page = await anext(self._pages, None)
            if page is None:
                self._is_over = True
            else:
                self._read(page)

    @property
    def whole_to_us(self) -> int | None:
        """Up to which source time all of it waits here; None: all that there is."""
        return None if self._is_over else self._waiting[-1].source_time_us

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self._is_over and not self._waiting

    def take(self, to_us: int | None) -> tuple[list[Reading], list[DeadLetter]]:
        """What waits up to a source time, included; None: all."""
        waiting, dead = self._waiting, self._dead
        count = len(waiting) if to_us is None else sum(reading.source_time_us <= to_us for reading in waiting)
        self._waiting, self._dead = waiting[count:], []
        return waiting[:count], dead

    def _read(self, page: list[ua.DataValue]) -> None:
        now_us = microseconds(datetime.now(UTC))
        readings: list[Reading] = []
        for value in page:
            if self.known is not None and source_time_us(value, now_us) < self.known.source_time_us:
                continue
            try:
                readings.append(to_reading(self.item.tag, value, now_us))
            except PayloadError as error:
                self._dead.append(self._dead_letter(self.item, value, str(error)))
        if readings and self.first_us is None:
            self.first_us = readings[0].source_time_us
        self._waiting = counted(readings, self._last)
        self._last = self._waiting[-1] if self._waiting else self._last


async def deliver_in_order(
    histories: Sequence[NodeHistory], note: Callable[[Reading], None], deliver: DeliverHistory
) -> None:
    """Deliver the histories as one, the oldest reading first; `note` is told each reading before it goes."""
    while True:
        for history in histories:
            await history.fill()
        ends = [end for history in histories if (end := history.whole_to_us) is not None]
        taken = [history.take(min(ends, default=None)) for history in histories]
        readings = sorted((reading for some, _ in taken for reading in some), key=_time)
        dead = [letter for _, some in taken for letter in some]
        for reading in readings:
            note(reading)
        if readings or dead:
            await deliver(readings, dead)
        if all(history.is_over for history in histories):
            return


async def pages_of(
    session: OpcUaSession, node: ua.NodeId, page: Page | None, end: datetime
) -> AsyncIterator[list[ua.DataValue]]:
    """The pages of one node's history. A full page without a continuation point is followed by time: some servers give none."""
    while page is not None and page.values:
        yield page.values
        if page.point is None and not page.is_full:
            return
        last_us = source_time_us(page.values[-1], microseconds(end))
        if page.point is None and last_us == source_time_us(page.values[0], microseconds(end)):
            return  # a page of one instant: time leads no further
        page = (await session.history([node], instant(last_us), end, page.point))[0]
