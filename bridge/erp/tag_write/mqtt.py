"""A value as an MQTT message of QoS 1, taken by the broker before the step is done; the machine's own word is awaited where it has one."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bridge.config.settings import TagWriteSettings, WritableTag
from bridge.erp.tag_write.values import is_same
from bridge.errors import BusinessError, CredentialsError, TransientError
from bridge.model.notice import TagWrite

_REFUSED: Final = frozenset({"Not authorized", "Bad user name or password", "Bad authentication method", "Banned"})


def message_of(table: WritableTag, write: TagWrite) -> dict[str, Any]:
    """Topic, payload and the topic of the answer, as plain JSON."""
    names = {"equipment": write.equipment, "tag": write.tag}
    value = json.dumps(int(write.value) if _is_whole(write.value) else write.value)
    found = {"topic": _filled(table.topic, names), "payload": table.payload.replace("{value}", value)}
    if table.readback_topic:
        found["readback_topic"] = _filled(table.readback_topic, names)
    return found


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer() and abs(value) < 2**53


def _filled(template: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        template = template.replace("{" + name + "}", value)
    return template


async def write(settings: TagWriteSettings, body: Mapping[str, Any]) -> str:
    """Publish, and await the machine's word; returns what happened. Raises the connector's errors."""
    loop = asyncio.get_running_loop()
    connected: asyncio.Future[str] = loop.create_future()
    answered: asyncio.Future[bytes] = loop.create_future()
    subscribed: asyncio.Future[None] = loop.create_future()
    published: asyncio.Future[str] = loop.create_future()
    client = _client(settings)
    readback = body.get("readback_topic")

    def settle(future: asyncio.Future[Any], result: Any) -> None:
        loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(result))

    client.on_connect = lambda _c, _u, _f, reason, _p: settle(connected, str(reason) if reason.is_failure else "")
    client.on_subscribe = lambda *_: settle(subscribed, None)
    client.on_message = lambda _c, _u, message: None if message.retain else settle(answered, bytes(message.payload))
    client.on_publish = lambda _c, _u, _m, reason, _p: settle(published, str(reason) if reason.is_failure else "")
    try:
        async with asyncio.timeout(settings.timeout_s):
            await _connect(client, settings, connected)
            if readback:
                client.subscribe(readback, qos=1)
                await subscribed
            client.publish(body["topic"], body["payload"].encode(), qos=1)
            if refused := await published:
                raise BusinessError(f"the broker refused the message to {body['topic']}: {refused}")
            return _judged(body["value"], await answered) if readback else "taken by the broker, not read back"
    except TimeoutError:
        said = f"no word from {readback}" if readback and published.done() else "no answer from the broker"
        raise TransientError(f"{said} within {settings.timeout_s:g} s") from None
    finally:
        await asyncio.to_thread(_close, client)


def _client(settings: TagWriteSettings) -> paho.Client:
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    if settings.username:
        client.username_pw_set(settings.username, settings.password.get_secret_value() or None)
    if settings.url.startswith("mqtts"):
        client.tls_set_context(ssl.create_default_context())
    return client


async def _connect(client: paho.Client, settings: TagWriteSettings, connected: asyncio.Future[str]) -> None:
    place = urlsplit(settings.url)
    port = place.port or (8883 if place.scheme == "mqtts" else 1883)
    try:
        await asyncio.to_thread(client.connect, place.hostname or "", port, 30)
    except OSError as error:
        raise TransientError(f"the broker {place.hostname}:{port} cannot be reached: {error}") from error
    client.loop_start()
    if refused := await connected:
        if refused in _REFUSED:
            raise CredentialsError(f"the broker {place.hostname}:{port} refused: {refused}")
        raise TransientError(f"the broker {place.hostname}:{port} refused: {refused}")


def _close(client: paho.Client) -> None:
    client.disconnect()
    client.loop_stop()


def _judged(wanted: object, payload: bytes) -> str:
    try:
        found = json.loads(payload)
    except ValueError:
        found = payload.decode("utf-8", "replace")
    if isinstance(found, dict) and "value" in found:
        found = found["value"]
    if not is_same(wanted, found):
        raise BusinessError(f"the machine took over {found!r} instead of {wanted!r}")
    return f"read back {found!r}"
