from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.erp.connectors import CONNECTORS
from tests.contract.odoo_process import OdooServer, RealOdoo, program
from tests.contract.scenes import KINDS
from tests.erp_systems.business_central import SimulatedBusinessCentral
from tests.erp_systems.declarative import Described
from tests.erp_systems.erpnext import SimulatedErpNext
from tests.erp_systems.odoo19 import SimulatedOdoo
from tests.erp_systems.sap_s4 import SimulatedSap
from tests.erp_systems.tryton82 import RealTryton
from tests.erp_systems.webhook import SimulatedReceiver
from tests.faulty_proxy import FaultyProxy

SYSTEMS = {
    "business_central": SimulatedBusinessCentral,
    "declarative": Described,
    "erpnext": SimulatedErpNext,
    "odoo19": SimulatedOdoo,
    "sap_s4": SimulatedSap,
    "tryton82": RealTryton,
    "webhook": SimulatedReceiver,
}


if os.environ.get("AMOR_TEST_ODOO") == "real":  # make test-odoo
    SYSTEMS["odoo19"] = RealOdoo


@pytest.fixture(scope="session")
def odoo_server(request, tmp_path_factory):
    """The real Odoo; skips where there is none."""
    program()
    database = request.getfixturevalue("database_server")
    with OdooServer(database.dsn_of("postgres"), tmp_path_factory.mktemp("odoo")) as server:
        yield server


def pytest_generate_tests(metafunc):
    """Every connector of the table goes through the same suite; where a test asks for a kind, with each kind that it carries.

    `not_promised` of a system says by name and reason which tests ask for what its connector cannot promise. A module's ASKS names
    a method that not every connector has: its tests are of those that have it.
    """
    if "system_type" not in metafunc.fixturenames:
        return
    asked = getattr(metafunc.module, "ASKS", "kinds")
    business = [name for name in sorted(CONNECTORS) if _kinds(name) and hasattr(CONNECTORS[name], asked)]
    told = {name: getattr(SYSTEMS.get(name), "not_promised", {}) for name in business}
    names = [name for name, without in told.items() if metafunc.function.__name__ not in without]
    if "kind" in metafunc.fixturenames:
        pairs = [(name, kind) for name in names for kind in sorted(_kinds(name))]
        metafunc.parametrize(("system_type", "kind"), pairs, ids=[f"{name}-{kind}" for name, kind in pairs])
    else:
        metafunc.parametrize("system_type", names)


def _kinds(name):
    # A described connector carries what its file describes: then the system says which kinds those are.
    kinds = getattr(SYSTEMS.get(name), "kinds", None) or getattr(CONNECTORS[name], "kinds", frozenset())
    return kinds & KINDS if isinstance(kinds, frozenset) else frozenset()


@pytest.fixture
async def system(system_type, tmp_path, request):
    """A business system that the connector speaks to, and the levers to break it."""
    assert system_type in SYSTEMS, f"the connector {system_type} has no system to be tested against"
    real = {RealTryton: "tryton", RealOdoo: "odoo_server"}.get(SYSTEMS[system_type])
    async with SYSTEMS[system_type](request.getfixturevalue(real) if real else tmp_path / "system") as running:
        yield running


@pytest.fixture
async def proxy(system):
    """A proxy before the system that breaks requests on purpose."""
    async with FaultyProxy.before(system.port) as running:
        yield running


@pytest.fixture
async def through(proxy, system, system_type):
    """The connector behind the proxy; it waits long, so that only a proxy's failure is one."""
    async with CONNECTORS[system_type](system.settings(url=proxy.url, timeout_s=30)) as connector:
        yield connector


@pytest.fixture
async def impatient(proxy, system, system_type):
    """The same, but it waits for no answer longer than a moment."""
    async with CONNECTORS[system_type](system.settings(url=proxy.url, timeout_s=0.2)) as connector:
        yield connector


@pytest.fixture
async def connector(system, system_type):
    async with CONNECTORS[system_type](system.settings()) as connector:
        yield connector


@pytest.fixture
def answering(system):
    """A server that answers every request with the same bytes, for answers that no working system gives.

    With `drips` it then goes on with a blank every 50 ms until the client has enough of it. What a client must have before it
    can send anything (a token) it gets: `preliminary` of the system, where it has one, knows such requests.
    """
    preliminary = getattr(system, "preliminary", lambda head: None)

    @asynccontextmanager
    async def serve(answer: bytes, *, drips: bool = False) -> AsyncIterator[str]:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while (first := preliminary(head := await reader.readuntil(b"\r\n\r\n"))) is not None:
                    writer.write(first)
            except asyncio.IncompleteReadError:
                writer.close()
                return
            lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-l")]
            await reader.readexactly(int(lengths[0]) if lengths else 0)
            writer.write(answer)
            await writer.drain()
            while drips and not reader.at_eof():
                writer.write(b" ")
                await asyncio.sleep(0.05)
            writer.close()

        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    return serve
