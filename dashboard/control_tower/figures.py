"""Figures, pure: rows in, a Plotly figure as plain JSON out.

Colours are left to assets/tower_charts.js, which knows the theme: it goes by `meta.role` of a trace and `name` of a shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from dashboard.api.models import Limit, StateSpan, TrendAnswer

Figure = dict[str, Any]

# Abnormal states are told by a pattern as well as by colour.
_PATTERNS: Final = {
    "UNPLANNED_STOP": "x",
    "MAINTENANCE": "/",
    "UNKNOWN": ".",
    "BLOCKED": "|",
    "STARVED": "-",
    "SETUP": "\\",
}
# Seconds only where ticks are less than a minute apart.
_TICKS: Final = [
    {"dtickrange": [None, 59_999], "value": "%H:%M:%S"},
    {"dtickrange": [60_000, None], "value": "%H:%M"},
]
_SHORTEST_AXIS: Final = timedelta(minutes=5)
STATE_WORDS: Final = {
    "RUNNING": "Running",
    "IDLE": "Idle",
    "BLOCKED": "Blocked",
    "STARVED": "Starved",
    "SETUP": "Setup",
    "PLANNED_STOP": "Planned stop",
    "UNPLANNED_STOP": "Unplanned stop",
    "MAINTENANCE": "Maintenance",
    "UNKNOWN": "Unknown",
}


def trend(answer: TrendAnswer, start: datetime, end: datetime) -> Figure:
    """A line of means with a band from lowest to highest, and the limits. Traces: low, high, value, then what keeps limits in view.

    The axis begins with the first reading where the span began much earlier.
    """
    start = _from_first(start, end, answer.points[0].ts if answer.points else None)
    times = [_ms(point.ts) for point in answer.points]
    band: Figure = {"type": "scatter", "mode": "lines", "x": times, "hoverinfo": "skip", "line": {"width": 0}}
    return {
        "data": [
            {**band, "y": [point.low for point in answer.points], "meta": {"role": "low"}},
            {**band, "y": [point.high for point in answer.points], "fill": "tonexty", "meta": {"role": "high"}},
            {
                "type": "scatter",
                "mode": "lines",
                "x": times,
                "y": [point.value for point in answer.points],
                "connectgaps": False,
                "hovertemplate": f"%{{y:.4~g}} {_shown(answer.unit)}<br>%{{x|%H:%M:%S}}<extra></extra>",
                "line": {"width": 1.6},
                "meta": {"role": "value"},
            },
            {
                "type": "scatter",
                "mode": "markers",
                "x": [_ms(end) for _ in answer.limits],
                "y": [limit.value for limit in answer.limits],
                "hoverinfo": "skip",
                "marker": {"opacity": 0},
                "meta": {"role": "anchor"},
            },
        ],
        "layout": {
            **_layout(start, end),
            "yaxis": {"rangemode": "normal", "nticks": 5, "zeroline": False},
            "shapes": [_line(limit) for limit in answer.limits],
            "annotations": [_label(limit) for limit in answer.limits],
        },
    }


def states(spans: Sequence[StateSpan], start: datetime, end: datetime) -> Figure:
    """One lane of bars from left to right, one trace for each state that occurs, so that the legend names it."""
    start = _from_first(start, end, spans[0].starts_at if spans else None)
    return {
        "data": [
            _bars(state, [span for span in spans if span.state == state])
            for state in STATE_WORDS
            if any(span.state == state for span in spans)
        ],
        "layout": {
            **_layout(start, end),
            "barmode": "overlay",
            "bargap": 0,
            "showlegend": True,
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
            "yaxis": {"visible": False, "fixedrange": True},
        },
    }


def _bars(state: str, spans: Sequence[StateSpan]) -> Figure:
    word = STATE_WORDS[state]
    return {
        "type": "bar",
        "orientation": "h",
        "name": word,
        "base": [_ms(span.starts_at) for span in spans],
        "x": [_ms(span.ends_at) - _ms(span.starts_at) for span in spans],
        "y": ["state"] * len(spans),
        "customdata": [[span.reason or "no reason given", _duration(span)] for span in spans],
        "hovertemplate": f"<b>{word}</b>, %{{customdata[1]}}<br>%{{customdata[0]}}<extra></extra>",
        "marker": {"pattern": {"shape": _PATTERNS.get(state, ""), "size": 6, "solidity": 0.35}, "line": {"width": 0}},
        "meta": {"role": f"state:{state}"},
    }


def _layout(start: datetime, end: datetime) -> Figure:
    return {
        "xaxis": {"type": "date", "range": [_ms(start), _ms(end)], "nticks": 7, "tickformatstops": _TICKS},
        "margin": {"l": 44, "r": 12, "t": 8, "b": 28},
        "showlegend": False,
        "hovermode": "closest",
        "dragmode": "zoom",
    }


def _line(limit: Limit) -> Figure:
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": limit.value,
        "y1": limit.value,
        "line": {"width": 1.2, "dash": "dash"},
        "name": f"limit:{limit.severity}",
    }


def _label(limit: Limit) -> Figure:
    return {
        "xref": "paper",
        "x": 0.01,
        "xanchor": "left",
        "y": limit.value,
        "yanchor": "bottom" if limit.above else "top",
        "text": f"{limit.severity} {'>' if limit.above else '<'} {limit.value:g}",
        "showarrow": False,
        "font": {"size": 11},
        "name": f"limit:{limit.severity}",
    }


def _from_first(start: datetime, end: datetime, first: datetime | None) -> datetime:
    """Where the axis begins: the span's start, or the first of what is known where more than a fifth before it is empty."""
    if first is None or first - start < (end - start) / 5:
        return start
    return min(first, max(start, end - _SHORTEST_AXIS))


def _duration(span: StateSpan) -> str:
    seconds = round((span.ends_at - span.starts_at).total_seconds())
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _shown(unit: str) -> str:
    """A UCUM code as people write it."""
    return {"Cel": "°C", "1/min": "1/min", "[degF]": "°F", "Ohm": "Ω", "1": ""}.get(unit, unit)


def _ms(instant: datetime) -> float:
    return instant.timestamp() * 1000
