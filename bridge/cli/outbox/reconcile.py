"""`amor outbox reconcile`: made, posted and what the system has, order by order."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from bridge.cli.outbox.database import CONFIG, ConfigFile, ConnectorName, out, table_of
from bridge.config import Settings, load_settings
from bridge.model.decimals import plain
from bridge.store import reconciliation
from bridge.store.database import connected
from bridge.store.reconciliation import Difference


def reconcile(
    connector: ConnectorName,
    config: ConfigFile = CONFIG,
    days: Annotated[int, typer.Option(min=1, help="Orders of so many days.")] = 35,
    json_file: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write it to this file.")] = None,
) -> None:
    """Compare made, posted and the system's own totals, order by order. Exit code 1 where an order differs."""
    settings = load_settings(config)
    since = datetime.now(UTC) - timedelta(days=days)
    orders, found = asyncio.run(_reconcile(settings, connector, since))
    table = Table(
        "order", "", "made", "taken back", "posted", "on the way", "parked", "system", "what a person might do"
    )
    for difference in found:
        for row in _reconciled(difference):
            table.add_row(*(escape(value) for value in row))
    lines = [_line(difference) for difference in found]
    out.print(table if found else f"{orders} order agrees" if orders == 1 else f"{orders} orders agree")
    if json_file:
        json_file.write_bytes(orjson.dumps({"orders": orders, "differences": lines}, option=orjson.OPT_INDENT_2))
    raise typer.Exit(bool(found))


def _line(difference: Difference) -> dict[str, Any]:
    """As it goes to a file: quantities are texts, so that no digit is lost; null where nobody tells."""
    ledger = difference.ledger
    good = {
        "made": ledger.made_net, "taken_back": ledger.reversed, "posted": ledger.posted_net, "waiting": ledger.on_the_way,
        "parked": ledger.parked + ledger.reversed_parked, "erp": difference.erp,
    }  # fmt: skip
    scrap = {
        "made": ledger.scrap_made_net, "posted": ledger.scrap_posted_net, "waiting": ledger.scrap_on_the_way,
        "parked": ledger.scrap_parked + ledger.scrap_reversed_parked, "erp": difference.erp_scrap,
    }  # fmt: skip
    return {
        "order": ledger.order_number,
        **_texts(good),
        "scrap": None if ledger.scrap_made is None else _texts(scrap),
        "proposal": difference.proposal,
    }


def _reconciled(difference: Difference) -> Iterator[list[str]]:
    """The rows of a table: good pieces, and scrap where somebody posts it."""
    line = _line(difference)
    names = ("made", "taken_back", "posted", "waiting", "parked", "erp")
    yield [line["order"], "good", *(line[name] or "not told" for name in names), line["proposal"]]
    if scrap := line["scrap"]:
        yield ["", "scrap", *("" if name == "taken_back" else scrap[name] or "not told" for name in names), ""]


def _texts(quantities: dict[str, Decimal | None]) -> dict[str, str | None]:
    return {name: None if quantity is None else plain(quantity) for name, quantity in quantities.items()}


async def _reconcile(settings: Settings, connector: str, since: datetime) -> tuple[int, list[Any]]:
    from bridge.erp.connectors import make
    from bridge.erp.relay.reconcile import compare

    async with (
        make(table_of(settings, connector)) as system,
        connected(settings.database.dsn.get_secret_value(), "outbox") as connection,
    ):
        orders, found = await compare(connection, connector, system, since)
        await reconciliation.keep(connection, connector, since, orders, found, getpass.getuser())
    return orders, found
