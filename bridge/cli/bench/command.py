"""The commands of `amor bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

bench = typer.Typer(
    help="How fast this machine takes readings in, judges and posts, and what the anomaly rule finds.",
    invoke_without_command=True,
)
_PARTS = ("one_per_message", "hundred_per_message", "commit_ms", "outage")


@bench.callback()
def _all(context: typer.Context) -> None:
    """How fast this machine takes readings in, judges and posts, and what the anomaly rule finds; without a command, `mqtt`."""
    if context.invoked_subcommand is None:
        mqtt()


@bench.command()
def mqtt(
    json: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the figures to this file.")] = None,
    messages: Annotated[int, typer.Option(min=1000, help="Messages of each drain.")] = 300_000,
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


@bench.command()
def nab(
    data: Annotated[
        Path, typer.Option(help="The benchmark's folder: <category>/<series>.csv and combined_windows.json.")
    ],
    rules: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="A rule file for the tag `value`. Default: the shipped anomaly rule."),
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the figures to this file.")] = None,
    detections: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Write a CSV a series here: timestamp,alarm; 1 where one is raised."),
    ] = None,
) -> None:
    """Anomalies found in the series of the Numenta Anomaly Benchmark, scored as it does, beside published detectors."""
    from bridge.cli.bench.nab import SHIPPED, run_nab

    run_nab(data, rules or SHIPPED, json, detections, Console(highlight=False))


@bench.command()
def relay(
    json: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the figures to this file.")] = None,
    events: Annotated[int, typer.Option(min=400, help="Events of each run.")] = 10_000,
    runs: Annotated[int, typer.Option(min=1, help="Runs; the medians are reported.")] = 3,
    backlog: Annotated[int, typer.Option(min=0, help="Events that gather in an outage. 0: no outage.")] = 100_000,
    worst: Annotated[
        bool, typer.Option(help="The same backlog also as one stream, and as streams of one event.")
    ] = False,
) -> None:
    """Postings by the real relay process to a system that answers in 5 ms."""
    from bridge.cli.bench.relay import RelayOptions, run_relay

    run_relay(RelayOptions(json, events, runs, backlog, worst), Console(highlight=False))


@bench.command()
def levels(
    json: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the figures to this file.")] = None,
    postings: Annotated[int, typer.Option(min=10, help="Postings, one by one.")] = 100,
) -> None:
    """How soon a shop hears of pieces that were posted to the simulated Odoo, through the real relay process."""
    from bridge.cli.bench.levels import LevelsOptions, run_levels

    run_levels(LevelsOptions(json, postings), Console(highlight=False))


@bench.command()
def backtest(
    json: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the figures to this file.")] = None,
    days: Annotated[int, typer.Option(min=1, help="Days of readings, one a second.")] = 365,
    ways: Annotated[str, typer.Option(help="Where from: memory, csv, database.")] = "memory,csv,database",
) -> None:
    """A backtest of one tag-year at one reading a second: a rule of two levels with delays, on one core."""
    from bridge.cli.bench.backtest import WAYS, BacktestBenchOptions, run_backtest_bench

    wanted = tuple(way.strip() for way in ways.split(","))
    if unknown := set(wanted) - set(WAYS):
        raise typer.BadParameter(f"{min(unknown)} is no way; there is {', '.join(WAYS)}", param_hint="--ways")
    run_backtest_bench(BacktestBenchOptions(json, days, wanted), Console(highlight=False))


@bench.command()
def rules(
    json: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the figures to this file.")] = None,
    instances: Annotated[int, typer.Option(min=1000, help="Rule instances held in memory.")] = 100_000,
    reloaded: Annotated[int, typer.Option("--rules", min=10, help="Rules of the file that is reloaded.")] = 10_000,
    rate: Annotated[int, typer.Option(min=1000, help="Readings a second; a tenth of them meet rules.")] = 50_000,
    seconds: Annotated[float, typer.Option(min=5, help="How long that rate is held.")] = 30,
    only: Annotated[
        str, typer.Option(help="Parts, with commas between: evaluations, resident, lag, reload.")
    ] = "evaluations,resident,lag,reload",
) -> None:
    """The rule engine: evaluations a second, memory of its instances, lag behind the readings, reload of its files."""
    from bridge.cli.bench.rules import PARTS, RulesBenchOptions, run_rules_bench

    parts = tuple(part.strip() for part in only.split(","))
    if unknown := set(parts) - set(PARTS):
        raise typer.BadParameter(f"{min(unknown)} is no part; parts are {', '.join(PARTS)}", param_hint="--only")
    run_rules_bench(RulesBenchOptions(json, instances, reloaded, rate, seconds, parts), Console(highlight=False))
