"""The gateway against a broker that loses connections: nothing lost, nothing out of order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from simulators.plant import mqtt_gateway
from simulators.plant.mqtt_gateway import MqttGateway

CONNECT, PUBLISH = 1, 3


class FrailBroker:
    """As much of MQTT 3.1.1 as a QoS 1 publisher needs; drops the connection after so many messages."""

    def __init__(self, messages_a_connection: int | None) -> None:
        self.received: list[bytes] = []
        self.port = 0
        self._limit = messages_a_connection
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken = 0
        try:
            while True:
                kind, body = await self._packet(reader)
                if kind == CONNECT:
                    writer.write(b"\x20\x02\x00\x00")
                elif kind == PUBLISH:
                    topic = int.from_bytes(body[:2])
                    self.received.append(body[4 + topic :])
                    taken += 1
                    if taken == self._limit:
                        return  # taken, but never acknowledged
                    writer.write(b"\x40\x02" + body[2 + topic : 4 + topic])
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()

    async def _packet(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        kind = (await reader.readexactly(1))[0] >> 4
        length = shift = 0
        while True:
            byte = (await reader.readexactly(1))[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return kind, await reader.readexactly(length)


@pytest.fixture
async def gateway_to() -> AsyncIterator[object]:
    opened: list[MqttGateway] = []

    def connect(broker: FrailBroker) -> MqttGateway:
        gateway = MqttGateway(f"mqtt://127.0.0.1:{broker.port}", "test")
        gateway.start(lambda event: None)
        opened.append(gateway)
        return gateway

    yield connect
    for gateway in opened:
        await asyncio.wait_for(gateway.stop(), 5)


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def first_times(received: list[bytes]) -> list[bytes]:
    return list(dict.fromkeys(received))


async def test_messages_survive_broken_connections_in_order(gateway_to) -> None:
    broker = FrailBroker(messages_a_connection=250)
    await broker.start()
    gateway = gateway_to(broker)
    for payload in numbered(600):
        gateway.send("t", payload)
    await asyncio.wait_for(gateway.wait_delivered(), 30)
    assert first_times(broker.received) == numbered(600)
    assert len(broker.received) > 600
    await broker.stop()


async def test_messages_wait_for_an_absent_broker(gateway_to) -> None:
    broker = FrailBroker(None)
    await broker.start()
    await broker.stop()
    gateway = gateway_to(broker)
    for payload in numbered(300):
        assert gateway.send("t", payload)
    assert not gateway.delivered
    await broker.start()
    await asyncio.wait_for(gateway.wait_delivered(), 30)
    assert broker.received == numbered(300)
    await broker.stop()


async def test_a_message_that_finds_the_queue_full_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_gateway, "QUEUE_MESSAGES", 2)
    gateway = MqttGateway("mqtt://127.0.0.1:1", "test")
    assert [gateway.send("t", payload) for payload in numbered(3)] == [True, True, False]
