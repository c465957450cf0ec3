"""`amor rules test`, `backtest` and `diff`: what people ask of rules before they trust them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from bridge.cli.backtest import Source

Files = Annotated[list[Path], typer.Argument(help="Rule files.", dir_okay=False)]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="AMOR_CONFIG",
        help="The configuration: stored history, assets, state words.",
        dir_okay=False,
    ),
]
From = Annotated[str | None, typer.Option("--from", help="First instant, ISO 8601 (UTC). Default: the first reading.")]
To = Annotated[
    str | None, typer.Option("--to", help="End, ISO 8601 (UTC), not included. Default: after the last reading.")
]
CsvPath = Annotated[
    Path | None, typer.Option("--csv", help="Readings of a CSV file instead of stored history.", dir_okay=False)
]
Time = Annotated[str | None, typer.Option("--time", help="Column of the time. Without it, rows are one a second.")]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", help="NAME=COLUMN: where a tag or input is. Default: columns named as tags."),
]
Asset = Annotated[str, typer.Option("--asset", help="Path of the asset that the CSV file is of.")]
Json = Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the whole report to this file.")]


def test(files: Files) -> None:
    """Run the tests that stand in rule files; exit code 1 where one fails."""
    from bridge.cli.backtest import run_tests

    raise typer.Exit(run_tests([str(file) for file in files], Console(highlight=False)))


def backtest(
    rules: Annotated[list[Path], typer.Option("--rules", help="Rule file; may be given again.", dir_okay=False)],
    since: From = None,
    until: To = None,
    csv: CsvPath = None,
    time: Time = None,
    tag: Tags = None,
    asset: Asset = "csv",
    json: Json = None,
    picture: Annotated[Path | None, typer.Option(dir_okay=False, help="Draw the alarms to this PNG file.")] = None,
    config: Config = None,
) -> None:
    """What rules would have done on stored history or on a CSV file: alarms, tickets, floods, time in alarm."""
    from bridge.cli.backtest import run_backtest

    source = _source(since, until, csv, time, tag, asset, config)
    run_backtest([str(file) for file in rules], source, json, picture, Console(highlight=False))


def diff(
    before: Annotated[Path, typer.Argument(help="The rule file as it was.", dir_okay=False)],
    after: Annotated[Path, typer.Argument(help="The rule file as it is to be.", dir_okay=False)],
    since: From = None,
    until: To = None,
    csv: CsvPath = None,
    time: Time = None,
    tag: Tags = None,
    asset: Asset = "csv",
    json: Json = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Compare alarms on this plant's stored history.", dir_okay=False),
    ] = None,
) -> None:
    """What differs between two versions of a rule file: rules, and with history the alarms that appear and vanish."""
    from bridge.cli.backtest import run_diff

    given = csv or config or since or until
    source = _source(since, until, csv, time, tag, asset, config) if given else None
    run_diff(str(before), str(after), source, json, Console(highlight=False))


def _source(
    since: str | None,
    until: str | None,
    csv: Path | None,
    time: str | None,
    tags: list[str] | None,
    asset: str,
    config: Path | None,
) -> Source:
    from bridge.cli.backtest import Source

    columns: dict[str, str] = {}
    for text in tags or ():
        name, _, column = text.partition("=")
        if not name.strip() or not column.strip():
            raise typer.BadParameter(f"{text!r} is not NAME=COLUMN, e.g. spindle.vib_rms=vibration", param_hint="--tag")
        columns[name.strip()] = column.strip()
    if csv is None and (columns or time):
        raise typer.BadParameter("--time and --tag are about the columns of a --csv file", param_hint="--csv")
    return Source(_instant(since, "--from"), _instant(until, "--to"), csv, time, columns, asset, config)


def _instant(text: str | None, hint: str) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time; write 2026-03-01T06:00:00Z", param_hint=hint) from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
