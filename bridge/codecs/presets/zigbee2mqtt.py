"""Zigbee2MQTT: zigbee2mqtt/<friendly name>, one JSON object a message (zigbee2mqtt.io, MQTT topics and messages)."""

from __future__ import annotations

from typing import Any, Final

from bridge.codecs.decoded import Place
from bridge.codecs.presets.preset import NOTHING, Preset, with_units
from bridge.config.settings import MqttFields

_UNITS: Final = {
    "temperature": "Cel",
    "device_temperature": "Cel",
    "local_temperature": "Cel",
    "humidity": "%",
    "pressure": "hPa",
    "battery": "%",
    "power": "W",
    "current": "A",
    "energy": "kW.h",
    "illuminance": "lx",
}


def _reshape(content: Any, place: Place) -> Any:
    if place.equipment.endswith("/bridge") or content is None:
        return NOTHING  # the gateway's own messages; a device that was removed
    # The state of an update and the device's own description are no measurements.
    return with_units(content, _UNITS)


ZIGBEE2MQTT: Final = Preset(
    reshape=_reshape,
    fields=MqttFields(time="last_seen"),
    ignore=("update", "update.*", "update_available", "device", "device.*"),
)
