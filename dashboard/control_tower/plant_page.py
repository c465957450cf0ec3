"""The plant at a glance (ISA-101 level 1): figures against target, lines and machines, trends, alarms, tickets, orders."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from dash import html
from dash.development.base_component import Component

from bridge.store.database import Row
from dashboard.control_tower.markup import aria, data
from dashboard.kpis import KPIS, Kpi

_TILES: Final = (
    "output", "oee", "availability", "effectiveness", "quality_ratio", "scrap_ratio", "wip", "posted", "lead_time", "completeness",
)  # fmt: skip
_FACTORS: Final = (("availability", "A"), ("effectiveness", "E"), ("quality_ratio", "Q"))


def plant_page(machines: Sequence[Row]) -> Component:
    """The page; `machines` are in the order of lines and flow."""
    lines = [list(of_line) for _, of_line in groupby(machines, lambda machine: machine["line_id"])]
    return html.Div(
        [
            html.H1("Plant overview", className="unseen"),
            html.Section([tile(KPIS[name]) for name in _TILES], className="tiles", **aria(label="Key figures")),
            html.Section(
                [_line_card(line) for line in lines] or [_nothing()], className="lines", **aria(label="Lines")
            ),
            html.Div(
                [
                    html.Div(
                        [panel("Trends with limits", "trends"), panel("Orders", "orders")],
                        className="column wide",
                    ),
                    html.Div(
                        [panel("Active alarms", "alarms"), panel("Open tickets", "tickets")],
                        className="column",
                    ),
                ],
                className="columns",
            ),
        ],
        className="plant",
        **data(page="plant"),
    )


def tile(kpi: Kpi) -> Component:
    """A figure with its bullet; live.js fills it."""
    return html.Article(
        [
            html.H2(kpi.title),
            html.P([html.Span("–", className="number"), html.Span(className="unit")], className="value"),
            html.Div([html.I(className="fill"), html.B(className="target")], className="bullet", **aria(hidden="true")),
            html.P(className="aim"),
            html.P(className="more"),
        ],
        className="tile",
        title=kpi.meaning,
        **data(kpi=kpi.name, unit=kpi.unit, direction=str(kpi.direction), status="none"),
    )


def panel(title: str, content: str) -> Component:
    """A titled box whose content is live."""
    return html.Section(
        [html.H2([title, html.Span(className="count")]), html.Div(className="content", **data(live=content))],
        className=f"panel {content}",
        **data(panel=content),
    )


def factors() -> Component:
    """The three factors of OEE as bars."""
    return html.Dl([_factor(name, letter) for name, letter in _FACTORS], className="factors")


def _factor(name: str, letter: str) -> Component:
    return html.Div(
        [
            html.Dt([html.Span(letter, **aria(hidden="true")), html.Span(KPIS[name].title, className="unseen")]),
            html.Dd(
                [
                    html.Div([html.I(className="fill"), html.B(className="target")], className="bullet"),
                    html.Span("–", className="number"),
                ]
            ),
        ],
        className="factor",
        **data(factor=name, status="none"),
    )


def _line_card(machines: Sequence[Row]) -> Component:
    line = machines[0]
    return html.Article(
        [
            html.Div(
                [
                    html.H2(line["line"] or "No line"),
                    html.P(
                        [html.Span("OEE ", className="label"), html.Span("–", className="number")], className="line-oee"
                    ),
                    factors(),
                    html.Dl([_fact("Good", "good"), _fact("Scrap", "scrap"), _fact("WIP", "wip")], className="facts"),
                ],
                className="line-head",
            ),
            html.Div([_machine(machine) for machine in machines], className="machines"),
        ],
        className="line",
        **data(line=str(line["line_id"])),
    )


def _fact(title: str, name: str) -> Component:
    return html.Div([html.Dt(title), html.Dd("–", **data(fact=name))])


def _machine(machine: Row) -> Component:
    return html.A(
        [
            html.Span([html.Span(machine["name"], className="name"), html.Span(className="oee")], className="top"),
            html.Span([html.Span(className="icon"), html.Span("–", className="word")], className="state"),
            html.Span(className="since"),
            html.Span(className="order"),
            html.Span(className="reason"),
        ],
        href=f"/machine/{machine['id']}",
        className="machine",
        **data(machine=str(machine["id"]), go="", state="UNKNOWN"),
    )


def _nothing() -> Component:
    return html.P(
        "No machines yet: list them under [[equipment]] in the configuration, or let a source name them.",
        className="nothing",
    )
