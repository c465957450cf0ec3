"""`amor doctor`: looks at everything that the configuration names and says what is wrong and what to do."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
from rich.console import Console
from rich.markup import escape

from bridge.cli.words import print_problems
from bridge.config import Settings, load_settings
from bridge.errors import ConfigError
from bridge.store import doctor as facts
from bridge.store.database import connected
from bridge.store.migrate import pending

_PATIENCE_S: Final = 3.0
_DEFAULT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883, "opc.tcp": 4840, "http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, whether it is well, and what a person should know or do."""

    what: str
    is_well: bool
    words: str


async def examine(config: Path, out: Console) -> int:
    """Print every finding as it comes; returns the exit code: 0 all well, 1 something is wrong, 2 the file is wrong."""
    try:
        settings = load_settings(config)
    except ConfigError as error:
        print_problems(error.problems, out)
        return 2
    out.print(f"[green]✓[/] configuration  {config}")
    all_well = True
    async for finding in _findings(settings):
        all_well &= finding.is_well
        mark = "[green]✓[/]" if finding.is_well else "[red]✗[/]"
        out.print(f"{mark} {finding.what}  {escape(finding.words)}", soft_wrap=True)
    return 0 if all_well else 1


async def _findings(settings: Settings) -> AsyncIterator[Finding]:
    async for finding in _database(settings):
        yield finding
    for source in settings.source:
        yield await _reach(f"source {source.name}", source.url)
    for connector in settings.connector:
        what = f"connector {connector.name}"
        if isinstance(connector.url, str):
            yield await _reach(what, connector.url)
        else:  # its address is a secret, and only a message would tell
            yield Finding(what, True, "not asked: its service can only be tried with a message")
    yield await asyncio.to_thread(_port, settings.dashboard.host, settings.dashboard.port)


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    try:
        async with connected(settings.database.dsn.get_secret_value(), "doctor") as connection:
            server = await facts.server(connection)
            yield Finding("database", bool(server.timescale) or server.can_have_timescale, _versions(server))
            if names := await pending(connection):
                yield Finding(
                    "schema", False, f"{len(names)} migrations have not run: `amor migrate` or `amor up` runs them"
                )
                return
            yield Finding("schema", True, "up to date")
            for source in await facts.sources(connection):
                yield Finding(
                    f"source {source['source']}",
                    True,
                    f"newest batch received {source['newest']:%Y-%m-%d %H:%M:%S} UTC",
                )
            counts = await facts.waiting(connection)
            yield Finding("dead letters", counts["dead_letters"] == 0, f"{counts['dead_letters']} wait for a person")
            yield Finding(
                "outbox", counts["parked"] == 0, f"{counts['open']} open, {counts['parked']} parked for a person"
            )
    except psycopg.OperationalError as error:
        yield Finding("database", False, f"does not answer: {str(error).strip()}; check [database] dsn")


def _versions(server: facts.Server) -> str:
    if server.timescale:
        return f"PostgreSQL {server.postgres}, TimescaleDB {server.timescale} ({server.edition} edition)"
    if server.can_have_timescale:
        return f"PostgreSQL {server.postgres}; `amor migrate` will bring TimescaleDB into it"
    return f"PostgreSQL {server.postgres} without TimescaleDB: install its package on the server (timescaledb-2-postgresql-17 or the like)"


async def _reach(what: str, url: str) -> Finding:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), _PATIENCE_S)
    except (OSError, TimeoutError) as error:
        reason = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        return Finding(what, False, f"{host}:{port} cannot be reached: {reason}; check its address and the firewall")
    writer.close()
    return Finding(what, True, f"{host}:{port} answers")


def _port(host: str, port: int) -> Finding:
    with socket.socket() as probe:
        probe.settimeout(_PATIENCE_S)
        taken = probe.connect_ex((host, port)) == 0
    if taken:
        return Finding("control tower", True, f"http://{host}:{port} is being served")
    return Finding("control tower", True, f"port {port} is free; nothing is served there now")
