"""All processes of a plant under one supervisor, and what the database needs before they start."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, get_args

import psycopg
import structlog

from bridge.cli.supervisor import Child, amor_command, supervise
from bridge.config import Settings
from bridge.errors import AmorError
from bridge.store import account
from bridge.store.database import connected
from bridge.store.equipment import apply_plant
from bridge.store.migrate import migrate

log = structlog.get_logger()

PROCESSES: Final = ("bridge", "rules", "relay", "dashboard")
SHORTEST_PASSWORD: Final = 8
"""Characters (NIST SP 800-63B, 5.1.1.2)."""
_RETRY_S: Final = 3.0


async def up(config: Path, settings: Settings, stop: asyncio.Event) -> None:
    """Migrate, then keep every process running until `stop`. Waits for a database that is not there yet."""
    while not stop.is_set():
        try:
            await prepare_database(settings)
            break
        except AmorError as error:
            if not isinstance(error.__cause__, psycopg.OperationalError):
                raise
            log.warning("waiting for the database", reason=str(error))
            await _pause(stop)
    else:
        return
    await supervise(processes(config), stop)


def processes(config: Path, logs: Path | None = None) -> list[Child]:
    """The children of a plant; `logs` is a folder for a log file each."""
    return [
        Child(
            name,
            amor_command(name, "--config", str(config)),
            log_file=logs / f"{name}.log" if logs else None,
        )
        for name in PROCESSES
    ]


async def prepare_database(settings: Settings) -> list[str]:
    """Migrate and apply the plant's equipment and calendar; returns the migrations that ran."""
    dsn = settings.database.dsn.get_secret_value()
    try:
        ran = await migrate(dsn)
        async with connected(dsn, "migrate") as connection:
            await apply_plant(connection, settings, datetime.now(UTC))
    except psycopg.OperationalError as error:
        raise AmorError(f"the database does not answer: {str(error).strip()}; check [database] dsn") from error
    return ran


async def add_account(settings: Settings, login: str, password: str, role: str) -> None:
    """Add an account or give it a new password and role. Raises AmorError for a short password or a role that there is not."""
    if len(password) < SHORTEST_PASSWORD:
        raise AmorError(f"the password has {len(password)} characters: take {SHORTEST_PASSWORD} or more")
    if role not in get_args(account.Role):
        raise AmorError(f"there is no role {role}: write {', '.join(get_args(account.Role))}")
    async with connected(settings.database.dsn.get_secret_value(), "user") as connection:
        await account.create_account(connection, login, password, role)


async def _pause(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), _RETRY_S)
    except TimeoutError:
        return
