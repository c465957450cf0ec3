"""What happened while nobody listened: raw history from the newest stored reading on (OPC UA Part 11, 6.5.3), and its gaps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from asyncua import ua
from asyncua.ua.uaerrors import UaStatusCodeError

from bridge.errors import PayloadError
from bridge.model.reading import DeadLetter, Reading, instant, microseconds
from bridge.sources.delivery import Gap
from bridge.sources.opcua_items import Item, Newest, counted
from bridge.sources.opcua_session import OpcUaSession, Page
from bridge.sources.opcua_values import source_time_us, to_reading

FIRST_HISTORY: Final = timedelta(days=1)  # a tag without stored readings begins here
_AHEAD: Final = timedelta(days=1)  # server clocks that are fast
_GAPS_A_TAG: Final = 50  # past it one gap of the whole source tells the same

DeadLetterOf = Callable[[Item, ua.DataValue, str], DeadLetter]
DeliverHistory = Callable[[Sequence[Reading], Sequence[DeadLetter]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Lost:
    """An item whose history does not reach back to its newest stored reading: from then to the first one that history has."""

    item: Item
    start: datetime
    end: datetime | None


async def recover(
    session: OpcUaSession,
    wanted: Sequence[tuple[Item, ua.NodeId]],
    newest: Newest,
    deliver: DeliverHistory,
    dead_letter: DeadLetterOf,
) -> list[Lost]:
    """Deliver the history of each node from its newest reading, included, to now, page by page, the oldest first.

    Returns those whose history is not whole. Nodes whose newest readings are close begin in one call.
    """
    now = datetime.now(UTC)
    by_start = sorted(wanted, key=lambda pair: _start(newest, pair[0], now))
    lost = []
    for position in range(0, len(by_start), session.history_nodes_a_call):
        chunk = by_start[position : position + session.history_nodes_a_call]
        start = _start(newest, chunk[0][0], now)
        try:
            pages = await session.history([node for _, node in chunk], start, now + _AHEAD)
        except UaStatusCodeError:  # the service as a whole: not supported, not allowed
            pages = [None for _ in chunk]
        for (item, node), page in zip(chunk, pages, strict=True):
            known = newest.of(item.tag)
            first_us = await _deliver_pages(
                _pages(session, node, page, now + _AHEAD), item, newest, deliver, dead_letter
            )
            if known is not None and first_us != known.source_time_us:
                lost.append(Lost(item, instant(known.source_time_us), None if first_us is None else instant(first_us)))
    return lost


async def _pages(
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


async def _deliver_pages(
    pages: AsyncIterator[list[ua.DataValue]],
    item: Item,
    newest: Newest,
    deliver: DeliverHistory,
    dead_letter: DeadLetterOf,
) -> int | None:
    """Deliver what is not older than the newest stored reading; returns the time of the first one."""
    known = newest.of(item.tag)
    first_us = None
    last: Reading | None = None
    async for values in pages:
        now_us = microseconds(datetime.now(UTC))
        readings: list[Reading] = []
        dead: list[DeadLetter] = []
        for value in values:
            if known is not None and source_time_us(value, now_us) < known.source_time_us:
                continue
            try:
                readings.append(to_reading(item.tag, value, now_us))
            except PayloadError as error:
                dead.append(dead_letter(item, value, str(error)))
        if readings and first_us is None:
            first_us = readings[0].source_time_us
        readings = counted(readings, last)
        for last in readings:
            newest.note(last)
        if readings or dead:
            await deliver(readings, dead)
    return first_us


def gaps_of(since: datetime | None, now: datetime, lost: Sequence[Lost], live: int) -> list[Gap]:
    """The rows that tell of the time from `since` to `now`: recovered but for what is in `lost`.

    None where `since` is None: nothing was heard before.
    """
    if since is None:
        return []
    cause = "connection lost; the server has no history that reaches back"
    if lost and (len(lost) == live or len(lost) > _GAPS_A_TAG):
        return [Gap(None, since, now, cause, recovered=False)]
    gaps = [Gap(None, since, now, "connection lost", recovered=True)]
    for missing in lost:
        start = max(since, missing.start)
        gaps.append(Gap(missing.item.tag, start, max(start, missing.end or now), cause, recovered=False))
    return gaps


def _start(newest: Newest, item: Item, now: datetime) -> datetime:
    known = newest.of(item.tag)
    return instant(known.source_time_us) if known else now - FIRST_HISTORY
