"""A stored reading as the engine sees it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Sample(NamedTuple):
    """One reading of a tag; the columns of the query that follows a lane, in its order."""

    tag_id: int
    at: datetime
    ordinal: int
    value: float | None
    text: str | None
    quality: int
