"""Receivers of notifications that really listen: an SMTP server and an HTTP server on the loopback interface, by the standard library."""

from __future__ import annotations

import asyncio
import base64
import email
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import policy
from email.message import EmailMessage
from typing import Any


class MailServer:
    """Takes mail from one user (RFC 5321, AUTH PLAIN and LOGIN) and keeps it; `refuses` is answered to every message instead."""

    def __init__(self, user: str = "amor", password: str = "a-secret-password") -> None:
        self.user, self.password = user, password
        self.mails: asyncio.Queue[EmailMessage] = asyncio.Queue()
        self.refuses = ""
        self.port = 0

    @property
    def url(self) -> str:
        address = f"{self.user}:{self.password}@127.0.0.1:{self.port}"
        return f"mailto://{address}?from=amor@plant.example&to=shift@plant.example&mode=insecure"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")
            await writer.drain()

        await say("220 plant.example")
        while line := (await reader.readline()).decode().strip():
            verb = line.partition(" ")[0].upper()
            if verb == "EHLO":
                await say("250-plant.example")
                await say("250 AUTH PLAIN")
            elif verb == "AUTH":
                wanted = base64.b64encode(f"\0{self.user}\0{self.password}".encode()).decode()
                await say("235 welcome" if line.split()[2:] == [wanted] else "535 who are you")
            elif verb == "DATA":
                await self._take(reader, say)
            elif verb == "QUIT":
                await say("221 bye")
                break
            else:
                await say(self.refuses if verb == "RCPT" and self.refuses else "250 ok")
        writer.close()

    async def _take(self, reader: asyncio.StreamReader, say: Any) -> None:
        await say("354 go on")
        content = b""
        while not content.endswith(b"\r\n.\r\n"):
            content += await reader.readline()
        mail = email.message_from_bytes(content[:-3], policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.put_nowait(mail)
        await say("250 taken")


class HttpReceiver:
    """Takes JSON by POST and keeps it; answers with `statuses` in turn, then with 200."""

    def __init__(self, token: str = "token-that-nobody-may-read") -> None:
        self.token = token
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.statuses: list[int] = []
        self.requests = 0
        self.asked = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/hooks/{self.token}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if ": " in line)
        length = int({name.lower(): value for name, value in fields.items()}["content-length"])
        body = json.loads(await reader.readexactly(length))
        self.requests += 1
        self.asked.set()
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.messages.put_nowait(body)
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def listening(receiver: MailServer | HttpReceiver) -> AsyncIterator[None]:
    """Serve until the end of the block, on a free port."""
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", receiver.port)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield
