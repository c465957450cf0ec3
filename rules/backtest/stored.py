"""Stored history as chunks: the plant's assets one after the other, each in stretches that hold some million readings at most."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

import numpy as np

from bridge.config.settings import Settings
from bridge.model.production import MachineState
from bridge.model.reading import instant, microseconds
from bridge.store import backtest as store
from bridge.store import cursor, machine_state
from bridge.store.backtest import Ahead, StoredWord
from bridge.store.cursor import FollowedTag
from bridge.store.database import Connection
from rules.backtest.data import AssetSpec, Chunk, Column
from rules.backtest.report import Report
from rules.backtest.run import TICKET_OPEN, Backtest, fits
from rules.conditions.threshold import Threshold
from rules.engine.asset import MAX_AHEAD
from rules.instance.plan import plan_of
from rules.production.accounting import Role
from rules.rulebook.model import Input, Rule

_MOST_READINGS: Final = 1_000_000  # of a stretch, about
_DAY: Final = timedelta(days=1)  # of one chunk of the hypertable
_LEAST: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when; None: from the first reading, to the last."""

    first: datetime | None = None
    end: datetime | None = None


async def run_stored(
    connection: Connection,
    settings: Settings,
    rules: Sequence[Rule],
    span: Span,
    *,
    ticket_open: timedelta = TICKET_OPEN,
) -> Report:
    """Try rules on the stored readings of the plant; what its machines were doing is taken from theirs, as the engine does."""
    backtest = Backtest(rules, ticket_open=ticket_open)
    async for chunk in stored_chunks(connection, settings, rules, span):
        backtest.take(chunk)
    return backtest.finish()


async def stored_chunks(
    connection: Connection, settings: Settings, rules: Sequence[Rule], span: Span
) -> AsyncIterator[Chunk]:
    """The readings that the rules need, asset by asset, in the order of time."""
    tags = sorted(await cursor.tags(connection), key=lambda tag: (tag.path, tag.id))
    words = await machine_state.state_map(connection)
    without = await store.ahead(connection, MAX_AHEAD)
    plant, received = await store.span(connection, [tag.id for tag in tags]), await store.received(connection)
    if plant is None:
        return
    heard = min(plant[1], received or plant[1])  # a clock that runs ahead does not move the others'
    groups = [list(group) for _, group in groupby(tags, key=lambda tag: tag.equipment_id)]
    assets = _with_siblings([_asset(group, settings, words) for group in groups], rules)
    for asset in assets:
        tried = [rule for rule in rules if fits(rule, asset)]
        if tried:
            async for chunk in _Reading(connection, asset, tried, without).chunks(span, heard):
                yield chunk


class _Reading:
    """One asset's readings."""

    def __init__(self, connection: Connection, asset: AssetSpec, rules: Iterable[Rule], without: Ahead) -> None:
        self._connection, self._asset, self._without = connection, asset, without
        inputs = [entry for rule in rules for entry in rule.inputs]
        telling = set(asset.roles or ()) if any(_asks_for_the_situation(rule) for rule in rules) else set()
        self._worded = telling | {tag for entry in inputs if entry.is_text for tag in _tags(entry, asset)}
        self._numbered = {tag for entry in inputs for tag in _tags(entry, asset)} - self._worded
        self._telling = telling

    async def chunks(self, wanted: Span, heard: datetime) -> AsyncIterator[Chunk]:
        """Stretch by stretch; each is as long as the one before lets expect a bounded number of readings.

        Time runs on to the plant's newest reading: a machine that fell silent before it was silent until then.
        """
        known = await store.span(self._connection, self._numbered | self._worded)
        if known is None:
            return
        at = known[0] if wanted.first is None else max(wanted.first, known[0])
        end = known[1] + timedelta(microseconds=1) if wanted.end is None else wanted.end
        before = await store.words_before(self._connection, self._telling, at) if self._telling else []
        if before:
            yield Chunk(self._asset, tuple(_word_columns(before)), microseconds(max(word.ts for word in before)))
        length = timedelta(hours=1)
        while at < end:
            until = min(at + length, end, _next_day(at))
            columns = await self._columns(at, until)
            readings = sum(len(column.times_us) for column in columns)
            yield Chunk(self._asset, tuple(columns), min(microseconds(until) - 1, microseconds(heard)))
            length = max(
                _LEAST, min(_DAY, length * 2 if readings < _MOST_READINGS / 2 else length * _MOST_READINGS / readings)
            )
            at = until if readings else await self._next(until, end)
        yield Chunk(self._asset, (), microseconds(heard if wanted.end is None else min(wanted.end, heard)))

    async def _next(self, at: datetime, end: datetime) -> datetime:
        """Where the next reading is: a gap of months is passed over at once."""
        return await store.next_reading(self._connection, self._numbered | self._worded, at) or end

    async def _columns(self, first: datetime, end: datetime) -> list[Column]:
        found: list[Column] = []
        if self._numbered:
            stored = await store.columns(self._connection, self._numbered, first, end, self._without)
            found += [Column(each.tag_id, each.times_us, each.values, None, *each[3:]) for each in stored]
        if self._worded:
            found += _word_columns(await store.words(self._connection, self._worded, first, end, self._without))
        return found


def _tags(entry: Input, asset: AssetSpec) -> Sequence[int]:
    return asset.siblings.get(entry.tag, ()) if entry.of else (asset.tags[entry.tag],)


def _with_siblings(assets: Sequence[AssetSpec], rules: Iterable[Rule]) -> list[AssetSpec]:
    """Let each know the tags that the rules compare with, of the others of its class under its parent."""
    wanted = {entry.tag for rule in rules for entry in rule.inputs if entry.of}
    if not wanted:
        return list(assets)
    families: dict[tuple[str, str | None], list[AssetSpec]] = {}
    for asset in assets:
        families.setdefault((asset.path.rpartition("/")[0], asset.equipment_class), []).append(asset)
    found = []
    for asset in assets:
        family = families[asset.path.rpartition("/")[0], asset.equipment_class]
        siblings: dict[str, list[int]] = {}
        for other in family:
            for name in wanted & other.tags.keys() if other is not asset else ():
                siblings.setdefault(name, []).append(other.tags[name])
        found.append(replace(asset, siblings=siblings))
    return found


def _word_columns(words: Collection[StoredWord]) -> list[Column]:
    columns = []
    for tag_id, group in groupby(words, key=lambda word: word.tag_id):
        rows = list(group)
        columns.append(
            Column(
                tag_id,
                np.array([microseconds(row.ts) for row in rows], dtype=np.int64),
                np.array([np.nan if row.value is None else row.value for row in rows], dtype=np.float64),
                [row.text for row in rows],
                np.array([row.quality for row in rows], dtype=np.int64),
                np.array([row.ordinal for row in rows], dtype=np.int64),
            )
        )
    return columns


def _asset(tags: Sequence[FollowedTag], settings: Settings, words: dict[str, dict[str, str]]) -> AssetSpec:
    """What the engine makes of an asset's tags and of the configuration; the first tag of a name counts."""
    first, production = tags[0], settings.production
    table = next((each for each in settings.equipment if each.path == first.path), None)
    by_name = {tag.name: tag for tag in reversed(tags)}
    roles = {production.state: Role.STATE, production.order: Role.ORDER}
    states = {str(state): state for state in MachineState}
    for source in ("", first.source):
        states |= {raw: MachineState(word) for raw, word in words.get(source, {}).items()}
    return AssetSpec(
        path=first.path,
        tags={name: tag.id for name, tag in by_name.items()},
        equipment_id=first.equipment_id,
        equipment_class=table.equipment_class if table else first.equipment_class,
        is_final=table.is_final if table else first.is_final,
        units={name: tag.unit for name, tag in by_name.items()},
        roles={tag.id: roles[name] for name, tag in by_name.items() if name in roles},
        states={**states, **production.states},
    )


def _asks_for_the_situation(rule: Rule) -> bool:
    return isinstance(rule.condition, Threshold) and plan_of(rule).has_situation


def _next_day(at: datetime) -> datetime:
    """Midnight UTC: a chunk of the hypertable ends there, and a query of one chunk needs no sort."""
    return instant(microseconds(at) // 86_400_000_000 * 86_400_000_000 + 86_400_000_000)
