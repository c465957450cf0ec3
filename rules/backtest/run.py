"""Rules over recorded readings, with the engine's own instances: what would have happened."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from bridge.config.units import ucum
from rules.backtest.asset import AssetRun
from rules.backtest.data import AssetSpec, Chunk
from rules.backtest.ledger import Ledger
from rules.backtest.report import Report, blank
from rules.conditions.threshold import Threshold
from rules.rulebook.model import Rule

TICKET_OPEN: Final = timedelta(days=1)


def run(rules: Sequence[Rule], data: Iterable[Chunk], *, ticket_open: timedelta = TICKET_OPEN) -> Report:
    """Try rules on recorded readings and report what they would have done.

    Chunks of one asset come in the order of time, assets in any. A rule is tried on every asset that it holds for and that has all
    its inputs. Nobody acknowledges anything; a ticket is taken for closed `ticket_open` after its last alarm returned.
    """
    backtest = Backtest(rules, ticket_open=ticket_open)
    for chunk in data:
        backtest.take(chunk)
    return backtest.finish()


class Backtest:
    """The same, chunk by chunk, for data that comes asynchronously."""

    def __init__(self, rules: Sequence[Rule], *, ticket_open: timedelta = TICKET_OPEN) -> None:
        self._rules = rules
        self._report = blank(rules)
        self._ledger = Ledger(self._report, rules, ticket_open // timedelta(microseconds=1))
        self._runs: dict[str, AssetRun] = {}
        self._began = time.monotonic()

    @property
    def readings(self) -> int:
        """How many were shown up to now."""
        return self._report.readings

    def take(self, chunk: Chunk) -> None:
        """Show a stretch of an asset's time to its rules."""
        asset, report = chunk.asset, self._report
        run = self._runs.get(asset.path)
        if run is None:
            run = self._runs[asset.path] = AssetRun(
                asset, [r for r in self._rules if fits(r, asset)], self._ledger.take
            )
            report.assets += 1
            for instance in run.instances:
                report.rules[instance.rule.id].assets += 1
        run.take(chunk)
        ends = [int(column.times_us[at]) for column in chunk.columns if len(column.times_us) for at in (0, -1)]
        report.readings += sum(len(column.times_us) for column in chunk.columns)
        if ends:
            report.first_us = min(ends) if report.first_us is None else min(report.first_us, *ends)
            report.last_us = max(chunk.until_us, *ends, report.last_us or chunk.until_us)

    def finish(self) -> Report:
        """The report, after the last chunk."""
        report = self._report
        self._ledger.close()
        for run in self._runs.values():
            for rule_id, trouble in run.failed.items():
                report.rules[rule_id].trouble = f"failed on {run.asset.path}: {trouble}"
        for rule in self._rules:
            seen = report.rules[rule.id]
            if not seen.assets and not seen.trouble:
                seen.trouble = why_not(rule, [run.asset for run in self._runs.values()])
        report.elapsed_s = time.monotonic() - self._began
        return report


def fits(rule: Rule, asset: AssetSpec) -> bool:
    """Whether a rule works on an asset: it holds for it, has levels, and finds its inputs in its units."""
    return not _misfit(rule, asset)


def why_not(rule: Rule, assets: Sequence[AssetSpec]) -> str:
    """Why a rule was tried on no asset."""
    return next((misfit for asset in assets if (misfit := _misfit(rule, asset))), "there are no readings")


def _misfit(rule: Rule, asset: AssetSpec) -> str:
    if not isinstance(rule.condition, Threshold):
        return "counts pieces and raises no alarms"
    if not rule.for_each.matches(asset.path, asset.equipment_class):
        return "is for other assets"
    for entry in rule.inputs:
        if entry.of:
            if not asset.siblings.get(entry.tag):
                return f"compares with {entry.tag} of sibling assets, and there are none with it"
            continue
        if entry.tag not in asset.tags:
            return f"needs the tag {entry.tag}"
        unit = asset.units.get(entry.tag, "")
        if entry.unit is not None and unit and ucum(unit) != ucum(entry.unit):
            return f"wants {entry.tag} in {entry.unit}, it is in {unit}"
    return ""
