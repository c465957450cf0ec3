"""TLS against real servers: who trusts whom, and what people are told where one does not."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bridge.config.settings.connection import HttpConnectorTable
from bridge.erp.http import HttpClient, Request, by_status
from bridge.errors import CredentialsError, SetupError, TransientError

POST = Request("POST", "things", is_repeatable=False, json={"a": 1})
HERE = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8


class Authority:
    """A CA of the plant's own; `expired` certificates ended yesterday, `early` ones begin tomorrow."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir()
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = self._write("ca.pem", self._signed(self._name, self._key, -1, 10, is_ca=True))

    def certificate(
        self, name: str, *, days: tuple[int, int] = (-1, 10), of: x509.GeneralName = HERE, passphrase: bytes = b""
    ) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        hidden = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        certificate = self._write(f"{name}.pem", self._signed(subject, key, *days, of=of))
        return certificate, self._write(f"{name}.key", key.private_bytes(PEM, PKCS8, hidden))

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        first: int,
        last: int,
        *,
        of: x509.GeneralName = HERE,
        is_ca: bool = False,
    ) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now + timedelta(days=first))
            .not_valid_after(now + timedelta(days=last))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([of]), critical=False)
        )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(PEM)

    def _write(self, name: str, content: bytes) -> Path:
        (self._folder / name).write_bytes(content)
        return self._folder / name


@contextmanager
def serving(
    certificate: tuple[Path, Path], clients: Path | None = None, *, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> Iterator[tuple[str, list[bytes]]]:
    """A server as others are: it says why it refuses a client before it goes. Gives its address and what reached it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest
    context.load_cert_chain(*certificate)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    reached: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            behind = plain.dup()
            behind.settimeout(5)
            with suppress(OSError), behind:
                try:
                    with context.wrap_socket(plain, server_side=True) as talk:
                        request = b""
                        while not request.endswith(b"}"):
                            request += talk.recv(65536)
                        reached.append(request)
                        talk.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
                except ssl.SSLError:
                    while behind.recv(65536):  # until the client has read why and goes: a reset would swallow it
                        pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listening.getsockname()[1]}", reached
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(timeout=10)


@pytest.fixture
def ours(tmp_path):
    return Authority(tmp_path / "ours", "Plant CA")


@pytest.fixture
def theirs(tmp_path):
    return Authority(tmp_path / "theirs", "Other CA")


def client(url: str, **tls: Path | None) -> HttpClient:
    table = HttpConnectorTable.model_validate({"name": "x", "url": url, "timeout_s": 5, "tls": tls})
    return HttpClient(table, lambda reply: by_status(reply.status, None))


def known_by(certificate: tuple[Path, Path]) -> dict[str, Path]:
    return {"certificate_file": certificate[0], "key_file": certificate[1]}


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_sides_know_each_other_by_certificates_of_the_plants_ca(ours, newest):
    with serving(ours.certificate("erp"), ours.file, newest=newest) as (url, reached):
        async with client(url, ca_file=ours.file, **known_by(ours.certificate("amor"))) as system:
            assert (await system.send(POST)).status == 200
    assert len(reached) == 1


@pytest.mark.parametrize(
    ("days", "name", "words"),
    [
        ((-5, -1), HERE, "its certificate has expired: it must be renewed there"),
        ((1, 5), HERE, "not valid yet: compare the clocks of both machines"),
        ((-1, 5), x509.DNSName("erp.example"), "of another name: write the connector's url with the name that it has"),
    ],
)
async def test_certificate_that_cannot_be_trusted_is_told_with_what_to_do_and_nothing_goes_out(ours, days, name, words):
    with serving(ours.certificate("erp", days=days, of=name)) as (url, reached):
        async with client(url, ca_file=ours.file) as system:
            with pytest.raises(TransientError, match=words):
                await system.send(POST)
    assert reached == []


async def test_ca_that_is_not_trusted_here_is_told_with_the_setting(ours, theirs):
    with serving(theirs.certificate("erp")) as (url, reached):
        for known in (ours.file, None):  # the wrong CA, and the machine's own
            async with client(url, ca_file=known) as system:
                with pytest.raises(
                    TransientError, match=r"signed by a CA that is not trusted here: give the connector's tls\.ca_file"
                ):
                    await system.send(POST)
    assert reached == []


async def test_client_without_a_certificate_is_told_to_give_one(ours):
    with serving(ours.certificate("erp"), ours.file) as (url, reached):
        async with client(url, ca_file=ours.file) as system:
            with pytest.raises(
                CredentialsError, match="it wants a client certificate: give the connector's tls certificate_file"
            ):
                await system.send(POST)
    assert reached == []


async def test_client_certificate_that_is_refused_is_a_matter_of_credentials_and_nothing_is_unclear(ours, theirs):
    with serving(ours.certificate("erp"), ours.file) as (url, reached):
        for certificate, words in (
            (theirs.certificate("stranger"), "does not trust the CA of our client certificate"),
            (ours.certificate("old", days=(-5, -1)), "our client certificate has expired: renew it"),
        ):
            async with client(url, ca_file=ours.file, **known_by(certificate)) as system:
                with pytest.raises(CredentialsError, match=words):
                    await system.send(POST)
    assert reached == []


async def test_server_that_speaks_no_tls_is_told_as_that(ours):
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        talk, _ = listening.accept()
        with talk:
            talk.recv(65536)
            talk.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    with listening:
        async with client(f"https://127.0.0.1:{listening.getsockname()[1]}", ca_file=ours.file) as system:
            with pytest.raises(TransientError, match="it speaks no TLS: should the connector's url begin with http://"):
                await system.send(POST)


def test_key_with_a_passphrase_is_told_and_nobody_is_asked_at_a_terminal(ours):
    certificate = ours.certificate("amor", passphrase=b"hidden")
    with pytest.raises(SetupError, match=r"amor\.key\): the key is encrypted: store it without a passphrase"):
        client("https://erp.example", **known_by(certificate))


def test_key_of_another_certificate_is_told_with_the_files(ours):
    (certificate, _), (_, key) = ours.certificate("amor"), ours.certificate("other")
    with pytest.raises(SetupError, match=r"amor\.pem, .*other\.key.*(?i:mismatch)"):
        client("https://erp.example", certificate_file=certificate, key_file=key)


@contextmanager
def tunnelling() -> Iterator[tuple[str, list[str]]]:
    """A proxy that leads to any address (RFC 9110, 9.3.6). Gives its address and where it led."""
    led: list[str] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def pipe(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with suppress(OSError):
            talk, _ = listening.accept()
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += talk.recv(65536)
            led.append(head.split()[1].decode())
            with talk, socket.create_connection(("127.0.0.1", int(led[0].rpartition(":")[2]))) as behind:
                talk.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pipe, args=(behind, talk), daemon=True)
                back.start()
                pipe(talk, behind)
                back.join(timeout=10)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", led
    finally:
        listening.close()


async def test_proxy_of_the_environment_leads_to_a_system_that_still_proves_who_it_is(ours, monkeypatch):
    """The name that the certificate must have is the system's, not the proxy's."""
    certificate = ours.certificate("erp", of=x509.DNSName("erp.example"))
    with serving(certificate) as (url, reached), tunnelling() as (proxy, led):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        address = url.replace("127.0.0.1", "erp.example")
        async with client(address, ca_file=ours.file) as system:
            assert (await system.send(POST)).status == 200
    assert led == [address.removeprefix("https://")]
    assert len(reached) == 1
