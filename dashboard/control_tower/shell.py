"""What stands on every page: the header with plant, shift, alarms, time range, theme, user, and LIVE or STALE with its age."""

from __future__ import annotations

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.api.window import WindowName
from dashboard.control_tower.markup import aria, data

_WINDOWS = {
    WindowName.SHIFT: "Shift",
    WindowName.MINUTES_15: "15 min",
    WindowName.HOUR: "1 h",
    WindowName.DAY: "24 h",
}


def shell(plant: str) -> Component:
    """The frame of all pages; `page` is filled by the router."""
    return html.Div(
        [
            html.A("Skip to the page", href="#page", className="skip"),
            dcc.Location(id="address", refresh=False),
            _header(plant),
            html.Div(className="banner", role="status", **data(live="banner"), **aria(live="polite")),
            html.Main(id="page", tabIndex="-1"),
            html.Div(className="unseen", role="status", **data(live="announcement"), **aria(live="polite")),
        ],
        className="tower",
    )


def _header(plant: str) -> Component:
    return html.Header(
        [
            html.A(
                [html.Span("amor", className="mark"), html.Span(plant, className="plant-name")],
                href="/",
                className="brand",
                **data(go=""),
                **aria(label=f"{plant}: plant overview"),
            ),
            html.Nav(
                [
                    html.A("Plant", href="/", **data(go="", place="/")),
                    html.A("Alarms", href="/alarms", **data(go="", place="/alarms")),
                    html.A(
                        ["ERP", html.Span(className="parked", hidden=True, **data(live="parked"))],
                        href="/erp",
                        **data(go="", place="/erp"),
                    ),
                ],
                className="places",
                **aria(label="Pages"),
            ),
            html.Div(className="shift", **data(live="shift")),
            html.Div(
                className="alarm-counts",
                role="group",
                **data(live="alarm-counts"),
                **aria(label="Open alarms by priority"),
            ),
            html.Div(
                [_window(name, word) for name, word in _WINDOWS.items()],
                className="windows",
                role="group",
                **aria(label="Time range"),
            ),
            html.Button(
                "Theme", className="quiet", type="button", **data(action="theme"), **aria(label="Change theme")
            ),
            html.Div(
                [
                    html.Span(className="user", **data(live="user")),
                    html.Button("Log out", className="quiet", type="button", **data(action="logout")),
                ],
                className="account",
            ),
            html.Div("CONNECTING", className="pulse", role="status", **data(live="pulse", pulse="wait")),
        ],
        className="bar",
    )


def _window(name: WindowName, word: str) -> Component:
    return html.Button(word, type="button", **data(window=str(name)), **aria(pressed="false"))
