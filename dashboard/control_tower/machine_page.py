"""One machine (ISA-101 level 3): what it does, its tags with limits and quality, trends, states, alarms and tickets."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from bridge.store.database import Row
from dashboard.control_tower.markup import aria, data
from dashboard.control_tower.plant_page import factors, panel


def machine_page(machine: Row) -> Component:
    """The page of a machine."""
    return html.Div(
        [
            html.Nav(
                [
                    html.A("Plant", href="/", **data(go="")),
                    html.Span(machine["line"] or "", className="crumb"),
                    html.Span(machine["name"], className="crumb", **aria(current="page")),
                ],
                className="crumbs",
                **aria(label="Where you are"),
            ),
            _head(machine),
            html.Section(
                [
                    html.H2("States"),
                    html.Div(
                        className="chart short",
                        **data(figure=f"/api/v1/figures/states/{machine['id']}", label="States over time"),
                    ),
                ],
                className="panel",
            ),
            html.Div(
                [
                    html.Div([panel("Trends", "trends")], className="column wide"),
                    html.Div(
                        [panel("Tags", "tags"), panel("Active alarms", "alarms"), panel("Open tickets", "tickets")],
                        className="column",
                    ),
                ],
                className="columns",
            ),
        ],
        className="machine-page",
        **data(page="machine", of_machine=str(machine["id"])),
    )


def unknown_page(address: str) -> Component:
    """Where there is nothing."""
    return html.Div(
        [
            html.H1("Nothing here"),
            html.P(f"There is no page {address}."),
            html.A("To the plant overview", href="/", **data(go="")),
        ],
        className="nothing-page",
        **data(page="none"),
    )


def away_page() -> Component:
    """While the database cannot be read."""
    return html.Div(
        [html.H1("The database does not answer"), html.P("The page comes back by itself when it does.")],
        className="nothing-page",
        **data(page="away"),
    )


def _head(machine: Row) -> Component:
    return html.Section(
        [
            html.Div(
                [
                    html.H1(machine["name"]),
                    html.P(machine["path"], className="path"),
                ],
                className="title",
            ),
            html.Div(
                [
                    html.Span([html.Span(className="icon"), html.Span("–", className="word")], className="state"),
                    html.Span(className="reason"),
                    html.Span(className="since"),
                    html.Span(className="order"),
                ],
                className="machine big",
                **data(machine=str(machine["id"]), state="UNKNOWN"),
            ),
            html.Div(
                [
                    html.P(
                        [html.Span("OEE ", className="label"), html.Span("–", className="number")], className="line-oee"
                    ),
                    factors(),
                    html.Dl(
                        [
                            html.Div([html.Dt("Good"), html.Dd("–", **data(fact="good"))]),
                            html.Div([html.Dt("Scrap"), html.Dd("–", **data(fact="scrap"))]),
                        ],
                        className="facts",
                    ),
                ],
                className="unit-figures",
                **data(unit_of=str(machine["id"])),
            ),
        ],
        className="machine-head",
    )
