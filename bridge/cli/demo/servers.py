"""The database and the broker of the demonstration: private ones, or those that the environment names."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from bridge.cli.demo.progress import steps_on
from bridge.store.embedded import PrivateBroker, PrivateDatabase, prepare


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the two are."""

    dsn: str
    mqtt_url: str


@asynccontextmanager
async def private_servers(folder: Path, out: Console) -> AsyncIterator[Servers]:
    """Run what AMOR_DATABASE_DSN and AMOR_MQTT_URL do not name, with its data in `folder`. Raises SetupError."""
    dsn, mqtt_url = os.environ.get("AMOR_DATABASE_DSN"), os.environ.get("AMOR_MQTT_URL")
    async with AsyncExitStack() as stack:
        if dsn is None or mqtt_url is None:
            with steps_on(out) as report:
                installation = await asyncio.to_thread(prepare, report)
                if dsn is None:
                    database = PrivateDatabase(installation, folder / "database", report=report)
                    dsn = (await stack.enter_async_context(_running(database))).dsn
                if mqtt_url is None:
                    broker = PrivateBroker(installation, folder / "broker", report=report)
                    mqtt_url = (await stack.enter_async_context(_running(broker))).url
            out.print(
                f"[green]✓[/] PostgreSQL {installation.postgres_version} with TimescaleDB {installation.timescaledb_version}, "
                f"mosquitto {installation.mosquitto_version}"
            )
        yield Servers(dsn, mqtt_url)


_Server = TypeVar("_Server", PrivateDatabase, PrivateBroker)


@asynccontextmanager
async def _running(server: _Server) -> AsyncIterator[_Server]:
    try:
        await asyncio.to_thread(server.start)
        yield server
    finally:
        await asyncio.to_thread(server.stop)
