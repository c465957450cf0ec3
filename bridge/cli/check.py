"""`amor check` and `amor rules check`: every mistake of the configuration and of its rule files, at once."""

from __future__ import annotations

from collections.abc import Sequence
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


def check_rule_files(files: Sequence[Path], config: Path | None, out: Console, err: Console) -> int:
    """Check rule files, those of the configuration where none is named; returns the exit code as `check` does."""
    from rules.rulebook import check_rules, read_rules

    names = [str(file) for file in files]
    try:
        settings = load_settings(config) if config else None
    except ConfigError as error:
        return _report(error.problems, err)
    if settings and names:
        settings = settings.model_copy(update={"rules": settings.rules.model_copy(update={"files": names})})
    problems = check_rules(settings) if settings else read_rules(names)[1]
    if problems:
        return _report(problems, err)
    for name in names or (settings.rules.files if settings else ()):
        out.print(f"[green]ok[/] {name}")
    return 0


def _report(problems: list[Problem], err: Console) -> int:
    print_problems(problems, err)
    err.print(f"{len(problems)} mistake{'s' if len(problems) != 1 else ''}")
    return 2
