"""Alarms (ISA-18.2): those that stand, what they are grouped by, how loaded the operators are, what is shelved or out of service."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboard.control_tower.markup import data
from dashboard.control_tower.plant_page import panel


def alarms_page() -> Component:
    """The page; live.js and tower_alarms_page.js fill it."""
    return html.Div(
        [
            html.H1("Alarms", className="unseen"),
            html.Div(
                [
                    html.Div(
                        [
                            panel("Active alarms", "alarms"),
                            panel("First-up groups", "alarm-groups"),
                            panel("Shelved", "shelves"),
                            panel("Out of service", "out-of-service"),
                        ],
                        className="column wide",
                    ),
                    html.Div(
                        [
                            panel("Alarm load, 24 h", "alarm-load"),
                            panel("Worst sources, 24 h", "worst-sources"),
                            panel("Nuisances", "nuisances"),
                        ],
                        className="column",
                    ),
                ],
                className="columns",
            ),
        ],
        className="alarms-page",
        **data(page="alarms"),
    )
