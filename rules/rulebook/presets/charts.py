"""Control charts of a signal against its target and sigma, which are numbers or expressions (baseline.mean, baseline.std).

Sources: NIST/SEMATECH e-Handbook 6.3.2.3 (CUSUM) and 6.3.2.4 (EWMA); Western Electric Handbook (1956); Nelson (1984).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from bridge.model.alarm import Severity
from rules.language.canonical import number_text
from rules.rulebook.presets.preset import Draft, Preset, Signal, need_expression, rounded
from rules.section import Section, count, number

_DEADBAND: Final = 0.2


def _chart(function: str, tests: int) -> Callable[[Section, Signal], list[Draft]]:
    def draft(fields: Section, signal: Signal) -> list[Draft]:
        target, sigma = _target_and_sigma(fields, signal)
        chosen = fields.reader.words(fields.item_of("rules"), count)
        if target is None or sigma is None:
            return []
        if wrong := [each for each in chosen if each > tests]:
            fields.reader.tell(fields.item, f"there is no rule {wrong[0]}; there are 1 to {tests}")
            return []
        found = f"{function}({signal.text}, {target}, {sigma})"
        condition = " || ".join(f"{found} == {each}" for each in chosen) if chosen else f"{found} > 0"
        clear = " && ".join(f"{found} != {each}" for each in chosen) if chosen else f"{found} == 0"
        return [Draft(Severity.MEDIUM, condition, clear)]

    return draft


def _ewma(fields: Section, signal: Signal) -> list[Draft]:
    """|z - target| > L sigma sqrt(lambda / (2 - lambda)): the limits that the chart comes to."""
    target, sigma = _target_and_sigma(fields, signal)
    weight, width = fields.take("lambda", _share, 0.2), fields.take("L", _positive, 3.0)
    if target is None or sigma is None:
        return []
    start = f", {target}" if _is_number(target) else ""
    distance = f"abs(ewma({signal.text}, {number_text(weight)}{start}) - {target})"
    factor = width * math.sqrt(weight / (2 - weight))
    left = factor * (1 - signal.share(_DEADBAND))
    return [
        Draft(
            Severity.MEDIUM,
            f"{distance} > {number_text(factor)} * {sigma}",
            f"{distance} < {number_text(rounded(left))} * {sigma}",
        )
    ]


def _cusum(fields: Section, signal: Signal) -> list[Draft]:
    """|sum| > h sigma, with slack k sigma."""
    target, sigma = _target_and_sigma(fields, signal)
    slack, interval = fields.take("k", _positive, 0.5), fields.take("h", _positive, 5.0)
    if target is None or sigma is None:
        return []
    found = f"abs(cusum({signal.text}, {target}, {sigma}, {number_text(slack)}, {number_text(interval)}))"
    left = interval * (1 - signal.share(0.5))
    return [Draft(Severity.MEDIUM, f"{found} > {number_text(interval)}", f"{found} < {number_text(rounded(left))}")]


def _target_and_sigma(fields: Section, signal: Signal) -> tuple[str | None, str | None]:
    target = need_expression(fields, "target", signal.facts, ": what it should be, a number or baseline.mean")
    sigma = need_expression(
        fields, "sigma", signal.facts, ": its standard deviation in control, a number or baseline.std"
    )
    return target, sigma


def _is_number(text: str) -> bool:
    try:
        float(text.strip("()"))
    except ValueError:
        return False
    return True


def _share(value: object) -> float:
    found = number(value)
    if not 0 < found <= 1:
        raise ValueError("must be above 0 and at most 1")
    return found


def _positive(value: object) -> float:
    found = number(value)
    if found <= 0:
        raise ValueError("must be above 0")
    return found


PRESETS: Final = (
    Preset(
        "western_electric",
        _chart("western_electric", 4),
        "0s",
        "0s",
        "the Western Electric rules 1 to 4, or those in rules",
    ),
    Preset("nelson", _chart("nelson", 8), "0s", "0s", "Nelson's tests 1 to 8, or those in rules"),
    Preset(
        "ewma", _ewma, "0s", "0s", "the exponentially weighted moving average beyond L sigmas of it; lambda 0.2, L 3"
    ),
    Preset("cusum", _cusum, "0s", "0s", "the two-sided cumulative sum beyond h sigmas; k 0.5, h 5"),
)
