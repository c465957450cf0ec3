"""The Dash application: the shell, and one asynchronous callback that turns an address into a page."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psycopg
from dash import Dash, Input, Output
from dash.development.base_component import Component
from fastapi import FastAPI
from plotly import __version__ as plotly_version
from psycopg_pool import PoolTimeout

from bridge.store import live
from dashboard.api.tower import Tower
from dashboard.control_tower.alarms_page import alarms_page
from dashboard.control_tower.erp_page import erp_page
from dashboard.control_tower.machine_page import away_page, machine_page, unknown_page
from dashboard.control_tower.plant_page import plant_page
from dashboard.control_tower.shell import shell

ASSETS: Final = Path(__file__).parent / "assets"
_MACHINE: Final = re.compile(r"^/machine/(\d{1,9})/?$")

_INDEX: Final = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{%title%}</title>
<link rel="icon" href="/assets/mark.svg" type="image/svg+xml">
<meta name="amor-plotly" content="/static/plotly-{plotly}.js">
{%css%}
<script src="/assets/theme.js"></script>
</head>
<body>
{%app_entry%}
{%config%}
{%scripts%}
{%renderer%}
</body>
</html>"""


def build(server: FastAPI, tower: Tower) -> Dash:
    """Hang the pages onto the API's own application."""
    app = Dash(
        "amor",
        server=server,  # type: ignore[arg-type]  # its annotation names Flask only
        assets_folder=str(ASSETS),
        assets_ignore=r"^(login|theme)\.",
        title=tower.settings.plant.name,
        update_title="",
        index_string=_INDEX.replace("{plotly}", plotly_version),
        suppress_callback_exceptions=True,
        add_log_handler=False,
    )
    # Dash would open a socket of its own on every page, used or not.
    app.backend.websocket_capability = False
    app.layout = shell(tower.settings.plant.name)

    async def show(address: str | None) -> Component:
        return await page_of(tower, address or "/")

    app.callback(Output("page", "children"), Input("address", "pathname"))(show)
    # Dash lists the assets at the first request of its own addresses: a page that is asked for before them had none.
    app._setup_server()  # type: ignore[no-untyped-call]  # noqa: SLF001
    return app


async def page_of(tower: Tower, address: str) -> Component:
    """The page of an address."""
    try:
        async with tower.pool.connection(timeout=2) as connection:
            machines = await live.machines(connection, datetime.now(UTC))
    except (psycopg.Error, PoolTimeout):
        return away_page()
    if address == "/":
        return plant_page(machines)
    if address.rstrip("/") == "/alarms":
        return alarms_page()
    if address.rstrip("/") == "/erp":
        return erp_page()
    if match := _MACHINE.match(address):
        for machine in machines:
            if machine["id"] == int(match[1]):
                return machine_page(machine)
    return unknown_page(address)
