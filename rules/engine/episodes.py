"""The journal of a rule on an asset as it was written, against what it is to be after late readings. Pure.

An episode is one alarm from its raise to its close: one row. An episode that begins where a row began keeps that row, also where
it began a little otherwise and the two overlap; a row that no episode takes never was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from bridge.model.reading import instant
from bridge.store.alarm import AlarmEvent
from bridge.store.database import Row
from rules.engine.replay import Operation
from rules.instance import Told

_FOREVER: Final = instant(1 << 57)


class Line(NamedTuple):
    """A line of the journal and what it was told from."""

    event: AlarmEvent
    told: Told


@dataclass(slots=True, eq=False)
class Episode:
    """An alarm as it is to be. `alarm_id` is None until it has a row; `began` None where that was before all that is corrected."""

    began: datetime | None
    alarm_id: int | None = None
    closed: datetime | None = None
    lines: list[Line] = field(default_factory=list)
    is_new: bool = False  # has no row yet

    @property
    def returned(self) -> datetime | None:
        """When it last returned, if it was not raised again."""
        last = self.last_of("RETURN", "RAISE")
        return last.event.at if last and last.event.kind == "RETURN" else None

    def last_of(self, *kinds: str) -> Line | None:
        """The last line of one of these kinds."""
        return next((line for line in reversed(self.lines) if line.event.kind in kinds), None)


@dataclass(slots=True)
class Change:
    """What is to be written for one episode: lines that are not so any longer, and lines that are new."""

    episode: Episode
    wrong: list[int]
    new: list[Line]
    wrong_kinds: set[str]


def episodes_of(lines: Sequence[Line | Operation], open_alarm: int | None) -> list[Episode]:
    """Cut what is told, and what operators ended, into alarms; `open_alarm` is the row of the one that stands at first."""
    current = Episode(None, open_alarm) if open_alarm is not None else None
    found = [current] if current else []
    for line in lines:
        if isinstance(line, Operation):
            if line.closes and current:
                current.closed, current = instant(line.at_us), None
            continue
        if current is None:
            current = Episode(line.event.at, is_new=True)
            found.append(current)
        current.lines.append(line)
        if line.event.kind == "CLEAR":
            current.closed, current = line.event.at, None
    return found


def assign_rows(episodes: Sequence[Episode], rows: Sequence[Row], after: datetime) -> list[Row]:
    """Give episodes their rows: the same beginning first, then those that overlap. Returns the rows of alarms that never were."""
    free = [row for row in rows if row["raised_at"] > after]
    for is_match in (_begins_alike, _overlaps):
        for episode in episodes:
            if episode.alarm_id is None and (row := next((r for r in free if is_match(episode, r)), None)):
                episode.alarm_id, episode.is_new = row["id"], False
                free.remove(row)
    return free


def changes_of(episodes: Sequence[Episode], journal: Sequence[Row]) -> list[Change]:
    """The lines that differ, episode by episode; the journal's lines of operators stay as they are."""
    changes = []
    for episode in episodes:
        written = [r for r in journal if r["alarm_id"] == episode.alarm_id and r["actor"] == "rules" and _is_told(r)]
        left = {_key_of_row(row): row for row in written}
        new = [line for line in episode.lines if left.pop(_key(line.event), None) is None]
        wrong = list(left.values())
        changes.append(Change(episode, [row["id"] for row in wrong], new, {row["kind"] for row in wrong}))
    return changes


def _is_told(row: Row) -> bool:
    return row["kind"] in {"RAISE", "ESCALATE", "DEESCALATE", "REALARM", "RETURN", "LATCH", "CLEAR", "QUALITY"}


def _begins_alike(episode: Episode, row: Row) -> bool:
    return bool(episode.began == row["raised_at"])


def _overlaps(episode: Episode, row: Row) -> bool:
    assert episode.began is not None, "one that began before has its row"
    return bool(episode.began <= (row["closed_at"] or _FOREVER) and row["raised_at"] <= (episode.closed or _FOREVER))


def _key(event: AlarmEvent) -> tuple[Any, ...]:
    return event.at, event.kind, event.severity, event.note, _plain(event.inputs), _plain(event.because)


def _key_of_row(row: Row) -> tuple[Any, ...]:
    return row["at"], row["kind"], row["severity"], row["note"], _plain(row["inputs"]), _plain(row["because"])


def _plain(value: Any) -> Any:
    """JSON that can be compared and be a key."""
    if isinstance(value, dict):
        return tuple(sorted((key, _plain(each)) for key, each in value.items()))
    return tuple(_plain(each) for each in value) if isinstance(value, list | tuple) else value
