"""The picture of a ticket's evidence: what was measured around the event, with the limits of the rule. PNG, for any ticket system."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS: Final = {"low": "#6b7280", "medium": "#b45309", "high": "#c2410c", "critical": "#b91c1c"}
_CURVE: Final = "#1d4ed8"
_EVENT: Final = "#111827"
_ONE_AT_A_TIME: Final = threading.Lock()  # matplotlib's text layout is not safe in two threads


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of the rule, drawn as a line."""

    severity: str
    tag: str
    value: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The readings of one tag, oldest first."""

    tag: str
    unit: str
    points: tuple[tuple[datetime, float], ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """What to draw: the curves with limits first, the event at `at`, times in UTC."""

    title: str
    subtitle: str
    at: datetime
    first: datetime
    last: datetime
    curves: tuple[Curve, ...]
    limits: tuple[Limit, ...]


def draw(scene: Scene) -> bytes:
    """The scene as PNG, about 960 pixels wide."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # slow to import, and needed at the first ticket only

    limited = {limit.tag for limit in scene.limits}
    curves = sorted(scene.curves, key=lambda curve: curve.tag not in limited)
    heights = [2.0 if curve.tag in limited else 1.0 for curve in curves] or [1.0]
    with _ONE_AT_A_TIME:
        figure = Figure(figsize=(9.6, 1.2 + 1.4 * sum(heights)), dpi=100, layout="constrained")
        panels = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for panel, curve in zip(panels, curves, strict=False):
            _draw_curve(panel, curve, [limit for limit in scene.limits if limit.tag == curve.tag], scene)
        if not curves:
            panels[0].text(0.5, 0.5, "no readings in this time", ha="center", transform=panels[0].transAxes)
        _finish(figure, panels[-1], scene)
        panels[0].annotate(
            "event", (scene.at, 1), xycoords=("data", "axes fraction"), fontsize=8, ha="center", va="bottom"
        )
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _draw_curve(panel: Axes, curve: Curve, limits: list[Limit], scene: Scene) -> None:
    times, values = zip(*curve.points, strict=True)
    panel.plot(times, values, color=_CURVE, linewidth=1.2, marker="." if len(values) < 60 else "", markersize=4)
    panel.set_ylabel(f"{curve.tag}\n[{curve.unit}]" if curve.unit else curve.tag, fontsize=8)
    panel.tick_params(labelsize=8)
    panel.grid(visible=True, color="#e5e7eb", linewidth=0.6)
    panel.axvline(scene.at, color=_EVENT, linestyle=":", linewidth=1.2)  # type: ignore[arg-type]  # dates are converted
    for limit in limits:
        colour = _COLOURS.get(limit.severity, _EVENT)
        panel.axhline(limit.value, color=colour, linestyle="--", linewidth=1)
        panel.annotate(
            f"{limit.severity} {limit.value:g}", (0.005, limit.value), xycoords=("axes fraction", "data"), fontsize=8,
            color=colour, va="bottom",
        )  # fmt: skip


def _finish(figure: Figure, lowest: Axes, scene: Scene) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415  # see draw

    locator = AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
    lowest.xaxis.set_major_locator(locator)
    lowest.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    lowest.set_xlim(scene.first, scene.last)  # type: ignore[arg-type]  # dates are converted
    lowest.set_xlabel("UTC", fontsize=8)
    lowest.tick_params(labelsize=8)
    figure.suptitle(f"{scene.title}\n{scene.subtitle}, event at {scene.at:%Y-%m-%d %H:%M:%S} UTC", fontsize=10)
