"""Running tests, backtests and differences of rule files, and printing what they found."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
from psycopg import OperationalError
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from bridge.config import load_settings
from bridge.errors import AmorError
from bridge.store.database import connected
from rules.backtest.cases import Line, Outcome, run_cases
from rules.backtest.csv_file import CsvFile, csv_chunks
from rules.backtest.diff import Difference, changed_rules, compare
from rules.backtest.report import AlarmSeen, Report, iso
from rules.backtest.run import Backtest
from rules.backtest.stored import Span, stored_chunks
from rules.rulebook import load_rules
from rules.rulebook.model import Rule

_MOST_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Source:
    """Where the readings come from: a CSV file, or the database of a configuration."""

    since: datetime | None
    until: datetime | None
    csv: Path | None
    time: str | None
    tags: dict[str, str]
    asset: str
    config: Path | None


def run_tests(files: list[str], out: Console) -> int:
    """Run the tests of rule files; returns the exit code."""
    outcomes = run_cases(load_rules(files).rules)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    for outcome in failed:
        _print_failed(outcome, out)
    if not outcomes:
        out.print("no rule has tests")
        return 0
    passed = len(outcomes) - len(failed)
    out.print(f"{passed} of {len(outcomes)} tests passed" + (f", [red]{len(failed)} failed[/]" if failed else ""))
    return 1 if failed else 0


def run_backtest(files: list[str], source: Source, json: Path | None, picture: Path | None, out: Console) -> None:
    """Try rules and print, write and draw what they would have done."""
    report = _try(load_rules(files).rules, source, out)
    print_report(report, out)
    if json:
        _write(json, orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2))
    if picture:
        from rules.backtest.picture import draw

        _write(picture, draw(report))


def run_diff(before: str, after: str, source: Source | None, json: Path | None, out: Console) -> None:
    """Compare two versions of a rule file, with readings their alarms too."""
    old, new = load_rules([before]).rules, load_rules([after]).rules
    if source is None:
        found = Difference(changed_rules(old, new), (), (), 0)
    else:
        found = compare(old, new, _try(old, source, out), _try(new, source, out))
    _print_difference(found, out, has_readings=source is not None)
    if json:
        _write(json, orjson.dumps(found.as_json(), option=orjson.OPT_INDENT_2))


def print_report(report: Report, out: Console) -> None:
    """The report as a table of its rules, its worst floods, and what was wrong with the data."""
    table = Table("rule", "assets", "alarms", "by severity", "tickets", "in alarm", "longest", box=None, pad_edge=False)
    for seen in report.rules.values():
        severities = ", ".join(f"{name} {count}" for name, count in seen.by_severity.items())
        table.add_row(
            escape(seen.rule), str(seen.assets), f"{seen.alarms:,}", severities, f"{seen.tickets:,}",
            _span(seen.in_alarm_us) if seen.alarms else "", _span(seen.longest_us) if seen.alarms else "",
        )  # fmt: skip
    out.print(table)
    for seen in report.rules.values():
        if seen.trouble:
            out.print(f"[yellow]{escape(seen.rule)}[/]: {escape(seen.trouble)}", soft_wrap=True)
    for flood in report.floods[:_MOST_SHOWN]:
        out.print(f"flood: {flood.alarms} alarms from {iso(flood.began_us)} to {iso(flood.ended_us) or 'the end'}")
    for problem in report.problems:
        out.print(f"[yellow]data[/] {escape(problem)}", soft_wrap=True)
    span = f"{iso(report.first_us)} to {iso(report.last_us)}" if report.first_us is not None else "nothing"
    out.print(f"{report.readings:,} readings of {report.assets} assets, {span}, in {report.elapsed_s:.1f} s")
    out.print(f"[bold]{report.sentence()}[/]")


def _try(rules: Sequence[Rule], source: Source, out: Console) -> Report:
    with out.status("reading") as status:
        if source.csv is not None:
            return _try_csv(rules, source, source.csv, status)
        return asyncio.run(_try_stored(rules, source, status))


async def _try_stored(rules: Sequence[Rule], source: Source, status: Status) -> Report:
    settings = load_settings(source.config or Path(os.environ.get("AMOR_CONFIG", "amor.toml")))
    backtest = Backtest(rules)
    try:
        async with connected(settings.database.dsn.get_secret_value(), "backtest") as connection:
            async for chunk in stored_chunks(connection, settings, rules, Span(source.since, source.until)):
                backtest.take(chunk)
                _show(status, backtest)
    except OperationalError as error:
        raise AmorError(f"the database does not answer: {str(error).strip()}; check [database] dsn") from error
    return backtest.finish()


def _try_csv(rules: Sequence[Rule], source: Source, file: Path, status: Status) -> Report:
    inputs = {entry.name: entry.tag for rule in rules for entry in rule.inputs}
    texts = frozenset(entry.tag for rule in rules for entry in rule.inputs if entry.is_text)
    known = inputs | {tag: tag for tag in inputs.values()}
    tags = {known.get(name, name): column for name, column in source.tags.items()}
    backtest = Backtest([_for_any(rule) for rule in rules])
    problems: list[str] = []
    wanted = CsvFile(file, source.time, tags, source.asset, source.since, source.until, texts, known)
    for chunk in csv_chunks(wanted, problems):
        backtest.take(chunk)
        _show(status, backtest)
    report = backtest.finish()
    report.problems += problems
    return report


def _show(status: Status, backtest: Backtest) -> None:
    status.update(f"{backtest.readings:,} readings")


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise AmorError(f"{file} cannot be written: {error.strerror}") from error


def _for_any(rule: Rule) -> Rule:
    """The rule as it is on the asset of a CSV file, which has no class and perhaps no path."""
    from dataclasses import replace

    from rules.rulebook.model import ForEach

    return replace(rule, for_each=ForEach())


def _print_failed(outcome: Outcome, out: Console) -> None:
    rule, case = outcome.rule, outcome.case
    out.print(
        f"[red]failed[/] {escape(f'{rule.file}:{case.line}: {rule.id}')}"
        + (f": {escape(case.name)}" if case.name else "")
    )
    if outcome.trouble:
        out.print(f"  the rule threw {escape(outcome.trouble)}")
    table = Table("expected", "got", box=None, pad_edge=False)
    for expected, got in outcome.beside():
        colour = "" if expected and got else "[red]"
        table.add_row(colour + _line(expected), colour + _line(got))
    out.print(table)


def _line(line: Line | None) -> str:
    return f"{_span(line.at_us)} {line.kind} {line.severity}" if line else "nothing"


def _print_difference(found: Difference, out: Console, *, has_readings: bool) -> None:
    for change in found.changes:
        fields = f": {', '.join(change.fields)}" if change.fields else ""
        out.print(f"{change.kind:8} {escape(change.rule + fields)}")
    if not found.changes:
        out.print("the rules are the same")
    if not has_readings:
        return
    table = Table("", "raised", "rule", "asset", "severity", "returned", box=None, pad_edge=False)
    for word, alarms in (("appears", found.appear), ("vanishes", found.vanish)):
        for alarm in alarms[:_MOST_SHOWN]:
            table.add_row(word, *_alarm(alarm))
        if len(alarms) > _MOST_SHOWN:
            table.add_row("...", f"{len(alarms) - _MOST_SHOWN:,} more that {word.removesuffix('s')}")
    if found.appear or found.vanish:
        out.print(table)
    out.print(f"{len(found.appear):,} alarms appear, {len(found.vanish):,} vanish, {found.same:,} are the same")


def _alarm(alarm: AlarmSeen) -> tuple[Any, ...]:
    return (
        iso(alarm.raised_us),
        escape(alarm.rule),
        escape(alarm.asset),
        str(alarm.severity),
        iso(alarm.returned_us) or "stands",
    )


def _span(us: int) -> str:
    """A duration for people: 65s, 2:03:04, 3 d 2:00:00."""
    if us < 120_000_000:
        return f"{us / 1e6:g}s"
    return str(timedelta(seconds=round(us / 1e6)))
