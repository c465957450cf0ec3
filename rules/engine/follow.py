"""Following the lanes: batches after the cursor -> accounting and rules -> one transaction with the cursor.

Everything that a batch of readings causes, states, counts, alarms, tickets, postings, what the rules remember, and the cursor, is
committed together or not at all. The memory is a cache: after any failure it is thrown away and loaded from what was committed.
The cursor of a lane stands before the oldest reading that still waits for its time; what is read already is remembered beside it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from bridge.config.settings import Settings
from bridge.model.reading import microseconds
from bridge.store import alarm, cursor, machine_state, rule
from bridge.store.cursor import Batch, Cursor
from bridge.store.database import Connection
from bridge.store.rule import RuleText
from rules.engine import writing
from rules.engine.asset import sample_of
from rules.engine.plant import CLOCK, CLOCK_INSTANCE, Plant
from rules.engine.posting import PostingBook
from rules.rulebook.model import Rulebook
from rules.sample import Sample

log = structlog.get_logger()

WORKER: Final = "rules"
MOST_ROWS: Final = 20_000  # readings of one transaction, about
_MOST_BATCHES: Final = 200  # of a lane in one transaction
_LOOK_FOR_LANES_EVERY: Final = 50  # transactions


@dataclass(slots=True)
class _Memory:
    plant: Plant
    book: PostingBook
    cursors: dict[int, Cursor]


class Follower:
    """The one worker of all lanes; `step` does one transaction. Two of them take turns, each loading what the other did."""

    def __init__(self, settings: Settings, rulebook: Rulebook) -> None:
        self._settings = settings
        self._rulebook = rulebook
        self._versions: dict[str, int] = {}
        self._memory: _Memory | None = None
        self._steps = 0

    async def open(self, connection: Connection, now: datetime) -> None:
        """Make the rules of the files the active ones. A rule that is gone leaves no alarm open."""
        rules = self._rulebook.rules
        texts = [RuleText(each.id, each.sha256, each.body, each.file) for each in rules]
        async with connection.transaction():
            self._versions = await rule.activate(connection, texts, now)
            if closed := await alarm.close_without_rule(connection, [each.id for each in rules], now):
                log.info("alarms of removed rules are closed", alarms=closed)
        self._memory = None

    def clock(self, equipment_id: int, now: datetime) -> datetime | None:
        """How far time is on an asset, if no batch were unread; None where nothing was ever read of it."""
        asset = self._memory.plant.assets.get(equipment_id) if self._memory else None
        return asset.clock(now, self._lateness) if asset else None

    def wakes_at(self) -> datetime | None:
        """When, by the wall's clock, the next step has work even if no batch comes."""
        if self._memory is None:
            return None
        plant, wakes = self._memory.plant, [self._memory.plant.wakes_at()]
        for equipment_id, at in self._memory.book.wakes():
            if (asset := plant.assets.get(equipment_id)) and asset.newest:
                wakes.append(at + asset.behind + self._lateness)
        return min((wake for wake in wakes if wake), default=None)

    async def step(self, connection: Connection, now: datetime) -> bool:
        """Work on the batches that are unread, as many as go into one transaction; whether more are waiting.

        What the database refuses for good is left out, logged and kept as a dead letter: its neighbours go on. Raises whatever
        else the database raises; the memory is loaded again then.
        """
        memory, self._memory = self._memory, None  # until this transaction is committed, nothing in memory is true
        try:
            return await self._transact(connection, memory, now)
        except writing.REFUSALS as error:
            log.warning("the database refuses a part: each is written by itself", error=str(error).strip())
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
        self._memory = memory
        self._steps += 1
        return more

    @property
    def _lateness(self) -> timedelta:
        return timedelta(milliseconds=self._settings.rules.lateness_ms)

    async def _work(self, connection: Connection, memory: _Memory, now: datetime, *, is_careful: bool) -> bool:
        plant, book = memory.plant, memory.book
        unread = await cursor.batches(connection, plant.read, _MOST_BATCHES)
        batches = _first_received(unread, MOST_ROWS)
        is_behind = len(batches) < len(unread) or len(unread) >= _MOST_BATCHES
        time = None if is_behind else now
        await self._read(connection, plant, batches)

        def clock(equipment_id: int) -> datetime | None:
            asset = plant.assets.get(equipment_id)
            return asset.clock(time, self._lateness) if asset else None

        if not batches and not plant.is_due(now) and not book.has_due(clock):
            return False
        await self._write(connection, memory, time, is_careful=is_careful)
        await book.post(connection, clock)
        states = plant.changed_states()
        await rule.save_states(connection, states)
        plant.remember(states)
        memory.cursors = await cursor.move(connection, WORKER, plant.done())
        return is_behind

    async def _read(self, connection: Connection, plant: Plant, batches: Collection[Batch]) -> None:
        for source in sorted({batch.source for batch in batches}):
            plant.learn(await cursor.tags(connection, source, plant.last_tag.get(source, 0)))
        found = sorted(batches, key=lambda batch: (batch.lane, batch.seq))
        plant.hold(await cursor.readings(connection, plant.by_tag, found) if plant.by_tag else [], found)

    async def _write(self, connection: Connection, memory: _Memory, time: datetime | None, *, is_careful: bool) -> None:
        plant = memory.plant
        instances = [instance for asset in plant.assets.values() for instance in asset.instances]
        rows = await writing.take_over_operators(connection, instances)
        released = plant.release(time)
        await writing.write(connection, plant, memory.book, self._versions, released, is_careful=is_careful)
        await writing.update_alarms(connection, plant.assets.values(), rows)

    async def _load(self, connection: Connection, cursors: dict[int, Cursor]) -> _Memory:
        """The memory as of the last commit: what was remembered, the newest readings worked on, and those that wait."""
        saved = {key: found.state for key, found in (await rule.states(connection)).items()}
        read = {int(lane): seq for lane, seq in saved.get((CLOCK, CLOCK_INSTANCE), {}).get("read", {}).items()}
        plant = Plant(
            settings=self._settings,
            rulebook=self._rulebook,
            state_map=await machine_state.state_map(connection),
            read={lane: max(found.seq, read.get(lane, 0)) for lane, found in cursors.items()},
            saved=saved,
            lateness=self._lateness,
        )
        plant.learn(await cursor.tags(connection))
        await self._recall(connection, plant)
        book = PostingBook(self._rulebook, plant.class_of)
        await book.load(connection)
        log.info("engine loaded", lanes=plant.read, assets=len(plant.assets), tags=len(plant.by_tag))
        return _Memory(plant, book, cursors)

    async def _recall(self, connection: Connection, plant: Plant) -> None:
        known = {tag: asset for tag, asset in plant.by_tag.items() if asset.released}
        if not known:
            return
        released = {tag: asset.released for tag, asset in known.items() if asset.released}
        ruled = {tag for asset in known.values() for instance in asset.instances for tag in instance.inputs}
        until = {tag: at for tag, at in released.items() if tag in ruled}
        newest: dict[int, list[Sample]] = {}
        for reading in await cursor.readings_before(connection, until, plant.read) if until else []:
            newest.setdefault(reading.tag_id, []).append(sample_of(reading))
        for asset in plant.assets.values():
            for instance in asset.instances:
                samples = [sample for tag in instance.inputs for sample in newest.get(tag, ())]
                if asset.released:
                    samples.sort(key=lambda sample: (sample.at_us, sample.ordinal))
                    instance.warm(samples, instance.situation, microseconds(asset.released))
        for reading in await cursor.readings_after(connection, released, plant.read):
            known[reading.tag_id].hold(reading, None)


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
