"""What the commands about the outbox share: their options, the table of a connector, and work on the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from rich.console import Console

from bridge.config import Settings, load_settings
from bridge.config.settings import ConnectorSettings
from bridge.errors import AmorError
from bridge.store.database import Connection, connected

T = TypeVar("T")

out = Console(highlight=False)

CONFIG: Final = Path("amor.toml")
ConfigFile = Annotated[
    Path, typer.Option("--config", "-c", envvar="AMOR_CONFIG", help="The configuration file.", dir_okay=False)
]
Reason = Annotated[str, typer.Option(help="Why; it is kept.")]
Number = Annotated[int, typer.Argument(help="The event's number, as `amor outbox list` shows it.")]
Agreed = Annotated[bool, typer.Option("--yes", help="Ask nothing.")]
Key = Annotated[
    str, typer.Option(help="Makes the command unique: repeated with the same key it takes back nothing more.")
]
ConnectorName = Annotated[str, typer.Argument(help="Name of a connector of the configuration.")]


def table_of(settings: Settings, connector: str) -> ConnectorSettings:
    """The table of a connector. Raises AmorError with those that there are."""
    for table in settings.connector:
        if table.name == connector:
            return table
    known = ", ".join(table.name for table in settings.connector) or "none"
    raise AmorError(f"there is no connector {connector} in the configuration; there are: {known}")


def on_database(config: Path, work: Callable[[Connection], Awaitable[T]]) -> T:
    """What `work` gives on a connection to the configuration's database, closed afterwards."""
    settings = load_settings(config)

    async def run() -> T:
        async with connected(settings.database.dsn.get_secret_value(), "outbox") as connection:
            return await work(connection)

    return asyncio.run(run())
