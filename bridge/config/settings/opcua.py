"""An OPC UA server as a source."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, field_validator

from bridge.config.settings.source import SourceTable
from bridge.config.settings.table import Table
from bridge.model.equipment import EquipmentPath


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
