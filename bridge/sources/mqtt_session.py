"""One persistent MQTT session (3.1.1 or 5), driven by paho-mqtt on the event loop's own sockets.

Messages come in lists, by the batch reader (`mqtt_reader`); over WebSocket, and where its self-check fails, one by one as paho
reads them. Everything runs in the loop's thread: reading, callbacks, acknowledgements. Only the blocking part of a connect (name, TCP, TLS)
goes to a thread, and nothing else touches the client meanwhile. Read in paho-mqtt 2.2.0's source: an exception in a callback
leaves `loop_read` half done, so whatever is caught here ends the connection, which the owner opens anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from bridge.config.settings import MqttSettings
from bridge.sources.mqtt_frames import Publish
from bridge.sources.mqtt_reader import BatchClient
from bridge.sources.mqtt_self_check import as_publish, batch_reader_fault
from bridge.sources.mqtt_uptime import UPTIME, UptimeAnswer

log = structlog.get_logger()

CONNECT_TIMEOUT_S: Final = 3.0
ANSWER_TIMEOUT_S: Final = 10.0
_PACKETS_A_TURN: Final = 200  # then others on the loop have their turn
_REFUSED: Final = 0x80
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}


class SessionLost(Exception):
    """The connection ended or was refused; the message says why."""


class MqttSession:
    """The connection and its persistent session. `generation` counts connections: packet ids mean something in theirs only."""

    def __init__(self, settings: MqttSettings, on_publishes: Callable[[list[Publish]], None]) -> None:
        self._settings = settings
        self._take = on_publishes
        self._url = urlsplit(settings.url)
        self._client = self._make_client()
        self._read = self._read_batch if isinstance(self._client, BatchClient) else self._read_one_by_one
        self._to_acknowledge: list[int] = []
        self._uptime: UptimeAnswer | None = None
        self._client.on_message = self._on_message
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_answer
        self._client.on_unsubscribe = self._on_answer
        self._client.on_socket_close = self._on_socket_close
        self._client.on_socket_register_write = self._on_register_write
        self._client.on_socket_unregister_write = self._on_unregister_write
        self._attached: Any = None  # the socket that the loop watches; None while a thread connects
        self._is_paused = False
        self._connected: asyncio.Future[bool] | None = None
        self._lost: asyncio.Future[str] | None = None
        self._answers: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self.generation = 0

    @property
    def is_up(self) -> bool:
        """Whether the broker answered and the connection was not lost since."""
        return self._lost is not None and not self._lost.done()

    async def connect(self) -> bool:
        """Open a connection; returns whether the broker still had the session. Raises SessionLost."""
        loop = asyncio.get_running_loop()
        self.generation += 1
        self._connected, self._lost = loop.create_future(), loop.create_future()
        self._is_paused = False
        self._to_acknowledge.clear()
        try:
            await asyncio.to_thread(self._client.reconnect)
        except (OSError, ValueError) as error:  # ssl.SSLError and socket.timeout are OSErrors
            self._end(str(error) or type(error).__name__)
            raise SessionLost(str(error) or type(error).__name__) from error
        self._attach()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await self._connected
        except TimeoutError:
            self.drop("no answer to CONNECT")
            raise SessionLost("no answer to CONNECT") from None

    async def subscribe(self, filters: list[str], qos: int = 1) -> list[ReasonCode]:
        """Subscribe; the broker's code for each filter, in order. Raises SessionLost."""
        if self._is_v5:
            # Retained messages come with a new subscription only, not with each connect.
            options = SubscribeOptions(qos=qos, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
            result, mid = self._client.subscribe([(name, options) for name in filters])
        else:
            result, mid = self._client.subscribe([(name, qos) for name in filters])
        return await self._answer(result, mid, "SUBSCRIBE")

    async def uptime_s(self) -> float | None:
        """How long the broker is up, where it says so. Raises SessionLost: some brokers end the connection for the question."""
        self._uptime = UptimeAnswer()
        try:
            [code, *_] = await self.subscribe([UPTIME], 0)
            if is_refused(code):
                return None
            seconds = await self._uptime.seconds()
            await self.unsubscribe([UPTIME])
        finally:
            self._uptime = None
        return seconds

    async def unsubscribe(self, filters: list[str]) -> None:
        """Drop subscriptions that the session still has. Raises SessionLost."""
        result, mid = self._client.unsubscribe(filters)
        await self._answer(result, mid, "UNSUBSCRIBE")

    def acknowledge(self, generation: int, packet_ids: list[int]) -> None:
        """Send PUBACKs in order; those of an earlier connection are dropped: their ids belong to other messages now."""
        if generation == self.generation and self.is_up and packet_ids:
            if not self._to_acknowledge:
                # After this turn of the loop, so that all deliveries of a batch go in one send.
                asyncio.get_running_loop().call_soon(self._send_acks)
            self._to_acknowledge += packet_ids

    async def wait_until_lost(self) -> str:
        """Keep the session alive until it is lost; returns why."""
        lost = self._lost
        assert lost is not None, "connect comes first"
        while not lost.done():
            if self._is_paused:
                # The broker's answers wait unread with everything else: its silence says nothing.
                self._client._last_bytes_received = time.monotonic()  # noqa: SLF001
                self._client._ping_t = 0  # noqa: SLF001
            self._guarded(self._client.loop_misc)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    return await asyncio.shield(lost)
        return lost.result()

    def pause(self) -> None:
        """Read nothing more until `resume`."""
        if not self._is_paused and self._attached is not None:
            self._is_paused = True
            asyncio.get_running_loop().remove_reader(self._attached)

    def resume(self) -> None:
        """Read again."""
        if self._is_paused and self._attached is not None:
            self._is_paused = False
            asyncio.get_running_loop().add_reader(self._attached, self._on_readable)
            # TLS may hold decrypted bytes that the loop cannot see.
            asyncio.get_running_loop().call_soon(self._on_readable)

    def drop(self, why: str) -> None:
        """End the connection without a word; the broker keeps the session."""
        self._end(why)
        self._detach()
        with contextlib.suppress(OSError, ValueError):
            self._client._sock_close()  # noqa: SLF001  # paho has no public way to close without DISCONNECT

    def disconnect(self) -> None:
        """Say DISCONNECT with what waits to be written, and close; the broker keeps the session."""
        if self.is_up:
            self._send_acks()
            with contextlib.suppress(OSError, ValueError):
                self._client.disconnect()
                self._client.loop_write()
        self.drop("closed")

    # -- paho ------------------------------------------------------------------------------------------------------------

    @property
    def _is_v5(self) -> bool:
        return self._settings.protocol == "5"

    def _make_client(self) -> paho.Client:
        settings, url = self._settings, self._url
        version = MQTTProtocolVersion.MQTTv5 if self._is_v5 else MQTTProtocolVersion.MQTTv311
        is_web = url.scheme in ("ws", "wss")
        options: dict[str, Any] = {
            "callback_api_version": CallbackAPIVersion.VERSION2,
            "client_id": settings.session,
            "clean_session": None if self._is_v5 else False,
            "protocol": version,
            "transport": "websockets" if is_web else "tcp",
            "manual_ack": True,
        }
        if is_web:
            client = paho.Client(**options)
            client.ws_set_options(path=url.path or "/mqtt")
        elif fault := batch_reader_fault():
            log.warning("mqtt is read one message at a time: the batch reader does not fit this paho-mqtt", fault=fault)
            client = paho.Client(**options)
        else:
            client = BatchClient(self._receive, **options)
        client.connect_timeout = CONNECT_TIMEOUT_S
        if settings.username is not None:
            client.username_pw_set(
                settings.username, settings.password.get_secret_value() if settings.password else None
            )
        if url.scheme in ("mqtts", "wss"):
            client.tls_set_context(_tls_context(settings))
        port = url.port or _PORTS[url.scheme]
        if self._is_v5:
            client.connect_async(
                _host(url), port, settings.keepalive_s, clean_start=False, properties=self._connect_properties()
            )
        else:
            client.connect_async(_host(url), port, settings.keepalive_s)
        return client

    def _connect_properties(self) -> Properties:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's has no types
        properties.SessionExpiryInterval = self._settings.session_expiry_s
        properties.ReceiveMaximum = self._settings.receive_maximum
        properties.MaximumPacketSize = self._settings.maximum_packet_size
        return properties

    def _attach(self) -> None:
        loop = asyncio.get_running_loop()
        self._attached = self._client.socket()
        if self._attached is None:
            self._end("the connection closed at once")
            return
        loop.add_reader(self._attached, self._on_readable)
        if self._client.want_write():
            loop.add_writer(self._attached, self._on_writable)

    def _detach(self) -> None:
        if self._attached is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._attached)
            loop.remove_writer(self._attached)
            self._attached = None

    def _on_readable(self) -> None:
        self._read()
        if self._hides_bytes() and not self._is_paused:
            asyncio.get_running_loop().call_soon(self._on_readable)

    def _read_batch(self) -> None:
        client = self._client
        if self._attached is not None and not self._is_paused and isinstance(client, BatchClient):
            self._guarded(client.read_batch)

    def _read_one_by_one(self) -> None:
        for _ in range(_PACKETS_A_TURN):
            seen = self._client._last_bytes_received  # noqa: SLF001  # paho does not say whether it read a packet
            if self._attached is None or self._is_paused or not self._guarded(self._client.loop_read):
                return
            if self._client._last_bytes_received == seen and not self._hides_bytes():  # noqa: SLF001
                return  # no whole packet: the loop says when there is more

    def _send_acks(self) -> None:
        packet_ids, self._to_acknowledge = self._to_acknowledge, []
        if not packet_ids or not self.is_up:
            return
        if isinstance(self._client, BatchClient):
            self._client.ack_batch(packet_ids)
        else:
            for packet_id in packet_ids:
                self._client.ack(packet_id, 1)

    def _hides_bytes(self) -> bool:
        """Whether TLS (or paho's WebSocket) holds bytes that the event loop cannot see."""
        pending = getattr(self._attached, "pending", None)
        return pending is not None and pending() > 0

    def _on_writable(self) -> None:
        self._guarded(self._client.loop_write)

    def _guarded(self, step: Callable[[], MQTTErrorCode]) -> bool:
        """Run one step of paho; false where the connection is over."""
        try:
            result = step()
        except Exception as error:  # noqa: BLE001  # whatever it was, the client's state is unknown: only a new connection is sound
            log.warning("mqtt session failed", error=f"{type(error).__name__}: {error}")
            self.drop(f"{type(error).__name__}: {error}")
            return False
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self.drop(paho.error_string(result))
            return False
        return True

    def _end(self, why: str) -> None:
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(why)
        if self._connected is not None and not self._connected.done():
            self._connected.set_exception(SessionLost(why))
            self._connected.exception()  # may have no waiter any more
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(SessionLost(why))
        self._answers.clear()

    async def _answer(self, result: MQTTErrorCode, mid: int | None, what: str) -> list[ReasonCode]:
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise SessionLost(f"{what}: {paho.error_string(result)}")
        answer: asyncio.Future[list[ReasonCode]] = asyncio.get_running_loop().create_future()
        self._answers[mid] = answer
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await answer
        except TimeoutError:
            self.drop(f"no answer to {what}")
            raise SessionLost(f"no answer to {what}") from None
        finally:
            self._answers.pop(mid, None)

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self._receive([as_publish(message)])

    def _receive(self, publishes: list[Publish]) -> None:
        if self._uptime is not None:
            publishes = self._uptime.pick(publishes)
        if publishes:
            self._take(publishes)

    def _on_connect(
        self,
        _client: paho.Client,
        _data: Any,
        flags: paho.ConnectFlags,
        code: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if self._connected is None or self._connected.done():
            return
        if code.is_failure:
            self._end(f"refused: {code}")
        else:
            self._connected.set_result(flags.session_present)

    def _on_disconnect(
        self,
        _client: paho.Client,
        _data: Any,
        _flags: paho.DisconnectFlags,
        code: ReasonCode,
        _props: Properties | None,
    ) -> None:
        self._end(str(code))

    def _on_answer(
        self, _client: paho.Client, _data: Any, mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        if (answer := self._answers.get(mid)) is not None and not answer.done():
            answer.set_result(codes)

    def _on_socket_close(self, _client: paho.Client, _data: Any, sock: Any) -> None:
        if sock is self._attached:
            self._detach()

    def _on_register_write(self, _client: paho.Client, _data: Any, sock: Any) -> None:
        if sock is self._attached:
            asyncio.get_running_loop().add_writer(sock, self._on_writable)

    def _on_unregister_write(self, _client: paho.Client, _data: Any, sock: Any) -> None:
        if sock is self._attached:
            asyncio.get_running_loop().remove_writer(sock)


def is_refused(code: ReasonCode) -> bool:
    """Whether a SUBACK code says that the filter was not taken."""
    return code.value >= _REFUSED


def _tls_context(settings: MqttSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.certificate_file:
        context.load_cert_chain(settings.certificate_file, settings.key_file)
    if settings.alpn:
        context.set_alpn_protocols(settings.alpn)
    return context


def _host(url: SplitResult) -> str:
    return url.hostname or "127.0.0.1"
