"""Production accounting of one asset, pure: samples of one instant -> what they mean (ISO 22400-2 states, counts, orders).

Within one instant the order, the state and the reasons are applied before the counters: a message carries them together, and a
piece belongs to the order that is named with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, Final

from bridge.model.production import CountKind, MachineState
from bridge.model.quality import is_bad
from rules.production.counter import Count, CounterSpec, follow, is_count
from rules.production.effects import (
    Counted,
    Effect,
    EpochBegan,
    LateState,
    OrderChanged,
    ReasonGiven,
    StateChanged,
    WordRefused,
)
from rules.production.serials import SerialRead, Serials, SerialSpec
from rules.sample import Sample


class Role(IntEnum):
    """What a tag tells of production; in the order in which the samples of one instant are applied."""

    ORDER = 0
    LOT = 1
    SERIAL = 2
    STATE = 3
    REASON = 4
    SCRAP_REASON = 5
    NONE = 6
    GOOD = 7
    SCRAP = 8


LONGEST_WORD: Final = 200  # characters of an order's number, a lot, a serial number, a state or a reason
_FRESH: Final = timedelta(days=1)  # to a value older than this no counter comes back from a glitch
_KINDS = {Role.GOOD: CountKind.GOOD, Role.SCRAP: CountKind.SCRAP}


@dataclass(frozen=True, slots=True)
class AssetFacts:
    """What is known of the asset from the configuration."""

    equipment_id: int
    path: str
    is_final: bool
    counter: CounterSpec
    states: Mapping[str, MachineState]
    serials: SerialSpec = field(default_factory=SerialSpec)


@dataclass(slots=True)
class CounterMemory:
    """The last believed reading of a counter and its epoch."""

    count: Count
    at: datetime
    ordinal: int
    epoch: int


@dataclass(slots=True)
class Accounting:
    """What is remembered of the asset between instants; `late` counts readings that came too late to be used.

    `named` is the order that was named last: a machine that names none for a while has not ended it.
    """

    facts: AssetFacts
    roles: dict[int, Role] = field(default_factory=dict)
    state: MachineState | None = None
    state_at: datetime | None = None  # of the newest reading of the state
    since: datetime | None = None  # when the present state began
    reason: str = ""
    reason_at: datetime | None = None
    order: str | None = None
    order_at: datetime | None = None
    named: str | None = None
    lot: str = ""
    lot_at: datetime | None = None
    scrap_reason: str = ""
    counters: dict[int, CounterMemory] = field(default_factory=dict)
    late: int = 0
    serials: Serials = field(init=False)

    def __post_init__(self) -> None:
        self.serials = Serials(self.facts.serials)

    def apply(self, at: datetime, samples: Iterable[Sample]) -> list[Effect]:
        """Take the samples of one instant, ordered by role; says what they mean."""
        effects: list[Effect] = []
        words: dict[Role, str | None] = {}
        reads: list[SerialRead] = []
        for sample in samples:
            role = self.roles.get(sample.tag_id, Role.NONE)
            if role in _KINDS:
                self._take_words(at, words, effects)
                self._count(role, sample, effects)
            elif role is Role.SERIAL:
                self._read_serial(at, sample, reads, effects)
            elif role is not Role.NONE:
                words[role] = self._believed(word_of(sample), sample, effects)
                if role is Role.STATE:
                    self._remember_late(at, sample, effects, words)
        self._take_words(at, words, effects)
        has_counted = any(isinstance(effect, Counted) for effect in effects)
        if reads or has_counted:
            effects += self.serials.take(self.facts.equipment_id, at, reads, has_counted=has_counted)
        return effects

    def _read_serial(self, at: datetime, sample: Sample, reads: list[SerialRead], effects: list[Effect]) -> None:
        word = self._believed(word_of(sample), sample, effects)
        if word and (why := self.facts.serials.refusal(word)):
            effects.append(WordRefused(self.facts.equipment_id, sample.tag_id, sample.at, sample.ordinal, word, why))
            word = ""
        if word is not None:
            reads.append(SerialRead(word, sample.tag_id, at, sample.ordinal))

    def _believed(self, word: str | None, sample: Sample, effects: list[Effect]) -> str | None:
        if word is None or len(word) <= LONGEST_WORD:
            return word
        why = f"the word has {len(word)} characters; at most {LONGEST_WORD} are read"
        effects.append(WordRefused(self.facts.equipment_id, sample.tag_id, sample.at, sample.ordinal, word, why))
        return ""

    def _remember_late(
        self, at: datetime, sample: Sample, effects: list[Effect], words: dict[Role, str | None]
    ) -> None:
        if self.state_at is not None and at < self.state_at:
            word = words.pop(Role.STATE)
            effects.append(LateState(self.facts.equipment_id, sample.tag_id, at, self._canonical(word)))
            self.late += 1

    def _take_words(self, at: datetime, words: dict[Role, str | None], effects: list[Effect]) -> None:
        if not words:
            return
        if Role.ORDER in words and words[Role.ORDER] is not None:
            self._order(at, words[Role.ORDER] or None, effects)
        if (lot := words.get(Role.LOT)) is not None:
            self._lot(at, lot)
        if words.get(Role.SCRAP_REASON) is not None:
            self.scrap_reason = words[Role.SCRAP_REASON] or ""
        reason = words.get(Role.REASON)
        if Role.STATE in words:
            self._state(at, self._canonical(words[Role.STATE]), reason, effects)
        elif reason is not None:
            self._reason(at, reason, effects)
        words.clear()

    def _order(self, at: datetime, order: str | None, effects: list[Effect]) -> None:
        if self.order_at is not None and at < self.order_at:
            self.late += 1
            return
        self.order_at = at
        if order != self.order:
            ended = self.named if order is not None and order != self.named else None
            effects.append(OrderChanged(self.facts.equipment_id, at, self.order, order, ended))
            self.order, self.named = order, order or self.named

    def _lot(self, at: datetime, lot: str) -> None:
        if self.lot_at is not None and at < self.lot_at:
            self.late += 1
            return
        self.lot, self.lot_at = lot, at

    def _state(self, at: datetime, state: MachineState, reason: str | None, effects: list[Effect]) -> None:
        self.state_at = at
        if state is self.state:
            if reason is not None:
                self._reason(at, reason, effects)
            return
        # A new state without a reason of its own does not inherit the one of the state before.
        self.state, self.since, self.reason, self.reason_at = state, at, reason or "", at
        effects.append(StateChanged(self.facts.equipment_id, at, state, self.reason))

    def _reason(self, at: datetime, reason: str, effects: list[Effect]) -> None:
        if self.state is None or (self.reason_at is not None and at < self.reason_at):
            return
        self.reason_at = at
        if reason == self.reason:
            return
        if self.reason:
            effects.append(StateChanged(self.facts.equipment_id, at, self.state, reason))
        else:
            effects.append(ReasonGiven(self.facts.equipment_id, reason))  # told a little after the state that it is of
        self.reason = reason

    def _canonical(self, word: str | None) -> MachineState:
        return MachineState.UNKNOWN if word is None else self.facts.states.get(word, MachineState.UNKNOWN)

    def _count(self, role: Role, sample: Sample, effects: list[Effect]) -> None:
        value = sample.value
        if is_bad(sample.quality) or value is None or not is_count(value):
            return
        last = self.counters.get(sample.tag_id)
        if last and (sample.at, sample.ordinal) <= (last.at, last.ordinal):
            self.late += 1  # the count is cumulative: what it told is in the newer one
            return
        count, counted = follow(last.count if last else None, value, self.facts.counter)
        if last and sample.at - last.at > _FRESH:
            count = Count(count.value, ahead=count.ahead)
        epoch = (last.epoch if last else 0) + (counted.new_epoch is not None)
        self.counters[sample.tag_id] = CounterMemory(count, sample.at, sample.ordinal, epoch)
        if counted.new_epoch:
            effects.append(EpochBegan(sample.tag_id, epoch, sample.at, counted.new_epoch))
        if counted.pieces:
            effects.append(self._counted(role, sample, counted.pieces, last.count.value if last else None, value))

    def _counted(self, role: Role, sample: Sample, pieces: int, before: float | None, value: float) -> Counted:
        return Counted(
            equipment_id=self.facts.equipment_id, tag_id=sample.tag_id, at=sample.at, ordinal=sample.ordinal,
            order_number=self.order, lot=self.lot, kind=_KINDS[role], qty=pieces,
            reason=self.scrap_reason if role is Role.SCRAP else "", is_final=self.facts.is_final,
            counter_from=before, counter_to=value,
        )  # fmt: skip

    def dump(self) -> dict[str, Any]:
        """The memory as JSON."""
        return {
            "state": self.state and str(self.state),
            "state_at": _iso(self.state_at),
            "since": _iso(self.since),
            "reason": self.reason,
            "reason_at": _iso(self.reason_at),
            "order": self.order,
            "order_at": _iso(self.order_at),
            "named": self.named,
            "lot": self.lot,
            "lot_at": _iso(self.lot_at),
            "scrap_reason": self.scrap_reason,
            "serials": self.serials.dump(),
            "counters": {
                str(tag_id): [c.count.value, c.at.isoformat(), c.ordinal, c.epoch, *astuple(c.count)[1:]]
                for tag_id, c in self.counters.items()
            },
        }

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Take the memory from JSON."""
        self.state = MachineState(stored["state"]) if stored["state"] else None
        self.state_at, self.since = _instant(stored["state_at"]), _instant(stored["since"])
        self.reason, self.reason_at = stored["reason"], _instant(stored["reason_at"])
        self.order, self.order_at = stored["order"], _instant(stored["order_at"])
        # An earlier version kept no lot and no serial numbers.
        self.named = stored.get("named", self.order)
        self.lot, self.lot_at = stored.get("lot", ""), _instant(stored.get("lot_at"))
        self.serials.restore(stored.get("serials"))
        self.scrap_reason = stored["scrap_reason"]
        self.counters = {
            int(tag_id): CounterMemory(Count(float(value), *fall), datetime.fromisoformat(at), ordinal, epoch)
            for tag_id, (value, at, ordinal, epoch, *fall) in stored["counters"].items()
        }


def word_of(sample: Sample) -> str | None:
    """What a tag of words says; a number as people write it; None where the quality is bad."""
    if is_bad(sample.quality):
        return None
    if sample.text is not None:
        return sample.text.strip()
    value = sample.value
    if value is None or not math.isfinite(value):
        return None
    return str(int(value)) if value.is_integer() else repr(value)  # every digit: 4500012345 is an order's number


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
