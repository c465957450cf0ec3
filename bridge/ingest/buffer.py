"""The buffer of a lane: deliveries wait here until their batch closes, by rows or by age. Pure; the clock is an argument."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from bridge.config.settings import IngestSettings
from bridge.sources.delivery import Delivery

_DELIVERY: Final = 10  # readings that take as much memory as a delivery without any

Batch = Sequence[Delivery]
"""Deliveries that are stored in one transaction, in the order of their coming; never empty."""


class Buffer:
    """Deliveries in the order of their coming. Full at `max_pending_rows`: then who brings more waits.

    A delivery is never split, so a batch may pass `max_rows`, and the buffer its limit, by one delivery. Towards the limit, which
    bounds memory, a delivery itself counts as well: many small ones take more than few large ones.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self._max_rows = settings.max_rows
        self._max_age_s = settings.max_age_ms / 1000
        self._max_pending_rows = settings.max_pending_rows
        self._waiting: deque[tuple[float, Delivery]] = deque()
        self.rows = 0

    @property
    def is_full(self) -> bool:
        """Whether who brings more must wait."""
        return self.rows + _DELIVERY * len(self._waiting) >= self._max_pending_rows

    def add(self, delivery: Delivery, now: float) -> None:
        """Take a delivery; `now` is monotonic, seconds."""
        self._waiting.append((now, delivery))
        self.rows += delivery.weight

    def due_in(self, now: float) -> float | None:
        """Seconds until the next batch closes, 0 where it has; None while nothing waits."""
        if not self._waiting:
            return None
        if self.rows >= self._max_rows:
            return 0.0
        return max(0.0, self._waiting[0][0] + self._max_age_s - now)

    def take(self) -> Batch:
        """The next batch, whatever its age: from the oldest delivery up to `max_rows`. Raises IndexError when empty."""
        batch = [self._waiting.popleft()[1]]
        rows = batch[0].weight
        while self._waiting and rows + self._waiting[0][1].weight <= self._max_rows:
            delivery = self._waiting.popleft()[1]
            rows += delivery.weight
            batch.append(delivery)
        self.rows -= rows
        return batch

    def oldest_received_at(self) -> datetime | None:
        """When the oldest delivery that waits was received; None while nothing waits."""
        return self._waiting[0][1].received_at if self._waiting else None
