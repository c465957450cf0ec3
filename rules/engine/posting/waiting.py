"""What waits to be posted together, oldest first: of one order, and of whatever else one event can name only once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from bridge.model.production import EventKind
from bridge.store.production_count import Unposted
from rules.engine.posting.duty import Duty

Clock = Callable[[int], datetime | None]
"""How far time is on an asset; None where nothing was ever read of it."""

_TRY_AGAIN: Final = timedelta(seconds=10)  # what cannot be taken back yet


class Ended(NamedTuple):
    """A machine that went over to the next order, and when."""

    equipment_id: int
    path: str
    at: datetime


class Key(NamedTuple):
    """What may be posted together. The order of keys is that in which all who post take locks: order, then connector."""

    order_number: str
    connector: str
    duty: int
    equipment_id: int
    reason: str
    lot: str

    @classmethod
    def of(cls, duty: Duty, count: Unposted) -> Key:
        """The key of a count that a duty means."""
        action = duty.action
        assert count.order_number is not None, "without an order nothing is posted"
        has_reason = action.kind in (EventKind.SCRAP, EventKind.REVERSAL)
        return cls(
            count.order_number,
            action.connector,
            duty.index,
            count.equipment_id if action.kind is EventKind.PERFORMANCE else 0,
            count.reason if has_reason else "",
            count.lot if action.lot else "",
        )


@dataclass(slots=True)
class Waiting:
    """Counts that wait for their posting. `ended` is of a performance whose machine is done with the order.

    `not_before` is of what could not be taken back yet.
    """

    duty: Duty
    key: Key
    counts: list[Unposted] = field(default_factory=list)
    is_complete: bool = False  # the machine went over to the next order
    ended: Ended | None = None
    not_before: datetime | None = None

    def is_due(self, clock: Clock) -> bool:
        """Whether they are to be posted now."""
        if not self.counts:
            return self.ended is not None
        now = clock(self.counts[0].equipment_id)
        if self.not_before is not None and (now is None or now < self.not_before):
            return False
        if self.is_complete or sum(count.qty for count in self.counts) >= self.duty.action.max_qty:
            return True
        return now is not None and now >= self.counts[0].at + self.duty.action.max_wait

    def wakes_at(self) -> tuple[int, datetime] | None:
        """The asset and the instant of its time at which they have waited long enough."""
        if not self.counts:
            return None
        at = self.counts[0].at + self.duty.action.max_wait
        return self.counts[0].equipment_id, max(at, self.not_before or at)

    def put_off(self, clock: Clock) -> None:
        """Try again a little later."""
        now = clock(self.counts[0].equipment_id) or self.counts[-1].at
        self.not_before = now + _TRY_AGAIN
