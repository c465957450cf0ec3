"""Which rules work on which assets: where all inputs of the asset's own are, with units that fit."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

import structlog

from bridge.config.units import ucum
from rules.conditions.threshold import Threshold
from rules.engine.asset import Asset
from rules.rulebook.model import Rule, Rulebook

log = structlog.get_logger()

_WILD: Final = re.compile(r"[*?\[]")  # of fnmatch


class RuleIndex:
    """The rules with levels by the tags that they read, and by the asset where they name one: a new tag asks few of them."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self._anywhere: dict[str, list[Rule]] = {}
        self._somewhere: dict[tuple[str, str], list[Rule]] = {}  # by path and tag
        for rule in rulebook.rules:
            if isinstance(rule.condition, Threshold):
                self._add(rule)

    def _add(self, rule: Rule) -> None:
        path = rule.for_each.equipment
        for name in {entry.tag for entry in rule.inputs if entry.of is None}:
            if path is None or _WILD.search(path):
                self._anywhere.setdefault(name, []).append(rule)
            else:
                self._somewhere.setdefault((path, name), []).append(rule)

    def completed_by(self, tag: str, asset: Asset, equipment_class: str | None) -> Iterator[Rule]:
        """The rules that work on an asset now that it has this tag."""
        for rule in (*self._anywhere.get(tag, ()), *self._somewhere.get((asset.path, tag), ())):
            if fits(rule, asset, equipment_class):
                yield rule

    def fitting(self, asset: Asset, equipment_class: str | None, ids: Collection[str]) -> list[Rule]:
        """Those of some rules that work on an asset."""
        found = {
            rule.id: rule
            for tag in asset.tags
            for rule in (*self._anywhere.get(tag, ()), *self._somewhere.get((asset.path, tag), ()))
            if rule.id in ids
        }
        return [rule for rule in found.values() if fits(rule, asset, equipment_class)]


def fits(rule: Rule, asset: Asset, equipment_class: str | None) -> bool:
    """Whether a rule works on an asset as it is known."""
    return (
        isinstance(rule.condition, Threshold)
        and all(entry.tag in asset.tags for entry in rule.inputs if entry.of is None)
        and rule.for_each.matches(asset.path, equipment_class)
        and _units_fit(rule, asset)
    )


def _units_fit(rule: Rule, asset: Asset) -> bool:
    for entry in (each for each in rule.inputs if each.of is None):
        unit = asset.units[entry.tag]
        if entry.unit is not None and unit and ucum(unit) != ucum(entry.unit):
            log.error(
                "rule does not work on this asset: unit mismatch",
                rule=rule.id, asset=asset.path, tag=entry.tag, wanted=entry.unit, unit=unit,
            )  # fmt: skip
            return False
    return True
