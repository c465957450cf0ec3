"""From a message to readings: which topics, what the payload is, where in it value, time and unit stand (docs/mapping.md)."""

from __future__ import annotations

import re
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from bridge.config.field_path import is_name, parse_path
from bridge.config.settings.source import ClockSettings
from bridge.config.settings.table import Table, ZoneName
from bridge.config.units import UnitError, conversion, parse_unit

PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
REST: Final = "{tag#}"  # all levels that follow, joined with dots: the tag's name

PRESET_TOPICS: Final = {
    "esphome": "{device}/+/{tag}/state",
    "shelly": "shellies/{device}/{tag#}",
    "tasmota": "tele/{device}/+",
    "uns": "umh/v1/#",
    "zigbee2mqtt": "zigbee2mqtt/{device}",
}

Format = Literal["json", "msgpack", "cbor", "csv", "raw"]
TimeFormat = Literal["auto", "iso8601", "s", "ms", "us", "ns", "none"]


class MqttFields(Table):
    """Where in an object its parts stand: a name, or a path such as `data.value` or `samples[0].t`.

    What else an object carries is a reading under its own name.
    """

    time: str = Field("ts", description="Source time, written as time_format says. Default ts.")
    value: str = Field("value", description="An object with this field is one reading; without it, one of many.")
    tag: str = Field("tag", description="The tag's name in an object of one reading, where the topic has no {tag}.")
    unit: str = Field("unit", description="UCUM code, in an object of one reading.")
    quality: str = Field("quality", description="good, uncertain, bad or an OPC UA status code. Absent means good.")

    @field_validator("*")
    @classmethod
    def _path_parses(cls, path: str) -> str:
        parse_path(path)
        return path


class Adjustment(Table):
    """What is done to the numbers of some tags: value * scale + offset, then from `unit` to `to_unit`."""

    match: str = Field(min_length=1, description="Tag name; * and ? match as in file names.")
    scale: float = Field(1.0, allow_inf_nan=False, description="Default 1.")
    offset: float = Field(0.0, allow_inf_nan=False, description="Added after scaling. Default 0.")
    unit: str = Field("", description="UCUM code of the scaled number, where the message names no unit.")
    to_unit: str = Field("", description="UCUM code to convert to and to store. Default: no conversion.")

    @field_validator("unit", "to_unit")
    @classmethod
    def _unit_exists(cls, code: str) -> str:
        if code:
            parse_unit(code)
        return code

    @model_validator(mode="after")
    def _units_agree(self) -> Self:
        if self.scale == 0:
            raise ValueError("scale = 0 would make every value the same; to drop a tag write it under ignore")
        if self.unit and self.to_unit:
            try:
                conversion(self.unit, self.to_unit)
            except UnitError as error:
                raise ValueError(str(error)) from None
        return self


class MqttSubscription(Table):
    """Topics of one shape, the equipment that they speak of, and how their payloads are read."""

    topic: str = Field(
        "",
        description="A topic with {names} for its variable levels; {tag} is the tag's name, {tag#} at the end all levels"
        " that follow. A preset has one of its own.",
    )
    equipment: str = Field(
        "", description="Equipment path; {names} stand for what the topic had there. The preset uns needs none."
    )
    preset: str | None = Field(None, description="uns, tasmota, shelly, zigbee2mqtt or esphome. Default none.")
    format: Format = Field("json", description="json, msgpack, cbor, csv or raw (a number or text). Default json.")
    fields: MqttFields = MqttFields()
    records: str = Field(
        "", description="Path of the array or object that holds the readings. Default: the whole payload."
    )
    columns: list[str] = Field(
        default_factory=list,
        description="Names of an array's elements or a CSV line's cells, in order; \"\" is not read. Default none.",
    )
    separator: str = Field(",", min_length=1, max_length=1, description="Between the cells of CSV. Default a comma.")
    decimal: Literal[".", ","] = Field(".", description="Decimal mark of CSV and raw numbers. Default a point.")
    values: dict[str, str] = Field(
        default_factory=dict, description="Tag name -> path of its value; then nothing else is read. Default: all."
    )
    ignore: list[str] = Field(
        default_factory=list, description="Tag names that are dropped; * and ? match as in file names. Default none."
    )
    time_format: TimeFormat = Field(
        "auto",
        description="auto: ISO 8601, or a number of s, ms, us or ns since 1970 told apart by size. iso8601, s, ms, us or ns:"
        " only that. none: the message's time is not used. Default auto.",
    )
    time_zone: ZoneName = Field("UTC", description="IANA name of the zone of ISO times without an offset. Default UTC.")
    adjust: list[Adjustment] = Field(default_factory=list, description="The first that matches a tag holds.")
    clock: ClockSettings | None = Field(None, description="Default: the source's.")

    @property
    def topic_filter(self) -> str:
        """The filter to subscribe to: each {name} is a level of its own."""
        return PLACEHOLDER.sub("+", self.topic.replace(REST, "#"))

    @property
    def is_plain(self) -> bool:
        """Whether the JSON forms that need no mapping are all that is asked for."""
        has_paths = not all(is_name(path) for path in self.fields.model_dump().values())
        is_trusted = self.clock is None or self.clock.policy == "trust"
        return is_trusted and not has_paths and not self._changed(_MAPPING)

    def _changed(self, names: frozenset[str]) -> list[str]:
        """Those of the settings that say anything but their default."""
        fields = type(self).model_fields
        return sorted(n for n in names if getattr(self, n) != fields[n].get_default(call_default_factory=True))

    @field_validator("preset")
    @classmethod
    def _preset_exists(cls, name: str | None) -> str | None:
        if name is not None and name not in PRESET_TOPICS:
            raise ValueError(f"there is no preset {name!r}; there are {', '.join(PRESET_TOPICS)}")
        return name

    @field_validator("topic")
    @classmethod
    def _topic_is_a_filter(cls, topic: str) -> str:
        levels = topic.split("/")
        for level in levels:
            if level != REST and "{" in level and not PLACEHOLDER.fullmatch(level):
                raise ValueError(f"a {{name}} must be a whole level of the topic, not part of {level!r}")
            if level not in ("+", "#", REST) and ("+" in level or "#" in level):
                raise ValueError(f"+ and # stand alone in their level, not within {level!r}")
        if {"#", REST} & set(levels[:-1]):
            raise ValueError("# and {tag#} match all levels that follow, so they come last")
        return topic

    @field_validator("records")
    @classmethod
    def _path_parses(cls, path: str) -> str:
        if path:
            parse_path(path)
        return path

    @field_validator("values")
    @classmethod
    def _paths_parse(cls, values: dict[str, str]) -> dict[str, str]:
        for tag, path in values.items():
            if not tag:
                raise ValueError("a tag's name is empty")
            parse_path(path)
        return values

    @field_validator("columns")
    @classmethod
    def _columns_differ(cls, columns: list[str]) -> list[str]:
        named = [name for name in columns if name]
        if twice := {name for name in named if named.count(name) > 1}:
            raise ValueError(f"column {min(twice)} is given twice")
        return columns

    @model_validator(mode="before")
    @classmethod
    def _preset_has_a_topic(cls, table: object) -> object:
        """Fill in the preset's topic where none is given."""
        if isinstance(table, dict) and not table.get("topic") and table.get("preset") in (known := PRESET_TOPICS):
            return {**table, "topic": known[table["preset"]]}
        return table

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if not self.topic:
            raise ValueError("topic is missing: write the topic's shape, or a preset")
        if not self.equipment and self.preset != "uns":
            raise ValueError("equipment is missing: write the path of the equipment that the topic speaks of")
        named = set(PLACEHOLDER.findall(self.topic)) | ({"tag"} if REST in self.topic else set())
        if missing := set(PLACEHOLDER.findall(self.equipment)) - named:
            raise ValueError(f"equipment uses {{{min(missing)}}}, which the topic does not have")
        self._check_format("tag" in named)
        return self

    def _check_format(self, names_tag: bool) -> None:
        if self.preset and (taken := self._changed(_PRESET_KNOWS)):
            raise ValueError(f"the preset {self.preset} knows its payloads: take {', '.join(taken)} away")
        if self.format == "csv" and not self.columns:
            raise ValueError('csv needs the names of its columns, e.g. columns = ["ts", "temp", "rpm"]')
        if self.format == "csv" and self.separator == self.decimal:
            raise ValueError("separator and decimal are the same character")
        if self.format == "raw" and not names_tag and not self.preset:
            raise ValueError("a raw value has no name: the topic must have a {tag} or end with {tag#}")
        if self.values and self.columns:
            raise ValueError("values and columns both say what is read: take one away")


_MAPPING: Final = frozenset(
    {
        "preset",
        "format",
        "records",
        "columns",
        "values",
        "ignore",
        "time_format",
        "time_zone",
        "adjust",
    }
)
_PRESET_KNOWS: Final = frozenset({"format", "fields", "records", "columns", "separator", "decimal", "values"})
