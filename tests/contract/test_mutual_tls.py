"""Business systems that know us by a certificate (mutual TLS), and that we know by theirs."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bridge.erp.connectors import CONNECTORS
from bridge.errors import CredentialsError, TransientError
from tests.contract.scenes import ORDER, carry, pieces
from tests.erp_systems.business_central import SimulatedBusinessCentral
from tests.erp_systems.odoo19 import SimulatedOdoo
from tests.erp_systems.sap_s4 import SimulatedSap

# Whether the refusal or the end of the connection is read first is a matter of chance; nothing was carried out in either case.
REFUSED = (TransientError, CredentialsError)
BEHIND_TLS = {
    "sap_s4": lambda _: SimulatedSap(),
    "business_central": lambda _: SimulatedBusinessCentral(),
    "odoo19": SimulatedOdoo,
}


class Authority:
    """A certificate authority of our own, which writes certificates with their keys into a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = self._write(f"{name}.pem", self._signed(self._name, self._key, is_authority=True))

    def certificate(self, name: str) -> tuple[Path, Path]:
        """The files of a certificate for the loopback address and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        plain = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._write(f"{name}.pem", self._signed(subject, key)), self._write(f"{name}.key", plain)

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool = False) -> bytes:
        now = datetime.now(UTC)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = (
            x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _write(self, name: str, content: bytes) -> Path:
        file = self._folder / name
        file.write_bytes(content)
        return file


@asynccontextmanager
async def front(port: int, server: tuple[Path, Path], clients: Path):
    """TLS before a port of this machine, for clients with a certificate of an authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*server)
    context.load_verify_locations(clients)
    context.verify_mode = ssl.CERT_REQUIRED
    talks: set[asyncio.Task[None]] = set()

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # one of the two went away
        finally:
            writer.close()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        behind = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pipe(reader, behind[1]), pipe(behind[0], writer))

    listening = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "plant-ca")


@pytest.fixture(params=sorted(BEHIND_TLS))
def name(request):
    return request.param


@pytest.fixture
async def system(name, tmp_path):
    async with BEHIND_TLS[name](tmp_path / "system") as running:
        yield running


@pytest.fixture
async def address(system, authority):
    async with front(system.port, authority.certificate("server"), authority.file) as url:
        yield url


def tls(authority, client):
    certificate, key = client
    return {"ca_file": authority.file, "certificate_file": certificate, "key_file": key}


async def test_system_that_knows_us_by_our_certificate_takes_postings(name, system, address, authority):
    settings = system.settings(url=address, tls=tls(authority, authority.certificate("amor")))
    async with CONNECTORS[name](settings) as connector:
        assert (await carry(connector, pieces(3, 3))).is_posted
    assert await system.good_posted(ORDER) == 3


async def test_without_a_certificate_nothing_goes_out(name, system, address, authority):
    async with CONNECTORS[name](system.settings(url=address, tls={"ca_file": authority.file})) as connector:
        with pytest.raises(REFUSED):
            await connector.plan(pieces(3, 3))


async def test_certificate_of_another_authority_is_refused(name, system, address, authority, tmp_path):
    (tmp_path / "others").mkdir()
    stranger = Authority(tmp_path / "others", "others-ca").certificate("amor")
    async with CONNECTORS[name](system.settings(url=address, tls=tls(authority, stranger))) as connector:
        with pytest.raises(REFUSED):
            await connector.plan(pieces(3, 3))


async def test_system_that_another_authority_vouches_for_is_not_talked_to(name, system, address, authority, tmp_path):
    (tmp_path / "others").mkdir()
    other = Authority(tmp_path / "others", "others-ca")
    settings = system.settings(url=address, tls=tls(other, authority.certificate("amor")))
    async with CONNECTORS[name](settings) as connector:
        with pytest.raises(TransientError, match=r"(?i)certificate"):
            await connector.plan(pieces(3, 3))
