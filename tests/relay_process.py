"""A relay as a process of its own that can be killed, at once or at a chosen point of its work; run as a program it is that process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from bridge.config.settings import OdooSettings, Settings
from bridge.erp import relay
from bridge.erp.backoff import Backoff
from bridge.erp.odoo19 import Odoo19
from bridge.erp.relay.journal import Journal
from bridge.erp.relay.rhythm import DEFAULT, Rhythm
from bridge.model.production import MaterialActual, WorkRequest, event_id
from bridge.store import outbox
from bridge.store.database import CHANNEL_LIVE, Connection, connected
from tests.erp_process import ROOT

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
EQUIPMENT = "acme/dortmund/machining/line1/cnc1"
QUICK = replace(
    DEFAULT,
    retry=Backoff(timedelta(milliseconds=20), timedelta(milliseconds=200)),
    refused_key=Backoff(timedelta(milliseconds=300), timedelta(milliseconds=300)),
    circuit=Backoff(timedelta(milliseconds=50), timedelta(milliseconds=300)),
    longest_pause=timedelta(milliseconds=200),
)

# Where a relay can be told to die: what is called there, before or after it.
POINTS = {
    "claim": (Journal, "claim"),
    "lookup": (Odoo19, "lookup"),
    "plan": (Odoo19, "plan"),
    "keep_plan": (Journal, "keep_plan"),
    "execute": (Odoo19, "execute"),
    "record_step": (Journal, "record_step"),
    "verify": (Odoo19, "verify"),
    "finish": (Journal, "finish"),
}


def settings_of(dsn: str, *connectors: OdooSettings) -> Settings:
    return Settings.model_validate(
        {"plant": {"name": "test"}, "database": {"dsn": dsn}, "connector": [reveal(table) for table in connectors]}
    )


def reveal(table: OdooSettings) -> dict[str, Any]:
    return {**table.model_dump(mode="json"), "api_key": table.api_key.get_secret_value()}


@asynccontextmanager
async def relaying(dsn: str, *connectors: OdooSettings, rhythm: Rhythm = QUICK) -> AsyncIterator[None]:
    """A relay in this process."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(relay.run(settings_of(dsn, *connectors), stop, rhythm))
        try:
            yield
        finally:
            stop.set()


async def start(dsn: str, table: OdooSettings, die_at: str = "") -> asyncio.subprocess.Process:
    """A relay in a process of its own. `die_at` is "before|after <point> <nth>"; empty: never by itself."""
    command = [sys.executable, "-m", "tests.relay_process", settings_of(dsn, table).database.dsn.get_secret_value()]
    environment = {**os.environ, "TEST_CONNECTOR": OdooSettings.model_validate(reveal(table)).model_dump_json()}
    environment["TEST_API_KEY"] = table.api_key.get_secret_value()
    return await asyncio.create_subprocess_exec(*command, die_at, cwd=ROOT, env=environment)


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


def _die(die_at: str) -> None:
    when, name, nth = die_at.split()
    owner, attribute = POINTS[name]
    original, calls = getattr(owner, attribute), count(1)

    async def mortal(*arguments: Any, **named: Any) -> Any:
        is_last = next(calls) == int(nth)
        if is_last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await original(*arguments, **named)
        if is_last and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(owner, attribute, mortal)


async def _main() -> None:
    dsn, die_at = sys.argv[1:]
    if die_at:
        _die(die_at)
    table = OdooSettings.model_validate_json(os.environ["TEST_CONNECTOR"])
    table = table.model_copy(update={"api_key": type(table.api_key)(os.environ["TEST_API_KEY"])})
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await relay.run(settings_of(dsn, table), stop, QUICK)


if __name__ == "__main__":
    asyncio.run(_main())
