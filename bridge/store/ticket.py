"""Tickets: one open per asset and failure mode, its occurrences, its life, its history and its evidence.

Rules open them (`open_or_recur`, `raise_priority`), people move them (`lock`, `move`). Their clocks are in ticket_clock.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg.types.json import Jsonb

from bridge.model.alarm import Severity
from bridge.model.ticket import TicketState
from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("ticket")
_MOVABLE: Final = (
    "reason", "assignee", "scheduled_for", "found_mode", "mechanism", "cause", "action", "downtime", "was_true", "restarted_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Opened:
    """The ticket of a failure.

    `is_new`: opened now; `is_reopened`: it came back too soon after the restart; otherwise this was an occurrence. `has_risen`: its
    priority is higher than before.
    """

    id: int
    is_new: bool = False
    is_reopened: bool = False
    has_risen: bool = False
    round: int = 1
    priority: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What a step of a person changes besides the state; None leaves a field."""

    values: dict[str, Any] = field(default_factory=dict)

    def columns(self) -> dict[str, Any]:
        """One value for every column that may change."""
        return {name: self.values.get(name) for name in _MOVABLE}


async def open_or_recur(
    connection: Connection,
    *,
    equipment_id: int,
    failure_mode: str,
    priority: str,
    title: str,
    description: str,
    alarm_id: int,
    at: datetime,
    reopen_within: timedelta = timedelta(),
) -> Opened:
    """Open a ticket, or count an occurrence on the open one, whose priority may rise and never falls.

    A ticket whose equipment was restarted is reopened by an alarm within `reopen_within` of the restart; after that it is
    closed, if nobody has closed it, and the alarm has a new one. The same alarm at the same instant counts once.
    """
    failure = {"equipment_id": equipment_id, "failure_mode": failure_mode}
    async with connection.transaction():
        await connection.execute(_QUERIES.lock_failure, failure)
        known = await _known(connection, failure, at, reopen_within)
        if known is None:
            values = {**failure, "priority": priority, "title": title, "description": description, "at": at}
            row = await _one(connection, _QUERIES.open, values)
            opened = Opened(row["id"], is_new=True, priority=priority)
            await connection.execute(_QUERIES.occurrence, {"ticket_id": opened.id, "alarm_id": alarm_id, "at": at})
            await add_event(connection, opened.id, "opened", at, note=title, to_state="NEW")
            await connection.execute(_QUERIES.tell, {"id": opened.id})
            return opened
        return await _recur(connection, known, priority, title, alarm_id, at)


async def _known(connection: Connection, failure: dict[str, Any], at: datetime, within: timedelta) -> Row | None:
    """The ticket that an alarm belongs to: open, or to be reopened (`is_back`). One that was restarted long ago is closed."""
    row = await (await connection.execute(_QUERIES.newest_of_failure, failure)).fetchone()
    if row is None:
        return None
    state, restarted_at = TicketState(row["state"]), row["restarted_at"]
    if state not in (TicketState.DONE, TicketState.VERIFIED, TicketState.CLOSED):
        return {**row, "is_back": False}
    if restarted_at is not None and at < restarted_at:  # of before the restart, and told late
        return None if state is TicketState.CLOSED else {**row, "is_back": False}
    if restarted_at is not None and at - restarted_at <= within and within:
        return {**row, "is_back": True}
    if state is not TicketState.CLOSED:
        await connection.execute(_QUERIES.close_old, {"id": row["id"], "at": at})
        note = "the alarm came back long after the restart: another failure"
        await add_event(connection, row["id"], "closed", at, note=note, from_state=str(state), to_state="CLOSED")
    return None


async def _recur(connection: Connection, known: Row, priority: str, title: str, alarm_id: int, at: datetime) -> Opened:
    ticket_id, round_ = known["id"], known["round"]
    occurrence = {"ticket_id": ticket_id, "alarm_id": alarm_id, "at": at}
    if not await (await connection.execute(_QUERIES.occurrence, occurrence)).fetchone():
        return Opened(ticket_id, round=round_, priority=known["priority"])
    if known["is_back"]:
        round_ = (await _one(connection, _QUERIES.reopen, {"id": ticket_id}))["round"]
        note = f"the alarm came back {_ago(at - known['restarted_at'])} after the restart: {title}"
        await add_event(
            connection, ticket_id, "reopened", at, note=note, from_state=known["state"], to_state="REOPENED"
        )
    else:
        await add_event(connection, ticket_id, "occurred", at, note=title)
    has_risen = Severity(priority).rank > Severity(known["priority"]).rank
    if has_risen:
        await _rise(connection, ticket_id, priority, at)
    await connection.execute(_QUERIES.recur, {"id": ticket_id})
    highest = priority if has_risen else known["priority"]
    return Opened(ticket_id, is_reopened=known["is_back"], has_risen=has_risen, round=round_, priority=highest)


async def raise_priority(
    connection: Connection, *, equipment_id: int, failure_mode: str, priority: str, at: datetime
) -> int | None:
    """Raise the priority of the open ticket; returns its id, or None where there is none or it is as high already."""
    failure = {"equipment_id": equipment_id, "failure_mode": failure_mode}
    async with connection.transaction():
        await connection.execute(_QUERIES.lock_failure, failure)
        row = await (await connection.execute(_QUERIES.newest_of_failure, failure)).fetchone()
        if row is None or row["state"] == TicketState.CLOSED:
            return None
        if Severity(priority).rank <= Severity(row["priority"]).rank:
            return None
        await _rise(connection, row["id"], priority, at)
    return int(row["id"])


async def _rise(connection: Connection, ticket_id: int, priority: str, at: datetime) -> None:
    await connection.execute(_QUERIES.set_priority, {"id": ticket_id, "priority": priority})
    await add_event(connection, ticket_id, "priority", at, note=f"rose to {priority}")


async def add_event(
    connection: Connection,
    ticket_id: int,
    kind: str,
    at: datetime,
    *,
    actor: str = "rules",
    note: str = "",
    from_state: str | None = None,
    to_state: str | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Write a line of the ticket's history."""
    values = {"ticket_id": ticket_id, "at": at, "kind": kind, "actor": actor, "note": note}
    values |= {"from_state": from_state, "to_state": to_state, "detail": Jsonb(detail or {})}
    await connection.execute(_QUERIES.event, values)


async def note_on_alarm(connection: Connection, alarm_id: int, note: str, at: datetime, actor: str = "rules") -> None:
    """Write a line into the history of every ticket that an alarm belongs to."""
    await connection.execute(_QUERIES.note_on_alarm, {"alarm_id": alarm_id, "note": note, "at": at, "actor": actor})


async def lock(connection: Connection, ticket_id: int) -> Row | None:
    """A ticket, locked until the transaction ends: id, state, revision, round, priority, equipment, opened_at, ..."""
    return await (await connection.execute(_QUERIES.lock, {"id": ticket_id})).fetchone()


async def move(connection: Connection, ticket_id: int, state: TicketState, change: Change, at: datetime) -> None:
    """Bring a locked ticket to a state, with what the step says."""
    await connection.execute(_QUERIES.move, {**change.columns(), "id": ticket_id, "state": str(state), "at": at})


async def reopen(connection: Connection, ticket_id: int) -> int:
    """A person reopens a locked ticket; returns its new round."""
    return int((await _one(connection, _QUERIES.reopen, {"id": ticket_id}))["round"])


async def begin_pause(connection: Connection, ticket_id: int, reason: str, at: datetime) -> None:
    """The clocks of a ticket stand from here."""
    await connection.execute(_QUERIES.begin_pause, {"id": ticket_id, "at": at, "reason": reason})


async def end_pause(connection: Connection, ticket_id: int, at: datetime) -> None:
    """They go on."""
    await connection.execute(_QUERIES.end_pause, {"id": ticket_id, "at": at})


async def give_verdict(connection: Connection, ticket_id: int, verdict: str, actor: str, at: datetime) -> None:
    """What was found out holds for every alarm of the ticket that nobody judged by itself."""
    values = {"id": ticket_id, "verdict": verdict, "actor": actor, "at": at}
    await connection.execute(_QUERIES.verdicts_of_ticket, values)


async def has_ticket(connection: Connection, alarm_id: int) -> bool:
    """Whether an alarm is an occurrence of a ticket."""
    return await (await connection.execute(_QUERIES.has_occurrence, {"alarm_id": alarm_id})).fetchone() is not None


async def detail(connection: Connection, ticket_id: int) -> Row | None:
    """What the life of a ticket added: revision, round, reason, assignee, the codes, downtime_s, was_true, restarted_at."""
    return await (await connection.execute(_QUERIES.detail, {"id": ticket_id})).fetchone()


async def events(connection: Connection, ticket_id: int) -> list[Row]:
    """A ticket's history, oldest first."""
    return await (await connection.execute(_QUERIES.events, {"id": ticket_id})).fetchall()


async def occurrences(connection: Connection, ticket_id: int) -> list[Row]:
    """The newest occurrences of a ticket with their alarms and verdicts."""
    return await (await connection.execute(_QUERIES.occurrences, {"id": ticket_id})).fetchall()


async def codes(connection: Connection) -> dict[str, dict[str, str]]:
    """The codes of ISO 14224 by kind (failure_mode, mechanism, cause, action): code -> name."""
    found: dict[str, dict[str, str]] = {}
    for row in await (await connection.execute(_QUERIES.codes)).fetchall():
        found.setdefault(row["kind"], {})[row["code"]] = row["name"]
    return found


async def ask_for_evidence(
    connection: Connection,
    ticket_id: int,
    *,
    alarm_id: int,
    during: tuple[datetime, datetime],
    rule_id: str,
    rule_version: int,
    tags: list[dict[str, Any]],
    limits: list[dict[str, Any]],
) -> None:
    """Note which readings belong to the ticket; they are added when the time after the event has passed."""
    values = {"ticket_id": ticket_id, "alarm_id": alarm_id, "from": during[0], "to": during[1], "rule_id": rule_id}
    values |= {"rule_version": rule_version, "tags": Jsonb(tags), "limits": Jsonb(limits)}
    await connection.execute(_QUERIES.evidence, values)


async def evidence_tags(connection: Connection, equipment_id: int, names: Collection[str]) -> list[Row]:
    """The tags of an asset among some names: id, name, unit; in the order of the names."""
    values = {"equipment_id": equipment_id, "names": list(names)}
    found = {row["name"]: row for row in await (await connection.execute(_QUERIES.evidence_tags, values)).fetchall()}
    return [found[name] for name in names if name in found]


async def evidence_data(connection: Connection, ticket_id: int) -> Row | None:
    """The evidence as data: the rule and its version, the inputs at the event, the readings around it."""
    return await (await connection.execute(_QUERIES.evidence_data, {"id": ticket_id})).fetchone()


async def evidence_due(connection: Connection) -> list[Row]:
    """Evidence that is not complete, with its ticket; `first` and `last` bound its readings."""
    return await (await connection.execute(_QUERIES.evidence_due)).fetchall()


async def evidence_readings(
    connection: Connection, tags: Collection[int], first: datetime, last: datetime, most: int
) -> list[Row]:
    """Readings of tags in a span, by tag and time, thinned evenly to about `most` of each."""
    values = {"tags": list(tags), "first": first, "last": last, "most": most}
    return await (await connection.execute(_QUERIES.evidence_readings, values)).fetchall()


async def complete_evidence(
    connection: Connection,
    ticket_id: int,
    *,
    data: dict[str, Any],
    picture: bytes | None,
    picture_type: str | None,
    now: datetime,
) -> None:
    """Add the readings and the picture, once; `picture` is None where it cannot be drawn."""
    values = {"ticket_id": ticket_id, "data": Jsonb(data), "picture": picture, "picture_type": picture_type, "now": now}
    await connection.execute(_QUERIES.complete_evidence, values)


def _ago(elapsed: timedelta) -> str:
    minutes = int(elapsed.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


async def _one(connection: Connection, query: bytes, values: dict[str, Any]) -> Row:
    row = await (await connection.execute(query, values)).fetchone()
    assert row is not None, "the query returns one row"
    return row
