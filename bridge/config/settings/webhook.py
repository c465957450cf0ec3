"""A webhook receiver as a connector."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, SecretStr

from bridge.config.settings.connection import HttpConnectorTable

PREFIX: Final = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # bytes, as Standard Webhooks asks for


def _secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith(PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(
            f"is {PREFIX} and base64 of {_SHORTEST} to {_LONGEST} random bytes; openssl rand -base64 32 makes them"
        )
    return value


Secret = Annotated[SecretStr, AfterValidator(_secret)]


class WebhookSettings(HttpConnectorTable):
    """A receiver of Standard Webhooks with CloudEvents 1.0; events are posted to `url`."""

    type: Literal["webhook"]
    secrets: list[Secret] = Field(
        min_length=1,
        max_length=4,
        description="Signing secrets, whsec_...; several while one is being replaced by the next.",
    )
    source: str = Field(
        "amor", min_length=1, description="CloudEvents source: who speaks, a URI reference. Default amor."
    )
    listen_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Take signed messages of the other side at this port of the relay. 0: not at all. Default 0.",
    )
    listen_host: str = Field(
        "127.0.0.1", description="... on this address. Default: this machine only; put TLS before it."
    )
    status_path: str = Field(
        "",
        pattern=r"^$|^[^{}]*\{id\}[^{}]*$",
        description="Path below url with {id} that answers 200 for an event that is there and 404 else. Default: none, 2xx is the word.",
    )
