from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.erp.connectors import CONNECTORS
from tests.erp_process import SimulatedErp
from tests.erp_systems.business_central import SimulatedBusinessCentral
from tests.erp_systems.erpnext import SimulatedErpNext
from tests.erp_systems.sap_s4 import SimulatedSap


@pytest.fixture(params=sorted(CONNECTORS))
def system_type(request):
    """Every connector of the table goes through the same suite."""
    return request.param


@pytest.fixture
async def system(system_type, tmp_path):
    """A business system that the connector speaks to, and the levers to break it."""
    systems = {
        "odoo19": SimulatedErp,
        "sap_s4": SimulatedSap,
        "erpnext": SimulatedErpNext,
        "business_central": SimulatedBusinessCentral,
    }
    assert system_type in systems, f"the connector {system_type} has no system to be tested against"
    async with systems[system_type](tmp_path / "system") as running:
        yield running


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
