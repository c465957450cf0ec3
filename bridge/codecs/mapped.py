"""A subscription's mapping at work: payload -> tree -> records -> readings, with its paths, columns, units and clock.

    parse (format) -> reshape (preset) -> records -> columns -> lifted fields or chosen values -> Message

What the settings mean is said in docs/mapping.md. The plain JSON forms without any of them never come here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from bridge.codecs.adjusting import Adjusting
from bridge.codecs.clock import Clock
from bridge.codecs.decoded import Decoded, Failure, Place
from bridge.codecs.field_paths import MISSING, lifted, pick
from bridge.codecs.formats import Line, Parser, parser_of
from bridge.codecs.json_readings import Message, with_ordinals
from bridge.codecs.presets import PRESETS
from bridge.codecs.presets.preset import NOTHING
from bridge.config.field_path import is_name, parse_path
from bridge.config.settings import ClockSettings, MqttSubscription
from bridge.errors import PayloadError

_REASONS: Final = 5  # of one message, told one by one


class Mapping:
    """The codec of one subscription. Never raises: what cannot be read is a failure."""

    def __init__(self, subscription: MqttSubscription) -> None:
        preset = PRESETS[subscription.preset] if subscription.preset else None
        self.fields = preset.fields if preset else subscription.fields
        self._parse: Parser = preset.parse if preset else parser_of(subscription)
        self._reshape = preset.reshape if preset else None
        self._columns = subscription.columns
        self._records = parse_path(subscription.records) if subscription.records else None
        self._records_name = subscription.records
        self._values = {tag: parse_path(path) for tag, path in subscription.values.items()}
        names = (self.fields.time, self.fields.value, self.fields.tag, self.fields.unit, self.fields.quality)
        self._lifted = {name: parse_path(name) for name in names if not is_name(name)}
        self._common = (self.fields.time, self.fields.quality)
        self.clock = Clock(
            subscription.clock or ClockSettings(),
            preset.time_format if preset and subscription.time_format == "auto" else subscription.time_format,
            subscription.time_zone,
        )
        # A dead letter must be readable again by this mapping. What is taken apart by paths or a preset is so as a whole only.
        taken_apart = preset or self._records or self._values or self._lifted
        self._is_kept_in_pieces = not taken_apart and subscription.format in ("json", "csv")
        ignored = [*subscription.ignore, *(preset.ignore if preset else ())]
        self.adjusting = Adjusting(ignored, subscription.adjust)

    def __call__(self, payload: bytes, place: Place, arrived_us: int) -> Decoded:
        """Decode one message; see Codec."""
        message = _MappedMessage(payload, place, arrived_us, self)
        try:
            content = self._parse(payload)
            if self._reshape is not None:
                content = self._reshape(content, place)
            if content is not NOTHING:
                for element, where in self._elements(content):
                    self._read(message, element, where)
        except PayloadError as error:
            message.failures.append(Failure(payload, str(error)))
        except RecursionError:
            message.failures.append(Failure(payload, "nested too deep"))
        failures = message.failures if self._is_kept_in_pieces else _together(payload, message.failures)
        return Decoded(with_ordinals(message.readings), failures, message.is_timed)

    def _elements(self, content: Any) -> Iterator[tuple[Any, str]]:
        """The records of a message, each with its place in it."""
        common: dict[str, Any] = {}
        if self._records is not None:
            common = self._common_of(content)
            content = pick(content, self._records)
            if content is MISSING:
                raise PayloadError(f"records: the message has no {self._records_name}")
        if not isinstance(content, list):
            yield _with_common(content, common, self.fields.value), self._records_name
        elif self._columns and not any(isinstance(row, list | dict | Line) for row in content):
            yield _with_common(self._named(content), common, self.fields.value), self._records_name
        else:
            for number, element in enumerate(content):
                yield _with_common(element, common, self.fields.value), f"{self._records_name}[{number}]"

    def _common_of(self, content: Any) -> dict[str, Any]:
        """Time and quality of the message itself, for the records in it that have none of their own."""
        found = lifted(content, self._lifted) if isinstance(content, dict) else {}
        return {name: found[name] for name in self._common if name in found}

    def _read(self, message: _MappedMessage, element: Any, where: str) -> None:
        try:
            if isinstance(element, Line):
                message.line = element.written
                element = _cells(element)
            if isinstance(element, list) and self._columns:
                if element == self._columns:
                    return  # the header of a CSV file
                element = self._named(element)
        except PayloadError as error:
            message.refuse(element, where, str(error))
            return
        if isinstance(element, dict) and self._lifted:
            element = lifted(element, self._lifted)
        if self._values:
            self._read_chosen(message, element, where)
        else:
            message.read(element, where)

    def _read_chosen(self, message: _MappedMessage, element: Any, where: str) -> None:
        chosen = {tag: found for tag, steps in self._values.items() if (found := pick(element, steps)) is not MISSING}
        if not chosen:
            message.refuse(element, where, "none of the paths under values is in the message")
            return
        common = {name: element[name] for name in self._common if isinstance(element, dict) and name in element}
        message.read_many({**chosen, **common}, where)

    def _named(self, row: list[Any]) -> dict[str, Any]:
        """The cells of a row by the names of their columns."""
        if len(row) != len(self._columns):
            raise PayloadError(f"{len(row)} cells, and the configuration names {len(self._columns)} columns")
        return {name: cell for name, cell in zip(self._columns, row, strict=True) if name}


def _with_common(element: Any, common: dict[str, Any], value: str) -> Any:
    if not common or isinstance(element, list | Line):
        return element
    return {**common, **element} if isinstance(element, dict) else {**common, value: element}


def _cells(line: Line) -> list[Any]:
    if line.reason:
        raise PayloadError(line.reason)
    return line.cells


def _together(payload: bytes, failures: list[Failure]) -> list[Failure]:
    """One failure with all of the message and the reasons."""
    if not failures:
        return failures
    more = len(failures) - _REASONS
    reasons = [failure.reason for failure in failures[:_REASONS]] + ([f"and {more} more"] if more > 0 else [])
    return [Failure(payload, "; ".join(reasons))]


class _MappedMessage(Message):
    """A message read by a mapping: its clock, its units, what it ignores."""

    __slots__ = ("_adjusting", "_clock", "_mark", "line")

    def __init__(self, payload: bytes, place: Place, arrived_us: int, mapping: Mapping) -> None:
        super().__init__(payload, place, arrived_us, mapping.fields)
        self._clock = mapping.clock
        self._adjusting = mapping.adjusting
        self._mark = False
        self.line: bytes | None = None

    def refuse(self, element: Any, where: str, reason: str) -> None:
        """Note an element that is no reading."""
        self._fail(element, where, reason)

    def _fail(self, element: Any, where: str, reason: str) -> None:
        super()._fail(element, where, reason)
        if self.line is not None:
            self.failures[-1] = Failure(self.line, self.failures[-1].reason)

    def _time(self, written: Any) -> int | None:
        self._mark = False
        if written is None or self._clock.is_unused:
            return None
        try:
            time_us, self._mark = self._clock.read(written, self._arrived_us)
        except PayloadError as error:
            raise PayloadError(f"{self._fields.time}: {error}") from error
        if self._mark:
            self.is_timed = False
        return time_us

    def _status(self, written: Any) -> int:
        code = super()._status(written)
        return self._clock.marked(code) if self._mark else code

    def _read_member(
        self, name: str, value: Any, time_us: int | None, code: int, common: dict[str, Any], where: str
    ) -> None:
        if not self._adjusting.ignores(name):
            super()._read_member(name, value, time_us, code, common, where)

    def _add(self, name: Any, value: Any, time_us: int, code: int, unit: str, element: Any, where: str) -> None:
        if isinstance(name, str):
            if self._adjusting.ignores(name):
                return
            try:
                value, unit = self._adjusting.adjusted(name, value, unit)
            except PayloadError as error:
                self._fail(element, where, f"{name}: {error}")
                return
        super()._add(name, value, time_us, code, unit, element, where)
