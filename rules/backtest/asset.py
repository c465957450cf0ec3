"""The rules of one asset over its readings: the same instances as in the engine, fed column by column where that is the same.

A rule with one input takes its column at once (`Instance.feed`). Where it has several, where several readings are of one instant, or
where what the machine is doing matters, the readings are put in order and shown instant by instant, as the engine does it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from rules.backtest.data import AssetSpec, Chunk, Column
from rules.engine import situation
from rules.instance import Instance, Situation, Told, feed
from rules.rulebook.model import Rule
from rules.sample import Sample

Tell = Callable[[Instance, Told], None]
Change = tuple[int, Situation]
_NOTHING_KNOWN: Final = Situation()


class AssetRun:
    """The instances of an asset and what they have told; chunks come in the order of time."""

    def __init__(self, asset: AssetSpec, rules: Iterable[Rule], tell: Tell) -> None:
        self.asset = asset
        self.instances = [
            Instance.create(rule, asset.equipment_id, asset.path, asset.is_final, asset.tags, asset.siblings)
            for rule in rules
        ]
        self.failed: dict[str, str] = {}  # rules that threw, and what
        self._tell = tell
        self._situation = _NOTHING_KNOWN

    def take(self, chunk: Chunk) -> None:
        """Show a stretch of time to every rule. One that throws is left out from then on, and the others go on."""
        columns = {column.tag_id: column for column in chunk.columns if len(column.times_us)}
        changes = self._changes([column for tag, column in columns.items() if tag in (self.asset.roles or ())])
        for instance in self.instances:
            if instance.rule.id in self.failed:
                continue
            found = [columns[tag] for tag in instance.inputs if tag in columns]
            try:
                for told in self._show(instance, found, changes, chunk.until_us):
                    self._tell(instance, told)
            except Exception as error:  # noqa: BLE001  # a rule at fault is the report's matter, as in the engine
                self.failed[instance.rule.id] = f"{type(error).__name__}: {error}"

    def _show(
        self, instance: Instance, columns: Sequence[Column], changes: Sequence[Change], until_us: int
    ) -> Iterator[Told]:
        if self.asset.roles is None:
            changes = _assumed(instance, columns)
        elif not instance.plan.has_situation:
            changes = ()
        if _is_plain(columns):
            yield from _feed(instance, columns[0] if columns else None, changes)
        else:
            yield from _observe(instance, columns, changes)
        yield from instance.advance(until_us)

    def _changes(self, telling: Sequence[Column]) -> list[Change]:
        """What the machine is doing, whenever that changes."""
        found: list[Change] = []
        for at_us, samples in instants(telling):
            now = situation.after(self._situation, at_us, samples, self.asset.roles or {}, self.asset.states)
            if now is not self._situation:
                self._situation = now
                found.append((at_us, now))
        return found


def instants(columns: Sequence[Column]) -> Iterator[tuple[int, list[Sample]]]:
    """The readings of several columns, instant by instant; within one by tag, then by ordinal."""
    if not columns:
        return
    times = np.concatenate([column.times_us for column in columns])
    order = np.argsort(times, kind="stable")
    sample_lists = [_samples(column) for column in columns]
    flat = [sample for samples in sample_lists for sample in samples]
    group: list[Sample] = []
    at_us = -1
    for index in order.tolist():
        sample = flat[index]
        if sample.at_us != at_us and group:
            yield at_us, group
            group = []
        at_us = sample.at_us
        group.append(sample)
    yield at_us, group


def _samples(column: Column) -> list[Sample]:
    length = len(column.times_us)
    texts = column.texts or [None] * length
    qualities = [0] * length if column.qualities is None else column.qualities.tolist()
    ordinals = [0] * length if column.ordinals is None else column.ordinals.tolist()
    values = [None if value != value else value for value in column.values.tolist()]  # noqa: PLR0124  # nan
    return [
        Sample(column.tag_id, at_us, ordinal, value, text, quality)
        for at_us, ordinal, value, text, quality in zip(
            column.times_us.tolist(), ordinals, values, texts, qualities, strict=True
        )
    ]


def _is_plain(columns: Sequence[Column]) -> bool:
    """Whether it is the same to take a column by itself."""
    return not columns or (len(columns) == 1 and columns[0].texts is None and columns[0].ordinals is None)


def _feed(instance: Instance, column: Column | None, changes: Sequence[Change]) -> Iterator[Told]:
    done = 0
    for at_us, now in changes:
        samples: list[Sample] = []
        if column is not None:
            until = int(np.searchsorted(column.times_us, at_us))
            yield from _part(instance, column, done, until)
            done = int(np.searchsorted(column.times_us, at_us, side="right"))
            samples = _samples(column.part(until, done))
        yield from instance.observe(at_us, samples, now)
    if column is not None:
        yield from _part(instance, column, done, len(column.times_us))


def _part(instance: Instance, column: Column, first: int, end: int) -> list[Told]:
    if first == end:
        return []
    part: Any = column.part(first, end)
    return feed(instance, column.tag_id, part.times_us, part.values, part.qualities)


def _observe(instance: Instance, columns: Sequence[Column], changes: Sequence[Change]) -> Iterator[Told]:
    pending = iter(changes)
    change = next(pending, None)
    now = instance.situation
    for at_us, samples in instants(columns):
        while change is not None and change[0] <= at_us:
            now = change[1]
            if change[0] < at_us:
                yield from instance.observe(change[0], [], now)
            change = next(pending, None)
        yield from instance.observe(at_us, samples, now)
    while change is not None:
        yield from instance.observe(change[0], [], change[1])
        change = next(pending, None)


def _assumed(instance: Instance, columns: Sequence[Column]) -> list[Change]:
    """What the machine is taken to be doing from the first reading on, where nothing tells: what the rule looks for, since ever."""
    where = frozenset(state for history in instance.plan.histories for state in history.spec.where)
    wanted = instance.plan.wanted or where
    assumed = Situation(min(wanted, key=str)) if wanted else instance.situation
    if assumed == instance.situation or not columns:
        return []
    return [(min(int(column.times_us[0]) for column in columns), assumed)]
