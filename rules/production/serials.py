"""Which counted piece a serial number belongs to, on one asset. Pure.

A number that is read at the instant of the count is the piece's. Otherwise a machine tells it either before it counts the piece (a
scanner at the inlet) or after (a marker behind the last step), and the configuration says which: a count takes the newest number that
no count has taken, or a number goes to the newest count that has none. Only neighbours are paired, and only within a while: where a
reading is missing the piece has no number, and none of the others is shifted by one.

A tag that goes on showing the number of the piece that was counted tells nothing new. An empty text says that there is no piece.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from rules.production.effects import Effect, SerialGiven, SerialUnclaimed

WITHIN: Final = timedelta(minutes=1)


class SerialRead(NamedTuple):
    """A reading of a serial number; empty where the machine has none."""

    serial: str
    tag_id: int
    at: datetime
    ordinal: int


@dataclass(frozen=True, slots=True)
class SerialSpec:
    """How a machine tells serial numbers. `within` is how far a number may be from its piece, `pattern` what a whole one looks like."""

    is_told_after: bool = False
    within: timedelta = WITHIN
    pattern: re.Pattern[str] | None = None

    def refusal(self, word: str) -> str:
        """Why a word is no serial number; empty where it is one."""
        if word and not word.isprintable():
            return "a serial number has no control characters"
        if word and self.pattern is not None and not self.pattern.fullmatch(word):
            return f"it is no serial number: [production] serial_pattern is {self.pattern.pattern}"
        return ""


@dataclass(slots=True)
class Serials:
    """What is remembered of numbers and pieces: the number that no piece has taken, and whether the newest piece has one."""

    spec: SerialSpec
    waiting: SerialRead | None = None
    taken: str = ""
    read_at: datetime | None = None
    counted_at: datetime | None = None
    is_named: bool = True

    def take(self, equipment_id: int, at: datetime, reads: Sequence[SerialRead], *, has_counted: bool) -> list[Effect]:
        """Take what was read and counted at one instant; says which instant's pieces are named by which reading."""
        told: list[Effect] = [SerialUnclaimed(equipment_id, *read) for read in reads[:-1] if read.serial]
        read = reads[-1] if reads else None
        if self._is_late(at):
            given = self._take_late(at, read, has_counted=has_counted)
        else:
            given = self._take_next(at, read, equipment_id, told, has_counted=has_counted)
        if given is not None:
            named, counted_at = given
            told.append(SerialGiven(equipment_id, counted_at, *named))
        return told

    def _is_late(self, at: datetime) -> bool:
        return any(known is not None and at < known for known in (self.read_at, self.counted_at))

    def _take_late(
        self, at: datetime, read: SerialRead | None, *, has_counted: bool
    ) -> tuple[SerialRead, datetime] | None:
        """What comes late belongs to its own instant, or a late piece takes the number that still waits."""
        if read is not None:
            return (read, at) if read.serial else None
        return self._claim(at) if has_counted else None

    def _take_next(
        self, at: datetime, read: SerialRead | None, equipment_id: int, told: list[Effect], *, has_counted: bool
    ) -> tuple[SerialRead, datetime] | None:
        if read is not None:
            self.read_at = at
            if not read.serial:
                self.waiting = None
        if has_counted:
            found = (read, at) if read is not None and read.serial else self._claim(at)
            self._drop(equipment_id, found[0].serial if found else "", told)
            self.counted_at, self.is_named = at, found is not None
        else:
            found = self._offer(read, equipment_id, told) if read is not None and read.serial else None
            self.is_named = self.is_named or found is not None
        if found is not None:
            self.taken = found[0].serial
        return found

    def _claim(self, at: datetime) -> tuple[SerialRead, datetime] | None:
        """A piece without a number of its instant takes the one that waits."""
        read = self.waiting
        if read is None or self.spec.is_told_after or not timedelta() <= at - read.at <= self.spec.within:
            return None
        self.waiting, self.taken = None, read.serial
        return read, at

    def _offer(self, read: SerialRead, equipment_id: int, told: list[Effect]) -> tuple[SerialRead, datetime] | None:
        """A number without a piece of its instant goes to the piece before, or waits for the next."""
        counted_at = self.counted_at
        if counted_at is not None and not self.is_named:
            reach = self.spec.within if self.spec.is_told_after and read.serial != self.taken else timedelta()
            if read.at - counted_at <= reach:
                return read, counted_at
        if read.serial == self.taken:
            return None
        if self.spec.is_told_after:
            told.append(SerialUnclaimed(equipment_id, *read))
            return None
        self._drop(equipment_id, read.serial, told)
        self.waiting = read
        return None

    def _drop(self, equipment_id: int, newer: str, told: list[Effect]) -> None:
        """No piece will take the number that waits any more, unless the newer one is the same."""
        if self.waiting is not None and self.waiting.serial != newer:
            told.append(SerialUnclaimed(equipment_id, *self.waiting))
        self.waiting = None

    def dump(self) -> dict[str, Any]:
        """The memory as JSON."""
        waiting = self.waiting
        return {
            "waiting": waiting and [waiting.serial, waiting.tag_id, waiting.at.isoformat(), waiting.ordinal],
            "taken": self.taken,
            "read_at": self.read_at and self.read_at.isoformat(),
            "counted_at": self.counted_at and self.counted_at.isoformat(),
            "is_named": self.is_named,
        }

    def restore(self, stored: dict[str, Any] | None) -> None:
        """Take the memory from JSON; nothing of a version that kept none."""
        if stored is None:
            return
        if stored["waiting"]:
            serial, tag_id, at, ordinal = stored["waiting"]
            self.waiting = SerialRead(serial, tag_id, datetime.fromisoformat(at), ordinal)
        self.taken, self.is_named = stored["taken"], stored["is_named"]
        self.read_at = datetime.fromisoformat(stored["read_at"]) if stored["read_at"] else None
        self.counted_at = datetime.fromisoformat(stored["counted_at"]) if stored["counted_at"] else None
