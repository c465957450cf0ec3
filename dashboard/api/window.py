"""The spans of time that people choose between: the current shift, or the last 15 minutes, hour or day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from bridge.store import kpi
from bridge.store.database import Connection


class WindowName(StrEnum):
    """The choices, as they stand in addresses and frames."""

    SHIFT = "shift"
    MINUTES_15 = "15m"
    HOUR = "1h"
    DAY = "24h"


_LENGTH: Final = {
    WindowName.MINUTES_15: timedelta(minutes=15),
    WindowName.HOUR: timedelta(hours=1),
    WindowName.DAY: timedelta(days=1),
}
_WITHOUT_CALENDAR: Final = timedelta(hours=8)


@dataclass(frozen=True, slots=True)
class Window:
    """A span that ends now, or with a shift that is over. `shift` is the name of the current or newest shift, if any."""

    name: WindowName
    starts_at: datetime
    ends_at: datetime
    shift: str | None
    shift_ends_at: datetime | None


async def read_window(connection: Connection, name: WindowName, now: datetime) -> Window:
    """The span that a choice means at an instant. Without a calendar a shift is the last 8 hours."""
    shift = await kpi.current_shift(connection, now)
    if name is WindowName.SHIFT and shift is not None:
        starts_at, ends_at = shift["starts_at"], min(shift["ends_at"], now)
    else:
        starts_at, ends_at = now - _LENGTH.get(name, _WITHOUT_CALENDAR), now
    is_on = shift is not None and now < shift["ends_at"]
    return Window(
        name,
        starts_at,
        ends_at,
        shift["name"] if shift is not None and is_on else None,
        shift["ends_at"] if shift is not None else None,
    )
