"""`amor replay`: dead letters read again after a mapping was mended; a table of what became of them."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge.config import Settings
from bridge.errors import AmorError
from bridge.ingest.replay import Replay, Report
from bridge.store.database import connected
from bridge.store.dead_letter import Wanted


async def replay(
    settings: Settings, source: str | None, reason: str | None, ids: str | None, out: Console, *, is_dry: bool
) -> None:
    """Replay one source's letters or all; prints a table. Raises AmorError where source or ids name nothing."""
    tables = [table for table in settings.source if source in (None, table.name)]
    if not tables:
        known = ", ".join(table.name for table in settings.source) or "none"
        raise AmorError(f"there is no source {source} in the configuration; there are: {known}")
    numbers = _numbers(ids)
    for table in tables:
        report = Report()
        async with connected(settings.database.dsn.get_secret_value(), f"replay {table.name}") as connection:
            wanted = Wanted(table.name, reason, numbers)
            await Replay(settings, table).run(connection, wanted, report, is_dry=is_dry)
        out.print(_described(table.name, report, is_dry=is_dry))


def _numbers(ids: str | None) -> list[int] | None:
    try:
        return None if ids is None else [int(number) for number in ids.split(",")]
    except ValueError:
        raise AmorError(f"--ids {ids}: write the letters' numbers with commas, such as 3,17") from None


def _described(name: str, report: Report, *, is_dry: bool) -> Table:
    table = Table(title=f"source {name}" + (" (dry run: nothing is changed)" if is_dry else ""))
    table.add_column("dead letters")
    table.add_column("count", justify="right")
    table.add_row("replayed", str(report.replayed))
    table.add_row("  readings stored", str(report.readings))
    table.add_row("  readings known already", str(report.duplicates))
    for reason, count in report.refused.most_common(20):
        table.add_row(escape(f"still refused: {reason}"), str(count))
    return table
