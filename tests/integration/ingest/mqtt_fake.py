"""A broker that says what a test wants: it answers CONNECT and SUBSCRIBE of MQTT 3.1.1 and listens to what comes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Self

CONNECT, PUBACK, SUBSCRIBE, UNSUBSCRIBE, PINGREQ = 0x10, 0x40, 0x82, 0xA2, 0xC0
UPTIME = "$SYS/broker/uptime"
HANGS_UP = "hangs up"


class FakeBroker:
    """`codes` answer SUBSCRIBE in turn; `session_present` answers each CONNECT in turn, the last one for good.

    `uptimes` answer the question how long the broker is up, in turn; HANGS_UP ends the connection. Without any it is refused.
    """

    def __init__(
        self, codes: Sequence[int] = (1,), session_present: Sequence[bool] = (False,), uptimes: Sequence[str] = ()
    ) -> None:
        self._codes = codes
        self._uptimes = list(uptimes)
        self.asked = 0
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

    def publish(self, topic: str, payload: bytes, packet_id: int, *, again: bool = False) -> None:
        name = topic.encode()
        written = packet_id.to_bytes(2, "big") if packet_id else b""  # QoS 1, or 0
        body = len(name).to_bytes(2, "big") + name + written + payload
        assert len(body) < 128
        assert self._writer is not None
        self._writer.write(bytes([(0x32 if packet_id else 0x30) | 8 * again, len(body)]) + body)

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
        elif kind == SUBSCRIBE and UPTIME.encode() in body:
            self._tell_uptime(body[:2], writer)
        elif kind == UNSUBSCRIBE:
            writer.write(b"\xb0\x02" + body[:2])
        elif kind == SUBSCRIBE:
            writer.write(bytes([0x90, 2 + len(self._codes)]) + body[:2] + bytes(self._codes))
            self.subscribed.set()
        elif kind == PUBACK:
            self.acks.put_nowait(int.from_bytes(body[:2], "big"))
        elif kind == PINGREQ:
            writer.write(b"\xd0\x00")

    def _tell_uptime(self, packet_id: bytes, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        if not self._uptimes:
            writer.write(b"\x90\x03" + packet_id + b"\x80")
        elif (uptime := self._uptimes.pop(0)) == HANGS_UP:
            writer.transport.abort()
        else:
            writer.write(b"\x90\x03" + packet_id + b"\x00")
            self.publish(UPTIME, uptime.encode(), 0)
