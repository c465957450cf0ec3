"""A stored reading as the engine sees it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from bridge.model.reading import instant


class Sample(NamedTuple):
    """One reading of a tag; the columns of the query that follows a lane, in its order. `at_us`: microseconds since 1970 UTC."""

    tag_id: int
    at_us: int
    ordinal: int
    value: float | None
    text: str | None
    quality: int

    @property
    def at(self) -> datetime:
        """The source time, for rows and people."""
        return instant(self.at_us)
