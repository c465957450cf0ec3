"""`amor bench mqtt` from start to end: servers, the parts that are asked for, medians, the table, the file."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from bridge.cli.bench.drains import hundred_per_message, one_per_message
from bridge.cli.bench.live import commit_ms, outage
from bridge.cli.bench.place import Place
from bridge.cli.bench.stage import keep, stage
from bridge.cli.bench.table import print_table
from bridge.store.embedded import PrivateBroker

_RATES = (1000, 5000)
_MESSAGES_OF_HUNDRED = 30  # one for each so many of one reading


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What the command line says."""

    json: Path | None
    messages: int
    runs: int
    outage_s: float
    rate_s: float
    parts: tuple[str, ...]


def run_mqtt(options: BenchOptions, out: Console) -> None:
    """Measure, print, and write the figures."""
    with stage(out) as own, PrivateBroker(own.installation, own.folder / "broker") as broker:
        place = Place(own.folder, own.database, broker)
        place.prepare()
        figures = _measure(options, place, out)
    print_table(figures, out)
    keep(figures, options.json, out)


def _measure(options: BenchOptions, place: Place, out: Console) -> dict[str, Any]:
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "one_per_message": lambda: _medians(options.runs, lambda: one_per_message(place, options.messages)),
        "hundred_per_message": lambda: _medians(
            options.runs, lambda: hundred_per_message(place, options.messages // _MESSAGES_OF_HUNDRED)
        ),
        "commit_ms": lambda: {
            f"rate_{rate}": _medians(options.runs, partial(commit_ms, place, rate, options.rate_s)) for rate in _RATES
        },
        "outage": lambda: outage(place, options.outage_s),
    }
    figures: dict[str, Any] = {}
    for name in options.parts:
        out.print(f"measuring {name} ...")
        figures[name] = parts[name]()
    return _with_ratios(figures)


def _medians(runs: int, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """The median of each figure over so many runs."""
    found = [measure() for _ in range(runs)]
    return {name: statistics.median(run[name] for run in found) for name in found[0]}


def _with_ratios(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures, with what each is of the limit beside it."""
    if one := figures.get("one_per_message"):
        one["of_receive_limit"] = one["durable_msg_s"] / one["receive_limit_msg_s"]
        one["times_stock_paho"] = one["durable_msg_s"] / one["stock_paho_msg_s"]
        one["times_stock_paho_copy"] = one["durable_msg_s"] / one["stock_paho_copy_msg_s"]
    if hundred := figures.get("hundred_per_message"):
        hundred["of_copy_limit"] = hundred["durable_readings_s"] / hundred["copy_limit_rows_s"]
    return figures
