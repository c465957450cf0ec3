"""`amor outbox reverse-event`: one event that was wrong is taken back; the system is asked first whether it can."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.markup import escape

from bridge.cli.outbox.database import CONFIG, Agreed, ConfigFile, Key, Number, Reason, on_database, out, table_of
from bridge.cli.outbox.reverse import check_carries, decimal
from bridge.config import load_settings
from bridge.errors import AmorError, BusinessError, ConnectorError
from bridge.store import outbox
from bridge.store.database import Connection, Row
from bridge.store.reversal import is_known
from bridge.store.reversal_event import draft_reversal, read_reversible
from bridge.store.reversal_event import reverse_event as take_back


def reverse_event(
    number: Number,
    reason: Reason,
    quantity: Annotated[
        str | None, typer.Option(help="How much of it, in its unit. Default: all that is left of it.")
    ] = None,
    config: ConfigFile = CONFIG,
    is_agreed: Agreed = False,
    key: Key = "",
) -> None:
    """Take one event back: good pieces, scrap, a consumption, a confirmation. The system is asked first whether it can."""
    wanted = None if quantity is None else decimal(quantity)
    said: dict[str, Any] = {"outbox_id": number, "quantity": wanted, "reason": reason, "actor": getpass.getuser()}
    own_key = f"by hand|{key or uuid4()}"
    if not on_database(config, lambda connection: is_known(connection, own_key)):
        _look_before(config, said, is_agreed=is_agreed)

    async def write(connection: Connection) -> Row | None:
        async with connection.transaction():
            written = await take_back(connection, **said, at=datetime.now(UTC), key=own_key)
        return await outbox.read(connection, written)

    row = on_database(config, write)
    assert row is not None, "it was written just now"
    event = row["payload"]
    out.print(
        f"event {row['id']} takes back {event['quantity']} of event {number}, {event['cumulative']} of it in all; it is {row['state']}",
        soft_wrap=True,
    )


def _look_before(config: Path, said: dict[str, Any], *, is_agreed: bool) -> None:
    """Show what would go out, and ask. Raises AmorError where the system says that it cannot."""

    async def look(connection: Connection) -> tuple[Row | None, str, dict[str, Any]]:
        found = await read_reversible(connection, said["outbox_id"])
        draft = await draft_reversal(connection, **said, at=datetime.now(UTC))
        return await outbox.read(connection, found.posted.id), found.connector, draft

    row, connector, draft = on_database(config, look)
    assert row is not None, "it is an event"
    check_carries(config, connector)
    steps = (
        _asked_there(config, connector, draft)
        if row["state"] == "done"
        else ["behind the event itself, which is not posted yet"]
    )
    if not is_agreed:
        out.print(
            f"{draft['quantity']} of event {row['id']} ({row['kind']}, {escape(row['stream'])}): {escape(', '.join(steps))}"
        )
        typer.confirm(f"take {draft['quantity']} back from {connector}?", abort=True)


def _asked_there(config: Path, connector: str, draft: dict[str, Any]) -> list[str]:
    """The names of the requests that would take it back. Raises AmorError with the system's reason; one that is away is not waited for."""
    import asyncio

    from bridge.erp import event as events
    from bridge.erp.connectors import make

    async def plan() -> list[str]:
        async with make(table_of(load_settings(config), connector)) as system:
            return [step.name for step in await system.plan(events.read("reversal", draft))]

    try:
        return asyncio.run(plan())
    except BusinessError as error:
        raise AmorError(f"{connector} cannot take it back, nothing is written: {error}") from None
    except ConnectorError as error:
        out.print(
            f"[yellow]{connector} cannot be asked now[/], should it refuse, the reversal is parked: {escape(str(error))}"
        )
        return ["what it takes is asked for when it is sent"]
