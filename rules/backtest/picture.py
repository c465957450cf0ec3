"""A backtest as a picture: one line a rule and asset, its alarms as bars in the colour of their severity, floods behind them. PNG."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from rules.backtest.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS: Final = {"low": "#6b7280", "medium": "#b45309", "high": "#c2410c", "critical": "#b91c1c"}
_FLOOD: Final = "#fde68a"
_MOST_LINES: Final = 40
_DAY_US: Final = 86_400_000_000
_LEAST_WIDTH: Final = 1 / 600  # of the span: an alarm of a second in a year is still seen


def draw(report: Report) -> bytes:
    """The report as PNG, about 1200 pixels wide; the forty lines with the most alarms."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # slow to import, and needed with --picture only

    lines = _lines(report)
    figure = Figure(figsize=(12, 1.6 + 0.34 * max(1, len(lines))), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.set_title(f"{report.sentence()} in {report.readings:,} readings", loc="left", fontsize=10)
    if report.first_us is not None and report.last_us is not None:
        _draw_lines(axes, report, lines, report.first_us, report.last_us)
    target = io.BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()


def _lines(report: Report) -> list[tuple[str, str]]:
    count: dict[tuple[str, str], int] = {}
    for alarm in report.alarms:
        count[alarm.rule, alarm.asset] = count.get((alarm.rule, alarm.asset), 0) + 1
    return sorted(count, key=lambda line: (-count[line], line))[:_MOST_LINES]


def _draw_lines(axes: Axes, report: Report, lines: list[tuple[str, str]], first_us: int, last_us: int) -> None:
    last_us = max(last_us, first_us + 1_000_000)
    places = {line: place for place, line in enumerate(reversed(lines))}
    for flood in report.floods:
        axes.axvspan(_days(flood.began_us), _days(flood.ended_us or last_us), color=_FLOOD, lw=0, zorder=0)
    for (line, severity), bars in _bars(report, last_us, round((last_us - first_us) * _LEAST_WIDTH)).items():
        if line in places:
            axes.broken_barh(bars, (places[line] - 0.35, 0.7), facecolors=_COLOURS[severity])
    axes.set_yticks(
        list(places.values()), [f"{rule}\n{asset.rsplit('/', 1)[-1]}" for rule, asset in places], fontsize=7
    )
    axes.set_ylim(-0.7, max(0.7, len(lines) - 0.3))
    axes.set_xlim(_days(first_us), _days(last_us))
    axes.xaxis_date()
    axes.tick_params(axis="x", labelsize=7)
    _legend(axes, report)


def _bars(report: Report, last_us: int, least_us: int) -> dict[tuple[tuple[str, str], str], list[tuple[float, float]]]:
    """By line and severity: where each alarm begins and how long it is, in days."""
    found: dict[tuple[tuple[str, str], str], list[tuple[float, float]]] = {}
    for alarm in report.alarms:
        lasted_us = max((alarm.returned_us or last_us) - alarm.raised_us, least_us)
        bars = found.setdefault(((alarm.rule, alarm.asset), str(alarm.severity)), [])
        bars.append((_days(alarm.raised_us), lasted_us / _DAY_US))
    return found


def _legend(axes: Axes, report: Report) -> None:
    from matplotlib.patches import Patch  # noqa: PLC0415  # as above

    seen = {str(alarm.severity) for alarm in report.alarms}
    shown = [Patch(color=colour, label=severity) for severity, colour in _COLOURS.items() if severity in seen]
    if report.floods:
        shown.append(Patch(color=_FLOOD, label="flood"))
    if shown:
        axes.legend(handles=shown, loc="upper right", fontsize=7, ncols=len(shown))


def _days(at_us: int) -> float:
    """An instant as matplotlib counts them: days since 1970."""
    return at_us / _DAY_US
