"""`amor outbox list`, `show`: what waits for a person, what the systems have, one event with all that is known of it."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from typing import Annotated, Any

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from bridge.cli.outbox.database import CONFIG, ConfigFile, Number, on_database, out
from bridge.config import load_settings
from bridge.errors import AmorError
from bridge.store import connector_control, outbox
from bridge.store.database import Row
from bridge.store.reversal import read_decision

_ANSWER = 600  # characters of a request or an answer that are shown
_STATES = ("pending", "sending", "parked", "done")


def list_(
    config: ConfigFile = CONFIG,
    connector: Annotated[str | None, typer.Option(help="Of this connector only.")] = None,
    order: Annotated[str | None, typer.Option(help="Of this order only (or another stream, as ticket-17).")] = None,
    state: Annotated[
        str | None, typer.Option(help=f"{', '.join(_STATES[:-1])} or done. Default: what is parked or failing.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 50,
) -> None:
    """Events that wait for a person or fail, those that wait first; with `--state done` what the systems have, newest first."""
    if state not in (None, *_STATES):
        raise AmorError(f"--state {state}: write {', '.join(_STATES[:-1])} or done")
    if state == "done":
        taken = on_database(
            config, lambda connection: outbox.taken(connection, connector=connector, stream=order, most=most)
        )
        out.print(_taken(taken) if taken else "no system has anything")
        return
    configured = [table.name for table in load_settings(config).connector]
    rows, stopped, elsewhere = on_database(
        config,
        lambda connection: _gather(
            outbox.listed(connection, connector=connector, stream=order, state=state, most=most),
            connector_control.stopped(connection),
            outbox.open_elsewhere(connection, configured),
        ),
    )
    for name, events in elsewhere.items():
        out.print(f"[yellow]nobody carries[/] {events} events for {escape(name)}: it is not in the configuration")
    for stop in stopped:
        out.print(f"[yellow]stopped[/] {stop['connector']} by {escape(stop['actor'])}: {escape(stop['reason'])}")
    out.print(_open(rows) if rows else "nothing waits for a person, and nothing fails")


def _open(rows: list[Row]) -> Table:
    table = Table("number", "connector", "stream", "seq", "kind", "quantity", "state", "tries", "what is wrong")
    for row in rows:
        table.add_row(*_head(row), row["quantity"] or "", row["state"], str(row["attempts"]), escape(row["last_error"]))
    return table


def _taken(rows: list[Row]) -> Table:
    table = Table("number", "connector", "stream", "seq", "kind", "quantity", "taken", "document")
    for row in rows:
        at = f"{row['done_at'].astimezone():%Y-%m-%d %H:%M:%S}"
        table.add_row(*_head(row), row["quantity"] or "", at, escape(row["external_id"] or ""))
    return table


def _head(row: Row) -> list[str]:
    return [escape(str(row[name])) for name in ("id", "connector", "stream", "seq", "kind")]


def show(number: Number, config: ConfigFile = CONFIG) -> None:
    """One event: what it says, what was sent and answered, what people changed."""
    row, attempts, edits, taken_back = on_database(
        config,
        lambda connection: _gather(
            outbox.read(connection, number), outbox.attempts(connection, number, 50),
            outbox.edits(connection, number), read_decision(connection, number),
        ),
    )  # fmt: skip
    if row is None:
        raise AmorError(f"there is no event {number} in the outbox")
    out.print(f"event {number}: {row['kind']} for {row['connector']}, {row['stream']} #{row['seq']}, {row['state']}")
    out.print(f"key {row['key']}" + (f", there {row['external_id']}" if row["external_id"] else ""))
    if row["last_error"]:
        out.print(f"[red]{escape(row['last_error'])}[/]")
    if row["state"] == "parked":
        out.print(
            f"it waits for a person: mend what is wrong there and `amor outbox replay {number}`, or its fields (edit {number}) first; "
            f"`settle {number}` where it was booked by hand"
        )
    if taken_back:
        out.print(
            f"taken back by {escape(taken_back['actor'])}: {taken_back['quantity']:f} of order "
            f"{escape(taken_back['order_number'])} in all, {escape(taken_back['reason'])}"
        )
    out.print_json(orjson.dumps(row["payload"]).decode())
    for attempt in attempts:
        _print_attempt(attempt)
    if not attempts and row["state"] == "done":
        out.print(
            "nothing was sent (the system had it, or a person settled it), or its requests and answers are not kept any more"
        )
    elif not attempts:
        out.print("nothing was sent yet")
    for edit in edits:
        out.print(f"changed {edit['at']:%Y-%m-%d %H:%M} by {escape(edit['actor'])}: {escape(edit['reason'])}")


def _print_attempt(attempt: Row) -> None:
    """A request with its answer, newest first: lines and no table, which a terminal of 80 columns would tear to pieces."""
    colour = "green" if attempt["outcome"] == "ok" else "red"
    out.print(
        f"\n{attempt['at'].astimezone():%Y-%m-%d %H:%M:%S}  {escape(attempt['step'])}: [{colour}]{attempt['outcome']}[/]"
        f" {attempt['status'] or ''} in {attempt['duration_ms']:.0f} ms",
        soft_wrap=True,
    )
    if attempt["request"] is not None:
        request = json.dumps(attempt["request"], default=str)
        out.print(f"  -> {escape(request[:_ANSWER])}{' ...' if len(request) > _ANSWER else ''}", soft_wrap=True)
    if attempt["answer"]:
        answer = " ".join(attempt["answer"].split())
        out.print(f"  <- {escape(answer[:_ANSWER])}{' ...' if len(answer) > _ANSWER else ''}", soft_wrap=True)


async def _gather(*parts: Awaitable[Any]) -> tuple[Any, ...]:
    """One after the other: they share a connection."""
    return tuple([await part for part in parts])
