"""Dead letters read again with the present configuration: kept bytes -> readings, each stored once, in a lane of its own.

Some letters a transaction: readings, batch row, what still cannot be read, and the letters' closing are committed together, so a
replay that was killed is simply run again. Readings go the careful way, which knows what is stored already. A letter without a
source time takes the time of its arrival, as its message did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import orjson

from bridge.config.settings import MqttSettings, Settings, SourceSettings
from bridge.ingest.sifting import Sifted, sift
from bridge.ingest.tags import Tags
from bridge.model.reading import DeadLetter, Reading, TagKey, microseconds
from bridge.sources import SOURCES
from bridge.sources.mqtt_decoding import Decoding
from bridge.sources.mqtt_frames import Publish
from bridge.sources.mqtt_inbox import Arrived
from bridge.store import dead_letter
from bridge.store import reading as readings_table
from bridge.store.database import Connection
from bridge.store.dead_letter import OpenLetter, Wanted
from bridge.store.reading import Row

LETTERS_A_BATCH: Final = 200
_OURS: Final = ("new tag, and ", "the database refuses it: ", "conflict: ")  # reasons of `sifting.refusal`
_QOS_1: Final = 0x32
_PARTS: Final = {"tag", "value", "ts", "quality", "unit", "ordinal"}


@dataclass(slots=True)
class Report:
    """What a replay did: letters closed, readings stored and known already, and the letters still refused by newest reason."""

    replayed: int = 0
    readings: int = 0
    duplicates: int = 0
    refused: Counter[str] = field(default_factory=Counter)


class _WouldRefuse(Exception):
    """Some readings of several letters were refused: each letter is tried by itself."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A letter read again."""

    letter: OpenLetter
    readings: Sequence[Reading]
    failures: Sequence[DeadLetter]


class Replay:
    """Replays the letters of one source."""

    def __init__(self, settings: Settings, table: SourceSettings) -> None:
        self._name = table.name
        self._lane = settings.ingest.replay_lane
        self._decoding = Decoding(table) if isinstance(table, MqttSettings) else None
        self._tags = Tags(settings, table.name, SOURCES[table.type](table))

    async def run(self, connection: Connection, wanted: Wanted, report: Report, *, is_dry: bool) -> None:
        """Replay what is open now. Raises LaneTaken where another replay is under way."""
        await readings_table.take_lane(connection, self._lane)
        after, last = 0, await dead_letter.newest(connection)
        while letters := await dead_letter.read_open(connection, wanted, after=after, last=last, most=LETTERS_A_BATCH):
            after = letters[-1].id
            found = [self._read(letter) for letter in letters]
            for each in found:
                if not each.readings:
                    report.refused[each.failures[0].reason if each.failures else "no readings in it"] += 1
            legible = [each for each in found if each.readings]
            if is_dry:
                report.replayed += len(legible)
                report.readings += sum(len(each.readings) for each in legible)
            elif legible:
                await self._store(connection, legible, report)

    async def _store(self, connection: Connection, found: Sequence[_Read], report: Report) -> None:
        rows: list[Row] = []
        for each in found:
            ids = await self._tags.resolve(connection, each.readings)
            if any(known is None for known in ids):
                if len(found) == 1:
                    report.refused[self._tags.why_not(each.readings[ids.index(None)].tag)] += 1
                    return
                await self._one_by_one(connection, found, report)
                return
            rows += [(known.id, reading) for known, reading in zip(ids, each.readings, strict=True) if known]
        try:
            sifted = await self._transact(connection, found, rows)
        except _WouldRefuse as refused:
            if len(found) > 1:
                await self._one_by_one(connection, found, report)
            else:
                report.refused[str(refused)] += 1
            return
        report.replayed += len(found)
        report.readings += sifted.rows
        report.duplicates += sifted.duplicates

    async def _one_by_one(self, connection: Connection, found: Sequence[_Read], report: Report) -> None:
        for each in found:
            await self._store(connection, [each], report)

    async def _transact(self, connection: Connection, found: Sequence[_Read], rows: Sequence[Row]) -> Sifted:
        received_at = min(each.letter.received_at for each in found)
        async with connection.transaction():
            head = await readings_table.read_head(connection, self._lane)
            seq = head.seq + 1 if head else 1
            sifted = await sift(connection, self._name, self._lane, seq, rows, received_at)
            if sifted.dead_letters:
                raise _WouldRefuse(sifted.dead_letters[0].reason)  # rolls back: the letter stays open as it is
            failures = [failure for each in found for failure in each.failures]
            await dead_letter.insert(connection, self._name, failures)
            await dead_letter.mark_replayed(connection, [each.letter.id for each in found])
            await self._number(connection, seq, received_at, sifted)
        return sifted

    async def _number(self, connection: Connection, seq: int, received_at: datetime, sifted: Sifted) -> None:
        await readings_table.insert_batch(
            connection,
            lane=self._lane,
            seq=seq,
            source=self._name,
            received_at=received_at,
            rows=sifted.rows,
            duplicates=sifted.duplicates,
            span=sifted.span,
        )

    def _read(self, letter: OpenLetter) -> _Read:
        if (reading := _own_form(letter)) is not None:
            return _Read(letter, [reading], ())
        if self._decoding is None:
            failure = DeadLetter(self._name, letter.address, letter.payload, letter.reason, letter.received_at)
            return _Read(letter, (), [failure])
        publish: Publish = (_QOS_1, 0, letter.address.encode(), letter.payload)
        taken = self._decoding.decode(Arrived(0, microseconds(letter.received_at), [publish]))
        columns = taken.numbers.readings() if taken.numbers else []
        return _Read(letter, [*taken.readings, *columns], taken.dead)


def _own_form(letter: OpenLetter) -> Reading | None:
    """The reading of a letter that the ingest path wrote itself (`sifting.refusal`); None where it is a device's message."""
    if not letter.reason.startswith(_OURS):
        return None
    try:
        content: Mapping[str, object] = orjson.loads(letter.payload)
        if set(content) != _PARTS:
            return None
        tag, value, unit = str(content["tag"]), content["value"], str(content["unit"])
        time_us = microseconds(datetime.fromisoformat(str(content["ts"])))
        ordinal, quality = int(str(content["ordinal"])), int(str(content["quality"]))
    except (ValueError, TypeError):
        return None
    key = TagKey(letter.address.removesuffix("/" + tag), tag)
    number = float(value) if isinstance(value, int | float) else None
    return Reading(key, time_us, ordinal, number, value if isinstance(value, str) else None, quality, unit)
