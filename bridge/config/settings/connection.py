"""How a connector reaches its system: address, credentials, TLS, patience. Shared by all connectors that speak HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from bridge.config.settings.relay import RateTable
from bridge.config.settings.table import Table, zone_name


class NoAuth(Table):
    """No credentials of HTTP's own: a signature or a client certificate stands for them."""

    type: Literal["none"] = "none"


class ApiKeyAuth(Table):
    """A key in a header of every request."""

    type: Literal["api_key"]
    key: SecretStr = Field(min_length=1, description='The key, best as { env = "NAME" } or { file = "path" }.')
    header: str = Field(
        "Authorization", pattern=r"^[A-Za-z0-9-]+$", description="Header's name. Default Authorization."
    )
    prefix: str = Field("Bearer ", description='What stands before the key, such as "token ". Default "Bearer ".')


class BasicAuth(Table):
    """User and password (RFC 7617)."""

    type: Literal["basic"]
    user: str = Field(min_length=1, pattern=r"^[^:]*$")
    password: SecretStr


class OAuth2Auth(Table):
    """OAuth 2 client credentials (RFC 6749, 4.4): a token is fetched, kept until it expires, and renewed once when refused."""

    type: Literal["oauth2"]
    token_url: str = Field(pattern=r"^https?://")
    client_id: str = Field(min_length=1)
    client_secret: SecretStr
    scope: str = Field("", description="Scopes, separated by blanks. Default: the server's own.")
    send: Literal["basic", "body"] = Field(
        "basic",
        description="Where the client's id and secret go: the Authorization header, or the form. Default basic.",
    )


AuthSettings = Annotated[NoAuth | ApiKeyAuth | BasicAuth | OAuth2Auth, Field(discriminator="type")]


class TlsSettings(Table):
    """TLS beyond the machine's own certificates. With certificate and key the server knows us by them (mutual TLS)."""

    ca_file: Path | None = Field(None, description="CA certificates, PEM. Default: the machine's own.")
    certificate_file: Path | None = Field(None, description="Client certificate, PEM.")
    key_file: Path | None = Field(None, description="Its private key, PEM.")

    @model_validator(mode="after")
    def _key_belongs_to_a_certificate(self) -> Self:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file are given together or not at all")
        return self

    def within(self, folder: Path) -> Self:
        """With the files found from the folder of the configuration."""
        given = {name: folder / path for name, path in self if path is not None}
        return self.model_copy(update=given)


def _proxy(value: SecretStr) -> SecretStr:
    if value.get_secret_value() not in ("", "none") and not value.get_secret_value().startswith(
        ("http://", "https://")
    ):
        raise ValueError('is the address of a proxy, http://host:port, or "none"')
    return value


class HttpConnectorTable(RateTable):
    """What every connector over HTTP can be told."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$", description="Name of the connector, unique.")
    url: str = Field(pattern=r"^https?://", description="Address of the system, such as https://erp.example.com.")
    auth: AuthSettings = NoAuth()
    tls: TlsSettings = TlsSettings()
    proxy: Annotated[SecretStr, AfterValidator(_proxy)] = Field(
        SecretStr(""),
        description='Proxy to the system, such as http://proxy:3128; "none": go straight. Default: the environment\'s.',
    )
    timeout_s: float = Field(10, gt=0, description="Seconds to wait for an answer. Default 10.")
    poll_s: float = Field(5, gt=0, description="Seconds between reads of orders and shipments. Default 5.")
    max_in_flight: int = Field(4, ge=1, description="Streams posted at the same time. Default 4.")
    time_zone: Annotated[str, AfterValidator(lambda name: name and zone_name(name))] = Field(
        "", description="IANA zone of posting dates and of the system's times that name none. Default: the plant's."
    )

    def placed(self, folder: Path, zone: str) -> Self:
        """With all files found from the folder of the configuration, and in the plant's zone where none is given."""
        return self.model_copy(update={"tls": self.tls.within(folder), "time_zone": self.time_zone or zone})
