"""Equipment and its tags, named as in ISA-95 part 1, clause 5.3 (role-based equipment hierarchy)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

MAX_NAME: Final = 200  # characters
_FORBIDDEN: Final = re.compile(r"[/+#\x00-\x1f\x7f\ud800-\udfff]")  # and halves of surrogate pairs, which are no text


class EquipmentLevel(StrEnum):
    """The levels of the ISA-95 equipment hierarchy, outermost first."""

    ENTERPRISE = "enterprise"
    SITE = "site"
    AREA = "area"
    WORK_CENTER = "work_center"
    WORK_UNIT = "work_unit"


LEVELS: tuple[EquipmentLevel, ...] = tuple(EquipmentLevel)


@dataclass(frozen=True, slots=True)
class EquipmentPath:
    """The place of one piece of equipment, e.g. `acme/dortmund/machining/line1/cnc1`; one to five names."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.names) <= len(LEVELS):
            raise ValueError(f"an equipment path has 1 to {len(LEVELS)} names, this one has {len(self.names)}")
        for name in self.names:
            if not name or name != name.strip() or _FORBIDDEN.search(name):
                raise ValueError(
                    f"{name[:80]!r} is no equipment name: not empty, no blanks around it, none of / + #, no control characters"
                )
            if len(name) > MAX_NAME:
                raise ValueError(
                    f"'{name[:40]}...' is no equipment name: it has {len(name)} characters, more than {MAX_NAME}"
                )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a slash-separated path. Raises ValueError with a sentence for people."""
        return cls(tuple(text.split("/")))

    @property
    def level(self) -> EquipmentLevel:
        """The level that the path's length means."""
        return LEVELS[len(self.names) - 1]

    @property
    def name(self) -> str:
        """The last name."""
        return self.names[-1]

    @property
    def parent(self) -> EquipmentPath | None:
        """The equipment that this one is part of; None for the enterprise."""
        return EquipmentPath(self.names[:-1]) if len(self.names) > 1 else None

    def __str__(self) -> str:
        return "/".join(self.names)


class TagKind(StrEnum):
    """What the values of a tag mean over time."""

    GAUGE = "gauge"  # a measured quantity; the newest value holds until the next
    COUNTER = "counter"  # a count that only rises, but for rollover and reset
    STATE = "state"  # a word that holds until the next
    EVENT = "event"  # a word or number that is true of its instant only
