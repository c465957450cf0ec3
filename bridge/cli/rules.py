"""`amor rules`: the process that follows the readings, and what people ask of rule files before they trust them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bridge.cli import rules_backtest
from bridge.config import load_settings

rules = typer.Typer(help="Follow the readings: states, counts, alarms, tickets, postings.", invoke_without_command=True)

ConfigFile = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="AMOR_CONFIG", help="The configuration file.", dir_okay=False),
]
DEFAULT_CONFIG = Path("amor.toml")


@rules.callback()
def _run(context: typer.Context, config: ConfigFile = DEFAULT_CONFIG) -> None:
    """Follow the readings: states, counts, alarms, tickets, postings. Other commands ask about rule files."""
    if context.invoked_subcommand is not None:
        return
    from bridge.cli.logs import set_up_logs
    from bridge.cli.signals import run_until_stopped
    from rules.engine import run

    settings = load_settings(config)
    set_up_logs("rules")
    run_until_stopped(run, settings)


@rules.command()
def check(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Rule files. Default: those of the configuration.", dir_okay=False)
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", envvar="AMOR_CONFIG", help="Check against this plant too.", dir_okay=False),
    ] = None,
) -> None:
    """Report every mistake of rule files with its line; with a configuration also unknown tags, units and connectors."""
    from bridge.cli.check import check_rule_files

    if not files and config is None:
        config = DEFAULT_CONFIG
    raise typer.Exit(
        check_rule_files(files or [], config, Console(highlight=False), Console(stderr=True, highlight=False))
    )


@rules.command()
def schema(
    out_file: Annotated[
        Path | None, typer.Option("--out", dir_okay=False, help="Write it to this file. Default: print it.")
    ] = None,
) -> None:
    """Print the JSON schema of rule files, for editors that complete and check YAML."""
    import json

    from rules.rulebook.schema import rule_file_schema

    text = json.dumps(rule_file_schema(), indent=2) + "\n"
    if out_file:
        out_file.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


rules.command("test")(rules_backtest.test)
rules.command("backtest")(rules_backtest.backtest)
rules.command("diff")(rules_backtest.diff)


@rules.command()
def functions() -> None:
    """Print every function that a rule may name, with an example and its value, as a Markdown table."""
    from rules.rulebook.reference import SIGNAL, functions_table

    print(f"{SIGNAL}\n\n{functions_table()}", end="")
