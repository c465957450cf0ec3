"""`amor bench rules`: the rule engine's speed, memory, lag and reload, each beside its target.

Every part has a process of its own, so that its memory and its time are its own. CPU beside wall: on a machine that does other
work, the CPU's is what an idle one would need at least.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bridge.cli.bench.rule_texts import RULE, rule_file
from bridge.cli.bench.stage import keep
from bridge.cli.bench.usage import rss_mb

PARTS: Final = ("evaluations", "resident", "lag", "reload")


@dataclass(frozen=True, slots=True)
class RulesBenchOptions:
    """`instances` resident, `rules` reloaded, `rate` readings a second for `seconds`, a tenth of them of tags with rules."""

    json: Path | None
    instances: int
    rules: int
    rate: int
    seconds: float
    parts: tuple[str, ...]


def run_rules_bench(options: RulesBenchOptions, out: Console) -> None:
    """Measure, print the figures beside their targets, and write them where that is asked for."""
    from bridge.cli.bench.rules_following import lag, reload

    figures: dict[str, Any] = {}
    work: dict[str, Callable[[], dict[str, Any]]] = {
        "evaluations": lambda: _apart(evaluations),
        "resident": lambda: _apart(resident, options.instances),
        "lag": lambda: lag(options.rate, options.seconds),
        "reload": lambda: reload(options.rules),
    }
    for part in options.parts:
        out.print(f"measuring {part} ...")
        figures[part] = work[part]()
    table = Table("", "measured", "target", box=None, pad_edge=False)
    for row in rows(figures):
        table.add_row(*row)
    out.print(table)
    keep(figures, options.json, out)


def rows(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What was measured, its figure, and what is asked for."""
    found: list[tuple[str, str, str]] = []
    if each := figures.get("evaluations"):
        found.append(("value > 7.1 && quality == good", f"{each['evaluations_s']:,.0f}/s", "3,000,000/s"))
        found.append(("a reading through a rule of two levels", f"{each['feed_readings_s']:,.0f}/s in columns", ""))
        found.append(("", f"{each['observe_readings_s']:,.0f}/s one by one", ""))
    if each := figures.get("resident"):
        found.append((f"{each['instances']:,} instances resident", f"{each['mb']:.0f} MB", "500 MB"))
    if each := figures.get("lag"):
        what = f"{each['readings_s']:,.0f} readings/s, {each['ruled_readings_s']:,.0f} of them meet rules"
        found.append((f"{what}: lag", f"p50 {each['p50_ms']:.0f}, p99 {each['p99_ms']:.0f} ms", "1,000 ms"))
    if each := figures.get("reload"):
        found.append((f"{each['rules']:,} rules read", f"{each['read_s']:.1f} s (CPU {each['read_cpu_s']:.1f})", ""))
        found.append(("... and all exchanged", f"{each['all_s']:.1f} s", ""))
        found.append(("... one of them changed: read and exchanged", f"{each['one_s']:.1f} s", "5 s"))
    return found


def evaluations() -> dict[str, Any]:
    """Evaluations of one condition, and readings through a whole instance, a second of one process; the best of five."""
    from rules.instance import Instance, Situation, feed
    from rules.language import BOOL, NUMBER, Name, Row, Scope, compile_expression
    from rules.sample import Sample

    row = Row()
    condition = compile_expression("value > 7.1 && quality == good", Scope({"value": Name(NUMBER)}), BOOL, row).evaluate
    values: list[Any] = [None] * len(row.places)
    for slot, place in row.places.items():
        values[place] = "good" if slot.startswith("quality") else 7.5
    count = 1_000_000

    def evaluate() -> None:
        for _ in range(count):
            condition(values)

    rule = _rules([RULE.format(id="r", for_each="{}", tag="v", limit=7.1)])[0]
    readings = [3.0 + n % 13 / 10 for n in range(count)]
    times = [n * 1_000_000 for n in range(count)]

    def observe() -> None:
        instance, now = Instance.create(rule, 1, "a", False, {"v": 1}), Situation()
        for at, value in zip(times[: count // 10], readings, strict=False):
            instance.observe(at, (Sample(1, at, 0, value, None, 0),), now)

    return {
        "evaluations_s": count / _best(evaluate),
        "feed_readings_s": count
        / _best(lambda: feed(Instance.create(rule, 1, "a", False, {"v": 1}), 1, times, readings)),
        "observe_readings_s": count / 10 / _best(observe),
    }


def resident(count: int) -> dict[str, Any]:
    """The memory of instances of an ordinary rule, each on an asset of its own, after its first reading."""
    from rules.instance import Instance, Situation
    from rules.sample import Sample

    rule = _rules([RULE.format(id="r", for_each="{}", tag="v", limit=7.1)])[0]
    now = Situation()
    before = rss_mb(os.getpid())
    kept = []
    for n in range(count):
        instance = Instance.create(rule, n, f"acme/site/area/line/m{n}", False, {"v": n})
        at = 1_767_225_600_000_000 + n
        instance.observe(at, (Sample(n, at, 0, n / 1e6, None, 0),), now)
        kept.append(instance)
    return {"instances": len(kept), "mb": rss_mb(os.getpid()) - before}


def _rules(texts: list[str]) -> Any:
    from rules.rulebook import load_rules

    with TemporaryDirectory(prefix="amor-bench-") as folder:
        return load_rules([str(rule_file(Path(folder), texts))]).rules


def _best(work: Callable[[], object]) -> float:
    found = []
    for _ in range(5):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def _apart(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)
