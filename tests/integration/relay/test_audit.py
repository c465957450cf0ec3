"""What is kept of attempts holds no secret, though the other side repeats all that it was sent, in every form that it is sent in."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from contextlib import asynccontextmanager
from urllib.parse import quote, quote_plus

import pytest

from bridge.config.settings import OdooSettings
from bridge.store.database import connected
from tests.erp_systems.business_central import SimulatedBusinessCentral
from tests.erp_systems.declarative import Described
from tests.erp_systems.erpnext import SimulatedErpNext
from tests.erp_systems.sap_s4 import SimulatedSap
from tests.erp_systems.webhook import SimulatedReceiver
from tests.relay_process import post, relaying, until

SECRET = "s3cr3t/7731+amor"


@asynccontextmanager
async def repeating(*, gives_tokens):
    """A system that refuses everything and says what it was sent: the head, the body, and what it is signed with."""

    async def talk(reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-l")]
                body = await reader.readexactly(int(lengths[0]) if lengths else 0)
                status, said = b"422 X", json.dumps({"error": {"message": (head + body).decode()}}).encode()
                headers = b""
                if gives_tokens and b"grant_type" in body:
                    status, said = b"200 OK", b'{"access_token": "t0k3n-7731-abcdef", "expires_in": 3600}'
                elif b"x-csrf-token: fetch" in head.lower():
                    status, headers = b"200 OK", b"x-csrf-token: csrf-7731-abcdef\r\nSet-Cookie: SAP=cookie-7731\r\n"
                writer.write(b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, headers, len(said), said))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def odoo(url):
    given = {"type": "odoo19", "name": "erp", "url": url, "database": "a", "timeout_s": 1}
    return OdooSettings.model_validate({**given, "auth": {"type": "api_key", "key": SECRET}})


def of(system):
    return lambda url: system().settings(url=url, api_key=SECRET, name="erp", timeout_s=1)


def webhook(url):
    key = "whsec_" + base64.b64encode(SECRET.ljust(32).encode()).decode()
    return (
        SimulatedReceiver()
        .settings(url=url, name="erp")
        .model_validate({"type": "webhook", "name": "erp", "url": url + "/hooks", "secrets": [key], "timeout_s": 1})
    )


TABLES = {
    "odoo19": odoo,
    "sap_s4": of(SimulatedSap),
    "business_central": of(SimulatedBusinessCentral),
    "erpnext": of(SimulatedErpNext),
    "declarative": of(Described),
    "webhook": webhook,
}


@pytest.mark.parametrize("gives_tokens", [True, False])
@pytest.mark.parametrize("system", TABLES)
async def test_no_form_of_a_secret_is_kept(database_dsn, system, gives_tokens, capfd):
    async with repeating(gives_tokens=gives_tokens) as address, connected(database_dsn, "test") as connection:
        await post(connection, "MES-0001", [3])
        async with relaying(database_dsn, TABLES[system](f"http://{address}")):
            await until(database_dsn, lambda rows: bool(rows[0]["last_error"]))
        kept = ""
        for table in ("outbox", "outbox_attempt", "connector_condition"):
            found = await (await connection.execute(f"select row_to_json(t)::text as all from {table} as t")).fetchall()
            kept += "".join(row["all"] for row in found)
    kept += "".join(capfd.readouterr())
    assert "MES-0001" in kept
    forms = [SECRET, quote(SECRET, safe=""), quote_plus(SECRET), json.dumps(SECRET)[1:-1]]
    forms += [base64.b64encode(f"{user}:{SECRET}".encode()).decode() for user in ("MES", "amor")]
    forms += [base64.b64encode(SECRET.ljust(32).encode()).decode(), "csrf-7731", "cookie-7731", "t0k3n-7731"]
    assert [form for form in forms if form in kept] == []
    assert not re.search(r"authorization: (basic|bearer|token) (?!\*\*\*)", kept.lower())
    assert not re.search(r"v1,(?!\*\*\*)", kept), "a signature is as good as the message that it is of"


async def test_user_and_password_in_an_address_are_not_kept(database_dsn):
    async with repeating(gives_tokens=False) as address, connected(database_dsn, "test") as connection:
        await post(connection, "MES-0001", [3])
        table = odoo(f"http://amor:{quote(SECRET, safe='')}@{address}")
        async with relaying(database_dsn, table):
            await until(database_dsn, lambda rows: bool(rows[0]["last_error"]))
        found = await (await connection.execute("select answer, request::text, step from outbox_attempt")).fetchall()
        rows = await (await connection.execute("select last_error from outbox")).fetchall()
    assert quote(SECRET, safe="") not in str(found + rows)
    assert base64.b64encode(f"amor:{SECRET}".encode()).decode() not in str(found + rows)
