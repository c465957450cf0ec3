"""What a mapping does to readings by their tag's name: drop, scale, convert. One multiplication and one addition each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase, translate
from typing import Any, Final, NamedTuple

from bridge.codecs.json_readings import MAX_EXACT_INTEGER
from bridge.config.settings import Adjustment
from bridge.config.units import UnitError, conversion
from bridge.errors import PayloadError

_KEPT: Final = 20_000  # names remembered; more only cost time


class _Step(NamedTuple):
    """value * factor + offset, then in `unit`; or the reason why not."""

    factor: float
    offset: float
    unit: str
    reason: str = ""


class Adjusting:
    """The patterns of one mapping, and what they said of the names that came so far."""

    def __init__(self, ignored: Sequence[str], adjustments: Sequence[Adjustment]) -> None:
        self._ignored = re.compile("|".join(map(translate, ignored))) if ignored else None
        self._adjustments = adjustments
        self._known: dict[tuple[str, str], _Step | None] = {}

    def ignores(self, name: str) -> bool:
        """Whether the tag is dropped."""
        return self._ignored is not None and self._ignored.match(name) is not None

    def adjusted(self, name: str, value: Any, unit: str) -> tuple[Any, str]:
        """The value and its unit as they are stored. Raises PayloadError where the unit cannot be converted."""
        if not self._adjustments:
            return value, unit
        key = (name, unit)
        if key not in self._known:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[key] = self._step(name, unit)
        step = self._known[key]
        if step is None:
            return value, unit
        if type(value) is int and not -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER:
            return value, unit  # refused further on, as it came
        if type(value) is not int and type(value) is not float:
            return value, step.unit
        if step.reason:
            raise PayloadError(step.reason)
        return value * step.factor + step.offset, step.unit

    def _step(self, name: str, unit: str) -> _Step | None:
        """The first adjustment that matches; a number in the wrong unit would be a wrong number, so it is refused."""
        setting = next((a for a in self._adjustments if fnmatchcase(name, a.match)), None)
        if setting is None:
            return None
        written = unit or setting.unit
        if not setting.to_unit:
            return _Step(setting.scale, setting.offset, written)
        if not written:
            return _Step(1, 0, setting.to_unit, f"no unit to convert to {setting.to_unit} from")
        try:
            factor, offset = conversion(written, setting.to_unit)
        except UnitError as error:
            return _Step(1, 0, setting.to_unit, f"unit: {error}")
        return _Step(setting.scale * factor, setting.offset * factor + offset, setting.to_unit)
