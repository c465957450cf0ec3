"""Bytes -> a tree of objects, arrays and values, by the format that a subscription names.

json      RFC 8259, with NaN and 1e400 let through, so that only the element that has them is refused
msgpack   MessagePack; timestamps become ISO 8601
cbor      RFC 8949; timestamps become ISO 8601, decimals and rationals numbers
csv       RFC 4180 without line ends inside of cells: one row a line
raw       one number, true, false or text
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

import cbor2
import msgspec

from bridge.codecs.json_readings import parse_json
from bridge.config.settings import MqttSubscription
from bridge.errors import PayloadError

_MOST_VALUES: Final = 1_000_000  # a few bytes of CBOR with shared references can stand for any number of values
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WORDS: Final = {"true": True, "false": False, "nan": float("nan")}
_SHORTEST_LONG: Final = 400  # digits; such a number is infinite

Parser = Callable[[bytes], Any]


class Line(NamedTuple):
    """A line of CSV: its bytes and its cells, or the reason why it has none; its neighbours are read."""

    written: bytes
    cells: list[Any]
    reason: str = ""


def parser_of(subscription: MqttSubscription) -> Parser:
    """The function that parses a subscription's payloads. It raises PayloadError, and nothing else."""
    if subscription.format == "csv":
        return lambda payload: _csv(payload, subscription.separator, subscription.decimal)
    if subscription.format == "raw":
        return lambda payload: parse_raw(payload, subscription.decimal)
    return {"json": _json, "msgpack": _msgpack, "cbor": _cbor}[subscription.format]


def parse_json_or_raw(payload: bytes) -> Any:
    """JSON objects and arrays as such, everything else as a raw value: what small devices send side by side."""
    return _json(payload) if payload.lstrip()[:1] in (b"{", b"[") else parse_raw(payload, ".")


def parse_raw(payload: bytes, decimal: str) -> Any:
    """A number, a boolean or text. Raises PayloadError."""
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError as error:
        raise PayloadError(f"not a number and not UTF-8 text: {error.reason}") from error
    if not text:
        raise PayloadError("empty: neither a number nor text")
    return _cell(text, decimal)


def _json(payload: bytes) -> Any:
    try:
        return parse_json(payload)
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"not JSON: {error}") from error


def _msgpack(payload: bytes) -> Any:
    try:
        return _Tree().clean(msgspec.msgpack.decode(payload))
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError, OverflowError, MemoryError) as error:
        raise PayloadError(f"not MessagePack: {error}") from error


def _cbor(payload: bytes) -> Any:
    try:
        return _Tree().clean(cbor2.loads(payload))
    except Exception as error:  # each of its tags runs another constructor of the standard library
        raise PayloadError(f"not CBOR: {error}") from error


class _Tree:
    """Turns what the binary formats give into what JSON would have given."""

    def __init__(self) -> None:
        self._count = 0

    def clean(self, value: Any) -> Any:
        self._count += 1
        if self._count > _MOST_VALUES:
            raise ValueError(f"more than {_MOST_VALUES} values in a message")
        if isinstance(value, str | float | int) or value is None:
            return value
        if isinstance(value, dict):
            return {_key(key): self.clean(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean(inner) for inner in value]
        return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal | Fraction):
        return float(value)
    return value  # no value of a reading: refused with its name, where it stands


def _key(key: Any) -> str:
    if isinstance(key, bytes):
        return key.decode("utf-8", "backslashreplace")
    return key if isinstance(key, str) else str(key)


def _csv(payload: bytes, separator: str, decimal: str) -> list[Line]:
    rows = [_row(line, separator, decimal) for line in payload.splitlines() if line.strip()]
    if not rows:
        raise PayloadError("not CSV: no line in it")
    return rows


def _row(line: bytes, separator: str, decimal: str) -> Line:
    try:
        [cells] = csv.reader([line.decode()], delimiter=separator, skipinitialspace=True, strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        return Line(line, [], f"not a line of CSV: {error}")
    return Line(line, [_cell(cell.strip(), decimal) for cell in cells])


def _cell(text: str, decimal: str) -> Any:
    """What a cell says: nothing, a number, true or false, or text."""
    if not text:
        return None
    number = text.replace(decimal, ".") if decimal != "." and "." not in text else text
    if _NUMBER.fullmatch(number):
        is_whole = number.lstrip("+-").isdigit() and len(number) < _SHORTEST_LONG
        return int(number) if is_whole else float(number)
    return _WORDS.get(text.lower(), text)
