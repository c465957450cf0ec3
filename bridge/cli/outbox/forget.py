"""`amor outbox forget`: what the relay deletes at night, now: the first time after years, or before a disk is full."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from bridge.cli.outbox.database import CONFIG, ConfigFile, on_database, out
from bridge.config import load_settings
from bridge.store.database import Connection


def forget(config: ConfigFile = CONFIG) -> None:
    """Delete requests and answers of events that are long done, and old messages, as [relay] says; events of the accounting stay."""
    from bridge.erp.relay.retention import Deleted
    from bridge.erp.relay.retention import forget as forget_all

    table = load_settings(config).relay

    async def work(connection: Connection) -> Deleted:
        return await forget_all(connection, table, datetime.now(UTC), asyncio.Event())

    deleted = on_database(config, work)
    out.print(
        f"deleted {deleted.attempts} requests of events that were done more than {table.keep_attempts_days} days ago, and "
        f"{deleted.messages} messages of more than {table.keep_messages_days} days (0 days: kept for ever)",
        soft_wrap=True,
    )
