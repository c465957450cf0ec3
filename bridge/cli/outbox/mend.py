"""`amor outbox edit`, `replay`, `settle`, `dry-run`: what people do about an event that waits for them."""

from __future__ import annotations

import asyncio
import getpass
import json
from typing import Annotated, Any

import orjson
import typer

from bridge.cli.outbox.database import CONFIG, ConfigFile, Number, Reason, on_database, out, table_of
from bridge.config import Settings, load_settings
from bridge.errors import AmorError
from bridge.model.event_fields import NotAValue, changes_of
from bridge.store import mending, outbox
from bridge.store.database import Connection, connected
from bridge.store.mending import Edited


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


def replay(
    numbers: Annotated[list[int], typer.Argument(help="Numbers of parked events.")], config: ConfigFile = CONFIG
) -> None:
    """Give parked events back to the relay, with the same ids; it looks each up before it sends."""
    for number in numbers:
        found = on_database(config, lambda connection, number=number: outbox.replay(connection, number))  # type: ignore[misc]  # a default binds the loop's value
        out.print(f"event {number} is on its way" if found else f"event {number} is not parked")


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


def dry_run(number: Number, config: ConfigFile = CONFIG) -> None:
    """Ask the system for an event and print the requests that would go out now. Sends nothing that changes."""
    asyncio.run(_dry_run(load_settings(config), number))


async def _dry_run(settings: Settings, number: int) -> None:
    from bridge.erp.connectors import make
    from bridge.erp.relay.questions import dry_run as asked

    async with connected(settings.database.dsn.get_secret_value(), "outbox") as connection:
        row = await outbox.read(connection, number)
    if row is None:
        raise AmorError(f"there is no event {number} in the outbox")
    table = table_of(settings, row["connector"])
    async with make(table) as system:
        found = await asked(system, row)
    if not found["steps"]:
        there = f"{row['connector']} has it already, as {found['has_it_as']}: " if found["has_it_as"] else ""
        out.print(f"{there}nothing would be sent")
    for step in found["steps"]:
        out.print(
            f"{step['name']}: {step['call']}" + ("" if step["is_repeatable"] else "  (is never sent twice unasked)")
        )
        out.print_json(orjson.dumps(step["body"], default=str).decode())


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
