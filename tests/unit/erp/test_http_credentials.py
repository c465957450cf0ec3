"""Keys, tokens and CSRF tokens of business systems: who fetches them, when, and what no message tells."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from datetime import timedelta

import pytest

from bridge.erp.http.csrf import CsrfToken
from bridge.errors import CredentialsError, TransientError
from tests.unit.erp.http_stage import GET, OAUTH, POST, Asked, client, http, serving, token_server


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ({"type": "api_key", "key": "k7"}, ("authorization", "Bearer k7")),
        ({"type": "api_key", "key": "k7", "header": "X-Key", "prefix": ""}, ("x-key", "k7")),
        (
            {"type": "basic", "user": "u", "password": "p:w"},
            ("authorization", "Basic " + base64.b64encode(b"u:p:w").decode()),
        ),
    ],
)
async def test_credentials_go_with_every_request(auth, expected):
    async with serving(lambda _: http(200)) as server, client(server.url, auth=auth) as system:
        await system.send(GET)
        await system.send(POST)
    assert [asked.headers[expected[0]] for asked in server.asked] == [expected[1]] * 2


async def test_token_is_fetched_once_for_all_streams_and_kept():
    async with serving(token_server(["t1"])) as server:
        auth = {**OAUTH, "token_url": f"{server.url}/token"}
        async with client(server.url, auth=auth) as system:
            await asyncio.gather(*(system.send(GET) for _ in range(3)))
            await system.send(POST)
    tokens = [asked for asked in server.asked if "/token" in asked.line]
    assert len(tokens) == 1
    assert tokens[0].body == b"grant_type=client_credentials&scope=a+b"
    assert tokens[0].headers["authorization"] == "Basic " + base64.b64encode(b"me:s3cret%26").decode()


async def test_expired_token_is_renewed_once_and_the_request_repeated_even_one_that_is_not_repeatable():
    async with serving(token_server(["t2"])) as server:
        auth = {**OAUTH, "token_url": f"{server.url}/token"}
        async with client(server.url, auth=auth) as system:
            await system.send(POST)
    assert ["token" if "/token" in asked.line else "post" for asked in server.asked] == [
        "token",
        "post",
        "token",
        "post",
    ]


async def test_token_that_is_refused_again_is_a_matter_of_credentials_after_one_renewal():
    async with serving(token_server([])) as server:
        auth = {**OAUTH, "token_url": f"{server.url}/token", "send": "body"}
        async with client(server.url, auth=auth) as system:
            with pytest.raises(CredentialsError):
                await system.send(POST)
    assert sum("/token" in asked.line for asked in server.asked) == 2
    assert b"client_secret=s3cret%26" in server.asked[0].body


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http(401, b'{"error": "invalid_client", "error_description": "s3cret& is wrong"}'), CredentialsError),
        (http(503, b"", Retry_After="7"), TransientError),
        (http(200, b"<html>"), TransientError),
    ],
)
async def test_token_that_cannot_be_had_leaves_nothing_unclear_and_tells_no_secret(answer, error):
    async with serving(lambda _: answer) as server:
        system = client(server.url, auth={**OAUTH, "token_url": f"{server.url}/token"})
        async with system:
            with pytest.raises(error) as raised:
                await system.send(POST)
    assert "s3cret" not in f"{raised.value} {raised.value.__cause__}"
    if answer.startswith(b"HTTP/1.1 503"):
        assert raised.value.retry_after == timedelta(seconds=7)


async def test_token_that_expires_under_many_requests_is_renewed_by_one_request():
    """All of them are refused with the old token before the new one is there."""
    refused = 0

    def answer(asked: Asked) -> bytes:
        nonlocal refused
        if "/token" in asked.line:
            return http(200, b'{"access_token": "t%d"}' % (1 if not refused else 2))
        refused += asked.headers["authorization"] == "Bearer t1"
        return http(401 if asked.headers["authorization"] == "Bearer t1" else 200)

    async with serving(answer) as server:
        auth = {**OAUTH, "token_url": f"{server.url}/token"}
        async with client(server.url, auth=auth, max_in_flight=8) as system:
            await asyncio.gather(*(system.send(POST) for _ in range(8)))
    assert sum("/token" in asked.line for asked in server.asked) == 2
    assert sum(asked.headers.get("authorization") == "Bearer t2" for asked in server.asked) == 8


async def test_token_whose_time_is_over_is_renewed_before_the_next_request():
    made = 0

    def answer(asked: Asked) -> bytes:
        nonlocal made
        made += "/token" in asked.line
        return http(200, b'{"access_token": "t%d", "expires_in": 0}' % made)

    async with serving(answer) as server:
        system = client(server.url, auth={**OAUTH, "token_url": f"{server.url}/token"})
        async with system:
            await system.send(POST)
            await system.send(POST)
    assert [asked.headers["authorization"] for asked in server.asked if "/token" not in asked.line] == [
        "Bearer t1",
        "Bearer t2",
    ]


async def test_server_of_tokens_that_is_away_is_transient_and_named_and_nothing_goes_to_the_system():
    async with serving(lambda _: http(200)) as server:
        away = "http://127.0.0.1:1/token"
        async with client(server.url, auth={**OAUTH, "token_url": away}) as system:
            with pytest.raises(TransientError, match=f"{away} gives no token: the system cannot be reached"):
                await system.send(POST)
    assert server.asked == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, CredentialsError),
        (403, CredentialsError),
        (404, CredentialsError),
        (429, TransientError),
        (500, TransientError),
        (302, TransientError),
    ],
)
async def test_status_of_the_server_of_tokens_says_who_must_act(status, error):
    refusal = http(status, b'{"error": "invalid_client"}')
    async with serving(lambda _: refusal) as server:
        system = client(server.url, auth={**OAUTH, "token_url": f"{server.url}/token"})
        async with system:
            with pytest.raises(error):
                await system.send(POST)
    assert len(server.asked) == 1


def csrf_server(is_required_once: bool = False) -> Callable[[Asked], bytes]:
    sessions = 0
    refused = not is_required_once

    def answer(asked: Asked) -> bytes:
        nonlocal sessions, refused
        if asked.headers.get("x-csrf-token") == "Fetch":
            sessions += 1
            return http(200, x_csrf_token=f"c{sessions}", Set_Cookie=f"SAP_SESSIONID=s{sessions}; path=/; HttpOnly")
        if asked.line.startswith("GET"):
            return http(200)
        is_right = asked.headers.get(
            "x-csrf-token"
        ) == f"c{sessions}" and f"SAP_SESSIONID=s{sessions}" in asked.headers.get("cookie", "")
        if not is_right or not refused:
            refused = True
            return http(403, b"CSRF token validation failed", x_csrf_token="Required")
        return http(201)

    return answer


async def test_changing_request_carries_a_csrf_token_with_its_cookie_and_reading_needs_none():
    async with serving(csrf_server()) as server, client(server.url, csrf=CsrfToken("svc/")) as system:
        await system.send(GET)
        await system.send(POST)
        await system.send(POST)
    assert [asked.line.split()[0] for asked in server.asked] == ["GET", "GET", "POST", "POST"]


async def test_csrf_token_that_ran_out_is_fetched_again_once():
    async with (
        serving(csrf_server(is_required_once=True)) as server,
        client(server.url, csrf=CsrfToken("svc/")) as system,
    ):
        await system.send(POST)
    assert [asked.line.split()[0] for asked in server.asked] == ["GET", "POST", "GET", "POST"]


async def test_forbidden_for_another_reason_is_not_repeated():
    def answer(asked: Asked) -> bytes:
        return http(200, x_csrf_token="c1") if asked.line.startswith("GET") else http(403)

    async with serving(answer) as server, client(server.url, csrf=CsrfToken("svc/")) as system:
        with pytest.raises(CredentialsError):
            await system.send(POST)
    assert len(server.asked) == 2
