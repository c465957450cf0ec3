"""The simulated ERP that the relay posts to, and the command line of the person who looks after it."""

from __future__ import annotations

import asyncio

import pytest
from typer.testing import CliRunner

from bridge.cli.app import app
from tests.erp_process import KEY, SimulatedErp


@pytest.fixture
async def erp(tmp_path):
    async with SimulatedErp(tmp_path / "erp") as running:
        yield running


@pytest.fixture
def amor(database_dsn, erp, tmp_path):
    """`amor outbox ...` with a configuration file, and what a person answers; gives exit code and what it printed."""
    config = tmp_path / "amor.toml"
    config.write_text(
        f'[plant]\nname = "test"\n[database]\ndsn = "{database_dsn}"\n[[connector]]\ntype = "odoo19"\nname = "erp"\n'
        f'url = "{erp.url}"\ndatabase = "acme"\nauth = {{ type = "api_key", key = "{KEY}" }}\ntimeout_s = 1\n'
        '[[connector]]\ntype = "apprise"\nname = "shift"\nurl = "json://localhost"\nroles = ["shift"]\n'
    )

    async def run(*arguments, answers="", **options):
        named = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        typed = ["outbox", *map(str, arguments), *named, "--config", str(config)]
        invoke = lambda: CliRunner().invoke(app, typed, input=answers, env={"COLUMNS": "200"})  # noqa: E731
        result = await asyncio.to_thread(invoke)
        if result.exception and not isinstance(result.exception, SystemExit):
            return 1, str(result.exception)
        return result.exit_code, result.output

    return run
