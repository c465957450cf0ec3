"""The clocks of tickets: warned before, breached after, escalated by role and time.

All of it is in the database: what was found, what was told, when to look again. So a killed process forgets nothing, and the next
one tells nothing twice: each step of an escalation has a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bridge.config.settings import Escalation, Settings
from bridge.model.alarm import Severity
from bridge.model.sla import Clock, Pause
from bridge.store import ticket, ticket_clock
from bridge.store.database import Connection, Row
from bridge.store.notification import News
from rules.actions.notify import tell
from rules.tickets.hours import hours_of

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Judged:
    """What is true of a clock: when its target is used up as things stand, when it was warned and breached, when to look again.

    `passed`: the shares of an escalation that are used up.
    """

    due_at: datetime | None
    warned_at: datetime | None
    breached_at: datetime | None
    next_at: datetime | None
    passed: tuple[float, ...]


def judge(clock: Clock, warn_at: float, shares: Sequence[float], until: datetime, *, is_stopped: bool) -> Judged:
    """Judge a clock at `until`, or, where it is stopped, at the instant of that. Each share is passed at its exact instant."""
    reached = {share: clock.reaches(share) for share in {warn_at, 1.0, *shares}}
    passed = {share: at for share, at in reached.items() if at is not None and at <= until}
    coming = [at for share, at in reached.items() if at is not None and share not in passed]
    return Judged(
        due_at=reached[1.0],
        warned_at=passed.get(warn_at),
        breached_at=passed.get(1.0),
        next_at=None if is_stopped else min(coming, default=None),
        passed=tuple(share for share in sorted(set(shares)) if share in passed),
    )


async def look(connection: Connection, settings: Settings, now: datetime) -> int:
    """Judge every clock whose time to look has come; returns how many there were."""
    async with connection.transaction():
        rows = await ticket_clock.due(connection)
        for row in rows:
            await _look_at(connection, settings, row, now)
    return len(rows)


async def _look_at(connection: Connection, settings: Settings, row: Row, now: datetime) -> None:
    steps = [
        step
        for step in settings.tickets.escalation
        if step.clock == row["kind"] and Severity(row["priority"]).rank >= step.lowest.rank
    ]
    clock = Clock(row["started_at"], row["target"], hours_of(settings, row["hours"]), pauses_of(row["pauses"]))
    is_stopped = row["stopped_at"] is not None
    until = row["stopped_at"] if is_stopped else now
    found = judge(clock, settings.tickets.warn_at, [step.at for step in steps], until, is_stopped=is_stopped)
    await _tell_history(connection, row, found)
    if not is_stopped:
        for step in steps:
            if step.at in found.passed:
                await _escalate(connection, settings, row, step, found)
    await ticket_clock.judged(
        connection, row, due_at=found.due_at, warned_at=found.warned_at, breached_at=found.breached_at,
        next_at=found.next_at,
    )  # fmt: skip


def pauses_of(stored: Sequence[Sequence[str | None]]) -> tuple[Pause, ...]:
    """Pauses as they come from the database: ISO times, the last perhaps without an end."""
    return tuple(
        (datetime.fromisoformat(begin), datetime.fromisoformat(end) if end else None) for begin, end in stored if begin
    )


async def _tell_history(connection: Connection, row: Row, found: Judged) -> None:
    what = f"{row['kind']} within {shown(row['target'])}"
    if found.warned_at and not row["warned_at"]:
        await ticket.add_event(connection, row["ticket_id"], "sla_warning", found.warned_at, note=what)
    if found.breached_at and not row["breached_at"]:
        await ticket.add_event(connection, row["ticket_id"], "sla_breach", found.breached_at, note=what)
        log.warning("promise is broken", ticket=row["ticket_id"], clock=row["kind"], target=shown(row["target"]))


async def _escalate(connection: Connection, settings: Settings, row: Row, step: Escalation, found: Judged) -> None:
    state = "is broken" if found.breached_at else "is running out"
    share = f"{step.at:.0%} of {shown(row['target'])} used"
    at = found.breached_at or found.warned_at or row["started_at"]
    news = News(
        key=f"sla|{row['ticket_id']}|{row['kind']}|{row['round']}|{step.at}|{row['priority']}",
        severity=row["priority"],
        subject=f"Ticket {row['ticket_id']}: the {row['kind']} promise {state}, {share}",
        body="\n".join(
            [
                row["title"],
                f"{row['equipment']}, priority {row['priority']}, state {row['state']}",
                f"Assigned to {row['assignee']}" if row["assignee"] else "Assigned to nobody",
                f"Due {found.due_at:%Y-%m-%d %H:%M:%S} UTC" if found.due_at else "On hold",
            ]
        ),
        subject_ref=f"ticket:{row['ticket_id']}",
        at=at,
    )
    await tell(connection, settings, step.to, news)


def shown(span: timedelta) -> str:
    """`4 h`, `1 h 30 min`, `45 min`, `20 s`."""
    seconds = int(span.total_seconds())
    parts = [(seconds // 3600, "h"), (seconds % 3600 // 60, "min"), (seconds % 60, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
