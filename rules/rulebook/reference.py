"""The functions of the rule language for people: how each is called, what it says, and an example with the value that it has.

`amor rules functions` prints it; docs/rules.md holds it, and a test holds that against this.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rules.histories import HISTORIES
from rules.language import NUMBER, Name, Row, Scope, compile_expression, resolve
from rules.language.canonical import number_text
from rules.language.functions import FUNCTIONS
from rules.language.pasts import signature
from rules.language.types import Value

SIGNAL: Final = (
    "`x` is 10, 11, 10, 12 over and over for 400 readings, then 14; `y` is 5, 6, 7 over and over; both one a second. "
    "The value is that after the last reading."
)
_LENGTH: Final = 400
_SECOND: Final = 1_000_000

EXAMPLES: Final[dict[str, str]] = {
    "abs": "abs(x - 20)",
    "min": "min(x, y, 6)",
    "max": "max(x, y, 6)",
    "floor": "floor(x / y)",
    "ceil": "ceil(x / y)",
    "sqrt": "sqrt(x - 5)",
    "exp": "exp(x - 14)",
    "ln": "ln(x)",
    "bpfo": "bpfo(9, 7.94, 39.04, 0)",
    "bpfi": "bpfi(9, 7.94, 39.04, 0)",
    "bsf": "bsf(7.94, 39.04, 0)",
    "ftf": "ftf(7.94, 39.04, 0)",
    "delta": "delta(x)",
    "rate": "rate(x, 10s)",
    "last": "last(x, 1h)",
    "ewma": "ewma(x, 0.2)",
    "lowpass": "lowpass(x, 30s)",
    "mean": "mean(x, 5s)",
    "std": "std(x, 5s)",
    "min_over": "min_over(x, 5s)",
    "max_over": "max_over(x, 5s)",
    "spread": "spread(x, 5s)",
    "count": "count(x, 5s)",
    "slope": "slope(x, 5s)",
    "percentile": "percentile(x, 1m, 95)",
    "stale": "stale(x, 5m)",
    "flatline": "flatline(x, 5s, 0.5)",
    "counter_stall": "counter_stall(x, 5s)",
    "cusum": "cusum(x, 10.75, 0.83)",
    "western_electric": "western_electric(x, 10.75, 0.83)",
    "nelson": "nelson(x, 10.75, 0.83)",
    "baseline_mean": "baseline_mean(x, 5m, 1m, 100)",
    "baseline_std": "baseline_std(x, 5m, 1m, 100)",
    "baseline_median": "baseline_median(x, 5m, 1m, 100)",
    "baseline_mad": "baseline_mad(x, 5m, 1m, 100)",
    "t2": "t2(x, y, 5m, 1m, 100)",
    "t2_limit": "t2_limit(x, y, 5m, 1m, 100)",
    "amplitude": "amplitude(x, 0.25, 64, 1)",
    "band_rms": "band_rms(x, 64, 1, 0.2, 0.3)",
    "envelope": "envelope(x, 0.25, 64, 1, 0.1, 0.4)",
    "novelty": "novelty(x, 8, 4, 256)",
    "seasonal_novelty": "seasonal_novelty(x, 24h, 1h, 8, 4, 256)",
}


def functions_table() -> str:
    """Markdown: every function, those of this instant first."""
    lines = ["| Function | Says | Example | Value |", "|---|---|---|---|"]
    lines += [f"| `{each.signature}` | {each.says} | {_example(each.name)} |" for each in FUNCTIONS.values()]
    for kind in HISTORIES.values():
        says = kind.says.replace("|", "\\|")
        lines.append(f"| `{signature(kind)}` | {says} | {_example(kind.name)} |")
    return "\n".join(lines) + "\n"


def value_of(text: str) -> Value:
    """The value of an expression of x and y after the signal."""
    scope = Scope({"x": Name(NUMBER), "y": Name(NUMBER)})
    row = Row()
    expression = compile_expression(text, scope, resolve(text, scope).kind or NUMBER, row)
    kept = [(spec, row.places[spec.slot], spec.kind.make(spec.setting)) for spec in row.histories.values()]
    values: list[Value] = [None] * len(row.places)
    for at_us, x, y in _signal():
        for name, value in (("x", x), ("y", y)):
            if name in row.places:
                values[row.places[name]] = value
        for spec, place, history in kept:
            history.take(at_us, tuple(argument.evaluate(values) for argument in spec.arguments))
            values[place] = history.value(at_us)
    found: Value = expression.evaluate(values)
    return found


def _signal() -> Iterator[tuple[int, float, float]]:
    for index in range(_LENGTH + 1):
        x = 14.0 if index == _LENGTH else (10.0, 11.0, 10.0, 12.0)[index % 4]
        yield index * _SECOND, x, (5.0, 6.0, 7.0)[index % 3]


def _example(name: str) -> str:
    text = EXAMPLES.get(name)
    if text is None:
        return "| "
    return f"`{text}` | {_shown(value_of(text))}"


def _shown(value: Value) -> str:
    if value is None:
        return "unknown"
    return number_text(float(f"{value:.5g}")) if isinstance(value, float) else str(value).lower()
