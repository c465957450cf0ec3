"""Following the lanes: batches after the cursor -> accounting and rules -> one transaction with the cursor.

Everything that a batch of readings causes, states, counts, alarms, tickets, postings, what the rules remember, and the cursor, is
committed together or not at all. The memory is a cache: after any failure it is thrown away and loaded from what was committed.
The cursor of a lane stands before the oldest reading that still waits for its time; what is read already is remembered beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from bridge.config.settings import Settings
from bridge.errors import AmorError
from bridge.store import alarm, cursor, rule
from bridge.store.cursor import Batch, Cursor
from bridge.store.database import Connection
from bridge.store.rule import RuleText, Version
from rules.engine import checkpoints, journal, loading, suppression, writing
from rules.engine.fitting import RuleIndex
from rules.engine.plant import Plant
from rules.engine.posting import PostingBook
from rules.engine.reload import exchange
from rules.rulebook.model import Rule, Rulebook

log = structlog.get_logger()

WORKER: Final = "rules"
MOST_ROWS: Final = 20_000  # readings of one transaction, about
_MOST_BATCHES: Final = 200  # of a lane in one transaction
_LOOK_FOR_LANES_EVERY: Final = 50  # transactions
_PRUNE_EVERY: Final = 5000  # transactions


@dataclass(slots=True)
class _Memory:
    plant: Plant
    book: PostingBook
    cursors: dict[int, Cursor]


class Follower:
    """The one worker of all lanes; `step` does one transaction. Two of them take turns, each loading what the other did."""

    def __init__(self, settings: Settings, rulebook: Rulebook) -> None:
        self._settings = settings
        self._rules = RuleIndex(rulebook)
        self._by_id = {each.id: each for each in rulebook.rules}
        self._versions: Mapping[str, Version] = {}
        self._memory: _Memory | None = None
        self._steps = 0

    @property
    def rulebook(self) -> Rulebook:
        """The rules that are active."""
        return self._rules.rulebook

    def rules(self) -> Mapping[str, Rule]:
        """The active rules by their id."""
        return self._by_id

    async def open(self, connection: Connection, now: datetime) -> None:
        """Make the rules of the files the active ones. A rule that is gone leaves no alarm open; one that failed is tried again."""
        async with connection.transaction():
            self._versions = await _activate(connection, self.rulebook, now)
        self._memory = None

    async def reload(self, connection: Connection, rulebook: Rulebook, now: datetime) -> None:
        """Go over to other rules between two steps: unchanged ones go on as they are, changed ones keep what they can.

        Raises whatever the database raises; the old rules are the active ones then.
        """
        memory, self._memory = self._memory, None
        rules = RuleIndex(rulebook)
        async with connection.transaction():
            cursors = await cursor.lock(connection, WORKER)
            before = self._versions
            versions = await _activate(connection, rulebook, now)
            if memory is not None and memory.cursors == cursors:
                await exchange(connection, memory.plant, rules, versions)
                await rule.save_states(connection, memory.plant.changed_states())
                memory.plant.settle()
                memory.book = PostingBook(rulebook, self._settings.production, memory.plant.class_of)
                await memory.book.load(connection)
        self._rules, self._versions, self._memory = rules, versions, memory
        self._by_id = {each.id: each for each in rulebook.rules}
        changed = sorted(name for name, version in versions.items() if before.get(name) != version)
        log.info("rules are loaded", rules=len(rulebook.rules), changed=len(changed), names=changed[:20],
                 removed=sorted(before.keys() - versions.keys())[:20])  # fmt: skip

    def clock(self, equipment_id: int, now: datetime) -> datetime | None:
        """How far time is on an asset, if no batch were unread; None where nothing was ever read of it."""
        asset = self._memory.plant.assets.get(equipment_id) if self._memory else None
        return asset.clock(now) if asset else None

    def wakes_at(self) -> datetime | None:
        """When, by the wall's clock, the next step may have work even if no batch comes."""
        if self._memory is None:
            return None
        plant, wakes = self._memory.plant, [self._memory.plant.wakes_at()]
        for equipment_id, at in self._memory.book.wakes():
            if (asset := plant.assets.get(equipment_id)) and asset.newest:
                wakes.append(at + asset.behind + asset.lateness)
        return min((wake for wake in wakes if wake), default=None)

    async def step(self, connection: Connection, now: datetime) -> bool:
        """Work on the batches that are unread, as many as go into one transaction; whether more are waiting.

        What the database refuses for good is left out, logged and kept as a dead letter: its neighbours go on. Raises whatever
        else the database raises; the memory is loaded again then.
        """
        memory, self._memory = self._memory, None  # until this transaction is committed, nothing in memory is true
        try:
            return await self._transact(connection, memory, now)
        except (*writing.REFUSALS, AmorError) as error:
            log.warning("a part cannot be written: each is written by itself", error=str(error).strip())
            return await self._transact(connection, None, now, is_careful=True)

    async def _transact(
        self, connection: Connection, memory: _Memory | None, now: datetime, *, is_careful: bool = False
    ) -> bool:
        async with connection.transaction():
            if self._steps % _LOOK_FOR_LANES_EVERY == 0:
                lanes = [*(source.lane for source in self._settings.source), self._settings.ingest.replay_lane]
                await cursor.ensure(connection, WORKER, lanes)
            cursors = await cursor.lock(connection, WORKER)
            if memory is None or memory.cursors != cursors:
                memory = await self._load(connection, cursors)
            more = await self._work(connection, memory, now, is_careful=is_careful)
            if self._steps % _PRUNE_EVERY == 0:
                await rule.prune_checkpoints(
                    connection, now - timedelta(hours=self._settings.rules.correct_within_h + 1)
                )
        self._memory = memory
        self._steps += 1
        return more

    async def _work(self, connection: Connection, memory: _Memory, now: datetime, *, is_careful: bool) -> bool:
        plant, book = memory.plant, memory.book
        unread = await cursor.batches(connection, plant.read, _MOST_BATCHES)
        batches = _first_received(unread, MOST_ROWS)
        is_behind = len(batches) < len(unread) or len(unread) >= _MOST_BATCHES
        time = None if is_behind else now
        plant.lanes.see(await cursor.lanes_held(connection), now)
        await self._read(connection, plant, batches)

        def clock(equipment_id: int) -> datetime | None:
            asset = plant.assets.get(equipment_id)
            return asset.clock(time) if asset else None

        due = plant.due(time)
        rows, acted = await journal.take_over_operators(connection, plant, due)
        if not batches and not due and not acted and not book.has_due(clock):
            return False
        known = {asset: asset.released for asset in due}
        released = plant.release(due, time)
        plant.touched |= acted
        writer = writing.Writer(connection, plant, book, now, is_careful)
        await writer.write(released, known)
        await journal.update_alarms(connection, plant.touched, rows)
        await writer.raise_failures(plant.touched)
        await suppression.update(connection, plant, plant.touched)
        await book.post(connection, clock, is_careful=is_careful)
        await rule.save_checkpoints(connection, list(checkpoints.due(plant.touched, plant.versions)))
        await rule.save_states(connection, plant.changed_states())
        memory.cursors = await cursor.move(connection, WORKER, plant.done())
        plant.settle()
        return is_behind

    async def _read(self, connection: Connection, plant: Plant, batches: Collection[Batch]) -> None:
        for source in sorted({batch.source for batch in batches}):
            plant.learn(await cursor.tags(connection, source, plant.last_tag.get(source, 0)))
        if plant.new:
            await loading.ready(connection, plant)
        found = sorted(batches, key=lambda batch: (batch.lane, batch.seq))
        plant.hold(await cursor.readings(connection, plant.by_tag, found) if plant.by_tag else [], found)

    async def _load(self, connection: Connection, cursors: dict[int, Cursor]) -> _Memory:
        plant = await loading.load(connection, self._settings, self._rules, self._versions, cursors)
        book = PostingBook(self.rulebook, self._settings.production, plant.class_of)
        await book.load(connection)
        log.info("engine loaded", lanes=plant.read, assets=len(plant.assets), tags=len(plant.by_tag))
        return _Memory(plant, book, cursors)


async def _activate(connection: Connection, rulebook: Rulebook, now: datetime) -> dict[str, Version]:
    texts = [RuleText(each.id, each.sha256, each.body, each.file) for each in rulebook.rules]
    versions = await rule.activate(connection, texts, now)
    if closed := await alarm.close_without_rule(connection, list(versions), now):
        log.info("alarms of removed rules are closed", alarms=closed)
    await rule.forget(connection, list(versions))
    await alarm.close_failed(connection, now)
    await rule.record_load(connection, now, len(texts))
    return versions


def _first_received(unread: Collection[Batch], most_rows: int) -> list[Batch]:
    """Batches in the order in which they were received, each lane's in its own, up to a number of readings; at least one."""
    lanes: dict[int, list[Batch]] = {}
    for batch in unread:
        lanes.setdefault(batch.lane, []).append(batch)
    full = {
        lane for lane, batches in lanes.items() if len(batches) >= _MOST_BATCHES
    }  # they may have more than was read
    taken: list[Batch] = []
    rows = 0
    while lanes and (not taken or rows < most_rows):
        lane = min(lanes, key=lambda lane: lanes[lane][0].received_at)
        batch = lanes[lane].pop(0)
        taken.append(batch)
        rows += batch.rows
        if not lanes[lane]:
            if lane in full:
                break  # nothing that was received after its next batch is taken before that
            del lanes[lane]
    return taken


def utc_now() -> datetime:
    """The wall's clock."""
    return datetime.now(UTC)
