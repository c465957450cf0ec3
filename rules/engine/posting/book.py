"""All that waits to be posted, of every rule.

It is a cache of what the database knows: a posting marks its counts in the transaction that writes the outbox rows, so that a piece is
posted once for each purpose by construction. Whether a rule means a count follows from the count's own row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final

import structlog

from bridge.config.settings import ProductionSettings
from bridge.model.production import CountKind, EventKind
from bridge.store import posting, production_count
from bridge.store.database import Connection
from bridge.store.posting import Purpose
from bridge.store.production_count import Unposted
from rules.engine.posting import refused, writing
from rules.engine.posting.duty import Duty, duties_of
from rules.engine.posting.waiting import Clock, Ended, Key, Waiting
from rules.rulebook.model import Rulebook

log = structlog.get_logger()

_MARK_EVERY: Final = 500  # counts that a start may look at again


class PostingBook:
    """What waits. `class_of` gives an asset's class, `production` names the tags that count."""

    def __init__(
        self,
        rulebook: Rulebook,
        production: ProductionSettings,
        class_of: Callable[[str, str | None], str | None],
    ) -> None:
        self._duties = duties_of(rulebook, production)
        self._class_of = class_of
        self._waiting: dict[Key, Waiting] = {}
        self._seen = 0  # the newest count
        self.without_order = 0

    async def load(self, connection: Connection) -> None:
        """Take what waits in the database, of each rule from when it first was active."""
        finishing = [duty for duty in self._duties if duty.action.kind is EventKind.WIP_TO_FG]
        others = [duty for duty in self._duties if duty.action.kind is not EventKind.WIP_TO_FG]
        await self._load_finished(connection, finishing)
        if not others:
            return
        self._seen = await posting.newest_count(connection)
        marks = await posting.marks(connection, {duty.rule.id for duty in others})
        former = {duty: _former(duty, marks) for duty in others}
        for duty in others:
            duty.settled_to = _settled(duty, marks, former[duty])
            duty.since = await posting.since(
                connection, duty.rule.id, duty.purpose, [duty.action.connector, *former[duty]]
            )
        for duty in others:
            await self._load_others(connection, duty, former[duty])
        await self._mark(connection, others)

    async def _load_finished(self, connection: Connection, duties: Collection[Duty]) -> None:
        since = await production_count.posting_since(connection, {duty.rule.id for duty in duties})
        if not since:
            return
        for duty in duties:
            duty.since = since.get(duty.rule.id)
        begin = min(since.values())

        def is_meant(path: str, equipment_class: str | None) -> bool:
            known = self._class_of(path, equipment_class)
            return any(duty.holds_for(path, known) for duty in duties)

        for count in await production_count.unposted(connection, begin, is_meant):
            self._offer(count, duties)
        never = await production_count.never_posted(connection, begin)
        if any(never):
            log.warning("good pieces stay unposted", **never._asdict())

    async def _load_others(self, connection: Connection, duty: Duty, former: Collection[str]) -> None:
        if duty.since is None or not duty.counted:
            return
        connectors = [duty.action.connector, *former]
        found = await posting.untaken(connection, duty.purpose, connectors, duty.counted, duty.settled_to, duty.since)
        for count in found:
            self._offer(count, [duty])

    def add(self, count: Unposted) -> None:
        """Take a count that no posting has."""
        self._seen = max(self._seen, count.id)
        if count.order_number is None:
            self._tell_without_order(count)
        else:
            self._offer(count, self._duties)

    def name(self, count_id: int, serial: str, pieces: int) -> None:
        """Take the serial number of a count that may wait; see Unposted."""
        for waiting in self._waiting.values():
            if waiting.duty.action.serials:
                waiting.name(count_id, serial, pieces)

    def complete(self, order_number: str, equipment_id: int, *, is_final: bool) -> None:
        """A machine leaves an order: what waits of the order is posted now, of one that is not the final machine its own only."""
        for key, waiting in self._waiting.items():
            own = all(count.equipment_id == equipment_id for count in waiting.counts)
            if key.order_number == order_number and (own or (is_final and not key.equipment_id)):
                waiting.is_complete = True

    def end(self, order_number: str, ended: Ended) -> None:
        """A machine went over from this order to the next: its performance of it is told for the last time."""
        taken: set[str] = set()
        for duty in self._duties:
            action = duty.action
            if action.kind is not EventKind.PERFORMANCE or duty.since is None or action.connector in taken:
                continue
            if duty.holds_for(ended.path, self._class_of(ended.path, None)):
                taken.add(action.connector)
                if action.ends_with_order:
                    key = Key(order_number, action.connector, duty.index, ended.equipment_id, "", "")
                    waiting = self._waiting.setdefault(key, Waiting(duty, key))
                    waiting.ended, waiting.is_complete = ended, True

    def wakes(self) -> list[tuple[int, datetime]]:
        """The asset and the instant of its time at which each posting has waited long enough."""
        return [wake for waiting in self._waiting.values() if (wake := waiting.wakes_at())]

    def has_due(self, clock: Clock) -> bool:
        """Whether anything is to be posted now."""
        return any(waiting.is_due(clock) for waiting in self._waiting.values())

    async def post(self, connection: Connection, clock: Clock, *, is_careful: bool = False) -> int:
        """Write the postings that are due in the caller's transaction; returns how many pieces they are.

        `is_careful` writes each by itself, and puts off what is refused.
        """
        write = refused.write if is_careful else writing.write
        pieces, posted = 0, set()
        for key in sorted(self._waiting):  # one order of locks for all who post
            waiting = self._waiting[key]
            if waiting.is_due(clock):
                pieces += await write(connection, waiting, clock)
                if waiting.duty.action.kind is EventKind.WIP_TO_FG:
                    self._try_again(key.order_number)
                else:
                    posted.add(waiting.duty)
            if not waiting.counts:
                del self._waiting[key]
        await self._mark(
            connection, [duty for duty in posted if self._settled_to(duty) >= duty.settled_to + _MARK_EVERY]
        )
        return pieces

    def _try_again(self, order_number: str) -> None:
        """More of an order was posted: what could not be taken back may be now."""
        for key, waiting in self._waiting.items():
            if key.order_number == order_number:
                waiting.not_before = None

    async def _mark(self, connection: Connection, duties: Collection[Duty]) -> None:
        """Store how far duties are settled, in one order for all who do."""
        for duty in sorted(duties, key=lambda duty: duty.index):
            settled_to = self._settled_to(duty)
            if duty.action.kind is not EventKind.WIP_TO_FG and settled_to > duty.settled_to:
                duty.settled_to = settled_to
                await posting.set_mark(connection, duty.rule.id, duty.purpose, settled_to)

    def _settled_to(self, duty: Duty) -> int:
        waiting = (count.id for each in self._waiting.values() if each.duty is duty for count in each.counts)
        return min(waiting, default=self._seen + 1) - 1

    def _offer(self, count: Unposted, duties: Collection[Duty]) -> None:
        """Have those of some duties take a count that mean it; of two for one purpose the first of all does."""
        equipment_class = self._class_of(count.path, count.equipment_class)
        taken: set[tuple[str, ...]] = set()
        for duty in self._duties:
            if (takes := duty.takes(count.kind)) not in taken and duty.means(count, equipment_class):
                taken.add(takes)
                if duty in duties:
                    key = Key.of(duty, count)
                    self._waiting.setdefault(key, Waiting(duty, key)).counts.append(count)

    def _tell_without_order(self, count: Unposted) -> None:
        equipment_class = self._class_of(count.path, count.equipment_class)
        is_finished = count.is_final and count.kind == CountKind.GOOD
        if is_finished or any(
            duty.since is not None and count.kind in duty.counted and duty.holds_for(count.path, equipment_class)
            for duty in self._duties
            if duty.action.kind is not EventKind.WIP_TO_FG
        ):
            self.without_order += count.qty
            log.warning(
                "pieces without an order are not posted",
                kind=count.kind,
                asset=count.path,
                pieces=count.qty,
                at=str(count.at),
            )


def _former(duty: Duty, marks: dict[tuple[str, Purpose], int]) -> list[str]:
    """The connectors that the rule posted the same to before, and posts to no longer: what they took is not posted again."""
    now = {action.connector for action in duty.rule.postings if (action.kind, action.item) == duty.purpose[1:]}
    return [
        purpose.connector
        for rule_id, purpose in marks
        if rule_id == duty.rule.id and purpose[1:] == duty.purpose[1:] and purpose.connector not in now
    ]


def _settled(duty: Duty, marks: dict[tuple[str, Purpose], int], former: Collection[str]) -> int:
    """Where the duty goes on: at its own mark, a new connector where the former one was."""
    if (own := marks.get((duty.rule.id, duty.purpose))) is not None:
        return own
    return min((marks[duty.rule.id, duty.purpose._replace(connector=each)] for each in former), default=0)
