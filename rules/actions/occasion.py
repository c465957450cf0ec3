"""What actions are told of an alarm, whoever tells it: the engine at a transition, or the end of a shelf."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from bridge.model.alarm import Severity
from bridge.model.equipment import EquipmentPath
from rules.actions.words import message
from rules.instance import Instance, Told
from rules.rulebook.model import Rule, When


@dataclass(frozen=True, slots=True)
class Occasion:
    """One step of one alarm. `previous` is the level that an escalation came from."""

    rule: Rule
    rule_version: int
    alarm_id: int
    equipment_id: int
    path: str
    when: When
    severity: Severity
    previous: Severity | None
    at: datetime
    message: str
    inputs: dict[str, Any]

    @classmethod
    def of(cls, instance: Instance, version: int, told: Told, when: When) -> Self:
        """What the engine tells."""
        assert instance.alarm_id is not None, "the alarm is raised before anything follows from it"
        transition = told.transition
        return cls(
            instance.rule, version, instance.alarm_id, instance.equipment_id, instance.path, when, transition.severity,
            transition.previous, transition.at, message(instance, told), told.inputs,
        )  # fmt: skip

    @property
    def name(self) -> str:
        """The asset's own name."""
        return EquipmentPath.parse(self.path).name

    @property
    def key(self) -> str:
        """The same step of the same alarm always has the same key."""
        instant = int(self.at.timestamp() * 1_000_000)
        return f"{self.rule.id}|{self.path}|{self.when}|{self.severity}|{instant}"

    def is_of(self, lowest: Severity, on: frozenset[When]) -> bool:
        """Whether an action that waits for `on` at `lowest` and above is meant."""
        return self.when in on and self.severity.rank >= lowest.rank
