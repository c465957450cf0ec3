"""Every way to a broker brings every message once: TLS with a client's certificate, a password, WebSocket, paho's own reading."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog.testing

from bridge.cli.mapping_listen import Certificates, heard
from bridge.errors import AmorError
from bridge.sources import MqttSource, mqtt_session
from bridge.sources.delivery import Memory
from bridge.sources.mqtt_reader import BatchClient
from bridge.store.embedded import PrivateBroker, free_port, mosquitto
from bridge.store.embedded.account import server_account
from tests.integration.ingest.ingest_stage import (
    EPOCH_MS,
    eventually,
    mqtt_settings,
    publishing,
    query,
    running,
    scalar,
    subscribed,
    until,
)
from tests.integration.ingest.mqtt_fake import FakeBroker

COUNT = "select count(*) from reading"


@pytest.fixture(scope="module")
def secured(installation, server_folder):
    """A broker with listeners for TLS and WebSocket beside the plain one; who gives a password must give the right one."""
    folder = server_folder / "ways"
    folder.mkdir()
    files = _certificates(folder)
    salt, rounds = b"saltsaltsalt", 101
    digest = hashlib.pbkdf2_hmac("sha512", b"right", salt, rounds, 64)
    (folder / "passwords").write_text(f"amor:$7${rounds}${_text(salt)}${_text(digest)}\n")
    tls, web, secure_web = free_port(), free_port(), free_port()
    certificates = f"cafile {files['ca']}\ncertfile {files['server']}\nkeyfile {files['server_key']}\n"
    extra = (
        f"password_file {folder}/passwords\n"
        f"listener {tls} 127.0.0.1\n{certificates}require_certificate true\n"
        f"listener {web} 127.0.0.1\nprotocol websockets\n"
        f"listener {secure_web} 127.0.0.1\nprotocol websockets\n{certificates}"
    )
    account = server_account()
    for path in [folder, *folder.iterdir()]:
        account.own(path, 0o755 if path.is_dir() else 0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mosquitto, "_CONFIGURATION", mosquitto._CONFIGURATION + extra)
        broker = PrivateBroker(installation, folder / "broker")
        broker.start()
    urls = {
        "mqtts": f"mqtts://127.0.0.1:{tls}",
        "ws": f"ws://127.0.0.1:{web}/mqtt",
        "wss": f"wss://127.0.0.1:{secure_web}/mqtt",
    }
    client = {"certificate_file": str(files["client"]), "key_file": str(files["client_key"])}
    yield SimpleNamespace(plain=broker.url, urls=urls, ca={"ca_file": str(files["ca"])}, client=client)
    broker.stop()


def test_listen_shows_the_certificates_that_a_broker_asks_for(secured):
    ca, client = Path(secured.ca["ca_file"]), [Path(file) for file in secured.client.values()]
    assert heard(secured.urls["mqtts"], "nothing/#", 0.1, 10, Certificates(ca, *client)) == {}
    for wrong in (Certificates(), Certificates(ca), Certificates(Path("/nowhere.pem"))):
        with pytest.raises(AmorError, match=r"certificate|cannot be reached|did not answer"):
            heard(secured.urls["mqtts"], "nothing/#", 0.1, 10, wrong)


@pytest.fixture(params=["batch", "stock"])
def way(request, monkeypatch):
    """Both ways of reading."""
    if request.param == "stock":
        monkeypatch.setattr(mqtt_session, "batch_reader_fault", lambda: "the test asks for paho's own reading")
    return request.param


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_messages_of_any_size_come_over_tls_once(database_dsn, secured, way, protocol):
    name = f"tls{way}{protocol[0]}"
    options = {
        **secured.ca,
        **secured.client,
        "username": "amor",
        "password": "right",
        "protocol": protocol,
        "alpn": ["mqtt"],
    }
    settings = mqtt_settings(database_dsn, secured.urls["mqtts"], name, **options)
    with publishing(secured.plain) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            for n in range(1000):
                publisher.send(f"{name}/m1/tag/a", {"value": n, "ts": EPOCH_MS + n})
                if n % 250 == 0:  # much larger than a TLS record, and than a read
                    content = [{"tag": "b", "value": k, "ts": EPOCH_MS + n * 10_000 + k} for k in range(6000)]
                    publisher.send(f"{name}/m1/many", content)
            await until(database_dsn, COUNT, lambda n: n == 25_000)
    assert await scalar(database_dsn, "select count(*) from dead_letter") == 0
    assert await scalar(database_dsn, "select sum(duplicates) from batch") == 0


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_messages_come_over_websocket_once(database_dsn, secured, scheme):
    settings = mqtt_settings(database_dsn, secured.urls[scheme], scheme, **(secured.ca if scheme == "wss" else {}))
    with publishing(secured.plain) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            for n in range(1000):
                publisher.send(f"{scheme}/m1/tag/a", {"value": n, "ts": EPOCH_MS + n})
            await until(database_dsn, COUNT, lambda n: n == 1000)
    assert await scalar(database_dsn, "select sum(duplicates) from batch") == 0


async def test_a_wrong_password_is_told_and_nothing_is_taken_for_connected(secured):
    changes = {"username": "amor", "password": "wrong"}
    source = MqttSource(mqtt_settings("", secured.plain, "wrongpassword", **changes).source[0])
    with structlog.testing.capture_logs() as logs:
        task = asyncio.create_task(source.run(Memory(), _take_nothing))
        await eventually(lambda: any(entry["event"] == "mqtt broker away" for entry in logs))
        task.cancel()
    [entry, *_] = [entry for entry in logs if entry["event"] == "mqtt broker away"]
    assert "refused" in entry["reason"]
    assert not source.health.is_connected


async def test_a_server_that_the_ca_does_not_know_is_not_connected_to(secured):
    source = MqttSource(mqtt_settings("", secured.urls["mqtts"], "strange").source[0])
    with structlog.testing.capture_logs() as logs:
        task = asyncio.create_task(source.run(Memory(), _take_nothing))
        await eventually(lambda: any(entry["event"] == "mqtt broker away" for entry in logs))
        task.cancel()
    assert "certificate" in next(entry["reason"] for entry in logs if entry["event"] == "mqtt broker away").lower()


async def test_both_ways_store_the_same(database_dsn, broker, way):
    name = f"same{way}"
    settings = mqtt_settings(database_dsn, broker.url, name)
    with publishing(broker.url) as publisher:
        async with running(settings):
            await subscribed(database_dsn)
            for n in range(2000):
                publisher.send(f"{name}/m{n % 5}/tag/a", {"value": n, "ts": EPOCH_MS + n})
            publisher.send(f"{name}/m1/tag/a", b"broken")
            await until(database_dsn, COUNT, lambda n: n == 2000)
            await until(database_dsn, "select count(*) from dead_letter", lambda n: n == 1)
        async with running(settings):
            publisher.send(f"{name}/m1/tag/a", {"value": 1, "ts": EPOCH_MS + 5000})
            await until(database_dsn, COUNT, lambda n: n == 2001)
    assert await query(database_dsn, "select sum(duplicates) from batch") == [(0,)]


async def test_a_paho_that_does_not_fit_is_told_once_and_read_its_own_way(monkeypatch):
    monkeypatch.setattr(mqtt_session, "batch_reader_fault", lambda: "no such name")
    with structlog.testing.capture_logs() as logs:
        source = MqttSource(mqtt_settings("", "mqtt://127.0.0.1:1", "unfit").source[0])
    assert [entry["fault"] for entry in logs] == ["no such name"]
    assert not isinstance(source._session._client, BatchClient)


async def test_half_a_frame_before_a_reconnect_does_not_spoil_the_next_connection():
    deliveries: asyncio.Queue = asyncio.Queue()
    async with FakeBroker(codes=(1, 1), session_present=(False, True)) as fake:
        source = MqttSource(mqtt_settings("", fake.url, "fake", protocol="3.1.1").source[0])
        task = asyncio.create_task(source.run(Memory(), deliveries.put))
        await fake.subscribed.wait()
        fake.publish("fake/m1/tag/a", b'{"value":1}', 1)
        fake._writer.write(b"\x32\x7f\x00\x0dfake/m1/ta")
        await _reading(deliveries)
        fake._writer.close()
        fake.subscribed.clear()
        await fake.subscribed.wait()
        fake.publish("fake/m1/tag/a", b'{"value":2}', 2)
        second = await _reading(deliveries)
        task.cancel()
    assert [reading.value for reading in second.readings] == [2.0]


async def test_a_malformed_frame_ends_the_connection_and_the_next_one_goes_on():
    deliveries: asyncio.Queue = asyncio.Queue()
    async with FakeBroker(codes=(1, 1), session_present=(False, True)) as fake:
        source = MqttSource(mqtt_settings("", fake.url, "fake", protocol="3.1.1").source[0])
        task = asyncio.create_task(source.run(Memory(), deliveries.put))
        await fake.subscribed.wait()
        fake.subscribed.clear()
        fake._writer.write(b"\x32\x03\x00\x09a")
        await fake.subscribed.wait()
        fake.publish("fake/m1/tag/a", b'{"value":2}', 2)
        found = await _reading(deliveries)
        task.cancel()
    assert found.readings[0].value == 2.0


async def _reading(deliveries):
    while not (delivery := await deliveries.get()).readings:
        pass
    return delivery


async def _take_nothing(_delivery):
    return


def _text(content):
    return base64.b64encode(content).decode()


def _certificates(folder):
    """A CA of our own, a server's certificate for the loopback address, and a client's."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = datetime.now(UTC)

    def make(name, issuer=None, issuer_key=None):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        )
        if name == "server":
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        certificate = builder.sign(issuer_key or key, hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}_key.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return subject, key

    authority, authority_key = make("ca")
    for name in ("server", "client"):
        make(name, authority, authority_key)
    names = ("ca", "server", "server_key", "client", "client_key")
    return {name: folder / f"{name}.pem" for name in names}
