"""Text from elsewhere, made such that it can be kept."""

from __future__ import annotations

from typing import Any


def storable(text: str) -> str:
    """Text that PostgreSQL takes and UTF-8 can hold: NUL and half surrogate pairs as their escapes, all else as it is."""
    return text.replace("\x00", "\\u0000").encode("utf-8", "backslashreplace").decode()


def storable_document(document: Any) -> Any:
    """A JSON document with all its texts and names storable."""
    match document:
        case str():
            return storable(document)
        case list() | tuple():
            return [storable_document(part) for part in document]
        case dict():
            return {storable(str(name)): storable_document(part) for name, part in document.items()}
        case _:
            return document
