"""JSON (RFC 8259) -> readings: an object of one reading, an object of many, an array of either, or a bare value.

    {"value": 41.2, "unit": "Cel", "ts": "...", "quality": "good"}   one; its tag from the topic or from the field `tag`
    {"ts": "...", "spindle.temp": 41.2, "motor": {"current": 3.1}}   many; nested objects flatten with dots: motor.current
    [{"tag": "spindle.rpm", "value": 8000, "ts": ...}, ...]          an array of either form
    41.2                                                             one without time, where the topic names the tag

An object inside that has the `value` field is one reading with its own time, unit and quality. Booleans become 1 and 0, null a
reading of bad quality. An element that cannot be read is a failure of its own.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson

from bridge.codecs.decoded import Decoded, Failure, Place
from bridge.codecs.source_time import check_time, parse_time
from bridge.config.settings import MqttFields
from bridge.errors import PayloadError
from bridge.model.quality import BAD, BAD_NO_DATA, GOOD, UNCERTAIN, is_bad
from bridge.model.reading import Reading, TagKey

MAX_TAG_NAME: Final = 200  # characters
MAX_UNIT: Final = 64  # characters
MAX_TEXT: Final = 100_000  # characters
MAX_EXACT_INTEGER: Final = 2**53  # beyond it a double skips whole numbers, and a counter would be wrong unseen

# orjson is fast but strict: it refuses a whole message for one NaN or 1e400, and reads whole numbers past 64 bits as doubles.
_NEEDS_CARE: Final = re.compile(rb"[0-9]{20}")
_WORDS: Final = {"good": GOOD, "uncertain": UNCERTAIN, "bad": BAD}
_MAX_STATUS: Final = 0xFFFF_FFFF
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def decode_json(payload: bytes, place: Place, arrived_us: int) -> Decoded:
    """Decode one message; see the module."""
    if place.codec is not None:
        return place.codec(payload, place, arrived_us)
    try:
        content = parse_json(payload)
    except (ValueError, RecursionError) as error:
        return Decoded([], [Failure(payload, f"not JSON: {error}")], is_timed=True)
    message = Message(payload, place, arrived_us, place.fields)
    if isinstance(content, list):
        for number, element in enumerate(content):
            message.read(element, f"[{number}]")
    else:
        message.read(content, "")
    return Decoded(with_ordinals(message.readings), message.failures, message.is_timed)


def parse_json(payload: bytes) -> Any:
    """The content of a JSON text. Raises ValueError, and RecursionError where it is too deep."""
    if not _NEEDS_CARE.search(payload):
        try:
            return orjson.loads(payload)
        except orjson.JSONDecodeError:
            pass
    # Takes NaN, Infinity and 1e400, which the elements then refuse one by one. A number of thousands of digits is infinite.
    return json.loads(payload, parse_int=lambda digits: int(digits) if len(digits) < 400 else float("inf"))


class Message:
    """The message in hand: what it gave so far. A mapping has one of its own (`mapped`)."""

    __slots__ = ("_arrived_us", "_fields", "_payload", "_place", "failures", "is_timed", "readings")

    def __init__(self, payload: bytes, place: Place, arrived_us: int, fields: MqttFields) -> None:
        self._payload = payload
        self._place = place
        self._fields = fields
        self._arrived_us = arrived_us
        self.readings: list[Reading] = []
        self.failures: list[Failure] = []
        self.is_timed = True

    def read(self, element: Any, where: str) -> None:
        """Read one element; `where` is its place in an array, empty for the message itself."""
        if isinstance(element, dict):
            if self._fields.value in element:
                self._read_one(element, self._place.tag, where)
            else:
                self.read_many(element, where)
        elif isinstance(element, list):
            self._fail(element, where, "an array inside of an array")
        elif self._place.tag is None:
            self._fail(element, where, f"{_named(element)} alone, and the topic names no tag")
        else:
            self._add(self._place.tag, element, self._own_time(None), GOOD, "", element, where)

    def _read_one(self, element: dict[str, Any], tag: str | None, where: str) -> None:
        fields = self._fields
        try:
            name = self._tag_of(element) if tag is None else tag
            time_us = self._own_time(self._time(element.get(fields.time)))
            code = self._status(element.get(fields.quality))
            unit = self._unit(element.get(fields.unit))
        except PayloadError as error:
            self._fail(element, where, str(error))
            return
        self._add(name, element[fields.value], time_us, code, unit, element, where)

    def _tag_of(self, element: dict[str, Any]) -> Any:
        if (name := element.get(self._fields.tag)) is None:
            raise PayloadError(f"{self._fields.tag}: missing, and the topic names no tag")
        return name

    def read_many(self, element: dict[str, Any], where: str) -> None:
        """Read an object of which each member is a reading, but for time and quality."""
        fields = self._fields
        try:
            time_us = self._time(element.get(fields.time))
            code = self._status(element.get(fields.quality))
        except PayloadError as error:
            self._fail(element, where, str(error))
            return
        common = {name: element[name] for name in (fields.time, fields.quality) if name in element}
        if len(element) == len(common):
            self._fail(element, where, "an object without readings")
        prefix = "" if self._place.tag is None else f"{self._place.tag}."
        for name, value in element.items():
            if name not in common:
                self._read_member(prefix + name, value, time_us, code, common, where)

    def _read_member(
        self, name: str, value: Any, time_us: int | None, code: int, common: dict[str, Any], where: str
    ) -> None:
        if not isinstance(value, dict):
            self._add(name, value, self._own_time(time_us), code, "", {**common, name: value}, where)
        elif self._fields.value in value:
            self._read_one({**common, **value}, name, f"{where}.{name}")
        elif not value:
            self._fail({**common, name: value}, where, f"{name}: an object without readings")
        elif len(name) > MAX_TAG_NAME:  # each level adds a character: deeper than this no reading can have a name
            self._fail({**common, name: value}, where, f"{name:.80}: nested too deep for a tag's name")
        else:
            for inner, deeper in value.items():
                self._read_member(f"{name}.{inner}", deeper, time_us, code, common, where)

    def _add(self, name: Any, value: Any, time_us: int, code: int, unit: str, element: Any, where: str) -> None:
        try:
            tag = TagKey(self._place.equipment, _tag_name(name))
            number, text = _value(value)
        except PayloadError as error:
            self._fail(element, where, f"{name:.{MAX_TAG_NAME}}: {error}" if isinstance(name, str) else str(error))
            return
        if number is None and text is None and not is_bad(code):
            code = BAD_NO_DATA
        self.readings.append(Reading(tag, time_us, 0, number, text, code, unit))

    def _time(self, written: Any) -> int | None:
        """The source time that is written, None where there is none. Raises PayloadError naming the field."""
        if written is None:
            return None
        try:
            time_us = parse_time(written)
            check_time(time_us, self._arrived_us)
        except PayloadError as error:
            raise PayloadError(f"{self._fields.time}: {error}") from error
        return time_us

    def _status(self, written: Any) -> int:
        """The status code that is written; good where there is none. Raises PayloadError."""
        if written is None:
            return GOOD
        if isinstance(written, str) and (code := _WORDS.get(written.lower())) is not None:
            return code
        if type(written) is int and 0 <= written <= _MAX_STATUS:
            return written
        raise PayloadError(f"{self._fields.quality}: neither good, uncertain, bad nor a status code: {written!r:.80}")

    def _unit(self, written: Any) -> str:
        """The unit that is written; none where it is no text. Raises PayloadError naming the field."""
        if not isinstance(written, str):
            return ""
        if len(written) > MAX_UNIT or _CONTROL.search(written):
            raise PayloadError(
                f"{self._fields.unit}: a unit has at most {MAX_UNIT} characters and no control characters"
            )
        try:
            return _without_surrogates(written)
        except PayloadError as error:
            raise PayloadError(f"{self._fields.unit}: {error}") from error

    def _own_time(self, time_us: int | None) -> int:
        if time_us is None:
            self.is_timed = False
            return self._arrived_us
        return time_us

    def _fail(self, element: Any, where: str, reason: str) -> None:
        try:
            piece = json.dumps(element, separators=(",", ":")).encode()
        except (TypeError, ValueError, RecursionError):
            piece = self._payload
        # The message's own bytes where nothing else was in it: a person should see exactly what came.
        payload = self._payload if len(piece) >= len(self._payload) - 2 else piece
        self.failures.append(Failure(payload, f"{where} {reason}".strip().replace("\x00", "\\u0000")))


def with_ordinals(readings: list[Reading]) -> list[Reading]:
    """Readings of one tag and time count up from 0 in the order of the message."""
    if len({(reading.tag, reading.source_time_us) for reading in readings}) == len(readings):
        return readings
    counts: dict[tuple[TagKey, int], int] = {}
    numbered = []
    for reading in readings:
        key = (reading.tag, reading.source_time_us)
        ordinal = counts.get(key, 0)
        counts[key] = ordinal + 1
        numbered.append(reading._replace(ordinal=ordinal))
    return numbered


def _value(value: Any) -> tuple[float | None, str | None]:
    """The number or the text of a value, neither for null. Raises PayloadError."""
    kind = type(value)
    if kind is float:
        if value - value != 0.0:  # NaN and the infinities
            raise PayloadError(f"not a finite number: {value}")
        return value, None
    if kind is int:
        if not -MAX_EXACT_INTEGER <= value <= MAX_EXACT_INTEGER:
            raise PayloadError(f"a whole number past 2^53 cannot be kept exactly: {str(value)[:40]}")
        return float(value), None
    if kind is str:
        if "\x00" in value:
            raise PayloadError("text with a NUL character, which the database refuses")
        if len(value) > MAX_TEXT:
            raise PayloadError(f"text longer than {MAX_TEXT} characters")
        return None, _without_surrogates(value)
    if kind is bool:
        return float(value), None
    if value is None:
        return None, None
    raise PayloadError(f"{_named(value)} is no value of a reading")


def _tag_name(name: Any) -> str:
    if not isinstance(name, str):
        raise PayloadError(f"the tag's name is {_named(name)}, not text")
    if not name or len(name) > MAX_TAG_NAME or _CONTROL.search(name):
        raise PayloadError(f"a tag's name has 1 to {MAX_TAG_NAME} characters and no control characters")
    return _without_surrogates(name)


def _without_surrogates(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PayloadError("half of a surrogate pair, which is no text") from error
    return text


def _named(value: Any) -> str:
    """What a value is, in words."""
    if value is None:
        return "null"
    names = {dict: "an object", list: "an array", str: "text", bool: "a boolean", bytes: "a string of bytes"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else f"a {type(value).__name__}")
