"""What the configuration file may say. One class a table; a field's description says meaning, unit, special value, default.

Any value may be written as `{ env = "NAME" }`, `{ env = "NAME", default = ... }` or `{ file = "path" }` instead, so that
secrets and addresses need not stand in the file.
"""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from bridge.model.calendar import WEEKDAYS, Weekday
from bridge.model.equipment import EquipmentPath, TagKind
from bridge.model.production import MachineState

PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")


class Table(BaseModel):
    """A table of the file: unknown keys are mistakes, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Plant(Table):
    """The plant that this system serves."""

    name: str = Field(description="What the control tower's header says.")
    time_zone: str = Field("UTC", description="IANA name of the zone of shifts and posting dates. Default UTC.")

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"unknown time zone {name!r}; write an IANA name such as Europe/Berlin") from None
        return name

    @property
    def zone(self) -> ZoneInfo:
        """The zone itself."""
        return ZoneInfo(self.time_zone)


class DatabaseSettings(Table):
    """PostgreSQL 16 to 18 with TimescaleDB."""

    dsn: SecretStr = Field(description="libpq connection string or URL.")


class Equipment(Table):
    """One piece of equipment; those above it in its path are made by themselves."""

    path: str = Field(description="ISA-95 path enterprise/site/area/work_center/work_unit.")
    equipment_class: str | None = Field(
        None, alias="class", description="What rules with for_each match. Default none."
    )
    position: int = Field(0, ge=0, description="Place in the flow of its work center, from 1; 0: outside any flow.")
    is_final: bool = Field(False, description="Its good pieces are finished goods. Default false.")
    ideal_cycle_s: float | None = Field(None, gt=0, description="Ideal run time per item, seconds (ISO 22400-2 PRI).")

    @field_validator("path")
    @classmethod
    def _path_parses(cls, path: str) -> str:
        EquipmentPath.parse(path)
        return path


class Tag(Table):
    """What tags of a name mean, on whatever equipment. The first table that matches a name holds."""

    match: str = Field(description="Tag name; * and ? match as in file names.")
    kind: TagKind | None = Field(
        None, description="gauge, counter, state or event. Default: gauge for numbers, state for text."
    )
    unit: str = Field("", description="UCUM code used where the message names none.")


class MqttFields(Table):
    """The names of the fields of a JSON object. What else it carries is a reading under its own name."""

    time: str = Field(
        "ts", description="Source time: ISO 8601, or a number of seconds, ms, us or ns since 1970 told apart by size."
    )
    value: str = Field("value", description="An object with this field is one reading; without it, one of many.")
    tag: str = Field("tag", description="The tag's name in an object of one reading, where the topic has no {tag}.")
    unit: str = Field("unit", description="UCUM code, in an object of one reading.")
    quality: str = Field("quality", description="good, uncertain, bad or an OPC UA status code. Absent means good.")


class MqttSubscription(Table):
    """Topics of one shape, and the equipment that they speak of."""

    topic: str = Field(description="A topic with {names} for its variable levels; {tag} is the tag's name.")
    equipment: str = Field(description="Equipment path; {names} stand for what the topic had there.")
    fields: MqttFields = MqttFields()

    @property
    def topic_filter(self) -> str:
        """The filter to subscribe to: each {name} is a level of its own."""
        return PLACEHOLDER.sub("+", self.topic)

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        named = set(PLACEHOLDER.findall(self.topic))
        if missing := set(PLACEHOLDER.findall(self.equipment)) - named:
            raise ValueError(f"equipment uses {{{min(missing)}}}, which the topic does not have")
        for level in self.topic.split("/"):
            if "{" in level and not PLACEHOLDER.fullmatch(level):
                raise ValueError(f"a {{name}} must be a whole level of the topic, not part of {level!r}")
        return self


class SourceTable(Table):
    """What all sources have."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$", description="Name of the source, unique.")
    lane: int = Field(ge=0, le=32767, description="The lane that its batches are numbered in; one source a lane.")


class MqttSettings(SourceTable):
    """An MQTT broker. Messages are acknowledged after their readings are committed."""

    type: Literal["mqtt"]
    url: str = Field(description="mqtt://host:port, or mqtts:// for TLS.")
    client_id: str = Field("", description="Fixed name of the persistent session. Default amor-<source name>.")
    protocol: Literal["3.1.1", "5"] = Field("5", description="MQTT version. Default 5.")
    username: str | None = None
    password: SecretStr | None = None
    ca_file: str | None = Field(None, description="CA certificates, PEM. Default: the machine's own.")
    certificate_file: str | None = Field(None, description="Client certificate, PEM.")
    key_file: str | None = Field(None, description="Its private key, PEM.")
    keepalive_s: int = Field(15, ge=2, description="Seconds. Default 15.")
    receive_maximum: int = Field(
        1000, ge=1, le=65535, description="Unacknowledged messages at most: the back-pressure. Default 1000."
    )
    session_expiry_s: int = Field(
        7 * 86400, ge=0, description="How long the broker keeps the session, seconds. Default 7 days."
    )
    subscribe: list[MqttSubscription] = Field(min_length=1)

    @property
    def session(self) -> str:
        """The client id in use."""
        return self.client_id or f"amor-{self.name}"


class OpcUaNodes(Table):
    """Nodes of one piece of equipment, each a tag."""

    equipment: str = Field(description="Equipment path.")
    node: str = Field(
        description="Node id with its namespace URI, e.g. nsu=urn:acme:line2;s=cnc2.{tag}; {tag} is the tag's name."
    )
    tags: dict[str, str] = Field(min_length=1, description="Tag name -> UCUM unit, empty where there is none.")

    @field_validator("equipment")
    @classmethod
    def _path_parses(cls, path: str) -> str:
        EquipmentPath.parse(path)
        return path


class OpcUaSettings(SourceTable):
    """An OPC UA server. Notifications are acknowledged after their readings are committed."""

    type: Literal["opcua"]
    url: str = Field(pattern=r"^opc\.tcp://", description="opc.tcp://host:port/path")
    username: str | None = None
    password: SecretStr | None = None
    publishing_interval_ms: int = Field(200, ge=10, description="Milliseconds. Default 200.")
    sampling_interval_ms: float = Field(0, ge=-1, description="Milliseconds; 0: as fast as the server can. Default 0.")
    queue_size: int = Field(1000, ge=1, description="Values a node that the server keeps over an outage. Default 1000.")
    outage_s: int = Field(
        300, ge=10, description="The outage to survive: lifetime of subscription and session, seconds. Default 300."
    )
    nodes: list[OpcUaNodes] = Field(min_length=1)


SourceSettings = Annotated[MqttSettings | OpcUaSettings, Field(discriminator="type")]


class IngestSettings(Table):
    """The buffer between a source and the database."""

    max_rows: int = Field(5000, ge=1, description="A batch closes at this many readings. Default 5000.")
    max_age_ms: int = Field(
        20, ge=1, description="... or when its first reading is this old, milliseconds. Default 20."
    )
    max_pending_rows: int = Field(50_000, ge=1, description="Readings held at most; then sources wait. Default 50 000.")
    max_new_tags: int = Field(10_000, ge=0, description="Tags registered on sight at most, in all. Default 10 000.")


class RulesSettings(Table):
    """The rule engine."""

    files: list[str] = Field(default_factory=list, description="Rule files, relative to this file.")
    lateness_ms: int = Field(
        2000, ge=0, description="How late a reading may be before timers fire without it. Default 2000 ms."
    )


class ProductionSettings(Table):
    """Which tags tell of states, pieces and orders. The same names on every work unit."""

    state: str = Field("state", description="Tag with the machine's state, text.")
    reason: str = Field("state.reason", description="Tag with the reason of the state, text.")
    order: str = Field("order.number", description="Tag with the number of the order in hand, text.")
    good: str = Field("parts.good", description="Counter of good pieces.")
    scrap: str = Field("parts.scrap", description="Counter of scrap.")
    scrap_reason: str = Field("scrap.reason", description="Tag with the reason of the newest scrap, text.")
    modulus: int | None = Field(
        None, ge=2, description="The counters begin again at 0 after modulus - 1. Default: never."
    )
    max_delta: int = Field(
        1000, ge=1, description="A step that is larger is not believed and counts as a reset. Default 1000 pieces."
    )
    states: dict[str, MachineState] = Field(default_factory=dict, description="What machines say -> canonical state.")


class Shift(Table):
    """A shift of each working day, in the plant's time zone."""

    name: str
    start: time
    end: time = Field(description="At or before start: on the next day.")
    days: list[Weekday] = Field(
        default_factory=lambda: list(WEEKDAYS), min_length=1, description="Days that it starts on. Default all."
    )
    planned_rate_per_h: float | None = Field(
        None, ge=0, description="Planned good pieces of the plant per hour. Default no plan."
    )


class Targets(Table):
    """What the control tower compares with."""

    oee: float = Field(0.85, gt=0, le=1)
    availability: float = Field(0.90, gt=0, le=1)
    effectiveness: float = Field(0.95, gt=0, le=1)
    quality_ratio: float = Field(0.99, gt=0, le=1)
    scrap_ratio: float = Field(0.02, ge=0, le=1)
    wip_pieces: int = Field(50, ge=0)
    lead_time_h: float = Field(120, gt=0, description="Order to ship, hours.")


class OdooSettings(Table):
    """Odoo 19 by its external JSON-2 API."""

    type: Literal["odoo19"]
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$", description="Name of the connector, unique.")
    url: str = Field(pattern=r"^https?://")
    database: str
    api_key: SecretStr
    timeout_s: float = Field(10, gt=0, description="Seconds to wait for an answer. Default 10.")
    poll_s: float = Field(5, gt=0, description="Seconds between reads of orders and shipments. Default 5.")
    max_in_flight: int = Field(4, ge=1, description="Streams posted at the same time. Default 4.")
    product_uom: str = Field("Units", description="The ERP's name of a piece.")


ConnectorSettings = OdooSettings  # a union with discriminator `type` once there is a second


class DashboardSettings(Table):
    """The control tower's web server."""

    host: str = Field("127.0.0.1", description="Address to listen on. Default: this machine only.")
    port: int = Field(8050, ge=0, le=65535)
    session_h: float = Field(12, gt=0, description="A login lasts this many hours. Default 12.")
    secure_cookie: bool = Field(False, description="Send the cookie over HTTPS only; set it behind TLS. Default false.")
    allowed_origins: list[str] = Field(
        default_factory=list, description="Origins besides its own that may open the feed."
    )


class Settings(Table):
    """The whole file."""

    plant: Plant
    database: DatabaseSettings
    equipment: list[Equipment] = Field(default_factory=list)
    tag: list[Tag] = Field(default_factory=list)
    source: list[SourceSettings] = Field(default_factory=list)
    ingest: IngestSettings = IngestSettings()
    rules: RulesSettings = RulesSettings()
    production: ProductionSettings = ProductionSettings()
    shift: list[Shift] = Field(default_factory=list)
    targets: Targets = Targets()
    connector: list[ConnectorSettings] = Field(default_factory=list)
    dashboard: DashboardSettings = DashboardSettings()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        named: dict[str, list[str]] = {
            "source name": [source.name for source in self.source],
            "lane": [str(source.lane) for source in self.source],
            "connector name": [connector.name for connector in self.connector],
            "equipment path": [equipment.path for equipment in self.equipment],
        }
        for what, values in named.items():
            if twice := {value for value in values if values.count(value) > 1}:
                raise ValueError(f"{what} {min(twice)} is given twice")
        return self
