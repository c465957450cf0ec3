"""Attributes that Python has no names for: `data-*`, by which live.js finds its places, and `aria-*`."""

from __future__ import annotations

from typing import Any


def data(**values: str) -> dict[str, Any]:
    """`data-*` attributes; an underscore stands for a hyphen."""
    return {f"data-{name.replace('_', '-')}": value for name, value in values.items()}


def aria(**values: str) -> dict[str, Any]:
    """`aria-*` attributes."""
    return {f"aria-{name}": value for name, value in values.items()}
