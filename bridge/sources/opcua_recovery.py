"""What happened while nobody listened: raw history from the newest stored reading on (OPC UA Part 11, 6.5.3), and its gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

from asyncua import ua
from asyncua.ua.uaerrors import UaStatusCodeError

from bridge.model.reading import instant
from bridge.sources.delivery import Gap
from bridge.sources.opcua_history import DeadLetterOf, DeliverHistory, NodeHistory, deliver_in_order, pages_of
from bridge.sources.opcua_items import Item, Newest
from bridge.sources.opcua_session import OpcUaSession

FIRST_HISTORY: Final = timedelta(days=1)  # a tag without stored readings begins here
_AHEAD: Final = timedelta(days=1)  # server clocks that are fast
_GAPS_A_TAG: Final = 50  # past it one gap of the whole source tells the same


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
    """Deliver the history of each node from its newest reading, included, to now; that of one equipment in the order of time.

    Returns those whose history is not whole.
    """
    now = datetime.now(UTC)
    lost = []
    for chunk in _chunks(wanted, newest, session.history_nodes_a_call, now):
        start = min(_start(newest, item, now) for item, _ in chunk)
        try:
            pages = await session.history([node for _, node in chunk], start, now + _AHEAD)
        except UaStatusCodeError:  # the service as a whole: not supported, not allowed
            pages = [None for _ in chunk]
        histories = [
            NodeHistory(item, newest.of(item.tag), pages_of(session, node, page, now + _AHEAD), dead_letter)
            for (item, node), page in zip(chunk, pages, strict=True)
        ]
        await deliver_in_order(histories, newest.note, deliver)
        lost += [missing for history in histories if (missing := _lost(history)) is not None]
    return lost


def _chunks(
    wanted: Sequence[tuple[Item, ua.NodeId]], newest: Newest, nodes_a_chunk: int, now: datetime
) -> Iterator[list[tuple[Item, ua.NodeId]]]:
    """As many nodes as a call takes; equipment stays together, and equipment whose newest readings are close comes together."""
    starts: dict[str, datetime] = {}
    for item, _ in wanted:
        start = _start(newest, item, now)
        starts[item.tag.equipment] = min(start, starts.get(item.tag.equipment, start))
    ordered = sorted(wanted, key=lambda pair: (starts[pair[0].tag.equipment], pair[0].tag))
    chunk: list[tuple[Item, ua.NodeId]] = []
    for _, group in groupby(ordered, key=lambda pair: pair[0].tag.equipment):
        together = list(group)
        if len(chunk) + len(together) > nodes_a_chunk:
            yield from _parts(chunk, nodes_a_chunk)
            chunk = []
        chunk += together
    yield from _parts(chunk, nodes_a_chunk)


def _parts(nodes: list[tuple[Item, ua.NodeId]], most: int) -> Iterator[list[tuple[Item, ua.NodeId]]]:
    """One equipment may have more nodes than a call takes."""
    return (nodes[position : position + most] for position in range(0, len(nodes), most))


def _lost(history: NodeHistory) -> Lost | None:
    known, first_us = history.known, history.first_us
    if known is None or first_us == known.source_time_us:
        return None
    return Lost(history.item, instant(known.source_time_us), None if first_us is None else instant(first_us))


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
