"""The commands of `amor bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

bench = typer.Typer(help="How fast this machine takes readings in.", invoke_without_command=True)
_PARTS = ("one_per_message", "hundred_per_message", "commit_ms", "outage")


@bench.callback()
def _all(context: typer.Context) -> None:
    """How fast this machine takes readings in; without a command all of it."""
    if context.invoked_subcommand is None:
        mqtt()


@bench.command()
def mqtt(
    json: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the figures to this file.")] = None,
    messages: Annotated[int, typer.Option(min=1000, help="Messages of each drain.")] = 100_000,
    runs: Annotated[int, typer.Option(min=1, help="Drains of each kind; the medians are reported.")] = 3,
    outage_seconds: Annotated[float, typer.Option(min=1, help="How long the database is stopped.")] = 300,
    rate_seconds: Annotated[float, typer.Option(min=1, help="How long each rate of commit_ms is held.")] = 20,
    only: Annotated[str, typer.Option(help=f"Parts, with commas between: {', '.join(_PARTS)}.")] = ",".join(_PARTS),
) -> None:
    """MQTT at QoS 1 from a private mosquitto into a private TimescaleDB, by the real bridge process."""
    from bridge.cli.bench.run import BenchOptions, run_mqtt

    parts = tuple(part.strip() for part in only.split(","))
    if unknown := set(parts) - set(_PARTS):
        raise typer.BadParameter(f"{min(unknown)} is no part; parts are {', '.join(_PARTS)}", param_hint="--only")
    run_mqtt(BenchOptions(json, messages, runs, outage_seconds, rate_seconds, parts), Console(highlight=False))
