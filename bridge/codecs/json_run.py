"""Many JSON messages of one reading each, read in one step: the payloads are joined to an array and parsed as a whole.

    {"ts": 1790000000000, "value": 41.2, "unit": "Cel", "quality": "good"}

Members in any order; unit and quality (which must be good) may be missing; times are numbers of milliseconds or microseconds, or
ISO 8601. What is read here is read by `json_readings` to the same readings; a run with anything else in it is refused as a whole.

Why the joined text cannot be read otherwise than its parts: payloads are joined by comma and line feed, and the text is refused unless every
line feed in it stands between } and {, there are as many { and } as payloads, and it parses to as many objects. So no payload has
a line feed of its own, each begins with { and ends with }, and has no other brace: each is one object, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from bridge.codecs.json_readings import MAX_EXACT_INTEGER, MAX_UNIT
from bridge.codecs.source_time import EARLIEST_US, LATEST_AHEAD_US, parse_time
from bridge.config.settings import MqttFields
from bridge.errors import PayloadError
from bridge.model.numbers import Doubles, Integers

_OPEN, _CLOSE, _FEED = b"{}\n"
# Whole numbers from here on are milliseconds and microseconds, as source_time tells them apart.
_LEAST_MS: Final = 10**11
_LEAST_US: Final = 10**14
_SURELY_US: Final = max(_LEAST_US, EARLIEST_US)
_BELOW: Final = float(MAX_EXACT_INTEGER)
_PARTS: Final = 4


class Run(NamedTuple):
    """What a run of messages said, in their order: times in microseconds since 1970, values, units."""

    times_us: Integers
    values: Doubles
    units: list[str]


class _Message(Protocol):
    time: int | str
    value: float
    unit: str


class JsonRun:
    """Reads the messages of all topics that have the same names of fields."""

    def __init__(self, fields: MqttFields) -> None:
        names = {"time": fields.time, "value": fields.value, "unit": fields.unit, "quality": fields.quality}
        message = msgspec.defstruct(
            "Message",
            [("time", int | str), ("value", float), ("unit", str, ""), ("quality", Literal["good"], "good")],
            rename=names,
            forbid_unknown_fields=True,  # whether what it skips is sound JSON, msgspec does not say
            gc=False,
        )
        self._decode = msgspec.json.Decoder(list[message]).decode  # type: ignore[valid-type]  # made above

    def read(self, payloads: Sequence[bytes], arrived_us: int) -> Run | None:
        """Read messages, the first of which arrived at `arrived_us`; None where the careful way must read them."""
        text = b"[%b]" % b",\n".join(payloads)
        if not _are_objects(text, len(payloads)):
            return None
        try:
            messages: list[_Message] = self._decode(text)
        except (ValueError, RecursionError):  # msgspec's own errors are ValueErrors
            return None
        if len(messages) != len(payloads):
            return None
        times_us = _times([message.time for message in messages], arrived_us)
        values = np.array([message.value for message in messages])
        units = [message.unit for message in messages]
        if times_us is None or not np.abs(values).max() < _BELOW or not all(map(_is_unit, set(units))):
            return None
        return Run(times_us, values, units)


def is_plain_run(fields: MqttFields) -> bool:
    """Whether messages with these names of fields can be read in runs: no name stands for two parts."""
    return len({fields.time, fields.value, fields.unit, fields.quality}) == _PARTS


def _are_objects(text: bytes, count: int) -> bool:
    """Whether the text is an array of so many objects without objects in them, one a line; it still may be no JSON."""
    characters = np.frombuffer(text, np.uint8)
    [feeds] = np.nonzero(characters == _FEED)
    return (
        len(feeds) == count - 1
        and text.startswith(b"[{")
        and text.endswith(b"}]")
        and bool((characters[feeds - 2] == _CLOSE).all() and (characters[feeds + 1] == _OPEN).all())
        and np.count_nonzero(characters == _OPEN) == count
        and np.count_nonzero(characters == _CLOSE) == count
    )


def _times(written: list[Any], arrived_us: int) -> Integers | None:
    """The source times, where all of them are believed."""
    kinds = set(map(type, written))
    try:
        if str in kinds:
            written = [parse_time(time) if type(time) is str else _microseconds(time) for time in written]
            kinds = set()
        times_us: NDArray[np.int64] = np.array(written, np.int64)
    except (PayloadError, OverflowError):
        return None
    if kinds and times_us.min() < _SURELY_US:
        if times_us.min() < _LEAST_MS:
            return None
        times_us = np.where(times_us < _LEAST_US, times_us * 1000, times_us)
    is_believed = times_us.min() >= EARLIEST_US and times_us.max() <= arrived_us + LATEST_AHEAD_US
    return times_us if is_believed else None


def _microseconds(time: int) -> int:
    if time < _LEAST_MS:
        raise PayloadError("seconds, or no time")
    return time if time >= _LEAST_US else time * 1000


def _is_unit(written: str) -> bool:
    return written.isprintable() and len(written) <= MAX_UNIT
