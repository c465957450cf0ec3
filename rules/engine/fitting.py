"""Which rules work on which assets: where all inputs of the asset's own are, with units that fit."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from bridge.config.units import ucum
from rules.conditions.threshold import Threshold
from rules.engine.asset import Asset
from rules.rulebook.model import Rule, Rulebook

log = structlog.get_logger()


class RuleIndex:
    """The rules with levels by the tags that they read: a new tag asks those that name it, not all."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self._by_tag: dict[str, list[Rule]] = {}
        for rule in rulebook.rules:
            if isinstance(rule.condition, Threshold):
                for name in {entry.tag for entry in rule.inputs if entry.of is None}:
                    self._by_tag.setdefault(name, []).append(rule)

    def completed_by(self, tag: str, asset: Asset, equipment_class: str | None) -> Iterable[Rule]:
        """The rules that work on an asset now that it has this tag."""
        for rule in self._by_tag.get(tag, ()):
            if fits(rule, asset, equipment_class):
                yield rule


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
