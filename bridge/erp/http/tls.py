"""TLS: what a connector trusts and who it is, and in words what was wrong with a certificate."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Final

from bridge.config.settings.connection import TlsSettings
from bridge.errors import SetupError

# X509_V_ERR_... of OpenSSL (x509_vfy.h) -> who must do what.
_VERIFY: Final = {
    9: "its certificate is not valid yet: compare the clocks of both machines",
    10: "its certificate has expired: it must be renewed there",
    18: "its certificate is signed by itself: give the connector's tls.ca_file that certificate",
    **dict.fromkeys(
        (19, 20, 21),
        "its certificate is signed by a CA that is not trusted here: give the connector's tls.ca_file that CA",
    ),
    **dict.fromkeys(
        (62, 64), "its certificate is of another name: write the connector's url with the name that it has"
    ),
}
# What a server says that does not take the client's certificate (RFC 8446, 6.2): it never reads the request then.
_REFUSED: Final = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a client certificate: give the connector's tls certificate_file and key_file",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust the CA of our client certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our client certificate has expired: renew it",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "our client certificate is revoked",
    "SSLV3_ALERT_BAD_CERTIFICATE": "our client certificate is refused",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "our client certificate is of a kind that it does not take",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "our client certificate is refused",
    "TLSV1_ALERT_ACCESS_DENIED": "our client certificate is good and has no access there",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it agrees to no connection: it may want a client certificate, or another version of TLS",
}


def context(settings: TlsSettings) -> ssl.SSLContext:
    """Raises SetupError where a file is missing or holds no certificate, or where its key cannot be read."""
    if settings == TlsSettings():
        return _machines_own()
    try:
        made = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file is not None:
            made.load_cert_chain(settings.certificate_file, settings.key_file, password=_no_passphrase)
    except (OSError, ssl.SSLError, ValueError) as error:
        files = ", ".join(str(path) for _, path in settings if path is not None)
        raise SetupError(f"TLS files of a connector cannot be used ({files}): {error}") from error
    return made


def in_chain(error: BaseException | None) -> ssl.SSLError | None:
    """The TLS failure behind an error of a client; None where there is none."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None


def is_refusal(error: ssl.SSLError) -> bool:
    """Whether the other side said that it does not take our certificate: it has read nothing of the request."""
    return error.reason in _REFUSED


def words(error: ssl.SSLError) -> str:
    """What was wrong, for people, and what OpenSSL calls it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        told = _VERIFY.get(error.verify_code, "its certificate cannot be trusted")
        return f"{told} ({error.verify_message})"
    if error.reason in _REFUSED:
        return f"{_REFUSED[error.reason]} ({error.reason})"
    if error.reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}:
        return f"it speaks no TLS: should the connector's url begin with http://? ({error.reason})"
    return str(error)


@cache
def _machines_own() -> ssl.SSLContext:
    """The machine's own certificates; read once."""
    return ssl.create_default_context()


def _no_passphrase() -> str:
    """OpenSSL would ask for it at a terminal, and wait."""
    raise ValueError("the key is encrypted: store it without a passphrase, readable by the relay alone")
