"""`amor outbox reverse`: good pieces that were posted turned out to be scrap, and a person takes them back."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from rich.markup import escape
from rich.table import Table

from bridge.cli.outbox.database import CONFIG, Agreed, ConfigFile, Key, Reason, on_database, out, table_of
from bridge.config import load_settings
from bridge.errors import AmorError
from bridge.model.production import EventKind
from bridge.store import outbox
from bridge.store.database import Connection, Row
from bridge.store.reversal import Part, is_known, read_posted, reverse_pieces, share


def reverse(
    order: Annotated[str, typer.Argument(help="Number of the production order.")],
    connector: Annotated[str, typer.Option(help="The connector that the pieces were posted to.")],
    quantity: Annotated[str, typer.Option(help="How many good pieces are taken back, in the order's unit.")],
    reason: Reason,
    config: ConfigFile = CONFIG,
    is_agreed: Agreed = False,
    key: Key = "",
) -> None:
    """Take good pieces of an order back, of its newest postings first. Shows of which, and asks before it does."""
    wanted = decimal(quantity)
    check_carries(config, connector)
    own_key = f"by hand|{key or uuid4()}"
    if not is_agreed and not on_database(config, lambda connection: is_known(connection, own_key)):
        parts = on_database(config, lambda connection: _parts(connection, connector, order, wanted))
        _show(parts)
        typer.confirm(f"take {wanted:f} back?", abort=True)

    async def take_back(connection: Connection) -> list[Row]:
        async with connection.transaction():
            numbers = await reverse_pieces(
                connection,
                connector=connector,
                order_number=order,
                quantity=wanted,
                reason=reason,
                actor=getpass.getuser(),
                at=datetime.now(UTC),
                key=own_key,
            )
        return [row for number in numbers if (row := await outbox.read(connection, number))]

    for row in on_database(config, take_back):
        event, posted = row["payload"], row["payload"]["reverses"]["payload"]
        out.print(
            f"event {row['id']} takes back {event['quantity']} of {posted['quantity']} of posting {posted['sequence']}, "
            f"{event['cumulative']} of it in all; it is {row['state']}",
            soft_wrap=True,
        )


async def _parts(connection: Connection, connector: str, order: str, quantity: Decimal) -> list[Part]:
    return share(await read_posted(connection, connector, order), quantity, connector, order)


def _show(parts: list[Part]) -> None:
    table = Table("take back", "of event", "stream", "posted", "taken back before", "state")
    for part in parts:
        event = part.reverses
        table.add_row(
            f"{part.quantity:f}", str(event.id), escape(event.stream), f"{event.quantity:f}", f"{event.taken_back:f}",
            event.state,
        )  # fmt: skip
    out.print(table)


def check_carries(config: Path, connector: str) -> None:
    """Raises AmorError for a connector that carries no reversals."""
    from bridge.erp.connectors import make

    table = table_of(load_settings(config), connector)
    if EventKind.REVERSAL not in make(table).kinds:
        raise AmorError(f"{connector} ({table.type}) carries no reversals: take the pieces back in the system itself")


def decimal(text: str) -> Decimal:
    """A quantity that was typed. Raises AmorError."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise AmorError(f"--quantity {text}: write a number, as 2 or 0.5") from None
