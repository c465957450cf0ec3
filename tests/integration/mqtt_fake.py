"""A broker that says what a test wants: it answers CONNECT and SUBSCRIBE of MQTT 3.1.1 and listens to what comes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Self

CONNECT, PUBACK, SUBSCRIBE, PINGREQ = 0x10, 0x40, 0x82, 0xC0


class FakeBroker:
    """`codes` answer SUBSCRIBE in turn; `session_present` answers each CONNECT in turn, the last one for good."""

    def __init__(self, codes: Sequence[int] = (1,), session_present: Sequence[bool] = (False,)) -> None:
        self._codes = codes
        self._present = list(session_present)
        self._server: asyncio.Server
        self._writer: asyncio.StreamWriter | None = None
        self.url = ""
        self.acks: asyncio.Queue[int] = asyncio.Queue()
        self.subscribed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.drop()

    def publish(self, topic: str, payload: bytes, packet_id: int) -> None:
        name = topic.encode()
        body = len(name).to_bytes(2, "big") + name + packet_id.to_bytes(2, "big") + payload
        assert len(body) < 128
        assert self._writer is not None
        self._writer.write(bytes([0x32, len(body)]) + body)

    def drop(self) -> None:
        self.subscribed.clear()
        if self._writer is not None:
            self._writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        try:
            while True:
                await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind = (await reader.readexactly(1))[0]
        length = shift = 0
        while True:
            byte = (await reader.readexactly(1))[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        body = await reader.readexactly(length)
        if kind == CONNECT:
            present = self._present.pop(0) if len(self._present) > 1 else self._present[0]
            writer.write(bytes([0x20, 2, present, 0]))
        elif kind == SUBSCRIBE:
            writer.write(bytes([0x90, 2 + len(self._codes)]) + body[:2] + bytes(self._codes))
            self.subscribed.set()
        elif kind == PUBACK:
            self.acks.put_nowait(int.from_bytes(body[:2], "big"))
        elif kind == PINGREQ:
            writer.write(b"\xd0\x00")
