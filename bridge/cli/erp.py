"""`amor erp`: what would go to a business system, and whether it knows what the configuration names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from bridge.config import Settings, load_settings, places
from bridge.config.settings import ConnectorSettings
from bridge.config.settings.notify import targets_of
from bridge.errors import AmorError, ConfigError, ConnectorError, Problem, SetupError
from bridge.model.production import EventKind

if TYPE_CHECKING:  # what connectors import takes half a second, and most commands need none
    from bridge.erp.connector import Event, MasterDataProblem, Step

app = typer.Typer(help="What would go to a business system.", no_args_is_help=True)
out = Console(highlight=False)

ConfigFile = Annotated[
    Path, typer.Option("--config", "-c", envvar="AMOR_CONFIG", help="The configuration file.", dir_okay=False)
]
_WORK_UNIT_DEPTH = 5  # parts of the path of what is connected to machines: enterprise to work unit


@app.callback()
def _options() -> None:
    """What would go to a business system."""


@app.command()
def preview(
    event: Annotated[
        str, typer.Argument(help="Number of an event (`amor outbox list`), or a JSON file {kind, payload}.")
    ],
    config: ConfigFile = Path("amor.toml"),
    connector: Annotated[str | None, typer.Option(help="For this connector. Default: that of the event.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the steps as JSON.")] = False,
) -> None:
    """The exact requests that would carry an event now. The system is asked, nothing is changed, credentials are not shown."""
    settings = load_settings(config)
    asyncio.run(_preview(settings, event, connector, as_json=as_json))


async def _preview(settings: Settings, named: str, connector: str | None, *, as_json: bool) -> None:
    from bridge.erp import event as events
    from bridge.erp.connectors import make

    meant, kind, payload = await (_stored(settings, int(named)) if named.isdigit() else _filed(Path(named)))
    event = events.read(kind, payload)
    table = _table(settings, connector or meant, event)
    async with make(table) as system:
        steps = await system.plan(event)
        found = None if steps else await system.lookup(event)
    if as_json:
        out.print_json(json.dumps([step.to_json() for step in steps]))
    elif found is not None:
        out.print(f"nothing would be sent: {table.name} has this event as {escape(str(found.external_id))}")
    else:
        _show(steps, event, table)


async def _stored(settings: Settings, number: int) -> tuple[str, str, dict[str, Any]]:
    from bridge.store import outbox
    from bridge.store.database import connected

    async with connected(settings.database.dsn.get_secret_value(), "preview") as connection:
        row = await outbox.read(connection, number)
    if row is None:
        raise AmorError(f"there is no event {number}: `amor outbox list` shows those that wait")
    return row["connector"], row["kind"], row["payload"]


async def _filed(file: Path) -> tuple[str, str, dict[str, Any]]:
    try:
        document = json.loads(await asyncio.to_thread(file.read_text, encoding="utf-8"))
        return "", document["kind"], document["payload"]
    except OSError as error:
        raise AmorError(f"{file} is neither the number of an event nor a file: {error.strerror}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise AmorError(f'{file} is no event: write {{"kind": "wip_to_fg", "payload": {{...}}}}') from error


def _table(settings: Settings, name: str, event: Event) -> ConnectorSettings:
    """The connector that is named, or the only one."""
    names = [table.name for table in settings.connector]
    if not name and len(names) == 1:
        name = names[0]
    for table in settings.connector:
        if table.name == name:
            return table
    told = ", ".join(names) or "none"
    raise AmorError(f"say for which connector the {event.kind} event is: --connector with one of {told}")


def _show(steps: Sequence[Step], event: Event, table: ConnectorSettings) -> None:
    out.print(
        f"{event.kind} {event.event_id} for {table.name} ({table.type}): {len(steps)} request{'' if len(steps) == 1 else 's'}"
    )
    for number, step in enumerate(steps, 1):
        again = "may be sent again" if step.is_repeatable else "is looked up before it is sent again"
        out.print(f"\n[bold]{number}. {escape(step.name)}[/]  {escape(step.call)}  ({again})", soft_wrap=True)
        out.print_json(json.dumps(step.body))


def connector_problems(settings: Settings, file: Path) -> list[Problem]:
    """What is wrong with connectors that can be told without asking anybody: their own files, and what these say."""
    from bridge.erp.connectors import make

    lines = places.places(file.read_text(encoding="utf-8"))
    problems: list[Problem] = []
    for index, table in enumerate(settings.connector):
        try:
            make(table)
        except ConfigError as error:
            problems += error.problems
        except SetupError as error:
            place = ("connector", index, "tls")
            problems.append(Problem(str(file), places.line_of(lines, place), 0, f"connector[{index}].tls", str(error)))
    return problems


def relay_problems(settings: Settings, file: Path) -> list[Problem]:
    """Roles of [relay] that nobody has: what they were to be told would be told to nobody."""
    lines = places.places(file.read_text(encoding="utf-8"))
    return [
        Problem(
            str(file), places.line_of(lines, ("relay", "notify", index)), 0, f"relay.notify[{index}]",
            f"nobody has the role {role}: give it to a connector of type apprise (roles), or take it away",
        )
        for index, role in enumerate(settings.relay.notify)
        if not targets_of(settings.connector, role)
    ]  # fmt: skip


def carried_kinds(settings: Settings) -> dict[str, frozenset[EventKind]]:
    """The kinds of event that each connector to a business system carries; without those that `connector_problems` tells of."""
    from bridge.erp.connectors import CONNECTORS, make

    kinds = {}
    for table in settings.connector:
        with suppress(ConfigError, SetupError):
            if table.type in CONNECTORS:
                kinds[table.name] = make(table).kinds
    return kinds


def master_data_problems(settings: Settings, file: Path) -> list[Problem]:
    """What the systems do not know of what the configuration names: items, units, locations, reasons, equipment."""
    lines = places.places(file.read_text(encoding="utf-8"))
    equipment = [each.path for each in settings.equipment if len(each.path.split("/")) >= _WORK_UNIT_DEPTH]
    problems: list[Problem] = []
    for index, table in enumerate(settings.connector):
        for problem in asyncio.run(_asked(table, equipment)):
            path: places.Path = ("connector", index, *problem.field.split("."))
            message = f"{table.name}: {problem.message}"
            problems.append(
                Problem(str(file), places.line_of(lines, path), 0, f"connector[{index}].{problem.field}", message)
            )
    return problems


def not_asked(settings: Settings) -> list[str]:
    """What systems cannot be asked for, a line each."""
    from bridge.erp.connectors import make

    found = ((table.name, getattr(make(table), "not_asked", ())) for table in settings.connector)
    return [f"{name} was not asked for {' and '.join(what)}" for name, what in found if what]


async def _asked(table: ConnectorSettings, equipment: Sequence[str]) -> list[MasterDataProblem]:
    from bridge.erp.connector import MasterDataProblem
    from bridge.erp.connectors import make

    try:
        async with make(table) as system:
            return await system.check_master_data(equipment)
    except ConnectorError as error:
        return [MasterDataProblem("url", f"cannot be asked: {error}")]
