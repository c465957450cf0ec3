"""The ERP: what goes to business systems, what of it waits for a person, and whether made, posted and booked agree."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from dashboard.control_tower.markup import aria, data
from dashboard.control_tower.plant_page import panel


def erp_page() -> Component:
    """The page; live.js and tower_erp_*.js fill it."""
    return html.Div(
        [
            html.H1("ERP", className="unseen"),
            html.Section(className="connectors", **data(live="connectors"), **aria(label="Connectors")),
            html.Div(
                [
                    html.Div(
                        [
                            panel("Needs attention", "attention"),
                            panel("Made, posted, booked", "comparison"),
                            panel("Production orders", "erp-orders"),
                        ],
                        className="column wide",
                    ),
                    html.Div(
                        [
                            panel("Find an order or event", "find"),
                            panel("Taken by the systems", "latest"),
                            panel("Shipments", "erp-shipments"),
                        ],
                        className="column",
                    ),
                ],
                className="columns",
            ),
        ],
        className="erp-page",
        **data(page="erp"),
    )
