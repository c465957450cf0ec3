"""`amor check`: every mistake of the configuration and of its rule files, at once."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from bridge.cli.words import print_problems
from bridge.config import load_settings
from bridge.errors import ConfigError, Problem


def check(file: Path, out: Console, err: Console) -> int:
    """Print each mistake with its place; returns the exit code: 0 nothing wrong, 2 mistakes."""
    try:
        settings = load_settings(file)
    except ConfigError as error:
        return _report(error.problems, err)
    from rules.rulebook import check_rules

    if problems := check_rules(settings):
        return _report(problems, err)
    sources = ", ".join(f"{source.name} ({source.type})" for source in settings.source) or "none"
    connectors = ", ".join(f"{connector.name} ({connector.type})" for connector in settings.connector) or "none"
    out.print(f"[green]ok[/] {file}")
    out.print(f"   equipment {len(settings.equipment)}, sources: {sources}, connectors: {connectors}")
    return 0


def _report(problems: list[Problem], err: Console) -> int:
    print_problems(problems, err)
    err.print(f"{len(problems)} mistake{'s' if len(problems) != 1 else ''}")
    return 2
