"""What a signal should not do, whatever it measures: be silent, be still, run away, leave its range, stop counting."""

from __future__ import annotations

from typing import Final

from bridge.model.alarm import Severity
from rules.durations import duration_us
from rules.language.canonical import duration_text, number_text
from rules.rulebook.presets.preset import Draft, Preset, Signal, rounded
from rules.section import Section, count, number, one_of, text

_SECOND: Final = 1_000_000
_DEADBAND: Final = 0.05


def _stale(fields: Section, signal: Signal) -> list[Draft]:
    return _question(fields, f"stale({signal.text}, ", "after", "", Severity.LOW)


def _counter_stall(fields: Section, signal: Signal) -> list[Draft]:
    return _question(fields, f"counter_stall({signal.text}, ", "after", "", Severity.MEDIUM)


def _flatline(fields: Section, signal: Signal) -> list[Draft]:
    band, least = fields.take("band", number, 0.0), fields.take("least", count, 3)
    return _question(fields, f"flatline({signal.text}, ", "for", f", {number_text(band)}, {least}", Severity.LOW)


def _rate_of_change(fields: Section, signal: Signal) -> list[Draft]:
    limit = fields.need("limit", number, ": the greatest change in the time of per")
    per_us = fields.take("per", _span, 60 * _SECOND)
    over_us = fields.take("over", _span, 0)
    direction = fields.take("direction", one_of(str, ["both", "rising", "falling"]), "both")
    if limit is None or limit <= 0:
        if limit is not None:
            fields.reader.tell(fields.item, "limit must be above 0; direction says which way")
        return []
    rate = f"rate({signal.text}, {duration_text(over_us)})"
    found = {"both": f"abs({rate})", "rising": rate, "falling": f"-{rate}"}[direction]
    a_second = limit * _SECOND / per_us
    left = a_second * (1 - signal.share(0.2))
    return [
        Draft(Severity.MEDIUM, f"{found} > {number_text(rounded(a_second))}", f"{found} < {number_text(rounded(left))}")
    ]


def _out_of_range(fields: Section, signal: Signal) -> list[Draft]:
    least = fields.take("min", _maybe, None)
    most = fields.take("max", _maybe, None)
    if least is None and most is None:
        fields.reader.tell(fields.item, "min or max is missing")
        return []
    if least is not None and most is not None and least >= most:
        fields.reader.tell(fields.item, "min must be below max")
        return []
    span = most - least if least is not None and most is not None else abs(most if most is not None else least or 0.0)
    band, name = span * signal.share(_DEADBAND), signal.text
    out = [f"{name} < {number_text(least)}"] if least is not None else []
    out += [f"{name} > {number_text(most)}"] if most is not None else []
    inside = [f"{name} > {number_text(rounded(least + band))}"] if least is not None else []
    inside += [f"{name} < {number_text(rounded(most - band))}"] if most is not None else []
    return [Draft(Severity.MEDIUM, " || ".join(out), " && ".join(inside))]


def _question(fields: Section, begin: str, name: str, end: str, severity: Severity) -> list[Draft]:
    span_us = fields.need(name, _span, ", e.g. 10m")
    if span_us is None:
        return []
    condition = f"{begin}{duration_text(span_us)}{end})"
    return [Draft(severity, condition, f"!{condition}")]


def _span(value: object) -> int:
    found = duration_us(text(value))
    if not found:
        raise ValueError("must be longer than nothing")
    return found


def _maybe(value: object) -> float | None:
    return number(value)


PRESETS: Final = (
    Preset("stale", _stale, "0s", "0s", "no good reading for the time of after"),
    Preset("flatline", _flatline, "0s", "0s", "for the time of for all readings, at least least of them, within band"),
    Preset(
        "rate_of_change",
        _rate_of_change,
        "0s",
        "0s",
        "a change of more than limit in the time of per, measured over over",
    ),
    Preset("out_of_range", _out_of_range, "10s", "60s", "below min or above max"),
    Preset("counter_stall", _counter_stall, "0s", "0s", "a count that has not changed for the time of after"),
)
