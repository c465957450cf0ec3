"""`amor bench nab`: what the shipped anomaly rule finds in the series of the Numenta Anomaly Benchmark, beside published figures.

One rule file with one setting runs over every series, by the engine's own backtest: the rule sees a row after the other and nothing
of labels, names or the future. Published detectors had their threshold chosen on the whole corpus, by its labels, as the benchmark
allows; a rule's limit is what its file says.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

import rules
from bridge.cli.bench.nab_score import PROFILES, Series, count, score_corpus
from bridge.cli.bench.nab_series import Labelled, read_folder
from bridge.cli.bench.stage import keep
from bridge.errors import ConfigError, Problem
from rules.backtest import run
from rules.rulebook import load_rules
from rules.rulebook.model import Rule

SHIPPED: Final = Path(rules.__file__).parent / "library" / "anomaly.yaml"
PUBLISHED: Final = {  # standard profile, all 58 series
    "HTM": 70.1,
    "CAD OSE": 69.9,
    "earthgecko Skyline": 58.2,
    "KNN-CAD": 58.0,
    "relative entropy": 54.6,
    "random cut forest": 51.7,
    "Twitter ADVec": 47.1,
    "windowed Gaussian": 39.6,
    "random": 11.0,
}
_OURS: Final = "amor"


@dataclass(frozen=True, slots=True)
class Found:
    """A series with the rows at which an alarm was raised."""

    labelled: Labelled
    alarms: tuple[int, ...]

    @property
    def scored(self) -> Series:
        """As the scorer sees it; only of a labelled series."""
        assert self.labelled.windows is not None, "only labelled series are scored"
        return Series(len(self.labelled.times_us), self.labelled.windows, self.alarms)


def run_nab(data: Path, file: Path, json: Path | None, detections: Path | None, out: Console) -> None:
    """Run, score, print, and write what is asked for. Raises ConfigError where data or rules cannot be used."""
    book = load_rules([str(file)])
    corpus = read_folder(data)
    began = time.perf_counter()
    found = []
    with out.status("") as status:
        for number, labelled in enumerate(corpus, 1):
            status.update(f"{number} of {len(corpus)}: {labelled.name}")
            found.append(Found(labelled, detect(book.rules, labelled, str(file))))
    figures = figures_of(found, time.perf_counter() - began)
    figures["rules"] = {rule.id: rule.sha256 for rule in book.rules}
    _print(figures, out)
    if detections:
        for each in found:
            _write_detections(detections, each)
        out.print(f"detections of {len(found)} series: {detections}")
    keep(figures, json, out)


def detect(book: Sequence[Rule], labelled: Labelled, file: str) -> tuple[int, ...]:
    """The rows at which the rules raise an alarm, in order. Raises ConfigError where a rule cannot run on the series."""
    report = run(book, [labelled.chunk()])
    if trouble := [Problem(file, 0, 0, seen.rule, seen.trouble) for seen in report.rules.values() if seen.trouble]:
        raise ConfigError(trouble)
    return tuple(sorted({labelled.row_at(alarm.raised_us) for alarm in report.alarms}))


def figures_of(found: Sequence[Found], elapsed_s: float) -> dict[str, Any]:
    """The scores of all series, of each category, and what happened in each series."""
    scored = [each for each in found if each.labelled.windows is not None]
    categories = sorted({each.labelled.category for each in scored})
    return {
        "series": len(scored),
        "series_without_labels": len(found) - len(scored),
        "rows": sum(len(each.labelled.times_us) for each in found),
        "elapsed_s": round(elapsed_s, 2),
        **_scores(scored),
        "categories": {name: _scores([e for e in scored if e.labelled.category == name]) for name in categories},
        "by_series": {each.labelled.name: _counted([each]) for each in scored},
        "published_standard": PUBLISHED,
    }


def _scores(found: Sequence[Found]) -> dict[str, Any]:
    """One score a profile, None where no window is labelled, and the counts."""
    scores = {profile.name: score_corpus([each.scored for each in found], profile) for profile in PROFILES}
    rounded = {name: None if score is None else round(score, 2) for name, score in scores.items()}
    return {"scores": rounded, **_counted(found)}


def _counted(found: Sequence[Found]) -> dict[str, int]:
    counts = [count(each.scored) for each in found]
    return {
        "windows": sum(each.windows for each in counts),
        "hits": sum(each.hits for each in counts),
        "false_alarms": sum(each.false_alarms for each in counts),
    }


def _print(figures: dict[str, Any], out: Console) -> None:
    table = Table("category", "standard", "low FP", "low FN", "windows", "hit", "false alarms", box=None)
    for name, row in [*figures["categories"].items(), ("all", figures)]:
        scores = ("-" if score is None else f"{score:.1f}" for score in row["scores"].values())
        table.add_row(name, *scores, str(row["windows"]), str(row["hits"]), str(row["false_alarms"]))
    out.print(table)
    out.print()
    ours = figures["scores"]["standard"]
    beside = Table("detector", "standard", box=None)
    rows = list(PUBLISHED.items()) + ([] if ours is None else [(_OURS, ours)])
    for name, score in sorted(rows, key=lambda row: -row[1]):
        beside.add_row(*((f"[bold]{text}[/bold]" if name == _OURS else text) for text in (name, f"{score:.1f}")))
    out.print(beside)
    out.print(
        f"\n{_OURS}: {figures['series']} series, {figures['rows']:,} rows in {figures['elapsed_s']:.1f} s; the others: as "
        "published, over all 58 series of the benchmark."
    )
    if figures["series_without_labels"]:
        out.print(f"{figures['series_without_labels']} series have no labelled windows and are not scored.")


def _write_detections(folder: Path, found: Found) -> None:
    """`timestamp,alarm`: a line a row of the series, 1 where an alarm is raised."""
    file = folder / found.labelled.name
    file.parent.mkdir(parents=True, exist_ok=True)
    raised = set(found.alarms)
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(("timestamp", "alarm"))
        writer.writerows((text, int(row in raised)) for row, text in enumerate(found.labelled.texts))
