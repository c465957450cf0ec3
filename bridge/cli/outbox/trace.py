"""`amor outbox trace`: from an event back to the counts that it posts, and from each of them to the reading that told of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from bridge.cli.outbox.database import CONFIG, ConfigFile, Number, on_database, out
from bridge.errors import AmorError
from bridge.store import outbox, posting
from bridge.store.database import Connection, Row

_GONE: Final = "no longer kept"


def trace(
    number: Number,
    config: ConfigFile = CONFIG,
    most: Annotated[int, typer.Option(min=1, help="Counts at most.")] = 200,
) -> None:
    """The counts that an event posts, each with the reading of the machine that it came from."""

    async def read(connection: Connection) -> tuple[Row | None, list[Row]]:
        return await outbox.read(connection, number), await posting.traced(connection, number, most)

    event, counts = on_database(config, read)
    if event is None:
        raise AmorError(f"there is no event {number}: `amor outbox list` shows those that wait")
    what = f"event {number} ({event['kind']} of {event['stream']} for {event['connector']}, {event['state']})"
    if not counts:
        out.print(f"{escape(what)} names no counts: no rule posted it, or it tells the end of an order", soft_wrap=True)
        return
    pieces = sum(count["qty"] for count in counts)
    out.print(
        f"{escape(what)}: {pieces} pieces in {len(counts)} count{'' if len(counts) == 1 else 's'}", soft_wrap=True
    )
    out.print(_table(counts))


def _table(counts: list[Row]) -> Table:
    table = Table(
        "when (UTC)",
        "machine",
        "tag",
        "counter",
        "pieces",
        "kind",
        "reason",
        "lot",
        "serial",
        "reading",
        "received",
        "batch",
    )
    for count in counts:
        table.add_row(
            _time(count["ts"]), count["path"], count["tag"],
            f"{_whole(count['counter_from'])} -> {_whole(count['counter_to'])}", str(count["qty"]), count["kind"],
            escape(count["reason"]), escape(count["lot"]), _serial(count),
            _GONE if count["reading"] is None else _whole(count["reading"]),
            _time(count["received_at"]),
            "" if count["lane"] is None else f"{count['lane']}/{count['batch_seq']}",
        )  # fmt: skip
    return table


def _serial(count: Row) -> str:
    """The serial number, and when it was read where that was not with the piece; of several pieces it is nobody's."""
    if not count["serial"]:
        return ""
    told = escape(count["serial"])
    if count["serial_at"] != count["ts"]:
        told += f" read {_time(count['serial_at'])}"
    return told if count["serial_pieces"] == 1 else f"{told}, of one of {count['serial_pieces']}"


def _time(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] if moment else ""


def _whole(value: Any) -> str:
    return "" if value is None else f"{value:.0f}"
