"""The plant: its name and zone, its equipment and tags, its shifts and targets."""

from __future__ import annotations

from datetime import time
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from bridge.config.settings.table import Table, ZoneName
from bridge.config.units import check_unit
from bridge.model.calendar import WEEKDAYS, Weekday
from bridge.model.equipment import EquipmentPath, TagKind


class Plant(Table):
    """The plant that this system serves."""

    name: str = Field(description="What the control tower's header says.")
    time_zone: ZoneName = Field("UTC", description="IANA name of the zone of shifts and posting dates. Default UTC.")

    @property
    def zone(self) -> ZoneInfo:
        """The zone itself."""
        return ZoneInfo(self.time_zone)


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

    @field_validator("unit")
    @classmethod
    def _unit_exists(cls, code: str) -> str:
        if code:
            check_unit(code)
        return code


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
