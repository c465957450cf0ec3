"""`amor check` and `amor rules check`: every mistake of the configuration and of its rule files, at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape

from bridge.cli.words import print_problems
from bridge.config import load_settings
from bridge.errors import ConfigError, Problem

_WIDTH: Final = 110  # characters of a line that are shown


def check(file: Path, out: Console, err: Console, *, is_online: bool = False) -> int:
    """Print each mistake with its place; returns the exit code: 0 nothing wrong, 2 mistakes.

    `is_online`: the business systems are asked for what the configuration names of theirs; nothing is changed there.
    """
    try:
        settings = load_settings(file)
    except ConfigError as error:
        return _report(error.problems, err)
    from bridge.cli.erp import carried_kinds, connector_problems, master_data_problems, not_asked, relay_problems
    from bridge.cli.stock_levels import level_problems, unknown_levels
    from rules.rulebook import check_rules

    if problems := [*check_rules(settings, carried_kinds(settings)), *connector_problems(settings, file)]:
        return _report(problems, err)
    if problems := [*level_problems(settings, file), *relay_problems(settings, file)]:
        return _report(problems, err)
    if is_online and (problems := [*master_data_problems(settings, file), *unknown_levels(settings, file)]):
        return _report(problems, err)
    sources = ", ".join(f"{source.name} ({source.type})" for source in settings.source) or "none"
    connectors = ", ".join(f"{connector.name} ({connector.type})" for connector in settings.connector) or "none"
    out.print(f"[green]ok[/] {file}")
    out.print(f"   equipment {len(settings.equipment)}, sources: {sources}, connectors: {connectors}")
    if is_online:
        out.print(
            "   the business systems know every item, unit, location, reason and machine that they were asked for"
        )
        for line in not_asked(settings):
            out.print(f"   [yellow]note[/] {escape(line)}", soft_wrap=True)
    return 0


def check_rule_files(files: Sequence[Path], config: Path | None, out: Console, err: Console) -> int:
    """Check rule files, those of the configuration where none is named; returns the exit code as `check` does."""
    from bridge.cli.erp import carried_kinds
    from rules.rulebook import check_rules, read_rules

    names = [str(file) for file in files]
    try:
        settings = load_settings(config) if config else None
    except ConfigError as error:
        return _report(error.problems, err)
    if settings and names:
        settings = settings.model_copy(update={"rules": settings.rules.model_copy(update={"files": names})})
    problems = check_rules(settings, carried_kinds(settings)) if settings else read_rules(names)[1]
    if problems:
        return _report(problems, err)
    for name in names or (settings.rules.files if settings else ()):
        out.print(f"[green]ok[/] {name}")
    return 0


def _report(problems: list[Problem], err: Console) -> int:
    """Each mistake with its place, the line that it is in, and a mark under it."""
    lines: dict[str, list[str]] = {}
    for problem in problems:
        print_problems([problem], err)
        if problem.file not in lines:
            lines[problem.file] = _lines(problem.file)
        if 0 < problem.line <= len(lines[problem.file]):
            for shown in excerpt(lines[problem.file][problem.line - 1], problem.column):
                err.print(escape(shown), soft_wrap=True, style="dim")
    err.print(f"{len(problems)} mistake{'s' if len(problems) != 1 else ''}")
    return 2


def excerpt(line: str, column: int) -> list[str]:
    """A line of a file, and under it a mark at a column from 1 (0: no mark); of a long line what is around the mark."""
    begin = max(0, min(column - 1, len(line)) - _WIDTH // 2) if len(line) > _WIDTH else 0
    part = line[begin : begin + _WIDTH].rstrip("\n").replace("\t", " ")
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in part)
    before, after = "..." if begin else "", "..." if begin + _WIDTH < len(line) else ""
    found = [f"    {before}{shown}{after}"]
    return [*found, " " * (4 + len(before) + column - 1 - begin) + "^"] if column else found


def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text(encoding="utf-8-sig", errors="replace").split("\n")
    except OSError:
        return []
