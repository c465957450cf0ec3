"""A server of this process that answers by a function: real sockets, answers as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bridge.config.settings.connection import HttpConnectorTable
from bridge.erp.http import HttpClient, Request, by_status

POST = Request("POST", "things", is_repeatable=False, json={"a": 1})
GET = Request("GET", "things", is_repeatable=True)


@dataclass
class Asked:
    """What the server was asked."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Scripted:
    """Answers each request by a function; keeps what it was asked."""

    answer: Callable[[Asked], bytes]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
            except asyncio.IncompleteReadError:
                break
            line, *rest = head.strip().split("\r\n")
            headers = {name.lower(): value for name, value in (pair.split(": ", 1) for pair in rest)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.asked.append(Asked(line, headers, body))
            writer.write(self.answer(self.asked[-1]))
            await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(answer: Callable[[Asked], bytes]) -> AsyncIterator[Scripted]:
    scripted = Scripted(answer)
    async with await asyncio.start_server(scripted.talk, "127.0.0.1", 0) as server:
        scripted.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield scripted


def http(status: int, body: bytes = b"{}", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def client(url: str, **changes) -> HttpClient:
    csrf = changes.pop("csrf", None)
    given = {"name": "x", "url": f"{url}/api", "timeout_s": 2, **changes}
    return HttpClient(HttpConnectorTable.model_validate(given), lambda r: by_status(r.status, None), csrf=csrf)


OAUTH = {"type": "oauth2", "client_id": "me", "client_secret": "s3cret&", "scope": "a b"}


def token_server(good_tokens: list[str]) -> Callable[[Asked], bytes]:
    """Hands out t1, t2, ...; only the tokens in the list are taken."""
    made = 0

    def answer(asked: Asked) -> bytes:
        nonlocal made
        if "/token" in asked.line:
            made += 1
            return http(200, b'{"access_token": "t%d", "expires_in": 3600}' % made)
        return http(200 if asked.headers["authorization"].removeprefix("Bearer ") in good_tokens else 401)

    return answer
