"""`amor erp preview` and `amor check --online`: run as a person runs them, against a simulated system."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sys
from pathlib import Path

import pytest

from bridge.cli.app import main
from bridge.config.settings import Settings
from bridge.erp.connectors import make
from tests.contract.scenes import pieces, request
from tests.erp_systems.declarative import DESCRIPTIONS
from tests.erp_systems.sap_s4 import SimulatedSap

CONFIG = """\
[plant]
name = "test"
time_zone = "Europe/Berlin"

[database]
dsn = "host=nowhere"

[[equipment]]
path = "acme/dortmund/machining/line1"
[[equipment]]
path = "acme/dortmund/machining/line1/cnc1"

[[connector]]
type = "sap_s4"
name = "sap"
url = "{url}/sap/opu/odata/sap"
auth = {{ type = "basic", user = "AMOR", password = {{ env = "SAP_PASSWORD" }} }}
plant = "1010"
[connector.units]
"1" = "PC"
[connector.items.HSG-L1]
code = "{code}"
uom = "PC"
[connector.equipment_ids]
"acme/dortmund/machining/line1/cnc1" = "{machine}"
"""


DESCRIBED_AND_HOOK = (
    CONFIG.partition("[[connector]]")[0]
    + """
[[connector]]
type = "declarative"
name = "mes"
url = "http://localhost:9"
file = "mes.toml"
[[connector]]
type = "webhook"
name = "hook"
url = "http://localhost:9"
secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
"""
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("SAP_PASSWORD", "simulated-key")


async def amor(*arguments: str) -> tuple[int, str]:
    """Exit code and everything that was printed; in a thread of its own, with an event loop of its own, as a process would."""

    def run() -> tuple[int, str]:
        printed = io.StringIO()
        argv, sys.argv = sys.argv, ["amor", *arguments]
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                main()
        except SystemExit as end:
            return int(end.code or 0), printed.getvalue()
        finally:
            sys.argv = argv
        return 0, printed.getvalue()

    return await asyncio.to_thread(run)


@pytest.fixture
async def sap():
    async with SimulatedSap() as running:
        yield running


@pytest.fixture
def configured(sap, tmp_path):
    def write(*, code: str = "HSG-L1", machine: str = "10000002") -> Path:
        file = tmp_path / "amor.toml"
        file.write_text(CONFIG.format(url=sap.url, code=code, machine=machine))
        return file

    return write


def filed(tmp_path, event) -> str:
    file = tmp_path / "event.json"
    file.write_text(json.dumps({"kind": event.kind, "payload": event.payload()}))
    return str(file)


async def test_preview_shows_exactly_what_would_be_sent_and_sends_nothing(sap, configured, tmp_path):
    config = configured()
    code, printed = await amor("erp", "preview", filed(tmp_path, pieces(3, 3)), "-c", str(config), "--json")
    assert code == 0, printed
    (step,) = json.loads(printed)
    assert step["call"] == "POST API_MATERIAL_DOCUMENT_SRV/A_MaterialDocumentHeader"
    async with make(sap.settings(time_zone="Europe/Berlin")) as connector:
        assert [planned.to_json() for planned in await connector.plan(pieces(3, 3))] == [step]
    assert "simulated-key" not in printed
    assert await sap.good_posted("MES-0001") == 0


async def test_preview_of_what_is_there_says_its_number(sap, configured, tmp_path):
    async with make(sap.settings()) as connector:
        for step in await connector.plan(request()):
            await connector.execute(step)
        number = (await connector.lookup(request())).external_id
    code, printed = await amor("erp", "preview", filed(tmp_path, request()), "-c", str(configured()))
    assert (code, f"has this event as {number}" in printed) == (0, True), printed


async def test_preview_of_no_event_says_what_to_write(configured, tmp_path):
    (tmp_path / "none.json").write_text("[]")
    code, printed = await amor("erp", "preview", str(tmp_path / "none.json"), "-c", str(configured()))
    assert code == 1
    assert '{"kind": "wip_to_fg"' in printed


async def test_check_online_is_content_with_what_the_system_knows(configured):
    code, printed = await amor("check", "--online", str(configured()))
    assert code == 0, printed
    assert "know every item" in printed


async def test_check_online_tells_what_the_system_does_not_know_with_its_line(configured):
    file = configured(code="HSG-9", machine="10000099")
    code, printed = await amor("check", "--online", str(file))
    assert code == 2
    assert f"{file}:22: connector[0].items.HSG-L1.code: sap: SAP has no product HSG-9" in printed
    assert (
        f"{file}:25: connector[0].equipment_ids.acme/dortmund/machining/line1/cnc1: sap: SAP has no equipment"
        in printed
    )
    assert (await amor("check", str(file)))[0] == 0, "without --online nobody is asked"


async def test_check_online_tells_of_a_system_that_is_away(sap, configured):
    file = configured()
    await sap.stop()
    code, printed = await amor("check", "--online", str(file))
    assert code == 2
    assert "connector[0].url: sap: cannot be asked" in printed


async def test_check_online_says_what_nobody_was_asked_for(tmp_path):
    head, _, words = (DESCRIPTIONS / "rest.toml").read_text().partition("[check_item]")
    (tmp_path / "mes.toml").write_text(head.partition("[check_equipment]")[0])
    assert words, "the description has had the table"
    (tmp_path / "amor.toml").write_text(DESCRIBED_AND_HOOK)
    code, printed = await amor("check", "--online", str(tmp_path / "amor.toml"))
    assert code == 0, printed
    assert "mes was not asked for items (its description has no [check_item]) and machines (its" in printed
    assert "hook was not asked for anything" in printed


async def test_check_tells_mistakes_of_a_description_and_files_that_are_missing(tmp_path):
    text = (DESCRIPTIONS / "rest.toml").read_text()
    (tmp_path / "mes.toml").write_text(text.replace('"rest/postings/{event_id}"', '"rest/postings/{event_di}"', 1))
    line = next(number for number, words in enumerate(text.splitlines(), 1) if "rest/postings/{event_id}" in words)
    (tmp_path / "amor.toml").write_text(DESCRIBED_AND_HOOK + 'tls = { ca_file = "missing.pem" }\n')
    code, printed = await amor("check", str(tmp_path / "amor.toml"))
    assert code == 2
    assert f"{tmp_path}/mes.toml:{line}: event.wip_to_fg.lookup.request.path: {{event_di}} is unknown here" in printed
    assert "connector[1].tls: TLS files of a connector cannot be used" in printed
    assert "missing.pem" in printed


def test_plant_zone_and_folder_reach_the_connectors(tmp_path):
    from bridge.config import load_settings

    (tmp_path / "amor.toml").write_text(
        CONFIG.partition("[[connector]]")[0]
        + '[[connector]]\ntype = "declarative"\nname = "mes"\nurl = "http://localhost:9"\nfile = "mes.toml"\n'
    )
    settings: Settings = load_settings(tmp_path / "amor.toml")
    assert settings.connector[0].time_zone == "Europe/Berlin"
    assert settings.connector[0].file == tmp_path / "mes.toml"


async def test_preview_of_a_waiting_event_is_that_of_its_row(sap, configured, database_dsn):
    from bridge.store import outbox
    from bridge.store.database import connected

    event = pieces(3, 3)
    async with connected(database_dsn, "test") as connection:
        number = await outbox.insert(
            connection, connector="sap", stream="MES-0001", kind=event.kind, payload=event.payload(), key="k"
        )
    config = configured()
    config.write_text(config.read_text().replace("host=nowhere", database_dsn))
    code, printed = await amor("erp", "preview", str(number), "-c", str(config))
    assert code == 0, printed
    assert "1. post wip_to_fg  POST API_MATERIAL_DOCUMENT_SRV/A_MaterialDocumentHeader" in printed
    assert '"QuantityInEntryUnit": "3"' in printed
    code, printed = await amor("erp", "preview", "999999", "-c", str(config))
    assert (code, "there is no event 999999" in printed) == (1, True)
