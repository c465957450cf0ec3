"""Two versions of a rule file: which rules were added, removed, changed, and what that makes of the alarms on the same readings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rules.backtest.report import AlarmSeen, Report
from rules.rulebook.model import Rule


@dataclass(frozen=True, slots=True)
class RuleChange:
    """A rule that differs. `kind`: added, removed or changed; `fields` are the parts of its body that do."""

    rule: str
    kind: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of the rules and of their alarms: those that appear and vanish; the others are the same to the second."""

    changes: tuple[RuleChange, ...]
    appear: tuple[AlarmSeen, ...]
    vanish: tuple[AlarmSeen, ...]
    same: int

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "rules": [{"rule": each.rule, "change": each.kind, "fields": list(each.fields)} for each in self.changes],
            "appear": [alarm.as_json() for alarm in self.appear],
            "vanish": [alarm.as_json() for alarm in self.vanish],
            "same": self.same,
        }


def changed_rules(before: Sequence[Rule], after: Sequence[Rule]) -> tuple[RuleChange, ...]:
    """The rules that differ by the hash of their body; a comment is no change."""
    old, new = {rule.id: rule for rule in before}, {rule.id: rule for rule in after}
    found = []
    for name in sorted(old.keys() | new.keys()):
        if name not in new or name not in old:
            found.append(RuleChange(name, "removed" if name in old else "added"))
        elif old[name].sha256 != new[name].sha256:
            one, other = old[name].body, new[name].body
            fields = sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))
            found.append(RuleChange(name, "changed", tuple(fields)))
    return tuple(found)


def compare(before: Sequence[Rule], after: Sequence[Rule], was: Report, now: Report) -> Difference:
    """What the second version's alarms are beside the first one's: the same where rule, asset and severity raise within a second."""
    old, new = Counter(map(_key, was.alarms)), Counter(map(_key, now.alarms))
    appear, vanish = new - old, old - new
    return Difference(
        changed_rules(before, after), _pick(now.alarms, appear), _pick(was.alarms, vanish), (old & new).total()
    )


def _key(alarm: AlarmSeen) -> tuple[str, str, str, int]:
    return alarm.rule, alarm.asset, str(alarm.severity), alarm.raised_us // 1_000_000


def _pick(alarms: Sequence[AlarmSeen], wanted: Counter[tuple[str, str, str, int]]) -> tuple[AlarmSeen, ...]:
    found = []
    left = wanted.copy()
    for alarm in alarms:
        if left[_key(alarm)] > 0:
            left[_key(alarm)] -= 1
            found.append(alarm)
    return tuple(sorted(found, key=lambda alarm: alarm.raised_us))
