"""Text from elsewhere, made such that it can be kept."""

from __future__ import annotations


def storable(text: str) -> str:
    """Text that PostgreSQL takes and UTF-8 can hold: NUL and half surrogate pairs as their escapes, all else as it is."""
    return text.replace("\x00", "\\u0000").encode("utf-8", "backslashreplace").decode()
