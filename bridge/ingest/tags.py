"""The lane's memory of tag ids, and the registration of tags that are seen for the first time."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

import numpy as np
import psycopg
import structlog

from bridge.config.settings import Settings
from bridge.ingest.sifting import is_refusal, reason_of
from bridge.model.equipment import TagKind
from bridge.model.numbers import Integers, Numbers, TagNumbers
from bridge.model.reading import Reading, TagKey, TagSpec
from bridge.sources.delivery import Source
from bridge.store import tag
from bridge.store.database import Connection
from bridge.store.tag import KnownTag

log = structlog.get_logger()

_REMEMBERED: Final = 200_000  # ids kept; past it all are looked up anew


class _Numbered:
    """The ids of tags by the numbers that a source gave them; 0 where it is not known."""

    def __init__(self, tags: TagNumbers) -> None:
        self.tags = tags
        self.texts: dict[int, KnownTag] = {}
        self._ids: Integers = np.zeros(0, np.int64)

    def ids_of(self, which: Integers) -> Integers:
        """The ids, one for each number."""
        if len(self._ids) < len(self.tags):
            self._ids = np.concatenate((self._ids, np.zeros(len(self.tags) - len(self._ids), np.int64)))
        return self._ids[which]

    def learn(self, number: int, known: KnownTag) -> None:
        """Remember a tag."""
        self._ids[number] = known.id
        if known.datatype == "text":
            self.texts[number] = known


class Tags:
    """Ids by key. What is remembered holds for one database: forget it with the connection."""

    def __init__(self, settings: Settings, source_name: str, source: Source) -> None:
        self._meanings = settings.tag
        self._cap = settings.ingest.max_new_tags
        self._source_name = source_name
        self._source = source
        self._ids: dict[TagKey, KnownTag] = {}
        self._refused: dict[TagKey, str] = {}
        self._drifting: set[TagKey] = set()
        self._numbered = _Numbered(TagNumbers())

    def forget(self) -> None:
        """Remember nothing: the connection is a new one, and so may the database be."""
        self._ids.clear()
        self._numbered = _Numbered(TagNumbers())

    async def resolve(self, connection: Connection, readings: Sequence[Reading]) -> Sequence[KnownTag | None]:
        """The tag of each of the readings, registering new ones in a transaction of its own.

        None stands for one that was not registered: `why_not` says why.
        """
        try:
            return [self._ids[reading[0]] for reading in readings]
        except KeyError:
            await self._learn(connection, readings)
        return [self._ids.get(reading.tag) for reading in readings]

    async def resolve_numbers(self, connection: Connection, numbers: Numbers) -> Integers:
        """The ids of the tags of the readings, as `resolve` does; 0 stands for one that was not registered."""
        if self._numbered.tags is not numbers.tags:
            self._numbered = _Numbered(numbers.tags)
        numbered = self._numbered
        ids = numbered.ids_of(numbers.which)
        if not ids.all():
            unknown = numbers.only(ids == 0)
            firsts = list({reading.tag: reading for reading in reversed(unknown.readings())}.values())[::-1]
            for reading, known in zip(firsts, await self.resolve(connection, firsts), strict=True):
                if known is not None:
                    numbered.learn(numbers.tags.number_of(reading.tag), known)
            ids = numbered.ids_of(numbers.which)
        return ids

    def drifting(self, which: Integers) -> list[tuple[KnownTag, TagKey, int]]:
        """Of the tags that were resolved last, by their numbers: those of text, and how many readings of numbers they have."""
        if not (texts := self._numbered.texts):
            return []
        found = zip(*np.unique(which, return_counts=True), strict=True)
        keys = self._numbered.tags.keys
        return [(texts[number], keys[number], int(count)) for number, count in found if number in texts]

    def why_not(self, key: TagKey) -> str:
        """Why the last `resolve` gave None for a tag."""
        too_many = f"new tag, and {self._cap} are registered: raise ingest.max_new_tags or mend the device"
        return self._refused.get(key, too_many)

    async def id_of(self, connection: Connection, key: TagKey) -> int | None:
        """The id of one tag; None where it is not registered."""
        if key not in self._ids:
            self._ids.update(await tag.find(connection, [key]))
        return known.id if (known := self._ids.get(key)) else None

    def tell_drift(self, tag: TagKey, first: str) -> None:
        """A reading is of another type than its tag's first one: said once a tag in the log. It is stored as it is."""
        if tag not in self._drifting:
            self._drifting.add(tag)
            log.warning("tag changed its type", source=self._source_name, tag="/".join(tag), first=first)

    async def _learn(self, connection: Connection, readings: Sequence[Reading]) -> None:
        if len(self._ids) > _REMEMBERED:
            self._ids.clear()
        unknown: dict[TagKey, Reading] = {}
        for reading in readings:
            if reading.tag not in self._ids and reading.tag not in unknown:
                unknown[reading.tag] = reading
        self._refused.clear()
        await self._learn_each(connection, unknown)

    async def _learn_each(self, connection: Connection, unknown: dict[TagKey, Reading]) -> None:
        """Find or register tags; where the database refuses one, they are halved until it stands alone."""
        try:
            await self._find_or_register(connection, unknown)
        except (psycopg.Error, ValueError) as error:
            if isinstance(error, psycopg.Error) and not is_refusal(error):
                raise
            if len(unknown) == 1:
                self._refused.update(dict.fromkeys(unknown, reason_of(error)))
                return
            each = list(unknown.items())
            half = len(each) // 2
            await self._learn_each(connection, dict(each[:half]))
            await self._learn_each(connection, dict(each[half:]))

    async def _find_or_register(self, connection: Connection, unknown: dict[TagKey, Reading]) -> None:
        self._ids.update(await tag.find(connection, unknown.keys()))
        if new := [self._spec(first) for key, first in unknown.items() if key not in self._ids]:
            await self._register(connection, new)

    async def _register(self, connection: Connection, new: list[TagSpec]) -> None:
        named = self._source.known_tags()
        async with connection.transaction():
            room = max(0, self._cap - await tag.count(connection))
            on_sight = [spec for spec in new if spec.key not in named]
            accepted = [spec for spec in new if spec.key in named] + on_sight[:room]
            registered = await tag.register(connection, self._source_name, accepted) if accepted else {}
        if registered:
            self._ids.update(registered)
            log.info("tags registered", source=self._source_name, tags=len(accepted))

    def _spec(self, first: Reading) -> TagSpec:
        meaning = next((m for m in self._meanings if fnmatchcase(first.tag.name, m.match)), None)
        kind = meaning.kind if meaning and meaning.kind else None
        if first.value is None and first.text is None:
            # A null says nothing of the type; a state or an event is more likely a word.
            datatype = "text" if kind in (TagKind.STATE, TagKind.EVENT) else "number"
        else:
            datatype = "text" if first.text is not None else "number"
        default_kind = TagKind.STATE if datatype == "text" else TagKind.GAUGE
        unit = first.unit or (meaning.unit if meaning else "") or self._source.known_tags().get(first.tag, "")
        address = self._source.address_of(first.tag)
        return TagSpec(first.tag, datatype, unit, kind or default_kind, self._source_name, address)
