"""How long a backtest of a tag-year at one reading a second takes: from memory, from a CSV file, from the database.

Each way has a process of its own, so that its memory is its own. Time is wall and CPU of that process: on a machine that does
other work beside, the CPU's is what an idle one would need at least.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from bridge.cli.bench.stage import keep
from bridge.config import Settings

WAYS: Final = ("memory", "csv", "database")
_YEAR: Final = 365 * 86_400
_BLOCK: Final = 86_400
_FIRST: Final = datetime(2025, 1, 1, tzinfo=UTC)
_PATH: Final = "acme/bench/area/line/m1"
_TAG: Final = "vibration"
_RULES: Final = """\
apiVersion: rules/v1
rules:
- id: vibration
  inputs: {v: {tag: vibration, max_age: 30s}}
  levels:
    - {severity: medium, if: "v > 4.5", clear: "v < 4.1", on_delay: 60s, off_delay: 120s}
    - {severity: high, if: "v > 7.1", clear: "v < 6.5", on_delay: 10s, off_delay: 120s}
  response: inspect the bearing
  actions: [{ticket: {failure_mode: VIB}}]
"""


@dataclass(frozen=True, slots=True)
class BacktestBenchOptions:
    """`days` of readings, one a second; `ways` of WAYS."""

    json: Path | None
    days: int
    ways: tuple[str, ...]


def run_backtest_bench(options: BacktestBenchOptions, out: Console) -> None:
    """Measure, print the figures, and write them where that is asked for."""
    figures: dict[str, Any] = {}
    with TemporaryDirectory(prefix="amor-bench-") as name:
        folder = Path(name)
        (folder / "rules.yaml").write_text(_RULES)
        for way in options.ways:
            out.print(f"{way}: {options.days} days, {options.days * 86_400:,} readings ...")
            figures[way] = _WAYS[way](folder, options.days)
    out.print(_table(figures, options.days))
    keep({"days": options.days, **figures}, options.json, out)


def values(first: int, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The readings from second `first` on: a slow wave, and seven minutes above the limits in every fourteen hours."""
    second = np.arange(first, first + count)
    return np.where(second % 50_000 < 400, 8.2, 1.5 + 0.3 * np.sin(second / 100))


def _memory(folder: Path, days: int) -> dict[str, Any]:
    return _measured(_run_memory, folder, days)


def _csv(folder: Path, days: int) -> dict[str, Any]:
    file = folder / "readings.csv"
    with file.open("w", encoding="ascii") as out:
        out.write(f"time,{_TAG}\n")
        for first in range(0, days * 86_400, _BLOCK):
            times = np.datetime_as_string(
                np.datetime64(_FIRST.replace(tzinfo=None), "s") + np.arange(first, first + _BLOCK)
            )
            out.writelines(
                f"{at}Z,{v:.4f}\n" for at, v in zip(times.tolist(), values(first, _BLOCK).tolist(), strict=True)
            )
    try:
        return _measured(_run_csv, folder, days)
    finally:
        file.unlink()


def _database(folder: Path, days: int) -> dict[str, Any]:
    from bridge.store.embedded import PrivateDatabase, data_folder, prepare
    from bridge.store.migrate import migrate

    with data_folder() as place, PrivateDatabase(prepare(), place / "database") as server:
        asyncio.run(migrate(server.dsn))
        asyncio.run(_fill(server.dsn, days))
        (folder / "dsn").write_text(server.dsn)
        return _measured(_run_database, folder, days)


async def _fill(dsn: str, days: int) -> None:
    from bridge.model.equipment import TagKind
    from bridge.model.reading import TagKey, TagSpec
    from bridge.store import tag
    from bridge.store.database import connected
    from bridge.store.queries import load

    key = TagKey(_PATH, _TAG)
    async with connected(dsn, "bench") as connection:
        found = await tag.register(connection, "bench", [TagSpec(key, "number", "mm/s", TagKind.GAUGE, "bench", _TAG)])
        wanted = {"first": _FIRST, "tag": found[key].id, "readings": days * 86_400}
        await connection.execute(load("backtest").fill, wanted)


def _run_memory(folder: Path, days: int) -> Any:
    from rules.backtest import AssetSpec, Chunk, Column, run

    asset = AssetSpec(_PATH, {_TAG: 1})

    def chunks() -> Iterator[Chunk]:
        for first in range(0, days * 86_400, _BLOCK):
            times = (int(_FIRST.timestamp()) + np.arange(first, first + _BLOCK)) * 1_000_000
            yield Chunk(asset, (Column(1, times, values(first, _BLOCK)),), int(times[-1]))

    return run(_rules(folder), chunks())


def _run_csv(folder: Path, _days: int) -> Any:
    from rules.backtest import CsvFile, csv_chunks, run

    problems: list[str] = []
    report = run(_rules(folder), csv_chunks(CsvFile(folder / "readings.csv", "time"), problems))
    assert not problems, "the bench's own file is sound"
    return report


def _run_database(folder: Path, _days: int) -> Any:
    from bridge.store.database import connected
    from rules.backtest.stored import Span, run_stored

    dsn = (folder / "dsn").read_text()
    settings = Settings.model_validate({"plant": {"name": "bench"}, "database": {"dsn": dsn}})

    async def stored() -> Any:
        async with connected(dsn, "bench") as connection:
            return await run_stored(connection, settings, _rules(folder), Span())

    return asyncio.run(stored())


def _rules(folder: Path) -> Any:
    from rules.rulebook import load_rules

    return load_rules([str(folder / "rules.yaml")]).rules


def _measured(work: Callable[[Path, int], Any], folder: Path, days: int) -> dict[str, Any]:
    """Do it in a fresh process; what it took there."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measure, (work, folder, days))


def _measure(work: Callable[[Path, int], Any], folder: Path, days: int) -> dict[str, Any]:
    _rules(folder)  # what is imported once is not what is measured
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    report = work(folder, days)
    wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert report.readings == days * 86_400, "every reading was seen"
    share = _YEAR / report.readings
    return {
        "readings": report.readings,
        "alarms": report.alarm_count,
        "tickets": report.ticket_count,
        "wall_s": round(wall_s, 2),
        "cpu_s": round(cpu_s, 2),
        "readings_s": round(report.readings / wall_s),
        "tag_year_wall_s": round(wall_s * share, 1),
        "tag_year_cpu_s": round(cpu_s * share, 1),
        "memory_mb": round((peak_kb - before_kb) * 1024 / 1e6, 1),
        "peak_mb": round(peak_kb * 1024 / 1e6, 1),
    }


def _table(figures: dict[str, Any], days: int) -> Table:
    table = Table("from", "readings/s", "tag-year, wall", "tag-year, CPU", "memory", "alarms", box=None, pad_edge=False)
    how = "" if days == _YEAR // 86_400 else f" (of {days} days)"
    for way, found in figures.items():
        table.add_row(
            way, f"{found['readings_s']:,}", f"{found['tag_year_wall_s']:.0f} s{how}", f"{found['tag_year_cpu_s']:.0f} s",
            f"+{found['memory_mb']:.0f} MB", f"{found['alarms']:,}",
        )  # fmt: skip
    return table


_WAYS: Final[dict[str, Callable[[Path, int], dict[str, Any]]]] = {"memory": _memory, "csv": _csv, "database": _database}
