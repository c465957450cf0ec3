"""Orders, shipments and the states of work requests from a business system into the database, read again and again.

What changed since the last reading is asked for, by our clock. The system answers by its own, and it dates a change when its transaction
began: so each reading overlaps the one before by some minutes, now and then by hours (a clock that is off by minutes, or a wrong zone),
and once a day everything is read. What is known already is not written again. How far it was read is kept in the database, so that
neither a restart nor an outage reads everything anew; of several relays one reads at a time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
import structlog

from bridge.erp.connector import Connector
from bridge.erp.relay.dispatcher import Lane
from bridge.errors import BusinessError, ConnectorError
from bridge.model.production import EventKind, WorkRequestState
from bridge.store import inbound, order, shipment, turn, work_request
from bridge.store.database import Connection
from bridge.store.inbound import Mark

log = structlog.get_logger()

CHUNK: Final = 1000  # rows of one transaction
_MOST_SAID: Final = 1000  # records of which it is known that they cannot be stored

Refused = Sequence[tuple[object, str]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of what a system tells, with how it is asked for and how it is stored."""

    what: str
    read: Callable[[Connector, datetime | None], Awaitable[Sequence[Any]]]
    write: Callable[[Connection, str, Sequence[Any]], Awaitable[Refused]]


async def _write_states(connection: Connection, connector: str, states: Sequence[WorkRequestState]) -> Refused:
    """All in one go; one by one only where the database refuses any of them."""
    try:
        async with connection.transaction():
            await work_request.take_states(connection, connector, states)
    except psycopg.DataError as error:
        if len(states) == 1:
            return [(states[0], str(error))]
        return [each for state in states for each in await _write_states(connection, connector, [state])]
    return []


ORDERS: Final = Kind("orders", lambda connector, since: connector.read_orders(since), order.upsert)
SHIPMENTS: Final = Kind("shipments", lambda connector, since: connector.read_shipments(since), shipment.upsert)
STATES: Final = Kind("states", lambda connector, since: connector.read_ticket_states(since), _write_states)


@dataclass(frozen=True, slots=True)
class Spans:
    """How readings overlap. `wide` is as much as a system's clock may be behind for its changes to arrive within `wide_every`."""

    wide_every: timedelta = timedelta(minutes=5)
    wide: timedelta = timedelta(hours=3)
    full_every: timedelta = timedelta(days=1)


async def follow(
    lane: Lane,
    system: str,
    every: timedelta,
    connection: Connection,
    stop: asyncio.Event,
    spans: Spans = Spans(),  # frozen
) -> None:
    """Read what changed, until `stop`. `system` is the address that is read. Raises psycopg errors where the database goes away."""
    reader = Reader(lane, system, every, spans)
    mine = f"inbound|{lane.name}"
    failures = 0
    while not stop.is_set():
        await lane.gate.ready(stop)
        if stop.is_set():
            return
        error = None
        if await turn.take(connection, mine):
            error = await reader.read(connection)
            await turn.end(connection, mine)
        failures = failures + 1 if error else 0
        wait = every
        if error:
            again = lane.rhythm.retry.delay(failures, random.random(), lane.rhythm.asked(error))  # noqa: S311  # jitter
            wait = max(again, every)
        await lane.gate.pause(stop, wait)


class Reader:
    """Reads one system. What it refuses of one kind, or what cannot be stored, keeps nothing else from being read."""

    def __init__(self, lane: Lane, system: str, every: timedelta, spans: Spans) -> None:
        self._lane = lane
        self._system = system
        self._every = every
        self._spans = spans
        self._kinds = [ORDERS, SHIPMENTS, *([STATES] if EventKind.WORK_REQUEST in lane.connector.kinds else [])]
        self._said: dict[str, str] = {}
        self._log = log.bind(connector=lane.name)

    async def read(self, connection: Connection) -> ConnectorError | None:
        """Read each kind that nobody has read just now; gives the failure of a system that is away, which ends the round."""
        for kind in list(self._kinds):
            mark = await inbound.read_mark(connection, self._lane.name, kind.what)
            began = datetime.now(UTC)
            if mark is not None and mark.system == self._system and is_fresh(mark, began, self._every):
                continue
            since, following = next_reading(mark, self._system, began, self._lane.rhythm.overlap, self._spans)
            try:
                await self._lane.gate.token()
                records = await kind.read(self._lane.connector, since)
            except BusinessError as error:
                self._say(kind.what, f"it refuses: {error}")
                continue
            except ConnectorError as error:
                self._lane.gate.failed(error)
                # What fails again and again (a question that takes too long) is asked last the next time.
                self._kinds = [*(each for each in self._kinds if each is not kind), kind]
                return error
            except Exception as error:  # noqa: BLE001  # a connector's mistake at one kind must not stop the others
                self._say(kind.what, f"{type(error).__name__} {error}", mistake=error)
                continue
            self._lane.gate.worked()
            await self._write(connection, kind, records)
            await inbound.keep_mark(connection, self._lane.name, kind.what, following)
            if self._said.pop(kind.what, None):
                self._log.info("is read again", what=kind.what)
        return None

    async def _write(self, connection: Connection, kind: Kind, records: Sequence[Any]) -> None:
        for chunk in _chunks(records):
            async with connection.transaction():
                refused = await kind.write(connection, self._lane.name, chunk)
            for record, reason in refused:
                self._say_refused(repr(record)[:500], reason)

    def _say(self, what: str, reason: str, mistake: Exception | None = None) -> None:
        """Once, until it is another reason."""
        if self._said.get(what) != reason:
            self._said[what] = reason
            self._log.error("cannot be read, trying again", what=what, reason=reason, exc_info=mistake)

    def _say_refused(self, record: str, reason: str) -> None:
        """Once: readings overlap, and bring it again."""
        if record not in self._said:
            if len(self._said) >= _MOST_SAID:
                self._said.clear()
            self._said[record] = reason
            self._log.warning("left out, the database refuses it", record=record, reason=reason)


def is_fresh(mark: Mark, now: datetime, every: timedelta) -> bool:
    """Whether it was read so lately, by another relay, that it is not this one's turn. Pure."""
    return timedelta(0) <= now - mark.read_at < every * 0.9


def next_reading(
    mark: Mark | None, system: str, now: datetime, overlap: timedelta, spans: Spans
) -> tuple[datetime | None, Mark]:
    """Since when changes are asked for (None: everything), and the mark to keep once they are stored. Pure.

    A mark that is later than now was made by a clock that was wrong.
    """
    if mark is None or mark.system != system or not _is_within(mark.full_at, now, spans.full_every):
        return None, Mark(system, now, now, now)
    if not _is_within(mark.wide_at, now, spans.wide_every):
        return min(mark.wide_at, now) - spans.wide, Mark(system, now, now, mark.full_at)
    return min(mark.read_at, now) - overlap, Mark(system, now, mark.wide_at, mark.full_at)


def _is_within(at: datetime, now: datetime, span: timedelta) -> bool:
    return timedelta(0) <= now - at < span


def _chunks(records: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for begin in range(0, len(records), CHUNK):
        yield records[begin : begin + CHUNK]
