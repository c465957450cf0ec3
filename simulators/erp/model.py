"""What a model is: its fields with the values that a new record has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]

AUTOMATIC = ("id", "display_name", "create_date", "write_date")


@dataclass(frozen=True, slots=True)
class Model:
    """Fields of one model; `False` is Odoo's empty value."""

    name: str
    defaults: Row
    many2one: dict[str, str] = field(default_factory=dict)
    sequence: str | None = None

    def has(self, name: str) -> bool:
        """Whether a record has the field."""
        return name in self.defaults or name in AUTOMATIC
