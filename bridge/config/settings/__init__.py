"""What the configuration file may say. One class a table; a field's description says meaning, unit, special value, default.

Any value may be written as `{ env = "NAME" }`, `{ env = "NAME", default = ... }` or `{ file = "path" }` instead, so that
secrets and addresses need not stand in the file.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from bridge.config.settings.connectors import ConnectorSettings, OdooSettings, TrytonSettings
from bridge.config.settings.mapping import (
    PLACEHOLDER,
    PRESET_TOPICS,
    REST,
    Adjustment,
    Format,
    MqttFields,
    MqttSubscription,
)
from bridge.config.settings.mqtt import MqttSettings
from bridge.config.settings.notify import AppriseSettings, QuietHours, TagWriteSettings, WritableTag
from bridge.config.settings.opcua import OpcUaNodes, OpcUaSettings
from bridge.config.settings.operators import AlarmsSettings, Console, Escalation, SlaTarget, TicketsSettings
from bridge.config.settings.plant import Equipment, Plant, Shift, Tag, Targets
from bridge.config.settings.processes import (
    DashboardSettings,
    DatabaseSettings,
    IngestSettings,
    ProductionSettings,
    RulesSettings,
)
from bridge.config.settings.relay import RelaySettings, StockLevel
from bridge.config.settings.source import ClockSettings, SourceTable
from bridge.config.settings.table import Duration, Table

SourceSettings = Annotated[MqttSettings | OpcUaSettings, Field(discriminator="type")]


class Settings(Table):
    """The whole file."""

    plant: Plant = Field(description='[plant] with name = "..."')
    database: DatabaseSettings = Field(
        description='[database] with dsn = "postgresql://user:password@host/database"; `amor servers` runs one to try with.'
    )
    equipment: list[Equipment] = Field(default_factory=list)
    tag: list[Tag] = Field(default_factory=list)
    source: list[SourceSettings] = Field(default_factory=list)
    ingest: IngestSettings = IngestSettings()
    rules: RulesSettings = RulesSettings()
    production: ProductionSettings = ProductionSettings()
    shift: list[Shift] = Field(default_factory=list)
    targets: Targets = Targets()
    connector: list[ConnectorSettings] = Field(default_factory=list)
    relay: RelaySettings = RelaySettings()
    dashboard: DashboardSettings = DashboardSettings()
    alarms: AlarmsSettings = AlarmsSettings()
    tickets: TicketsSettings = TicketsSettings()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        named: dict[str, list[str]] = {
            "source name": [source.name for source in self.source],
            "lane": [str(lane) for lane in (self.ingest.replay_lane, *(source.lane for source in self.source))],
            "client id": [f"{source.url} {source.session}" for source in self.source if source.type == "mqtt"],
            "connector name": [connector.name for connector in self.connector],
            "equipment path": [equipment.path for equipment in self.equipment],
        }
        for what, values in named.items():
            if twice := {value for value in values if values.count(value) > 1}:
                raise ValueError(f"{what} {min(twice)} is given twice")
        return self

    @model_validator(mode="after")
    def _machines_that_tell_serials_are_known(self) -> Self:
        known = {equipment.path for equipment in self.equipment}
        if unknown := sorted(set(self.production.serial_told_of) - known):
            raise ValueError(f"production.serial_told_of names {unknown[0]}, which no [[equipment]] has as its path")
        return self


__all__ = [
    "PLACEHOLDER",
    "PRESET_TOPICS",
    "REST",
    "Adjustment",
    "AlarmsSettings",
    "AppriseSettings",
    "ClockSettings",
    "ConnectorSettings",
    "Console",
    "DashboardSettings",
    "DatabaseSettings",
    "Duration",
    "Equipment",
    "Escalation",
    "Format",
    "IngestSettings",
    "MqttFields",
    "MqttSettings",
    "MqttSubscription",
    "OdooSettings",
    "OpcUaNodes",
    "OpcUaSettings",
    "Plant",
    "ProductionSettings",
    "QuietHours",
    "RelaySettings",
    "RulesSettings",
    "Settings",
    "Shift",
    "SlaTarget",
    "SourceSettings",
    "SourceTable",
    "StockLevel",
    "Table",
    "Tag",
    "TagWriteSettings",
    "Targets",
    "TicketsSettings",
    "TrytonSettings",
    "WritableTag",
]
