"""The quick way of JSON: messages of the common forms, read without a call for each of their parts.

    {"ts": 1790000000000, "value": 41.2}                             one reading
    {"ts": 1790000000000, "spindle.temp": 41.2, "spindle.rpm": 8000}  many
    [{"tag": "spindle.temp", "ts": 1790000000000, "value": 41.2}, ...]

with values that are numbers and source times that are numbers of milliseconds or ISO 8601. Everything else is left to
`json_readings`, which says what is wrong with it; what is read here is read there to the same readings. A message of many is
read into columns.
"""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
import orjson

from bridge.codecs.decoded import Place
from bridge.codecs.json_readings import MAX_EXACT_INTEGER, MAX_TAG_NAME, MAX_UNIT
from bridge.codecs.source_time import EARLIEST_US, LATEST_AHEAD_US, parse_time
from bridge.errors import PayloadError
from bridge.model.numbers import Integers, NumbersInHand
from bridge.model.quality import GOOD
from bridge.model.reading import Reading, TagKey

# Whole numbers from here on are milliseconds, microseconds, nanoseconds, as source_time tells them apart.
_LEAST_MS: Final = 10**11
_LEAST_US: Final = 10**14
_LEAST_NS: Final = 10**17
_SURELY_US: Final = max(_LEAST_US, EARLIEST_US)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_KEPT: Final = 5_000  # names remembered; more only cost time
_SHAPES: Final = 100  # of one topic
_BELOW: Final = float(MAX_EXACT_INTEGER)
_NUMBERS: Final = frozenset({float, int})
_new: Final = tuple.__new__  # a Reading without the call of its own constructor, which costs as much as all the rest


class QuickJson:
    """The quick way of the messages of one topic."""

    __slots__ = (
        "_equipment",
        "_is_mapped",
        "_names",
        "_quality",
        "_shapes",
        "_tag",
        "_tag_field",
        "_tags",
        "_time",
        "_unit",
        "_value",
    )

    def __init__(self, place: Place) -> None:
        fields = place.fields
        self._equipment = place.equipment
        self._is_mapped = place.codec is not None
        self._time, self._value, self._tag_field = fields.time, fields.value, fields.tag
        self._quality, self._unit = fields.quality, fields.unit
        self._tag = place.tag
        self._names = frozenset({fields.time, fields.value, fields.quality})
        self._tags: dict[str, TagKey] = {}
        self._shapes: dict[
            tuple[str, ...], Integers
        ] = {}  # the members of a message of many -> the numbers of their tags

    def read(self, payload: bytes, arrived_us: int, readings: list[Reading], numbers: NumbersInHand) -> bool:
        """Append the message's readings to either; false, and nothing appended, where the careful way must read it."""
        try:
            content = None if self._is_mapped else orjson.loads(payload)
        except orjson.JSONDecodeError:
            return False
        if type(content) is dict and self._value not in content:
            return self._many(content, arrived_us, numbers)
        if type(content) is dict:
            one = self._one(content, self._tag, arrived_us)
            found = None if one is None else [one]
        else:
            found = self._array(content, arrived_us) if type(content) is list else None
        readings += found or ()
        return bool(found)

    def _one(self, content: dict[str, Any], name: str | None, arrived_us: int) -> Reading | None:
        value = content[self._value]
        if type(value) is not float or not -_BELOW < value < _BELOW:
            value = _number(value)
        time_us = content.get(self._time)
        if type(time_us) is not int or not _SURELY_US <= time_us <= arrived_us:
            time_us = _time(time_us, arrived_us)
        if value is None or time_us is None or content.get(self._quality, "good") != "good":
            return None
        unit = content.get(self._unit, "")
        if name is None:
            name = content.get(self._tag_field)
        if type(unit) is not str or not unit.isprintable() or len(unit) > MAX_UNIT or type(name) is not str:
            return None
        tag = self._tags.get(name) or self._tag_of(name)
        return None if tag is None else _new(Reading, (tag, time_us, 0, value, None, GOOD, unit))

    def _many(self, content: dict[str, Any], arrived_us: int, numbers: NumbersInHand) -> bool:
        time_us = _time(content.pop(self._time, None), arrived_us)
        if time_us is None or self._quality in content or self._tag is not None:
            return False
        written = content.values()
        if not written or not _NUMBERS.issuperset(map(type, written)):
            return False
        try:
            values = np.fromiter(written, np.float64, len(written))
        except OverflowError:
            return False
        which = self._shapes.get(tuple(content))
        if which is None:
            which = self._shape(content, numbers)
        if which is None or not np.abs(values).max() < _BELOW:
            return False
        numbers.add(which, np.full(len(which), time_us), values)
        return True

    def _shape(self, content: dict[str, Any], numbers: NumbersInHand) -> Integers | None:
        """The numbers of the tags that the members name; None where one of the names is none."""
        tags = [self._tags.get(name) or self._tag_of(name) for name in content]
        if not all(tags):
            return None
        if len(self._shapes) >= _SHAPES:
            self._shapes.clear()
        which = self._shapes[tuple(content)] = np.array([numbers.tags.number_of(tag) for tag in tags if tag])
        return which

    def _array(self, content: list[Any], arrived_us: int) -> list[Reading] | None:
        readings = []
        for element in content:
            if type(element) is not dict or self._value not in element:
                return None
            reading = self._one(element, self._tag, arrived_us)
            if reading is None:
                return None
            readings.append(reading)
        # Two of one tag and time are told apart by their ordinals, which the careful way counts.
        return readings if len({reading[:2] for reading in readings}) == len(readings) else None

    def _tag_of(self, name: str) -> TagKey | None:
        """The tag of a name that is seen for the first time and is sound."""
        if not is_tag_name(name):
            return None
        if len(self._tags) >= _KEPT:
            self._tags.clear()
        tag = self._tags[name] = TagKey(self._equipment, name)
        return tag


def is_tag_name(name: str) -> bool:
    """Whether a name that is UTF-8 may be a tag's."""
    return 0 < len(name) <= MAX_TAG_NAME and not _CONTROL.search(name)


def _number(written: Any) -> float | None:
    """A number that a double holds exactly as it is written."""
    kind = type(written)
    if kind is float:
        # orjson reads whole numbers past 64 bits as doubles: whatever is that large is looked at again.
        return written if -_BELOW < written < _BELOW else None
    if kind is int and -MAX_EXACT_INTEGER <= written <= MAX_EXACT_INTEGER:
        return float(written)
    return None


def _time(written: Any, arrived_us: int) -> int | None:
    if type(written) is int:
        if not _LEAST_MS <= written < _LEAST_NS:
            return None
        time_us = written if written >= _LEAST_US else written * 1000
    elif type(written) is str:
        try:
            time_us = parse_time(written)
        except PayloadError:
            return None
    else:
        return None
    return time_us if EARLIEST_US <= time_us <= arrived_us + LATEST_AHEAD_US else None
