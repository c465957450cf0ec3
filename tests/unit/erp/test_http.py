"""What the shared client promises, against a server of this process: real sockets, answers as they come."""

from __future__ import annotations

import asyncio
import gzip
import html
import json
import socket
import tracemalloc
import zlib
from datetime import timedelta
from urllib.parse import quote, quote_plus

import httpx
import pytest
from pydantic import ValidationError

from bridge.config.settings.connection import HttpConnectorTable
from bridge.erp.http import HttpClient, by_status
from bridge.erp.http import exchange as exchanges
from bridge.erp.http.failure import failure
from bridge.errors import BusinessError, CredentialsError, SetupError, TransientError, UnknownOutcome
from tests.unit.erp.http_stage import GET, OAUTH, POST, Asked, Scripted, client, http, serving, token_server


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "auth", [{"type": "api_key", "key": "k7", "header": "X-Key"}, {"type": "basic", "user": "u", "password": "p"}]
)
async def test_redirection_is_not_followed_so_that_no_key_goes_elsewhere_and_is_told(status, auth):
    async with serving(lambda _: http(200)) as other:
        moved = http(status, b"", Location=f"{other.url}/stolen?key=1")
        async with serving(lambda _: moved) as server, client(server.url, auth=auth) as system:
            for request, error in ((GET, TransientError), (POST, UnknownOutcome)):
                with pytest.raises(
                    error, match=f"it sends us to {other.url}: if that is the system's address"
                ) as raised:
                    await system.send(request)
                assert "stolen" not in str(raised.value)
    assert other.asked == []


async def test_cookies_are_kept_for_a_csrf_session_only():
    """Frappe takes a session's cookie before a key, and asks for a token then."""
    answer = http(200, Set_Cookie="sid=Guest; path=/")
    async with serving(lambda _: answer) as server, client(server.url) as system:
        await system.send(GET)
        await system.send(POST)
    assert not any("cookie" in asked.headers for asked in server.asked)


async def test_address_of_ip_version_6_is_one():
    try:
        listening = await asyncio.start_server(Scripted(lambda _: http(200)).talk, "::1", 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with listening, client(f"http://[::1]:{listening.sockets[0].getsockname()[1]}") as system:
        assert (await system.send(POST)).status == 200


@pytest.fixture
def environment(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


async def test_proxy_of_the_environment_carries_requests_and_its_exceptions_do_not(environment):
    async with serving(lambda _: http(200)) as proxy:
        environment.setenv("HTTP_PROXY", proxy.url.removeprefix("http://"))  # many leave the scheme out
        environment.setenv("NO_PROXY", "inside.example")
        async with client("http://erp.example:8069", auth={"type": "api_key", "key": "k7"}) as system:
            await system.send(POST)
        async with client("http://inside.example:1", timeout_s=0.2) as system:
            with pytest.raises(TransientError):
                await system.send(POST)
    assert [asked.line for asked in proxy.asked] == ["POST http://erp.example:8069/api/things HTTP/1.1"]


async def test_this_machine_is_never_behind_a_proxy_of_the_environment(environment):
    environment.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with serving(lambda _: http(200)) as server, client(server.url) as system:
        await system.send(POST)
    assert len(server.asked) == 1


async def test_proxy_of_the_connector_comes_before_the_environments_and_none_is_none(environment):
    environment.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with serving(lambda _: http(200)) as proxy:
        async with client("http://erp.example", proxy=proxy.url.replace("//", "//user:s3cret-7731@")) as system:
            await system.send(POST)
            assert "7731" not in system.readable("the proxy's s3cret-7731")
        assert proxy.asked[0].headers["proxy-authorization"].startswith("Basic ")
        async with client("http://erp.example.invalid", proxy="none", timeout_s=1) as system:
            with pytest.raises(TransientError):
                await system.send(POST)
    assert len(proxy.asked) == 1


async def test_tokens_come_by_the_way_that_leads_to_their_server(environment):
    async with serving(token_server(["t1"])) as proxy, serving(lambda _: http(200)) as server:
        environment.setenv("HTTP_PROXY", proxy.url)
        async with client(server.url, auth={**OAUTH, "token_url": "http://login.example/token"}) as system:
            await system.send(POST)
    assert [asked.line for asked in proxy.asked] == ["POST http://login.example/token HTTP/1.1"]
    assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer t1"]


async def test_proxy_that_refuses_the_way_left_nothing_unclear(environment):
    async with serving(lambda _: http(407, b"who are you")) as proxy:
        system = client("https://erp.example", proxy=proxy.url)
        async with system:
            with pytest.raises(TransientError, match="cannot be reached: the proxy says 407"):
                await system.send(POST)
    assert proxy.asked[0].line == "CONNECT erp.example:443 HTTP/1.1"


def test_proxy_that_http_does_not_go_through_is_told(environment):
    environment.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(SetupError, match="is a socks5 proxy"):
        client("http://erp.example")
    with pytest.raises(ValidationError, match="is the address of a proxy"):
        client("http://erp.example", proxy="proxy:3128")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BusinessError), (404, BusinessError), (409, BusinessError), (422, BusinessError),
        (401, CredentialsError), (403, CredentialsError),
        (408, TransientError), (429, TransientError), (302, UnknownOutcome), (500, UnknownOutcome),
        (502, UnknownOutcome), (503, UnknownOutcome), (504, UnknownOutcome),
    ],
)  # fmt: skip
async def test_status_of_a_posting_says_who_must_act(status, error):
    async with serving(lambda _: http(status)) as server, client(server.url) as system:
        with pytest.raises(error):
            await system.send(POST)


async def test_gateway_that_is_busy_says_nothing_of_a_posting_and_how_long_a_question_waits():
    async with serving(lambda _: http(503, b"<html>", Retry_After="7")) as server, client(server.url) as system:
        for request, error in ((POST, UnknownOutcome), (GET, TransientError)):
            with pytest.raises(error) as raised:
                await system.send(request)
            assert raised.value.retry_after == timedelta(seconds=7)
    async with serving(lambda _: http(503)) as server:
        table = HttpConnectorTable.model_validate({"name": "x", "url": server.url})
        async with HttpClient(table, lambda r: by_status(r.status, "in maintenance")) as system:
            with pytest.raises(TransientError, match=r"busy \(503\): in maintenance"):
                await system.send(POST)


async def test_own_failure_of_the_system_is_transient_and_counted_as_its_own():
    async with serving(lambda _: http(500)) as server:
        table = HttpConnectorTable.model_validate({"name": "x", "url": server.url})
        async with HttpClient(table, lambda r: by_status(r.status, "deadlock")) as system:
            with pytest.raises(TransientError, match="deadlock") as raised:
                await system.send(POST)
    assert raised.value.__cause__.is_own_fault


async def test_answer_larger_than_any_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(exchanges, "LARGEST_ANSWER", 1000)
    bomb = gzip.compress(b"0" * 1_000_000)
    for answer in (http(200, b"0" * 2000), http(200, bomb, Content_Encoding="gzip")):
        async with serving(lambda _, answer=answer: answer) as server, client(server.url) as system:
            with pytest.raises(UnknownOutcome):
                await system.send(POST)
            with pytest.raises(TransientError):
                await system.send(GET)


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)],
)
async def test_compressed_answer_is_read(encoding, compress):
    answer = http(200, compress(b'{"a": 0.1}'), Content_Encoding=encoding)
    async with serving(lambda _: answer) as server, client(server.url) as system:
        _, value = await system.ask(GET)
    assert str(value["a"]) == "0.1"
    assert server.asked[0].headers["accept-encoding"] == "gzip"


async def test_answer_without_a_body_needs_none_of_its_encoding():
    async with serving(lambda _: http(204, b"", Content_Encoding="gzip")) as server, client(server.url) as system:
        assert (await system.send(POST)).status == 204


@pytest.mark.parametrize(
    ("encoding", "body", "words"),
    [
        ("gzip", gzip.compress(b'{"a": 1}', mtime=0)[:-6], "is not whole"),
        ("gzip", b'{"a": 1}', "cannot be read"),
        ("br", b'{"a": 1}', "encoded as br, which was not asked for"),
    ],
    ids=["cut", "plain", "not-asked-for"],
)
async def test_answer_that_cannot_be_unpacked_leaves_a_posting_unclear(encoding, body, words):
    answer = http(200, body, Content_Encoding=encoding)
    async with serving(lambda _: answer) as server, client(server.url) as system:
        for request, error in ((POST, UnknownOutcome), (GET, TransientError)):
            with pytest.raises(error, match=words):
                await system.send(request)


async def test_bomb_is_never_unpacked_beyond_the_largest_answer():
    """16 MB of blanks are 16 kB: ten thousand times that come in one piece from the network."""
    packed = gzip.compress(b" " * 200_000_000)
    async with (
        serving(lambda _: http(200, packed, Content_Encoding="gzip")) as server,
        client(server.url, timeout_s=60) as system,
    ):
        tracemalloc.start()
        try:
            with pytest.raises(TransientError, match="is larger than"):
                await system.send(GET)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 3 * exchanges.LARGEST_ANSWER


async def test_no_secret_stands_in_what_is_kept_of_an_answer():
    def answer(asked: Asked) -> bytes:
        return http(422, f"you sent {asked.headers['authorization']} and hunter2-topsecret".encode())

    auth = {"type": "basic", "user": "amor", "password": "hunter2-topsecret"}
    async with serving(answer) as server, client(server.url, auth=auth) as system:
        with pytest.raises(BusinessError) as raised:
            await system.send(POST)
    shown = f"{raised.value} {raised.value.__cause__}"
    assert "you sent Basic ***" in shown
    assert "hunter2" not in shown


async def test_no_form_of_a_secret_stands_in_what_is_kept():
    secret = 'pass"word<ü&7731'

    def answer(_: Asked) -> bytes:
        repeated = [secret, json.dumps(secret), quote_plus(secret), quote(secret), html.escape(secret)]
        return http(422, " ".join(repeated).encode())

    auth = {"type": "basic", "user": "amor", "password": secret}
    async with serving(answer) as server, client(server.url, auth=auth) as system:
        with pytest.raises(BusinessError) as raised:
            await system.send(POST)
    assert "7731" not in f"{raised.value} {raised.value.__cause__}"


def test_client_certificate_that_is_missing_is_told_with_its_file(tmp_path):
    with pytest.raises(SetupError, match=r"client\.pem"):
        client(
            "http://localhost", tls={"certificate_file": tmp_path / "client.pem", "key_file": tmp_path / "client.key"}
        )


def test_page_that_answers_instead_of_the_system_is_told_without_its_tags():
    page = "<html><title>401</title><style>p {}</style><h1>Unauthorized</h1>\n<p>No &lt;key&gt;</p></html>"
    reply = exchanges.Reply(401, httpx.Headers({"content-type": "text/html; charset=utf-8"}), page.encode(), page)
    error = failure(exchanges.Request("GET", "orders", is_repeatable=True), reply, by_status(401, None))
    assert str(error) == "the system refuses the credentials (401), see the connector's auth: Unauthorized No <key>"


async def test_system_that_nobody_reaches_is_told_with_its_address():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as connection:
        with pytest.raises(TransientError, match=f"cannot be reached at http://127.0.0.1:{port}: .*is url right"):
            await exchanges.exchange(connection, exchanges.Request("GET", "x", is_repeatable=True), {}, 5)
