"""The commands of `amor`."""

from __future__ import annotations

import asyncio
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bridge.cli.bench.command import bench
from bridge.cli.erp import app as erp
from bridge.cli.mapping import listen, map_message
from bridge.cli.outbox import app as outbox
from bridge.cli.rules import rules
from bridge.cli.words import print_error, print_problems
from bridge.config import Settings, load_settings
from bridge.errors import AmorError, ConfigError

app = typer.Typer(
    name="amor",
    help="The bridge between a plant's machines and its business systems, and the control tower over both.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
sim = typer.Typer(help="The simulated plant and its ERP, for demonstration and tests.", no_args_is_help=True)
user = typer.Typer(help="Who may log in to the control tower.", no_args_is_help=True)
app.add_typer(sim, name="sim")
app.add_typer(user, name="user")
app.command("map")(map_message)
app.command("listen")(listen)
app.add_typer(bench, name="bench")
app.add_typer(erp, name="erp")
app.add_typer(outbox, name="outbox")
app.add_typer(rules, name="rules")

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

ConfigFile = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="AMOR_CONFIG", help="The configuration file.", dir_okay=False),
]
_DEFAULT_CONFIG = Path("amor.toml")
_PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def main() -> None:
    """Run the command line; what a person should read is printed without a traceback, exit code 1 (2: wrong configuration)."""
    try:
        app()
    except ConfigError as error:
        print_problems(error.problems, err)
        sys.exit(2)
    except AmorError as error:
        print_error(error, err)
        sys.exit(1)


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(f"amor {version('amor')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """The bridge between a plant's machines and its business systems, and the control tower over both."""


@app.command()
def demo(
    duration: Annotated[
        float | None,
        typer.Option(min=5, help="Seconds of production, then compare the ledgers and end. Default: until Ctrl-C."),
    ] = None,
    report: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the ledgers as JSON to this file.")] = None,
    keep: Annotated[
        Path | None, typer.Option(file_okay=False, help="Keep data and logs in this folder. Default: a temporary one.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the control tower. Default: 8050 or a free one.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated plant.")] = 7,
    erp_failures: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of postings that the simulated ERP fails: 500, 429, no answer.")
    ] = 0.1,
) -> None:
    """A whole plant on this machine: machines, broker, database, rules, ERP and control tower."""
    from bridge.cli.demo.options import DemoOptions
    from bridge.cli.demo.run import run_demo

    raise typer.Exit(run_demo(DemoOptions(duration, report, keep, port, seed, erp_failures), out))


@app.command()
def servers(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Where they keep their data and addresses.")] = Path(
        "servers"
    ),
) -> None:
    """A private TimescaleDB and MQTT broker to try amor with, until Ctrl-C. A plant has its own."""
    from bridge.cli.servers import run_servers

    run_servers(folder, out)


@app.command()
def up(config: ConfigFile = _DEFAULT_CONFIG) -> None:
    """Migrate the database, then run bridge, rules, relay and dashboard under one supervisor."""
    from bridge.cli.signals import run_until_stopped
    from bridge.cli.up import up as run_all

    settings = _start("up", config)
    run_until_stopped(lambda _, stop: run_all(config, settings, stop), settings)


@app.command()
def bridge(config: ConfigFile = _DEFAULT_CONFIG) -> None:
    """Take readings from the sources into the database."""
    from bridge.cli.signals import run_until_stopped
    from bridge.ingest.process import run

    run_until_stopped(run, _start("bridge", config))


@app.command()
def relay(config: ConfigFile = _DEFAULT_CONFIG) -> None:
    """Carry the outbox to the business systems, and their orders and shipments back."""
    from bridge.cli.signals import run_until_stopped
    from bridge.erp.relay import run

    run_until_stopped(run, _start("relay", config))


@app.command()
def dashboard(config: ConfigFile = _DEFAULT_CONFIG) -> None:
    """Serve the control tower, its API and its live feed."""
    from bridge.cli.signals import run_until_stopped
    from dashboard.server import run

    run_until_stopped(run, _start("dashboard", config))


@app.command()
def migrate(config: ConfigFile = _DEFAULT_CONFIG) -> None:
    """Bring the database to this version's schema, and the plant's equipment and calendar into it."""
    from bridge.cli.up import prepare_database

    ran = asyncio.run(prepare_database(_start("migrate", config)))
    for name in ran:
        out.print(f"ran {name}")
    if not ran:
        out.print("nothing to do: the schema is up to date")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(envvar="AMOR_CONFIG", help="The configuration file.")] = _DEFAULT_CONFIG,
    online: Annotated[
        bool, typer.Option("--online", help="Also ask the business systems for items, units, places and machines.")
    ] = False,
) -> None:
    """Report every mistake of a configuration file, its rule files and its connectors, each with its line."""
    from bridge.cli.check import check as run_check

    raise typer.Exit(run_check(file, out, err, is_online=online))


@app.command()
def replay(
    config: ConfigFile = _DEFAULT_CONFIG,
    source: Annotated[str | None, typer.Option(help="Of this source only. Default: all.")] = None,
    reason: Annotated[str | None, typer.Option(help="Of reasons LIKE this, such as 'time:%'. Default: all.")] = None,
    ids: Annotated[str | None, typer.Option(help="Of these numbers only, with commas. Default: all.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")] = False,
) -> None:
    """Read the open dead letters again with the present configuration, and store their readings once."""
    from bridge.cli.replay import replay as run_replay

    asyncio.run(run_replay(_start("replay", config), source, reason, ids, out, is_dry=dry_run))


@app.command()
def doctor(config: ConfigFile = _DEFAULT_CONFIG) -> None:
    """Look at everything that the configuration names: database, brokers, servers, ERPs; say what to do."""
    from bridge.cli.doctor import examine

    raise typer.Exit(asyncio.run(examine(config, out)))


@sim.command("plant", context_settings=_PASS_THROUGH)
def sim_plant(context: typer.Context) -> None:
    """Machines that speak MQTT and OPC UA; `amor sim plant --help` says more."""
    _become("simulators.plant", context.args)


@sim.command("erp", context_settings=_PASS_THROUGH)
def sim_erp(context: typer.Context) -> None:
    """An ERP that speaks Odoo's contract; `amor sim erp --help` says more."""
    _become("simulators.erp", context.args)


@user.command("add")
def user_add(
    login: Annotated[str, typer.Argument(help="Login name, lower case.")],
    config: ConfigFile = _DEFAULT_CONFIG,
    role: Annotated[str, typer.Option(help="viewer, operator or admin.")] = "operator",
    password: Annotated[
        str, typer.Option(prompt=True, confirmation_prompt=True, hide_input=True, envvar="AMOR_PASSWORD")
    ] = "",
) -> None:
    """Add a person, or give one a new password and role."""
    from bridge.cli.up import add_account

    asyncio.run(add_account(_start("user", config), login, password, role))
    out.print(f"{login} may log in as {role}")


def _become(module: str, arguments: list[str]) -> None:
    """Replace this process by a program that shares no code with it."""
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606  # no shell is meant


def _start(process: str, config: Path) -> Settings:
    from bridge.cli.logs import set_up_logs

    settings = load_settings(config)
    set_up_logs(process)
    return settings
