"""Mappings that are ready: one file and one line for each kind of device."""

from collections.abc import Mapping
from typing import Final

from bridge.codecs.presets.esphome import ESPHOME
from bridge.codecs.presets.preset import Preset
from bridge.codecs.presets.shelly import SHELLY
from bridge.codecs.presets.tasmota import TASMOTA
from bridge.codecs.presets.uns import UNS
from bridge.codecs.presets.zigbee2mqtt import ZIGBEE2MQTT

PRESETS: Final[Mapping[str, Preset]] = {
    "esphome": ESPHOME,
    "shelly": SHELLY,
    "tasmota": TASMOTA,
    "uns": UNS,
    "zigbee2mqtt": ZIGBEE2MQTT,
}

__all__ = ["PRESETS", "Preset"]
