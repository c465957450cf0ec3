"""United Manufacturing Hub's namespace: umh/v1/<enterprise>/<site>/.../_historian/<groups>/<tag> (docs.umh.app).

The levels up to the contract are the equipment, those after it the groups of the tag. A payload is {"timestamp_ms": T, key: value}
with one key or many; a key that repeats the topic's last level, or is `value`, names the topic's own tag.
"""

from __future__ import annotations

from typing import Any, Final

from bridge.codecs.decoded import Place
from bridge.codecs.presets.preset import Located, Preset
from bridge.config.settings import MqttFields
from bridge.errors import PayloadError

_FIRST: Final = 2  # umh, v1
_MOST_NAMES: Final = 5


def _locate(topic: str) -> Located:
    levels = topic.split("/")
    contract = next((n for n, level in enumerate(levels) if n > _FIRST and level.startswith("_")), None)
    if levels[:_FIRST] != ["umh", "v1"] or contract is None:
        raise PayloadError("topic: not umh/v1/<enterprise>/.../_<contract>/...")
    names = levels[_FIRST:contract]
    if len(names) > _MOST_NAMES:  # a cell's own parts, which ISA-95 has no level for
        names = [*names[: _MOST_NAMES - 1], ".".join(names[_MOST_NAMES - 1 :])]
    return Located("/".join(names), ".".join(levels[contract + 1 :]) or None)


def _reshape(content: Any, place: Place) -> Any:
    if not isinstance(content, dict) or place.tag is None:
        return content
    last = place.tag.rpartition(".")[2]
    own = next((key for key in ("value", last) if key in content), None)
    if own is None or isinstance(content[own], dict):
        return content
    readings = [{"timestamp_ms": content.get("timestamp_ms"), "value": content[own]}]
    others = {key: value for key, value in content.items() if key != own}
    return [*readings, others] if len(others) > 1 else readings


UNS: Final = Preset(
    reshape=_reshape,
    fields=MqttFields(time="timestamp_ms"),
    time_format="ms",
    locate=_locate,
)
