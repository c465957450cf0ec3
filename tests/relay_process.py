"""A relay as a process of its own that can be killed, at once or at a chosen point of its work; run as a program it is that process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any

from pydantic import BaseModel, SecretStr

from bridge.config.settings import ConnectorSettings, Settings
from bridge.erp import relay
from bridge.erp.backoff import Backoff
from bridge.erp.connector import Event
from bridge.erp.connectors import CONNECTORS
from bridge.erp.relay.journal import Journal
from bridge.erp.relay.rhythm import DEFAULT, Rhythm
from bridge.model.production import MaterialActual, WorkRequest, event_id
from bridge.store import availability, outbox
from bridge.store.database import CHANNEL_LIVE, Connection, connected
from tests.program import Program

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
EQUIPMENT = "acme/dortmund/machining/line1/cnc1"
QUICK = replace(
    DEFAULT,
    retry=Backoff(timedelta(milliseconds=20), timedelta(milliseconds=200)),
    refused_key=Backoff(timedelta(milliseconds=300), timedelta(milliseconds=300)),
    circuit=Backoff(timedelta(milliseconds=50), timedelta(milliseconds=300)),
    longest_pause=timedelta(milliseconds=200),
)

# Where a relay can be told to die: what is called there, before or after it; of the connector where no owner is named.
POINTS = {
    "claim": (Journal, "claim"),
    "lookup": (None, "lookup"),
    "plan": (None, "plan"),
    "keep_plan": (Journal, "keep_plan"),
    "execute": (None, "execute"),
    "record_step": (Journal, "record_step"),
    "verify": (None, "verify"),
    "finish": (Journal, "finish"),
    "insert": (outbox, "insert"),
    "write_level": (availability, "write"),
}


def settings_of(dsn: str, *connectors: ConnectorSettings) -> Settings:
    return Settings.model_validate(
        {"plant": {"name": "test"}, "database": {"dsn": dsn}, "connector": [reveal(table) for table in connectors]}
    )


def reveal(value: Any) -> Any:
    """A table as plain JSON, its secrets too."""
    match value:
        case BaseModel():
            return {name: reveal(part) for name, part in value}
        case SecretStr():
            return value.get_secret_value()
        case dict():
            return {name: reveal(part) for name, part in value.items()}
        case list() | tuple():
            return [reveal(part) for part in value]
        case None | bool() | int() | float():
            return value
        case _:
            return str(value)


@asynccontextmanager
async def relaying(dsn: str, *connectors: ConnectorSettings, rhythm: Rhythm = QUICK) -> AsyncIterator[None]:
    """A relay in this process."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(relay.run(settings_of(dsn, *connectors), stop, rhythm))
        try:
            yield
        finally:
            stop.set()


def start(dsn: str, table: ConnectorSettings, *lives: str, others: Sequence[ConnectorSettings] = ()) -> Program:
    """A relay in a process of its own. A life is "before|after <point> <nth>", where it dies; empty: never by itself.

    Of several lives each begins when the one before has died; the process ends with the last. Points of a connector are those of
    `table`, whatever other connectors the relay has.
    """
    environment = {**os.environ, "TEST_CONNECTORS": json.dumps([reveal(each) for each in (table, *others)])}
    return Program("tests.relay_process", dsn, *(lives or ("",)), env=environment)


async def started(dsn: str, table: ConnectorSettings) -> Program:
    """A relay in a process of its own that is at the database."""
    process = start(dsn, table)
    async with connected(dsn, "test") as connection:
        relays = (
            "select 1 from pg_stat_activity where datname = current_database() and application_name like 'amor relay%'"
        )
        while not await (await connection.execute(relays)).fetchone():
            assert process.returncode is None, "the relay ended by itself"
            await asyncio.sleep(0.05)
    return process


async def live_through(dsn: str, table: ConnectorSettings, lives: Sequence[str]) -> list[dict[str, Any]]:
    """The rows, all done by relays of which each died where its life says."""
    process = start(dsn, table, *lives, "")
    try:
        rows = await drained(dsn)
    finally:
        process.send_signal(signal.SIGTERM)
        ended = await process.ended()
    assert ended == 0, "the story was told before the relay had died everywhere"
    return rows


async def put(connection: Connection, event: Event, stream: str) -> int:
    """An outbox row of any event."""
    made = await outbox.insert(
        connection, connector="erp", stream=stream, kind=event.kind, payload=event.payload(), key=str(event.event_id)
    )
    assert made is not None
    return made


async def post(
    connection: Connection, order: str, quantities: list[int], *, first: int = 1, before: int = 0
) -> list[int]:
    """Outbox rows of one order, in order; `before` pieces went out earlier."""
    ids, cumulative = [], Decimal(before)
    for sequence, quantity in enumerate(quantities, start=first):
        cumulative += quantity
        fact = event_id("test", order, sequence)
        event = MaterialActual(fact, order, sequence, AT, Decimal(quantity), cumulative, "1", EQUIPMENT)
        made = await outbox.insert(
            connection, connector="erp", stream=order, kind="wip_to_fg", payload=event.payload(), key=str(fact)
        )
        assert made is not None
        ids.append(made)
    return ids


async def request(connection: Connection, ticket: int, equipment: str = EQUIPMENT) -> int:
    """An outbox row of one ticket."""
    fact = event_id("test", f"ticket-{ticket}", 1)
    event = WorkRequest(fact, ticket, equipment, "VIB", "high", f"Vibration {ticket}", "4.9 mm/s", AT)
    made = await outbox.insert(
        connection,
        connector="erp",
        stream=f"ticket-{ticket}",
        kind="work_request",
        payload=event.payload(),
        key=str(fact),
    )
    assert made is not None
    return made


async def until(dsn: str, reached: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """The outbox as soon as it is as asked for; looks whenever the live channel says that something changed."""
    async with connected(dsn, "test") as connection:
        await connection.execute(f"listen {CHANNEL_LIVE}".encode())
        while True:
            rows = await (await connection.execute("select * from outbox order by id")).fetchall()
            if reached(rows):
                return rows
            async for _ in connection.notifies(stop_after=1):
                pass


async def drained(dsn: str) -> list[dict[str, Any]]:
    return await until(dsn, lambda rows: all(row["state"] == "done" for row in rows))


def _die(die_at: str, table: ConnectorSettings) -> None:
    when, name, nth = die_at.split()
    owner, attribute = POINTS[name]
    owner = owner or CONNECTORS[table.type]
    original, calls = getattr(owner, attribute), count(1)

    async def mortal(*arguments: Any, **named: Any) -> Any:
        is_last = next(calls) >= int(nth)  # or the first that comes to an answer after it
        if is_last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await original(*arguments, **named)
        if is_last and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(owner, attribute, mortal)


async def _live(dsn: str, die_at: str) -> None:
    tables = Settings.model_validate(
        {"plant": {"name": "test"}, "database": {"dsn": dsn}, "connector": json.loads(os.environ["TEST_CONNECTORS"])}
    ).connector
    if die_at:
        _die(die_at, tables[0])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await relay.run(settings_of(dsn, *tables), stop, QUICK)


def _main() -> None:
    dsn, *lives = sys.argv[1:]
    *short, last = lives
    for die_at in short:
        if (child := os.fork()) == 0:
            asyncio.run(_live(dsn, die_at))
            os._exit(0)
        signal.signal(signal.SIGTERM, partial(_end_with, child))
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(f"the relay ended without dying {die_at}")
    asyncio.run(_live(dsn, last))


def _end_with(child: int, *_: Any) -> None:
    os.kill(child, signal.SIGKILL)
    sys.exit("ended from outside before the last life")


if __name__ == "__main__":
    _main()
