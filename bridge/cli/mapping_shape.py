"""What a payload looks like: its format, and where its time, value, tag and unit seem to be."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.codecs.formats import parser_of
from bridge.codecs.source_time import check_time, parse_time
from bridge.config.settings import Format, MqttSubscription
from bridge.errors import PayloadError

_TIMES: Final = ("ts", "timestamp", "time", "t", "timestamp_ms", "datetime", "Time", "Timestamp", "last_seen", "date")
_VALUES: Final = ("value", "v", "val", "Value")
_TAGS: Final = ("tag", "name", "n", "id", "sensor", "metric")
_UNITS: Final = ("unit", "u", "uom", "units", "Unit")
_QUALITIES: Final = ("quality", "q", "Quality")
_SEPARATORS: Final = (";", ",", "\t", "|")
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+")
_MOST_KEYS: Final = 40  # more are data, not the shape


@dataclass(frozen=True, slots=True)
class Shape:
    """The settings that a payload asks for; `kind` groups payloads that are alike."""

    kind: str
    settings: dict[str, Any] = field(default_factory=dict)
    names_tag: bool = False  # its readings have names of their own


def shape_of(payload: bytes) -> Shape | None:
    """The shape of a payload; None where no format reads it."""
    for form, content in _readings_of(payload):
        settings: dict[str, Any] = {} if form == "json" else {"format": form}
        if isinstance(content, dict):
            return _object(content, settings, form)
        if isinstance(content, list) and content:
            return _array(content, settings, form)
        if isinstance(content, int | float):
            break  # raw, as the words that come between the numbers
        if not isinstance(content, list):
            return Shape(f"{form} value", settings)
    return _csv(payload) or _raw(payload)


def _readings_of(payload: bytes) -> Iterable[tuple[Format, Any]]:
    """The payload as each format reads it; a bare value of a binary format is chance, not a message."""
    forms: tuple[Format, ...] = ("json", "msgpack", "cbor")
    for form in forms:
        try:
            content = _parsed(payload, form)
        except PayloadError:
            continue
        if form == "json" or isinstance(content, dict) or (isinstance(content, list) and content):
            yield form, content


def _parsed(payload: bytes, form: Format, **changes: Any) -> Any:
    return parser_of(MqttSubscription(topic="{tag}", equipment="plant", format=form, **changes))(payload)


def _object(content: dict[str, Any], settings: dict[str, Any], form: str) -> Shape:
    lists = [
        name for name, value in content.items() if isinstance(value, list) and value and isinstance(value[0], dict)
    ]
    if len(lists) == 1:
        fields = _fields(content, time_only=True) | _fields(content[lists[0]][0])
        return Shape(f"{form} records {lists[0]}", _with(settings, fields) | {"records": lists[0]}, names_tag=True)
    fields = _fields(content)
    settings = _with(settings, fields)
    is_one = fields.get("value", "value") in content
    keys = ",".join(sorted(content)[:_MOST_KEYS])
    if is_one:
        return Shape(f"{form} one by {sorted(fields.items())}", settings, names_tag=fields.get("tag", "tag") in content)
    return Shape(f"{form} many {keys}", settings, names_tag=True)


def _array(content: list[Any], settings: dict[str, Any], form: str) -> Shape:
    first = content[0]
    if isinstance(first, dict):
        inner = _object(first, settings, form)
        return Shape(f"{form} array of {inner.kind}", inner.settings, inner.names_tag)
    row = first if isinstance(first, list) else content
    return Shape(f"{form} rows of {len(row)}", settings | {"columns": _columns(row)}, names_tag=True)


def _columns(row: list[Any]) -> list[str]:
    """Names for cells: the first that is a time is ts, the others are numbered."""
    place = next((n for n, cell in enumerate(row) if _is_time(cell)), None)
    return ["ts" if n == place else f"c{n + 1}" for n in range(len(row))]


def _csv(payload: bytes) -> Shape | None:
    for separator in _SEPARATORS:
        if separator.encode() not in payload:
            continue
        try:
            lines = _parsed(payload, "csv", separator=separator, columns=["c1"])
        except PayloadError:
            continue
        cells = lines[-1].cells
        if len(cells) > 1 and any(isinstance(cell, int | float) for cell in cells):
            settings: dict[str, Any] = {"format": "csv", "columns": _columns(cells)}
            if separator != ",":
                settings["separator"] = separator
                if any(isinstance(cell, str) and _DECIMAL_COMMA.fullmatch(cell) for cell in cells):
                    settings["decimal"] = ","
            return Shape(f"csv of {len(cells)}", settings, names_tag=True)
    return None


def _raw(payload: bytes) -> Shape | None:
    try:
        _parsed(payload, "raw")
    except PayloadError:
        return None
    return Shape("raw", {"format": "raw"})


def _fields(content: dict[str, Any], *, time_only: bool = False) -> dict[str, str]:
    """The names of the fields, where they are not those that are understood as they are."""
    found: dict[str, str] = {}
    when: str | None = next((name for name in _TIMES if name in content and _is_time(content[name])), None)
    if when is None:
        when = _nested_time(content)
    if when and when != "ts":
        found["time"] = when
    if time_only:
        return found
    parts = {"value": _VALUES, "tag": _TAGS, "unit": _UNITS, "quality": _QUALITIES}
    named = {part: next((name for name in names if name in content), None) for part, names in parts.items()}
    if named["value"] is None:
        return found
    return found | {part: name for part, name in named.items() if name is not None and name != part}


def _nested_time(content: dict[str, Any]) -> str | None:
    for outer, inner in content.items():
        if isinstance(inner, dict) and "." not in outer and "[" not in outer:
            for name in _TIMES:
                if name in inner and _is_time(inner[name]):
                    return f"{outer}.{name}"
    return None


def _is_time(written: Any) -> bool:
    try:
        check_time(parse_time(written), time.time_ns() // 1_000)
    except PayloadError:
        return False
    return True


def _with(settings: dict[str, Any], fields: dict[str, str]) -> dict[str, Any]:
    return settings | {"fields": fields} if fields else settings


def sample_text(payload: bytes) -> str:
    """A payload in one line for a comment."""
    text = payload[:120].decode("utf-8", "backslashreplace")
    return json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("\\\\", "\\").replace("\x7f", "") + (
        "..." if len(payload) > 120 else ""
    )
