"""What is heard of the lanes: an asset's delays run out with the wall's clock only while somebody writes what it says.

A lane is held by the process that writes it (an advisory lock that ends with the process). A lane that is held and sends nothing
for `QUIET` has nothing to say; before, it may be unheard. A lane that nobody holds says nothing at all: an outage.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

QUIET: Final = timedelta(seconds=30)


@dataclass(slots=True)
class Lanes:
    """`heard`: when the newest batch of a lane was received. `held`: since when each lane has had a writer, None for long."""

    configured: frozenset[int]  # lanes of sources; others (a replay) have no writer of their own and are not waited for
    heard: dict[int, datetime] = field(default_factory=dict)
    held: dict[int, datetime | None] = field(default_factory=dict)
    is_known: bool = False  # whether anybody looked who holds the lanes

    def hear(self, lane: int, received_at: datetime) -> None:
        """Take note that a batch came, whoever's readings are in it."""
        self.heard[lane] = max(received_at, self.heard.get(lane, received_at))

    def see(self, held: Collection[int], now: datetime) -> None:
        """Take note of who holds the lanes now: one that was free until now may have much to tell that is not read yet."""
        began = now if self.is_known else None
        self.held = {lane: self.held.get(lane, began) for lane in held}
        self.is_known = True

    def heard_until(self, lanes: Collection[int], arrived: datetime | None, now: datetime) -> datetime:
        """How far the wall's clock may be believed for an asset of these lanes whose newest reading came at `arrived`."""
        heard = self._heard(lanes, arrived)
        if heard is None:
            return now
        since = self._since(lanes, heard)
        return now if since is not None and now >= since + QUIET else min(now, heard)

    def heard_from(self, lanes: Collection[int], arrived: datetime | None, wake: datetime) -> datetime | None:
        """When the wall's clock will be believed to have reached `wake` if nothing more comes; None for never."""
        heard = self._heard(lanes, arrived)
        if heard is None or wake <= heard:
            return wake
        since = self._since(lanes, heard)
        return None if since is None else max(wake, since + QUIET)

    def dump(self) -> list[int]:
        """Which lanes had a writer, as JSON."""
        return sorted(self.held)

    def restore(self, stored: Any) -> None:
        """Take what was known before a restart; nothing of an older version."""
        if stored is not None:
            self.held, self.is_known = dict.fromkeys(stored), True

    def _heard(self, lanes: Collection[int], arrived: datetime | None) -> datetime | None:
        found = [at for lane in lanes if (at := self.heard.get(lane))]
        return max([*found, arrived] if arrived else found, default=None)

    def _since(self, lanes: Collection[int], heard: datetime) -> datetime | None:
        """From when on a silence counts; None where a lane has no writer."""
        for lane in self.configured.intersection(lanes):
            if self.is_known and lane not in self.held:
                return None
            if (began := self.held.get(lane)) is not None:
                heard = max(heard, began)
        return heard
