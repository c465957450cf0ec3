"""Postings: good pieces of the final operation, gathered by order until there are enough of them or they have waited long enough.

What waits is a cache of the counts whose `outbox_id` is null; a posting sets it in the transaction that writes the outbox row, so
that a piece is posted once by construction. Whether a rule means a count follows from the count's own row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

import structlog

from bridge.errors import AmorError
from bridge.model.production import MaterialActual, event_id
from bridge.store import outbox, production_count
from bridge.store.database import Connection
from bridge.store.production_count import Unposted
from rules.conditions.counted import Counted
from rules.rulebook.model import PostingAction, Rule, Rulebook

log = structlog.get_logger()

PIECES: Final = "pcs"


@dataclass(slots=True)
class Waiting:
    """Counts of one order that wait for their posting, oldest first."""

    rule: Rule
    action: PostingAction
    counts: list[Unposted] = field(default_factory=list)
    is_complete: bool = False  # the machine went over to the next order

    def is_due(self, clock: Callable[[int], datetime | None]) -> bool:
        """Whether they are to be posted now; `clock` says how far time is on an asset."""
        if not self.counts:
            return False
        if self.is_complete or sum(count.qty for count in self.counts) >= self.action.max_qty:
            return True
        now = clock(self.counts[0].equipment_id)
        return now is not None and now >= self.counts[0].at + self.action.max_wait


class PostingBook:
    """What waits, by order. `class_of` gives an asset's class, `good` is the tag whose pieces are posted."""

    def __init__(self, rulebook: Rulebook, class_of: Callable[[str, str | None], str | None]) -> None:
        self._rules = [rule for rule in rulebook.rules if rule.postings and isinstance(rule.condition, Counted)]
        self._class_of = class_of
        self._since: dict[str, datetime] = {}
        self._waiting: dict[str, Waiting] = {}
        self.without_order = 0

    async def load(self, connection: Connection) -> None:
        """Take what waits in the database, of each rule from when it first was active."""
        self._since = await production_count.posting_since(connection, [rule.id for rule in self._rules])
        if not self._since:
            return
        since = min(self._since.values())
        for count in await production_count.unposted(connection, since):
            self.add(count)
        never = await production_count.never_posted(connection, since)
        if any(never):
            log.warning("good pieces stay unposted", **never._asdict())

    def add(self, count: Unposted) -> None:
        """Take a count that no posting has."""
        rule = self._rule_for(count)
        if count.order_number is None:
            self.without_order += count.qty
            log.warning(
                "good pieces without an order are not posted", asset=count.path, pieces=count.qty, at=str(count.at)
            )
        elif rule is not None:
            waiting = self._waiting.setdefault(count.order_number, Waiting(rule, rule.postings[0]))
            waiting.counts.append(count)

    def complete(self, order_number: str) -> None:
        """The final machine went over to another order: what waits of this one is posted now."""
        if waiting := self._waiting.get(order_number):
            waiting.is_complete = True

    def wakes(self) -> list[tuple[int, datetime]]:
        """The asset and the instant of its time at which each order has waited long enough."""
        return [
            (waiting.counts[0].equipment_id, waiting.counts[0].at + waiting.action.max_wait)
            for waiting in self._waiting.values()
            if waiting.counts
        ]

    def has_due(self, clock: Callable[[int], datetime | None]) -> bool:
        """Whether anything is to be posted now."""
        return any(waiting.is_due(clock) for waiting in self._waiting.values())

    async def post(self, connection: Connection, clock: Callable[[int], datetime | None]) -> int:
        """Write the postings that are due in the caller's transaction; returns how many pieces they are."""
        pieces = 0
        for order_number in sorted(self._waiting):  # one order of locks for all who post
            waiting = self._waiting[order_number]
            if waiting.is_due(clock):
                pieces += await _post(connection, order_number, waiting)
                waiting.counts.clear()
            if not waiting.counts:
                del self._waiting[order_number]
        return pieces

    def _rule_for(self, count: Unposted) -> Rule | None:
        equipment_class = self._class_of(count.path, count.equipment_class)
        for rule in self._rules:
            condition = rule.condition
            assert isinstance(condition, Counted), "the others are left out"
            is_its = rule.id in self._since and count.at >= self._since[rule.id]
            if (
                is_its
                and rule.for_each.matches(count.path, equipment_class)
                and condition.accepts(count.qty, order_active=count.order_number is not None, operation_is_final=True)
            ):
                return rule
        return None


async def _post(connection: Connection, order_number: str, waiting: Waiting) -> int:
    ids = [count.id for count in waiting.counts]
    free, posted = await production_count.take_for_posting(connection, order_number, ids)
    if not free:
        return 0
    quantity, sequence = sum(free.values()), posted.postings + 1
    newest = waiting.counts[-1]
    event = MaterialActual(
        event_id=event_id(waiting.action.kind, order_number, sequence),
        order_ref=order_number,
        sequence=sequence,
        occurred_at=newest.at,
        quantity=Decimal(quantity),
        cumulative=Decimal(posted.qty + quantity),
        uom=PIECES,
        equipment=newest.path,
    )
    outbox_id = await outbox.insert(
        connection, connector=waiting.action.connector, stream=order_number, kind=waiting.action.kind,
        payload=event.payload(), key=str(event.event_id),
    )  # fmt: skip
    if outbox_id is None:
        raise AmorError(
            f"posting {sequence} of order {order_number} is in the outbox already, and its counts are not marked"
        )
    await production_count.set_posted(connection, list(free), outbox_id)
    return quantity
