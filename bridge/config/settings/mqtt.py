"""An MQTT broker as a source."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from bridge.config.settings.mapping import MqttSubscription
from bridge.config.settings.source import SourceTable


class MqttSettings(SourceTable):
    """An MQTT broker. Messages are acknowledged after their readings are committed."""

    type: Literal["mqtt"]
    url: str = Field(
        pattern=r"^(mqtts?|wss?)://",
        description="mqtt://host:port, mqtts:// for TLS; ws:// and wss:// with a path for WebSocket, which is slower.",
    )
    client_id: str = Field("", description="Fixed name of the persistent session. Default amor-<source name>.")
    protocol: Literal["3.1.1", "5"] = Field("5", description="MQTT version. Default 5.")
    username: str | None = None
    password: SecretStr | None = None
    ca_file: str | None = Field(None, description="CA certificates, PEM. Default: the machine's own.")
    certificate_file: str | None = Field(None, description="Client certificate, PEM.")
    key_file: str | None = Field(None, description="Its private key, PEM.")
    alpn: list[str] = Field(
        default_factory=list, description="TLS application protocols (ALPN) to offer, such as mqtt. Default none."
    )
    keepalive_s: int = Field(15, ge=2, description="Seconds. Default 15.")
    receive_maximum: int = Field(
        20_000, ge=1, le=65535, description="Unacknowledged messages at most: the back-pressure. Default 20 000."
    )
    session_expiry_s: int = Field(
        7 * 86400, ge=0, description="How long the broker keeps the session, seconds. Default 7 days."
    )
    subscribe: list[MqttSubscription] = Field(min_length=1)

    @model_validator(mode="after")
    def _subscriptions_know_the_clock(self) -> Self:
        known = [s if s.clock else s.model_copy(update={"clock": self.clock}) for s in self.subscribe]
        object.__setattr__(self, "subscribe", known)  # frozen for everybody else
        return self

    @property
    def session(self) -> str:
        """The client id in use."""
        return self.client_id or f"amor-{self.name}"
