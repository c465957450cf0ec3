"""A proxy before a business system that breaks requests on purpose, for what the system itself cannot be told to do.

401, 429, 500, 502     answered by the proxy, nothing reaches the system
malformed              carried out, and answered with half a document
success_without_effect not carried out, and answered as if it had been
timeout_before_commit  held until the client goes, nothing reaches the system
timeout_after_commit   carried out, then held until the client goes
drop_before_commit     cut before it reaches the system
drop_after_commit      carried out, then cut without an answer
drip                   carried out, then answered in drops without end
slow                   answered, but after `seconds`
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

BEFORE = {"401", "500", "502", "429", "success_without_effect", "timeout_before_commit", "drop_before_commit"}
AFTER = {"malformed", "timeout_after_commit", "drop_after_commit", "drip", "slow"}


@dataclass(slots=True)
class Fault:
    """The next `count` requests whose `METHOD path` has the pattern fail so."""

    mode: str
    pattern: str = ""
    count: int = 1
    seconds: float = 1
    body: bytes = b"true"


class FaultyProxy:
    """Before one port of this machine. `requests` counts what reached the system, by `METHOD path`.

    `longest_address` is the longest of their addresses with its query, in bytes.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._faults: list[Fault] = []
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.requests: Counter[str] = Counter()
        self.applied: Counter[str] = Counter()
        self.longest_address = 0
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def before(cls, port: int) -> AsyncIterator[Self]:
        """A running proxy; connections still open are cut at the end."""
        proxy = cls(port)
        talks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(proxy._talk(reader, writer))
            talks.add(task)
            task.add_done_callback(talks.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield proxy
        finally:
            server.close()
            for task in list(talks):
                task.cancel()
            await asyncio.gather(*talks, return_exceptions=True)

    def fail(self, mode: str, pattern: str = "", *, count: int = 1, seconds: float = 1, body: bytes = b"true") -> None:
        assert mode in BEFORE | AFTER, mode
        self._faults.append(Fault(mode, pattern, count, seconds, body))

    def clear(self) -> None:
        self._faults.clear()

    @property
    def pending(self) -> list[Fault]:
        return self._faults

    async def idle(self) -> None:
        """Until the system has answered all that reached it, whether anybody still waits for it or not."""
        await self._idle.wait()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request, name = await _read(reader)
            fault = self._take(name)
            if fault is not None and fault.mode in BEFORE:
                await self._answer_itself(fault, reader, writer)
                return
            answer = await self._carry_out(request, name)
            await self._hand_on(answer, fault, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # one of the two went away
        finally:
            writer.close()

    def _take(self, name: str) -> Fault | None:
        for fault in self._faults:
            if re.search(fault.pattern, name):
                fault.count -= 1
                if not fault.count:
                    self._faults.remove(fault)
                self.applied[fault.mode] += 1
                return fault
        return None

    async def _carry_out(self, request: bytes, name: str) -> bytes:
        self.requests[name] += 1
        self.longest_address = max(self.longest_address, len(request.partition(b"\r\n")[0].split(b" ")[1]))
        self._busy += 1
        self._idle.clear()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(request)
            await writer.drain()
            # Shielded: the system goes on although the client goes away.
            answer = await asyncio.shield(asyncio.ensure_future(reader.read()))
            writer.close()
            return answer
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def _answer_itself(self, fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match fault.mode:
            case "401" | "500" | "502":
                writer.write(_http(fault.mode, b"<html>broken</html>"))
            case "429":
                writer.write(_http("429", b"slowly", f"Retry-After: {fault.seconds:g}\r\n"))
            case "success_without_effect":
                writer.write(_http("200", fault.body, "Content-Type: application/json\r\n"))
            case "timeout_before_commit":
                await reader.read()
            case "drop_before_commit":
                return
        await writer.drain()

    async def _hand_on(
        self, answer: bytes, fault: Fault | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        match fault.mode if fault else "":
            case "timeout_after_commit":
                await reader.read()
                return
            case "drop_after_commit":
                return
            case "malformed":
                answer = _http("200", b'{"half": [1, ')
            case "drip":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                while not reader.at_eof():
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.02)
                return
            case "slow":
                assert fault is not None
                await asyncio.sleep(fault.seconds)
        writer.write(answer)
        await writer.drain()


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, str]:
    """A request as it goes on, its connection to be closed by the system, and its `METHOD path`."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if line and not line.lower().startswith(b"connection:")]
    length = next((int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")), 0)
    body = await reader.readexactly(length)
    method, path, _ = lines[0].decode().split(" ", 2)
    return b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body, f"{method} {unquote(path.partition('?')[0])}"


def _http(status: str, body: bytes, headers: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body
