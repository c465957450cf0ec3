"""The configurations of docs/connectors.md: loaded as a plant's file would be, and run against the simulated systems."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bridge.config import load_settings
from bridge.erp.connectors import make
from bridge.erp.declarative.description import load
from simulators.systems.webhook import SECRET
from tests.contract.scenes import EQUIPMENT, carry, pieces, request
from tests.erp_systems.business_central import SimulatedBusinessCentral
from tests.erp_systems.declarative import DESCRIPTIONS, Described
from tests.erp_systems.erpnext import SimulatedErpNext
from tests.erp_systems.sap_s4 import SimulatedSap
from tests.erp_systems.webhook import SimulatedReceiver

PAGE = (Path(__file__).parents[2] / "docs" / "connectors.md").read_text()
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
TABLES = {tomllib.loads(block)["connector"][0]["name"]: block for block in BLOCKS if block.startswith("[[connector]]")}
DESCRIBED = [block for block in BLOCKS if block.startswith("protocol")]
SYSTEMS = {
    "sap": SimulatedSap,
    "bc": SimulatedBusinessCentral,
    "erpnext": SimulatedErpNext,
    "names": SimulatedErpNext,
    "mes-hook": SimulatedReceiver,
    "mes": Described,
}
ENVIRONMENT = {
    "SAP_PASSWORD": "simulated-key",
    "BC_SECRET": "simulated-key",
    "ERPNEXT_KEY": "simulated:simulated-key",
    "WEBHOOK_SECRET": SECRET,
    "CLIENT_SECRET": "x",
    "MES_KEY": "simulated-key",
    "ODOO_KEY": "simulated-key",
    "TRYTON_KEY": "simulated-key",
}


def written(folder: Path, block: str, address: str = "https://system.example.com") -> Path:
    """A whole configuration with one table of the page, its hosts replaced."""
    hosts = {f"{each.scheme}://{each.netloc}" for each in map(urlsplit, re.findall(r'https://[^"]+', block))}
    for host in hosts:
        block = block.replace(host, address)
    file = folder / "amor.toml"
    file.write_text(f'[plant]\nname = "p"\n[database]\ndsn = "x"\n{block}')
    (folder / "mes.toml").write_text((DESCRIPTIONS / "rest.toml").read_text())
    return file


@pytest.mark.parametrize("name", sorted(TABLES))
def test_table_of_the_page_has_no_mistakes(tmp_path, name):
    (table,) = load_settings(written(tmp_path, TABLES[name]), ENVIRONMENT).connector
    assert table.name == name


@pytest.mark.parametrize("name", sorted(SYSTEMS))
async def test_table_of_the_page_carries_pieces_and_a_request(tmp_path, name):
    async with SYSTEMS[name]() as system:
        (table,) = load_settings(written(tmp_path, TABLES[name], system.url), ENVIRONMENT).connector
        async with make(table) as connector:
            assert await connector.check_master_data([EQUIPMENT]) == []
            for event in (pieces(3, 3), request()):
                assert (await carry(connector, event)).is_posted
        assert await system.good_posted("MES-0001") == 3


@pytest.mark.parametrize("block", DESCRIBED)
async def test_description_of_the_page_carries_pieces(tmp_path, block):
    (tmp_path / "d.toml").write_text(block)
    assert load(tmp_path / "d.toml").event
    async with Described() as system, make(system.settings(file=tmp_path / "d.toml")) as connector:
        assert (await carry(connector, pieces(3, 3))).is_posted


def test_page_has_a_section_for_every_connector_here():
    for title in ("Odoo 19", "Tryton 8.2", "SAP S/4HANA", "Business Central", "ERPNext", "Webhook", "Declarative"):
        assert f"\n## {title}" in PAGE
