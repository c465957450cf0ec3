"""Connectors that tell people (apprise) and that write to tags of machines."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from datetime import time, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator

from bridge.config.settings.relay import RateTable
from bridge.config.settings.table import Duration, Table, ZoneName
from bridge.model.alarm import Severity
from bridge.model.calendar import WEEKDAYS, Weekday

_NAME = r"^[a-z0-9][a-z0-9_-]{0,40}$"


class QuietHours(Table):
    """A time of day in which people are left alone, in the zone of the target."""

    start: time = Field(alias="from")
    end: time = Field(alias="to", description="At or before `from`: on the next day.")
    days: list[Weekday] = Field(
        default_factory=lambda: list(WEEKDAYS), min_length=1, description="Days that it begins on. Default all."
    )


class AppriseSettings(RateTable):
    """People of some roles, reached through apprise: mail, chat, SMS gateways, webhooks (https://github.com/caronc/apprise)."""

    type: Literal["apprise"]
    name: str = Field(pattern=_NAME, description="Name of the connector, unique.")
    url: SecretStr = Field(
        description="Apprise URL, e.g. mailtos://user:password@mail.example.com?to=shift@example.com"
    )
    roles: list[str] = Field(
        min_length=1, description="Roles whose people it reaches; rules and escalations name them."
    )
    time_zone: ZoneName = Field("UTC", description="IANA name of the zone of its quiet hours. Default UTC.")
    quiet: list[QuietHours] = Field(default_factory=list, description="When only what passes goes out. Default never.")
    passes: Severity = Field(
        Severity.CRITICAL, description="This severity and above passes quiet hours. Default critical."
    )
    rate: int = Field(20, ge=1, description="Messages at most in `per`; the rest comes as one digest. Default 20.")
    per: Duration = Field(timedelta(hours=1), gt=timedelta(0), description='Default "1 h".')
    timeout_s: float = Field(15, gt=0, description="Seconds to wait for the service. Default 15.")
    max_in_flight: int = Field(2, ge=1, description="Messages sent at the same time. Default 2.")
    poll_s: float = Field(3600, gt=0, description="Not used by this type.")

    @field_validator("url")
    @classmethod
    def _service_is_known(cls, url: SecretStr) -> SecretStr:
        import apprise  # noqa: PLC0415  # slow to import, and needed where somebody is to be told only

        if apprise.Apprise.instantiate(url.get_secret_value(), suppress_exceptions=True) is None:
            raise ValueError(
                "apprise knows no such address; see its list of URLs, https://github.com/caronc/apprise/wiki"
            )
        return url

    @property
    def zone(self) -> ZoneInfo:
        """The zone itself."""
        return ZoneInfo(self.time_zone)


class WritableTag(Table):
    """A tag that may be written, and how far. What is not in such a table is never written."""

    equipment: str = Field(description="Equipment path; * and ? match as in file names.")
    tag: str
    low: float | None = Field(None, description="Smallest number that is written. Numbers need both bounds.")
    high: float | None = Field(None, description="Largest number that is written.")
    values: list[str | bool] = Field(
        default_factory=list, description="Texts and truth values that may be written. Default none."
    )
    topic: str = Field("", description="MQTT: the topic; {equipment} and {tag} are replaced.")
    payload: str = Field(
        "{value}", description='MQTT: what is sent, e.g. {{"value": {value}}}; {value} is JSON. Default {value}.'
    )
    readback_topic: str = Field(
        "", description="MQTT: where the machine says what it took over. Default: not read back."
    )
    node: str = Field(
        "", description="OPC UA: the node's id, e.g. ns=2;s=cnc1.feed; {equipment} and {tag} are replaced."
    )

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("numbers are written between two bounds: give low and high")
        if self.low is None and not self.values:
            raise ValueError("nothing could be written: give low and high for numbers, or values for texts")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self

    def refuses(self, value: float | str | bool) -> str | None:
        """Why a value is not written; None where it may be."""
        if isinstance(value, bool | str):
            allowed = ", ".join(str(each) for each in self.values) or "none"
            is_listed = any(type(each) is type(value) and each == value for each in self.values)
            return None if is_listed else f"{value!r} is not among the allowed values: {allowed}"
        if self.low is None or self.high is None:
            return f"{value:g} is a number, and no bounds are configured for numbers"
        return None if self.low <= value <= self.high else f"{value:g} is outside of {self.low:g} to {self.high:g}"

    def matches(self, equipment: str, tag: str) -> bool:
        """Whether this table is of a tag on a piece of equipment."""
        return self.tag == tag and fnmatch.fnmatchcase(equipment, self.equipment)


class TagWriteSettings(RateTable):
    """Writes to tags of machines over MQTT (QoS 1) or OPC UA. Only the tags listed, only within their bounds."""

    type: Literal["tag_write"]
    name: str = Field(pattern=_NAME, description="Name of the connector, unique.")
    url: str = Field(
        pattern=r"^(mqtts?|opc\.tcp)://",
        description="Broker (mqtt://host:port, mqtts://) or OPC UA server (opc.tcp://).",
    )
    username: str = Field("", description="Default: none.")
    password: SecretStr = Field(SecretStr(""), description="Default: none.")
    tag: list[WritableTag] = Field(min_length=1, description="The tags that may be written.")
    expires: Duration = Field(
        timedelta(minutes=5),
        gt=timedelta(0),
        description='A write that could not go out for so long is not sent any more: the machine has moved on. Default "5 min".',
    )
    timeout_s: float = Field(10, gt=0, description="Seconds to wait for an answer. Default 10.")
    max_in_flight: int = Field(2, ge=1, description="Tags written at the same time. Default 2.")
    poll_s: float = Field(3600, gt=0, description="Not used by this type.")

    def find(self, equipment: str, tag: str) -> WritableTag | None:
        """The table of a tag, the first that matches; None where it may not be written."""
        return next((each for each in self.tag if each.matches(equipment, tag)), None)

    def refuses(self, equipment: str, tag: str, value: float | str | bool) -> str | None:
        """Why a value is not written to a tag; None where it may be."""
        found = self.find(equipment, tag)
        if found is None:
            return f"{equipment} {tag} is not among the tags that {self.name} may write"
        return found.refuses(value)

    @model_validator(mode="after")
    def _tags_have_a_place(self) -> Self:
        field = "node" if self.url.startswith("opc.tcp") else "topic"
        for tag in self.tag:
            if not getattr(tag, field):
                raise ValueError(f"{tag.equipment} {tag.tag}: give its {field}")
        return self


def targets_of(connectors: Iterable[object], role: str) -> list[str]:
    """Of these connectors the names of those that reach the people of a role."""
    return [table.name for table in connectors if isinstance(table, AppriseSettings) and role in table.roles]


OperatorConnector = Annotated[AppriseSettings | TagWriteSettings, Field(discriminator="type")]
