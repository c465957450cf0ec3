"""`amor outbox`: what goes to business systems, for people: look, mend, send again, stop and go, compare."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Awaitable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from bridge.cli.outbox_database import CONFIG, ConfigFile, Reason, on_database, out, table_of
from bridge.cli.outbox_forget import forget
from bridge.cli.outbox_reverse import reverse
from bridge.cli.outbox_reverse_event import reverse_event
from bridge.cli.outbox_trace import trace
from bridge.config import Settings, load_settings
from bridge.errors import AmorError
from bridge.model.event_fields import NotAValue, changes_of
from bridge.store import connector_control, mending, outbox, reconciliation
from bridge.store.database import Connection, connected
from bridge.store.mending import Edited
from bridge.store.reconciliation import Difference
from bridge.store.reversal import read_decision

app = typer.Typer(
    help="What goes to business systems: look, mend, send again, take back, stop and go, compare.",
    no_args_is_help=True,
)
Number = Annotated[int, typer.Argument(help="The event's number, as `amor outbox list` shows it.")]
ConnectorName = Annotated[str, typer.Argument(help="Name of a connector of the configuration.")]
_ANSWER = 300  # characters of an answer that a table shows


@app.command("list")
def list_(
    config: ConfigFile = CONFIG,
    connector: Annotated[str | None, typer.Option(help="Of this connector only.")] = None,
    state: Annotated[
        str | None, typer.Option(help="pending, sending or parked. Default: what is parked or failing.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 50,
) -> None:
    """Events that wait for a person or fail, those that wait first."""
    if state not in (None, "pending", "sending", "parked"):
        raise AmorError(f"--state {state}: write pending, sending or parked")
    configured = [table.name for table in load_settings(config).connector]
    rows, stopped, elsewhere = on_database(
        config,
        lambda connection: _gather(
            outbox.listed(connection, connector=connector, state=state, most=most),
            connector_control.stopped(connection),
            outbox.open_elsewhere(connection, configured),
        ),
    )
    for name, events in elsewhere.items():
        out.print(f"[yellow]nobody carries[/] {events} events for {escape(name)}: it is not in the configuration")
    for stop in stopped:
        out.print(f"[yellow]stopped[/] {stop['connector']} by {escape(stop['actor'])}: {escape(stop['reason'])}")
    table = Table("number", "connector", "stream", "seq", "kind", "quantity", "state", "tries", "what is wrong")
    for row in rows:
        table.add_row(
            *(str(row[name]) for name in ("id", "connector", "stream", "seq", "kind")),
            row["quantity"] or "", row["state"], str(row["attempts"]), escape(row["last_error"]),
        )  # fmt: skip
    out.print(table if rows else "nothing waits for a person, and nothing fails")


@app.command()
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
    table = Table("at", "step", "outcome", "status", "ms", "request", "answer", title="requests, newest first")
    for attempt in attempts:
        request = "" if attempt["request"] is None else json.dumps(attempt["request"], default=str)
        table.add_row(
            f"{attempt['at']:%Y-%m-%d %H:%M:%S}", attempt["step"], attempt["outcome"], str(attempt["status"] or ""),
            f"{attempt['duration_ms']:.0f}", escape(request[:_ANSWER]), escape(attempt["answer"][:_ANSWER]),
        )  # fmt: skip
    none = "nothing was sent yet"
    if row["state"] == "done":
        none = "nothing was sent (the system had it, or a person settled it), or its requests and answers are not kept any more"
    out.print(table if attempts else none)
    for edit in edits:
        out.print(f"changed {edit['at']:%Y-%m-%d %H:%M} by {escape(edit['actor'])}: {escape(edit['reason'])}")


@app.command()
def edit(
    number: Number,
    values: Annotated[
        list[str], typer.Option("--set", help="field=value, as JSON or plain text; several may be given.")
    ],
    reason: Reason,
    config: ConfigFile = CONFIG,
) -> None:
    """Mend a parked event's fields; its id stays, so that it is the same fact. Then `amor outbox replay` it."""
    wanted = _changes(values)

    async def mend(connection: Connection) -> Edited | None:
        row = await outbox.read(connection, number)
        if row is None or row["state"] != "parked":
            return None
        try:
            changes = changes_of(row["kind"], row["payload"], wanted)
        except NotAValue as problem:
            raise AmorError(f"--set {problem}") from None
        if not changes:
            raise AmorError("nothing is changed: every field is as it was")
        return await mending.edit(connection, number, changes, getpass.getuser(), reason)

    edited = on_database(config, mend)
    if edited is None:
        raise AmorError(f"event {number} is not parked: only what waits for a person is changed")
    out.print_json(orjson.dumps(edited.after).decode())
    if edited.renumbered:
        out.print(f"{edited.renumbered} events that wait behind it are numbered anew")


@app.command()
def replay(
    numbers: Annotated[list[int], typer.Argument(help="Numbers of parked events.")], config: ConfigFile = CONFIG
) -> None:
    """Give parked events back to the relay, with the same ids; it looks each up before it sends."""
    for number in numbers:
        found = on_database(config, lambda connection, number=number: outbox.replay(connection, number))  # type: ignore[misc]  # a default binds the loop's value
        out.print(f"event {number} is on its way" if found else f"event {number} is not parked")


@app.command()
def settle(
    number: Number,
    reason: Reason,
    document: Annotated[str | None, typer.Option(help="The document's number in the system.")] = None,
    config: ConfigFile = CONFIG,
) -> None:
    """Say that a parked event was booked by hand, so that what waits behind it goes on. Sends nothing."""
    actor = getpass.getuser()
    if not on_database(config, lambda connection: outbox.settle(connection, number, document, actor, reason)):
        raise AmorError(f"event {number} is not parked: only what waits for a person is settled by one")
    out.print(f"event {number} counts as posted" + (f", as {document}" if document else ""))


app.command()(reverse)
app.command("reverse-event")(reverse_event)
app.command()(forget)
app.command()(trace)


@app.command()
def stop(connector: ConnectorName, reason: Reason, config: ConfigFile = CONFIG) -> None:
    """Let nothing more go to a connector; what is under way ends."""
    _known(config, connector)
    made = on_database(
        config, lambda connection: connector_control.stop(connection, connector, reason, getpass.getuser())
    )
    out.print(f"{connector} is stopped" if made else f"{connector} was stopped already")


@app.command()
def go(connector: ConnectorName, config: ConfigFile = CONFIG) -> None:
    """Let a stopped connector go on, and one whose key or system was mended be tried at once."""
    _known(config, connector)
    ended = on_database(config, lambda connection: connector_control.go(connection, connector, getpass.getuser()))
    out.print(f"{connector} goes on" if ended else f"{connector} was not stopped; its pauses end, and it is tried now")


@app.command("dry-run")
def dry_run(number: Number, config: ConfigFile = CONFIG) -> None:
    """Ask the system for an event and print the requests that would go out now. Sends nothing that changes."""
    asyncio.run(_dry_run(load_settings(config), number))


@app.command()
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


async def _dry_run(settings: Settings, number: int) -> None:
    from bridge.erp import event as events
    from bridge.erp.connectors import make

    async with connected(settings.database.dsn.get_secret_value(), "outbox") as connection:
        row = await outbox.read(connection, number)
    if row is None:
        raise AmorError(f"there is no event {number} in the outbox")
    table = table_of(settings, row["connector"])
    event = events.read(row["kind"], row["payload"])
    async with make(table) as system:
        found = await system.lookup(event)
        if found.is_posted:
            out.print(f"{row['connector']} has it already, as {found.external_id}: nothing would be sent")
            return
        for step in await system.plan(event):
            out.print(f"{step.name}: {step.call}" + ("" if step.is_repeatable else "  (is never sent twice unasked)"))
            out.print_json(orjson.dumps(dict(step.body), default=str).decode())


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
    return {name: None if quantity is None else f"{quantity.normalize():f}" for name, quantity in quantities.items()}


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


def _known(config: Path, connector: str) -> None:
    table_of(load_settings(config), connector)


def _changes(values: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            raise AmorError(f"--set {value}: write field=value")
        # Quantities stand as texts in an event, so that no digit is lost: only what is clearly JSON is read as such.
        is_json = text.startswith(("[", "{", '"')) or text in ("true", "false", "null")
        try:
            found[name] = json.loads(text) if is_json else text
        except ValueError as error:
            raise AmorError(f"--set {value}: is no JSON: {error}") from None
    return found


async def _gather(*parts: Awaitable[Any]) -> tuple[Any, ...]:
    """One after the other: they share a connection."""
    return tuple([await part for part in parts])
