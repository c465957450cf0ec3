"""A proposal from what was heard: topics that are alike become a template, and each template a subscription in TOML.

A kind of device that has a preset is proposed as that; everything else by depth, first level and shape of the payload. The
levels that differ become {names}: the last one {tag} where the payload names no tag, those before {machine}, {line}, ...
"""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from typing import Any, Final
from urllib.parse import urlsplit

from bridge.cli.mapping_listen import Samples
from bridge.cli.mapping_shape import Shape, sample_text, shape_of
from bridge.codecs import CODECS
from bridge.config.settings import PRESET_TOPICS, MqttSubscription
from bridge.errors import PayloadError
from bridge.sources.mqtt_topics import Topics

_PRESETS: Final = (
    ("uns", "", re.compile(r"umh/v1/.+/_[^/]+(/.*)?")),
    ("tasmota", "", re.compile(r"tele/[^/]+/(SENSOR|STATE|LWT|INFO\d|HASS_STATE|UPTIME)")),
    ("shelly", "", re.compile(r"shellies/.+/.+")),
    ("shelly", "{device}/events/rpc", re.compile(r"[^/]+/events/rpc")),
    ("shelly", "{device}/status/{tag}", re.compile(r"[^/]+/status/[a-z0-9]+(:\d+)?")),
    ("zigbee2mqtt", "", re.compile(r"zigbee2mqtt/[^/]+")),
    (
        "esphome",
        "",
        re.compile(r"[^/]+/(sensor|binary_sensor|switch|light|number|text_sensor|climate|fan|cover)/[^/]+/state"),
    ),
)
_NAMES: Final = ("machine", "line", "area", "site", "enterprise")
_LEVELS: Final = 5  # of an equipment path
_SHOWN: Final = 3  # samples of a template


def proposal(url: str, samples: Samples) -> str:
    """The TOML of a source that takes what was heard; `amor check` accepts it in a configuration."""
    groups: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    shapes: dict[str, Shape | None] = {}
    for topic, payloads in sorted(samples.items()):
        found = [shape for payload in payloads if (shape := shape_of(payload))]
        shapes[topic] = found[0] if found else None
        groups[_group(topic, shapes[topic])].append(topic)
    tables, unread = [], []
    for key, topics in groups.items():
        if key[0] == "unread":
            unread += topics
        else:
            table = _preset(key) if key[0] == "preset" else _table(topics, shapes[topics[0]])
            tables.append(_toml(table, topics, samples))
    return "\n".join([_head(url) if tables else "# Nothing to subscribe to.\n", *tables, _unread(unread, samples)])


def _group(topic: str, shape: Shape | None) -> tuple[Any, ...]:
    for name, template, pattern in _PRESETS:
        if pattern.fullmatch(topic):
            return ("preset", name, template)
    if shape is None:
        return ("unread",)
    levels = topic.split("/")
    return ("shape", len(levels), levels[0], shape.kind)


def _preset(key: tuple[Any, ...]) -> dict[str, Any]:
    _, name, template = key
    table: dict[str, Any] = {"preset": name}
    if template:
        table["topic"] = template
    if name != "uns":
        kind = "{device}" if "{device}" in (template or PRESET_TOPICS[name]) else "plant"
        table["equipment"] = f"plant/{name}/{kind}"
    return table


def _table(topics: list[str], shape: Shape | None) -> dict[str, Any]:
    """The subscription of topics that are alike."""
    assert shape is not None
    columns = list(zip(*(topic.split("/") for topic in topics), strict=True))
    differs = [len(set(column)) > 1 for column in columns]
    takes_tag = not shape.names_tag
    last = len(columns) - 1
    names = iter(_NAMES)
    any_name = False
    template, path = [], []
    for place in range(last, -1, -1):
        level = columns[place][0]
        if place == last and takes_tag:
            template.append("{tag}")
            continue
        name = next(names, None) if differs[place] else None
        any_name = any_name or name is not None
        if name or differs[place] or not _is_literal(level):
            template.append(f"{{{name}}}" if name else "+")
        else:
            template.append(level)
        # What follows the last {name} says what the message is, not which machine.
        if name or (not differs[place] and (any_name or not any(differs[: place + 1])) and _is_equipment(level)):
            path.append(f"{{{name}}}" if name else level)
    path.reverse()
    path = [*path[:1], *path[-(_LEVELS - 1) :]] if len(path) > _LEVELS else path
    return {"topic": "/".join(template[::-1]), "equipment": "/".join(path) or "plant", **shape.settings}


def _is_literal(level: str) -> bool:
    return not set(level) & set("{}+#")


def _is_equipment(level: str) -> bool:
    return bool(level) and level == level.strip() and _is_literal(level) and level.isprintable()


def _toml(table: dict[str, Any], topics: list[str], samples: Samples) -> str:
    lines = [f"# {len(topics)} topic{'s' if len(topics) != 1 else ''}, e.g."]
    for topic in topics[:_SHOWN]:
        for payload in samples[topic][:1]:
            lines.append(f"#   {sample_text(topic.encode())}  {sample_text(payload)}")
            lines.append(f"#     -> {_becomes(table, topic, payload)}")
    lines.append("[[source.subscribe]]")
    lines += [f"{name} = {_value(value)}" for name, value in table.items()]
    return "\n".join(lines) + "\n"


def _becomes(table: dict[str, Any], topic: str, payload: bytes) -> str:
    """What the proposal makes of a sample, in one line."""
    try:
        place = Topics([MqttSubscription.model_validate(table)]).place(topic)
    except PayloadError as error:
        return f"dead letter: {error}"
    decoded = CODECS["json"](payload, place, time.time_ns() // 1_000)
    told = [
        f"{r.tag.name} = {r.value if r.text is None else r.text!r}{f' {r.unit}' if r.unit else ''}"
        for r in decoded.readings[:_SHOWN]
    ]
    if len(decoded.readings) > _SHOWN:
        told.append(f"and {len(decoded.readings) - _SHOWN} more")
    told += [f"dead letter: {failure.reason}" for failure in decoded.failures[:1]]
    if decoded.readings and not decoded.is_timed:
        told.append("(time of arrival)")
    return sample_text(f"{place.equipment}: {', '.join(told) or 'nothing to store'}".encode()[:300])


def _head(url: str) -> str:
    address = urlsplit(url)
    host = f"{address.scheme}://{address.hostname}" + (f":{address.port}" if address.port else "")
    lines = [
        "# Proposed by amor listen. Equipment paths are guesses: write where the machines stand in your plant.",
        "[[source]]",
        'name = "listened"',
        'type = "mqtt"',
        "lane = 1                      # one source a lane",
        f"url = {_value(host)}",
    ]
    if address.username:
        lines += [f"username = {_value(address.username)}", 'password = { env = "AMOR_MQTT_PASSWORD" }']
    return "\n".join(lines) + "\n"


def _unread(topics: list[str], samples: Samples) -> str:
    if not topics:
        return ""
    lines = ["# No format reads these; they are not subscribed to:"]
    for topic in topics[:20]:
        lines += [f"#   {sample_text(topic.encode())}  {sample_text(payload)}" for payload in samples[topic][:1]]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    """A value in TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
