"""ESPHome: <node>/<component>/<name>/state, a raw number or word; lights and climates as JSON (esphome.io, MQTT)."""

from __future__ import annotations

import math
from typing import Any, Final

from bridge.codecs.decoded import Place
from bridge.codecs.presets.preset import Preset, with_units


def _reshape(content: Any, _place: Place) -> Any:
    if isinstance(content, float) and math.isnan(content):
        return None  # how a sensor says that it has no value: a reading of bad quality
    return with_units(content, {})


ESPHOME: Final = Preset(reshape=_reshape)
