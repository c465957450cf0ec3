"""Placeholders: `{quantity}`, `{occurred_at:date}`. A text that is one placeholder becomes the value with its type.

`{{` and `}}` are braces. There are no expressions: a placeholder is a name and at most one form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from math import isfinite
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import escape

NAME: Final = re.compile("[a-z_][a-z0-9_]*")
_NO_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_PART: Final = re.compile(r"\{\{|\}\}|\{([a-z_][a-z0-9_]*)(?::([a-z_0-9]+))?\}|[{}]")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A name and the form that its value is wanted in; empty: as text."""

    name: str
    form: str = ""


Part = str | Placeholder
Lookup = Callable[[Placeholder], Any]


def parse(text: str) -> list[Part]:
    """The parts of a template. Raises ValueError with a sentence for people."""
    parts: list[Part] = []
    at = 0
    for match in _PART.finditer(text):
        parts += [text[at : match.start()]] if match.start() > at else []
        at = match.end()
        if match[0] in {"{{", "}}"}:
            parts.append(match[0][0])
        elif match[1] is None:
            raise ValueError(f"a single {match[0]} at column {match.start() + 1}: write {match[0] * 2} for a brace")
        else:
            parts.append(Placeholder(match[1], match[2] or ""))
    return parts + ([text[at:]] if at < len(text) else [])


def placeholders(
    value: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Placeholder | ValueError]]:
    """Every placeholder in the texts of a value, or the mistake in one, with its place."""
    match value:
        case str():
            try:
                found = [part for part in parse(value) if isinstance(part, Placeholder)]
            except ValueError as error:
                yield path, error
                return
            for part in found:
                yield path, part
        case Mapping():
            for name, inner in value.items():
                yield from placeholders(inner, (*path, name))
        case list():
            for index, inner in enumerate(value):
                yield from placeholders(inner, (*path, index))
        case date() | time():
            yield path, ValueError("dates and times have no place in JSON: write them as text")
        case float() if not isfinite(value):
            yield path, ValueError(f"{value} has no place in JSON")


def fill(value: Any, lookup: Lookup) -> Any:
    """A JSON value with its placeholders replaced; object keys stay as they are."""
    match value:
        case str():
            parts = parse(value)
            if len(parts) == 1 and isinstance(parts[0], Placeholder):
                return lookup(parts[0])
            return "".join(part if isinstance(part, str) else as_text(lookup(part), part) for part in parts)
        case Mapping():
            return {name: fill(inner, lookup) for name, inner in value.items()}
        case list():
            return [fill(inner, lookup) for inner in value]
        case _:
            return value


def fill_path(text: str, lookup: Lookup) -> str:
    """An address below the connector's: each value is one part of it, whatever is in it.

    Raises ValueError for a value that would make it another address: an empty one, or one that makes a part `.` or `..`.
    """
    path = ""
    for part in parse(text):
        value = part if isinstance(part, str) else quote(as_text(lookup(part), part), safe="")
        if not value:
            raise ValueError(f"{{{getattr(part, 'name', '')}}} is empty, and a part of the address {text}")
        path += value
    if path != text and {".", ".."} & set(path.split("/")):
        raise ValueError(f"the address {path!r} would lead elsewhere")
    return path


def fill_xml(text: str, lookup: Lookup) -> str:
    """An XML document: each value is text, or the value of an attribute in double quotes."""
    return _escaped(text, lookup, lambda value: escape(xml_text(value), {'"': "&quot;"}))


def xml_text(text: str) -> str:
    """The text itself. Raises ValueError where it has a character that XML 1.0 cannot carry (2.2)."""
    if found := _NO_XML.search(text):
        raise ValueError(f"XML cannot carry the character U+{ord(found[0]):04X}")
    return text


def _escaped(text: str, lookup: Lookup, escaped: Callable[[str], str]) -> str:
    return "".join(part if isinstance(part, str) else escaped(as_text(lookup(part), part)) for part in parse(text))


def as_text(value: Any, part: Placeholder) -> str:
    """A value in the midst of a text. Raises ValueError where it is no single value."""
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return ""
        case dict() | list():
            raise ValueError(f"{{{part.name}}} is no single value: it can only stand alone")
        case _:
            return str(value)
