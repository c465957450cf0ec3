"""Notifications: what people are to be told, by target. Written in the transaction of what it tells of.

Each goes on to the outbox at once, or later as part of a digest when quiet hours or the target's rate hold it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("notification")


@dataclass(frozen=True, slots=True)
class News:
    """Something to tell. `key` makes it unique for each target; `subject_ref` is alarm:<id>, ticket:<id> or connector:<name>."""

    key: str
    severity: str
    subject: str
    body: str
    subject_ref: str
    at: datetime


async def insert(connection: Connection, targets: Sequence[str], role: str, news: News) -> int:
    """Write it for every target of a role; with no target it is kept as told to nobody. Returns for how many it is new."""
    written = 0
    for target in targets or [""]:
        values: dict[str, Any] = {"target": target, "role": role, "key": news.key, "severity": news.severity}
        values |= {"subject": news.subject[:500], "body": news.body, "subject_ref": news.subject_ref, "at": news.at}
        written += await (await connection.execute(_QUERIES.insert, values)).fetchone() is not None
    return written


async def open_targets(connection: Connection, now: datetime) -> list[str]:
    """The targets that have something that is new, or whose time to be held or gathered is over."""
    return [row["target"] async for row in await connection.execute(_QUERIES.open_targets, {"now": now})]


async def lock_target(connection: Connection, target: str) -> bool:
    """Decide alone for a target until the transaction ends; False where another process does."""
    row = await (await connection.execute(_QUERIES.lock_target, {"target": target})).fetchone()
    return bool(row and row["taken"])


async def new(connection: Connection, target: str, now: datetime, most: int = 500) -> list[Row]:
    """What is new for a target and not gathered any more, in the order in which it was written; locked."""
    wanted = {"target": target, "now": now, "most": most}
    return await (await connection.execute(_QUERIES.new, wanted)).fetchall()


async def queued_since(connection: Connection, target: str, since: datetime) -> list[datetime]:
    """When messages of a target went on to the outbox, oldest first; a digest is one message."""
    values = {"target": target, "since": since}
    return [row["queued_at"] async for row in await connection.execute(_QUERIES.queued_since, values)]


async def held(connection: Connection, target: str) -> list[Row]:
    """What is held back for a target; locked."""
    return await (await connection.execute(_QUERIES.held, {"target": target})).fetchall()


async def hold(connection: Connection, notification_id: int, why: str, until: datetime) -> None:
    """Keep one back."""
    await connection.execute(_QUERIES.hold, {"id": notification_id, "held_for": why, "release_at": until})


async def hold_longer(connection: Connection, target: str, until: datetime, now: datetime) -> None:
    """What should have been released now waits on."""
    await connection.execute(_QUERIES.hold_longer, {"target": target, "release_at": until, "now": now})


async def queued(
    connection: Connection, ids: Sequence[int], outbox_id: int | None, now: datetime, *, digest: bool
) -> None:
    """These went on to the outbox, by themselves or as part of a digest."""
    state = "digested" if digest else "queued"
    await connection.execute(_QUERIES.queued, {"ids": list(ids), "state": state, "now": now, "outbox_id": outbox_id})


async def forsake(connection: Connection, target: str) -> int:
    """What is open for a target that is no longer configured is told to nobody; returns how many those are."""
    row = await (await connection.execute(_QUERIES.forsake, {"target": target})).fetchone()
    return int(row["gone"]) if row else 0


async def recent(connection: Connection, ref: str | None = None, most: int = 200) -> list[Row]:
    """What was told lately, or of one alarm or ticket, with how the relay got on with it."""
    return await (await connection.execute(_QUERIES.recent, {"ref": ref, "most": most})).fetchall()
