"""What Odoo's own answers mean, over the client that all connectors share: real sockets, answers as they come."""

from __future__ import annotations

import json

import pytest

from bridge.config.settings import OdooSettings
from bridge.erp.odoo19.client import OdooClient
from bridge.errors import BusinessError, CredentialsError, TransientError, UnknownOutcome
from tests.unit.erp.http_stage import http, serving

KEY = "k-7731"
ERROR = json.dumps({"name": "odoo.exceptions.UserError", "message": f"no {KEY}", "arguments": [], "debug": ""}).encode()
CALL = "stock.scrap/action_validate"


def settings(url, **changes):
    auth = {"type": "api_key", "key": KEY}
    given = {"type": "odoo19", "name": "erp", "url": url, "database": "acme", "auth": auth, "timeout_s": 2}
    return OdooSettings.model_validate({**given, **changes})


@pytest.mark.parametrize(
    ("status", "body", "repeatable", "once"),
    [
        (500, ERROR, TransientError, TransientError),  # Odoo's own: its transaction is rolled back
        (500, b"<html>", TransientError, UnknownOutcome),  # a proxy's: nobody knows
        (502, ERROR, TransientError, UnknownOutcome),
        (302, b"", TransientError, UnknownOutcome),
        (200, b"<html>", TransientError, UnknownOutcome),
        (503, ERROR, TransientError, TransientError),
        (503, b"", TransientError, UnknownOutcome),  # a proxy's
        (409, ERROR, TransientError, TransientError),  # a record that somebody else has locked
        (401, ERROR, CredentialsError, CredentialsError),
        (403, ERROR, CredentialsError, CredentialsError),
        (404, ERROR, BusinessError, BusinessError),
        (422, ERROR, BusinessError, BusinessError),
    ],
)
async def test_answer_says_whether_the_call_may_have_been_carried_out(status, body, repeatable, once):
    async with serving(lambda _: http(status, body)) as server, OdooClient(settings(server.url)) as client:
        for is_repeatable, error in ((True, repeatable), (False, once)):
            with pytest.raises(error) as raised:
                await client.call(CALL, {"ids": [1]}, is_repeatable=is_repeatable)
            assert type(raised.value) is error
            assert KEY not in f"{raised.value} {raised.value.__cause__}"


async def test_call_names_its_database_and_key_and_goes_through_the_proxy_that_the_table_names():
    async with serving(lambda _: http(200, b"[7]")) as proxy:
        table = settings("http://odoo.example:8069/", proxy=proxy.url)
        async with OdooClient(table) as client:
            assert await client.call("stock.scrap/create", {"vals_list": [{}]}, is_repeatable=True) == (200, "[7]", [7])
    [asked] = proxy.asked
    assert asked.line == "POST http://odoo.example:8069/json/2/stock.scrap/create HTTP/1.1"
    assert (asked.headers["authorization"], asked.headers["x-odoo-database"]) == (f"Bearer {KEY}", "acme")
    assert json.loads(asked.body) == {"vals_list": [{}]}
