"""Listening to a broker for a while: a few samples of each topic, bounded in time, topics and bytes."""

from __future__ import annotations

import ssl
import threading
import time
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bridge.errors import AmorError

CONNECT_TIMEOUT_S: Final = 5.0
SAMPLES_A_TOPIC: Final = 5
BYTES_A_SAMPLE: Final = 16_384  # longer payloads are counted as heard, and not shown
_REFUSED: Final = 0x80

Samples = dict[str, list[bytes]]


class Certificates(NamedTuple):
    """Files for TLS, PEM: whom to believe (None: the machine's own), and who we are where the broker asks."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


_MACHINES_OWN: Final = Certificates()


def heard(
    url: str, topic_filter: str, seconds: float, most_topics: int, certificates: Certificates = _MACHINES_OWN
) -> Samples:
    """What was published: topic -> samples of its payloads. Raises AmorError where the broker cannot be heard."""
    samples: Samples = {}
    is_full = threading.Event()

    def on_message(_client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        kept = samples.setdefault(message.topic, []) if len(samples) < most_topics else samples.get(message.topic)
        if kept is not None and len(kept) < SAMPLES_A_TOPIC and len(message.payload) <= BYTES_A_SAMPLE:
            kept.append(bytes(message.payload))
        if len(samples) >= most_topics:
            is_full.set()

    client = _connected(url, topic_filter, on_message, certificates)
    try:
        is_full.wait(seconds)
    finally:
        client.disconnect()
        client.loop_stop()
    return dict(samples)


def _connected(url: str, topic_filter: str, on_message: Any, certificates: Certificates) -> paho.Client:
    address = urlsplit(url)
    if address.scheme not in ("mqtt", "mqtts") or not address.hostname:
        raise AmorError(f"{url!r} is no broker's address: write mqtt://host:port, or mqtts:// for TLS")
    client = paho.Client(CallbackAPIVersion.VERSION2)
    answers: list[str] = []
    is_answered = threading.Event()

    def answered(*problems: str) -> None:
        answers.extend(problems)
        is_answered.set()

    def on_connect(_client: paho.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if code.is_failure:
            answered(f"the broker refuses the connection: {code}")
        else:
            client.subscribe(topic_filter)

    def on_subscribe(_client: paho.Client, _data: Any, _mid: int, codes: list[Any], _properties: Any) -> None:
        answered(*(f"the broker refuses {topic_filter}: {code}" for code in codes if code.value >= _REFUSED))

    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    if address.username:
        client.username_pw_set(unquote(address.username), unquote(address.password or ""))
    if address.scheme == "mqtts":
        client.tls_set_context(_tls_context(certificates))
    started = time.monotonic()
    try:
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.connect(address.hostname, address.port or (8883 if address.scheme == "mqtts" else 1883))
    except (OSError, ValueError) as error:
        raise AmorError(f"the broker {address.hostname}:{address.port or ''} cannot be reached: {error}") from error
    client.loop_start()
    if not is_answered.wait(max(0.1, CONNECT_TIMEOUT_S - (time.monotonic() - started))) or answers:
        client.loop_stop()
        raise AmorError(answers[0] if answers else f"the broker did not answer within {CONNECT_TIMEOUT_S:g} s")
    return client


def _tls_context(certificates: Certificates) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=certificates.ca)
        if certificates.certificate is not None:
            context.load_cert_chain(certificates.certificate, certificates.key)
    except (OSError, ssl.SSLError) as error:
        raise AmorError(f"the certificates cannot be used: {error}") from error
    return context
