"""The configurations of docs/connectors.md and of the pages below docs/connectors: loaded as a plant's file would be, and run against the simulated systems."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bridge.config import load_settings
from bridge.erp.connectors import CONNECTORS, make
from bridge.erp.declarative.description import load
from bridge.erp.webhook import signature
from simulators.systems.webhook import SECRET
from tests.contract.scenes import EQUIPMENT, carry, pieces, request
from tests.erp_systems.business_central import SimulatedBusinessCentral
from tests.erp_systems.declarative import DESCRIPTIONS, Described
from tests.erp_systems.erpnext import SimulatedErpNext
from tests.erp_systems.sap_s4 import SimulatedSap
from tests.erp_systems.webhook import SimulatedReceiver

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {page.stem: page.read_text() for page in (DOCS / "connectors.md", *sorted((DOCS / "connectors").iterdir()))}
BLOCKS = [block for page in PAGES.values() for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL)]
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


def test_every_connector_to_a_business_system_has_a_page_that_the_first_one_leads_to():
    assert set(PAGES) == {*CONNECTORS, "connectors"}
    assert all(f"(connectors/{name}.md)" in PAGES["connectors"] for name in CONNECTORS)


@pytest.mark.parametrize("page", [each.relative_to(DOCS) for each in sorted(DOCS.rglob("*.md"))], ids=str)
def test_links_of_the_page_lead_to_files_and_headings_that_are_there(page):
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", (DOCS / page).read_text()):
        name, _, heading = link.partition("#")
        file = (DOCS / page).parent / name if name else DOCS / page
        assert file.exists(), link
        titles = re.findall(r"(?m)^#+ (.*)$", file.read_text()) if heading else []
        assert not heading or heading in [
            re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles
        ], link


def test_receiver_of_the_page_knows_what_we_sign_from_what_others_send():
    [code] = re.findall(r"```python\n(.*?)```", PAGES["webhook"], re.DOTALL)
    exec(code, receiver := {})
    body = b'{"quantity": "3"}'
    sent = signature.headers("id-1", datetime.now(UTC), body, [SECRET, "whsec_" + "A" * 32])
    assert receiver["is_genuine"](sent, body, SECRET)
    assert not receiver["is_genuine"](sent, body + b" ", SECRET)
    assert not receiver["is_genuine"](sent, body, "whsec_" + "B" * 32)
    assert not receiver["is_genuine"]({**sent, "webhook-timestamp": "1"}, body, SECRET)
