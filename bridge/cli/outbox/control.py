"""`amor outbox stop`, `go`: whether anything goes to a connector."""

from __future__ import annotations

import getpass
from pathlib import Path

from bridge.cli.outbox.database import CONFIG, ConfigFile, ConnectorName, Reason, on_database, out, table_of
from bridge.config import load_settings
from bridge.store import connector_control


def stop(connector: ConnectorName, reason: Reason, config: ConfigFile = CONFIG) -> None:
    """Let nothing more go to a connector; what is under way ends."""
    _known(config, connector)
    made = on_database(
        config, lambda connection: connector_control.stop(connection, connector, reason, getpass.getuser())
    )
    out.print(f"{connector} is stopped" if made else f"{connector} was stopped already")


def go(connector: ConnectorName, config: ConfigFile = CONFIG) -> None:
    """Let a stopped connector go on, and one whose key or system was mended be tried at once."""
    _known(config, connector)
    ended = on_database(config, lambda connection: connector_control.go(connection, connector, getpass.getuser()))
    out.print(f"{connector} goes on" if ended else f"{connector} was not stopped; its pauses end, and it is tried now")


def _known(config: Path, connector: str) -> None:
    table_of(load_settings(config), connector)
