"""A simulated SAP S/4HANA tenant and its connector."""

from __future__ import annotations

import pytest

from bridge.erp.sap_s4 import SapS4
from tests.erp_systems.sap_s4 import SimulatedSap


@pytest.fixture
async def sap():
    async with SimulatedSap() as running:
        yield running


@pytest.fixture
async def connector(sap):
    async with SapS4(sap.settings()) as connector:
        yield connector
