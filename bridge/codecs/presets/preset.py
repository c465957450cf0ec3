"""What a preset is: how the payloads of a kind of device become the forms that are understood as they are. Its topic is with the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from bridge.codecs.decoded import Place
from bridge.codecs.formats import Parser, parse_json_or_raw
from bridge.config.settings import MqttFields


class _Nothing:
    """A message that holds no reading and is no mistake, e.g. the echo of a command."""


NOTHING: Final = _Nothing()

Reshape = Callable[[Any, Place], Any]
"""(content, place) -> content with units, or NOTHING. Raises PayloadError."""


class Located(NamedTuple):
    """What a topic says by itself."""

    equipment: str
    tag: str | None


_FIELDS: Final = MqttFields()


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of device. `locate` finds equipment and tag where the topic's depth varies; it raises PayloadError."""

    reshape: Reshape
    fields: MqttFields = _FIELDS
    ignore: tuple[str, ...] = ()
    parse: Parser = parse_json_or_raw
    time_format: str = "auto"
    locate: Callable[[str], Located] | None = None
    rename: Callable[[str], str] = str


def with_unit(value: Any, unit: str) -> Any:
    """A number as an object of one reading with its unit; everything else as it is."""
    if unit and type(value) in (int, float):
        return {"value": value, "unit": unit}
    return value


def with_units(content: Any, units: Mapping[str, str]) -> Any:
    """Numbers by the name of their own field, at any depth, with their units; arrays become objects of their places."""
    if isinstance(content, list):
        content = {str(place): value for place, value in enumerate(content)}
    if not isinstance(content, dict):
        return content
    tree = {}
    for name, value in content.items():
        if isinstance(value, list):
            tree[name] = {str(place): with_unit(inner, units.get(name, "")) for place, inner in enumerate(value)}
        elif isinstance(value, dict):
            tree[name] = with_units(value, units)
        else:
            tree[name] = with_unit(value, units.get(name, ""))
    return tree
