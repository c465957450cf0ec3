"""Shelly: raw values of the first generation, JSON components and notifications of those after (shelly-api-docs.shelly.cloud).

shellies/<device>/relay/0/power                 raw; the tag is relay.0.power         (topic "shellies/{device}/{tag#}")
<device>/status/switch:0                        an object; tags switch.0.apower, ...  (topic "{device}/status/{tag}")
<device>/events/rpc                             NotifyStatus, NotifyFullStatus, NotifyEvent (topic "{device}/events/rpc")
"""

from __future__ import annotations

from typing import Any, Final

from bridge.codecs.decoded import Place
from bridge.codecs.presets.preset import NOTHING, Preset, with_unit, with_units
from bridge.errors import PayloadError

_FIRST_GENERATION: Final = {
    "power": "W",
    "energy": "W.min",
    "returned_energy": "W.min",
    "total": "W.h",
    "total_returned": "W.h",
    "voltage": "V",
    "current": "A",
    "temperature": "Cel",
    "temperature_f": "[degF]",
    "ext_temperature": "Cel",
    "ext_temperature_f": "[degF]",
    "humidity": "%",
    "ext_humidity": "%",
    "battery": "%",
    "lux": "lx",
}
_UNITS: Final = {
    "apower": "W",
    "act_power": "W",
    "aprt_power": "V.A",
    "voltage": "V",
    "current": "A",
    "freq": "Hz",
    "tC": "Cel",
    "tF": "[degF]",
    "rh": "%",
    "lux": "lx",
    "uptime": "s",
    "battery.percent": "%",
}
_NO_MEASUREMENT: Final = ("announce", "info", "command")  # what the device is; what it was told
_METHODS: Final = ("NotifyStatus", "NotifyFullStatus")


def _reshape(content: Any, place: Place) -> Any:
    if isinstance(content, dict) and "method" in content:
        return _notification(content)
    levels = (place.tag or "").split(".")
    if levels[-1] in _NO_MEASUREMENT:
        return NOTHING
    if isinstance(content, dict):
        return _component(content)
    name = levels[-2] if levels[-1].isdigit() and len(levels) > 1 else levels[-1]
    return with_unit(content, _FIRST_GENERATION.get(name, ""))


def _notification(content: dict[str, Any]) -> Any:
    parameters = content.get("params")
    if not isinstance(parameters, dict):
        raise PayloadError("a notification without params")
    if content["method"] == "NotifyEvent":
        events = parameters.get("events")
        return [_event(event) for event in events] if isinstance(events, list) else NOTHING
    if content["method"] not in _METHODS:
        return NOTHING
    tree = {_name(name): _component(value) for name, value in parameters.items() if name != "ts"}
    return {"ts": parameters.get("ts"), **tree} if tree else NOTHING


def _event(event: Any) -> Any:
    if not isinstance(event, dict) or "component" not in event:
        return event
    return {"tag": f"{_name(str(event['component']))}.event", "value": event.get("event"), "ts": event.get("ts")}


def _component(content: Any) -> Any:
    """A component's status with units; energies are counted in watt-hours, the last minutes' in milliwatt-hours."""
    tree = with_units(content, _UNITS)
    if isinstance(content, dict):
        for name, value in content.items():
            if name.endswith("aenergy") and isinstance(value, dict):
                tree[name] = {"total": with_unit(value.get("total"), "W.h")}
    return tree


def _name(component: str) -> str:
    return component.replace(":", ".")


SHELLY: Final = Preset(
    reshape=_reshape,
    ignore=(
        "*.id",
        "*.source",
        "*.tag",
        "*.tF",
        "*.minute_ts",
        "*_rst_ts",
        "sys.*",
        "wifi.s*",
        "cloud.*",
        "mqtt.*",
        "ws.*",
        "ble",
    ),
    rename=_name,
)
