"""An MQTT broker as a source."""

from __future__ import annotations

import re
from typing import Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from bridge.config.settings.mapping import MqttSubscription
from bridge.config.settings.source import SourceTable

_GROUP: Final = re.compile(r"[^/+#\x00-\x1f]*")
_SHARE: Final = "$share/"


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
        65_535, ge=1, le=65_535, description="Unacknowledged messages at most: the back-pressure. Default 65 535."
    )
    maximum_packet_size: int = Field(
        268_435_455,
        ge=1024,
        le=268_435_455,
        description="Bytes of the largest message to take (MQTT 5). The broker drops larger ones without a word to anybody, so"
        " the default is the protocol's own limit: nothing is dropped.",
    )
    session_expiry_s: int = Field(
        7 * 86400, ge=0, description="How long the broker keeps the session, seconds. Default 7 days."
    )
    share: str = Field(
        "",
        description="Name of a share group (MQTT 5, 4.8.2): the broker gives each message to one of the sources of the group,"
        " each with a lane and a client id of its own. Default: this source gets every message.",
    )
    subscribe: list[MqttSubscription] = Field(min_length=1)

    @model_validator(mode="after")
    def _subscriptions_know_the_clock(self) -> Self:
        known = [s if s.clock else s.model_copy(update={"clock": self.clock}) for s in self.subscribe]
        object.__setattr__(self, "subscribe", known)  # frozen for everybody else
        return self

    @field_validator("share")
    @classmethod
    def _group_is_one_level(cls, group: str) -> str:
        if not _GROUP.fullmatch(group):
            raise ValueError(f"a share group is one plain name, without / + # and control characters, not {group!r}")
        return group

    @field_validator("subscribe")
    @classmethod
    def _topics_are_plain(cls, subscriptions: list[MqttSubscription]) -> list[MqttSubscription]:
        """The broker delivers what is shared under its plain topic, which a topic with the prefix never matches."""
        for topic in (s.topic for s in subscriptions if s.topic.startswith(_SHARE)):
            _, group, plain = [*topic.split("/", 2), "", ""][:3]
            raise ValueError(
                f'the group has a setting of its own: share = "{group}" and topic = "{plain}", not {topic!r}'
            )
        return subscriptions

    @property
    def filters(self) -> list[str]:
        """What to subscribe to, in the order of `subscribe`."""
        prefix = f"{_SHARE}{self.share}/" if self.share else ""
        return [prefix + subscription.topic_filter for subscription in self.subscribe]

    @property
    def session(self) -> str:
        """The client id in use."""
        return self.client_id or f"amor-{self.name}"
