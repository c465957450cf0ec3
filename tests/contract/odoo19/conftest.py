"""A simulated Odoo and its connector."""

from __future__ import annotations

import pytest

from bridge.erp.odoo19 import Odoo19
from tests.erp_systems.odoo19 import SimulatedOdoo


@pytest.fixture
async def odoo(tmp_path):
    async with SimulatedOdoo(tmp_path / "odoo") as running:
        yield running


@pytest.fixture
async def connector(odoo):
    async with Odoo19(odoo.settings()) as connector:
        yield connector
