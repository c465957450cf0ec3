"""What waits to be posted together, oldest first: of one order, and of whatever else one event can name only once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
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
        counts = self.ready(clock)
        if not counts:
            return False
        now = clock(counts[0].equipment_id)
        if self.not_before is not None and (now is None or now < self.not_before):
            return False
        if self.is_complete or sum(count.qty for count in counts) >= self.duty.action.max_qty:
            return True
        if self.duty.production is not None:
            return any((at := clock(each.equipment_id)) and at >= self._settled_at(each) for each in counts)
        return now is not None and now >= counts[0].at + self.duty.action.max_wait

    def ready(self, clock: Clock) -> list[Unposted]:
        """Those of the counts whose serial number is known, or will not come any more: all of them where none is told later."""
        return self.counts if self.duty.production is None else [c for c in self.counts if self._is_ready(c, clock)]

    def _is_ready(self, count: Unposted, clock: Clock) -> bool:
        wait = timedelta() if count.serial else self.duty.serial_wait(count.path)
        return not wait or ((now := clock(count.equipment_id)) is not None and now >= count.at + wait)

    def wakes_at(self) -> tuple[int, datetime] | None:
        """The asset and the instant of its time at which they have waited long enough."""
        if not self.counts:
            return None
        if self.duty.production is not None:
            first = min(self.counts, key=self._settled_at)
            at = self._settled_at(first)
            return first.equipment_id, max(at, self.not_before or at)
        at = self.counts[0].at + self.duty.action.max_wait
        return self.counts[0].equipment_id, max(at, self.not_before or at)

    def _settled_at(self, count: Unposted) -> datetime:
        """When a count has waited for others long enough, and for its serial number."""
        for_others = timedelta() if self.is_complete else self.duty.action.max_wait
        return count.at + max(for_others, timedelta() if count.serial else self.duty.serial_wait(count.path))

    def name(self, count_id: int, serial: str, pieces: int) -> None:
        """Take the serial number of one of the counts; the newest are looked at first."""
        for index in range(len(self.counts) - 1, -1, -1):
            if self.counts[index].id == count_id:
                self.counts[index] = replace(self.counts[index], serial=serial, serial_pieces=pieces)
                return

    def done(self, counts: Sequence[Unposted]) -> None:
        """These wait no longer."""
        posted = {count.id for count in counts}
        self.counts[:] = [count for count in self.counts if count.id not in posted]
        self.ended = None

    def put_off(self, clock: Clock) -> None:
        """Try again a little later."""
        now = clock(self.counts[0].equipment_id) or self.counts[-1].at
        self.not_before = now + _TRY_AGAIN
