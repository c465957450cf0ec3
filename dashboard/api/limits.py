"""The limits that are drawn into trends: levels of active rules that compare one input with a number.

What a level says otherwise (rates, baselines, several inputs) has no place on one tag's axis and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from dashboard.api.models import Limit

_COMPARISON: Final = re.compile(r"^\s*([A-Za-z_]\w*)\s*([<>])=?\s*(-?\d+(?:\.\d+)?)\s*$")


def limits_of(rules: Iterable[Mapping[str, Any]], tag: str, equipment_class: str | None, path: str) -> list[Limit]:
    """The limits of a tag on a piece of equipment, from the bodies of the active rules."""
    return [
        limit
        for rule in rules
        if _applies(rule["body"], equipment_class, path)
        for limit in _limits_of_rule(rule["id"], rule["body"], tag)
    ]


def _applies(body: Mapping[str, Any], equipment_class: str | None, path: str) -> bool:
    scope = body.get("for_each") or {}
    if not isinstance(scope, Mapping):
        return False
    wanted_class = scope.get("equipment_class")
    wanted_path = scope.get("equipment") or body.get("equipment")
    return (wanted_class is None or wanted_class == equipment_class) and (wanted_path is None or wanted_path == path)


def _limits_of_rule(rule_id: str, body: Mapping[str, Any], tag: str) -> Iterable[Limit]:
    inputs = body.get("inputs") or {}
    names = {name for name, spec in inputs.items() if isinstance(spec, Mapping) and spec.get("tag") == tag}
    for level in body.get("levels") or ():
        match = _COMPARISON.match(str(level.get("if", level.get("condition", ""))))
        if match and match[1] in names:
            yield Limit(severity=level["severity"], value=float(match[3]), above=match[2] == ">", rule=rule_id)
