"""Tasmota: tele/<device>/SENSOR and STATE as JSON with a local time, LWT and others as text (tasmota.github.io, MQTT)."""

from __future__ import annotations

from typing import Any, Final

from bridge.codecs.decoded import Place
from bridge.codecs.presets.preset import NOTHING, Preset, with_units
from bridge.config.settings import MqttFields

_UNITS: Final = {
    "Humidity": "%",
    "Illuminance": "lx",
    "Power": "W",
    "ApparentPower": "V.A",
    "Voltage": "V",
    "Current": "A",
    "Total": "kW.h",
    "Yesterday": "kW.h",
    "Today": "kW.h",
    "Frequency": "Hz",
    "UptimeSec": "s",
    "Vcc": "V",
}
_TEMPERATURES: Final = {"C": "Cel", "F": "[degF]"}
_PRESSURES: Final = {"hPa": "hPa", "mmHg": "mm[Hg]", "inHg": "[in_i'Hg]"}


def _reshape(content: Any, place: Place) -> Any:
    message = place.topic.rpartition("/")[2]
    if not isinstance(content, dict):
        return {message: content}
    if message.startswith("INFO"):
        return NOTHING  # what the device is, not what it measures
    temperature = _TEMPERATURES.get(str(content.get("TempUnit")), "")
    pressure = _PRESSURES.get(str(content.get("PressureUnit")), "")
    units = {
        **_UNITS,
        "Temperature": temperature,
        "DewPoint": temperature,
        "Pressure": pressure,
        "SeaPressure": pressure,
    }
    return with_units(
        {name: value for name, value in content.items() if name not in ("TempUnit", "PressureUnit")}, units
    )


TASMOTA: Final = Preset(
    reshape=_reshape,
    fields=MqttFields(time="Time"),
    ignore=("Uptime", "*.TotalStartTime", "Wifi.SSId", "Wifi.BSSId", "Wifi.APMac", "Berry.*"),
)
