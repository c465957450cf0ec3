"""Notifications on their way: each goes to the outbox of its target at once, or is held back and comes as part of a digest.

One transaction a target, in which nobody else decides for it. A process that dies in it has sent nothing and marked nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog

from bridge.config.settings import AppriseSettings, Settings
from bridge.model.alarm import Severity
from bridge.model.notice import Notice
from bridge.model.production import EventKind, event_id
from bridge.store import notification, outbox
from bridge.store.database import Connection, Row
from rules.actions.quiet import RATE, decide

log = structlog.get_logger()

MOST_IN_DIGEST: Final = 50  # lines; the rest is a number


async def tell_new(connection: Connection, settings: Settings, now: datetime) -> int:
    """Send on or hold back all that is new, and send the digests whose time has come; returns how many messages went on."""
    targets = {each.name: each for each in settings.connector if isinstance(each, AppriseSettings)}
    sent = 0
    for name in sorted(await notification.open_targets(connection, now)):
        async with connection.transaction():
            if await notification.lock_target(connection, name):
                if table := targets.get(name):
                    sent += await _tell_target(connection, table, now)
                else:
                    gone = await notification.forsake(connection, name)
                    log.warning("told to nobody: the connector is no longer configured", connector=name, messages=gone)
    return sent


async def _tell_target(connection: Connection, target: AppriseSettings, now: datetime) -> int:
    queued = await notification.queued_since(connection, target.name, now - target.per)
    sent = 0
    for row in await notification.new(connection, target.name, now):
        hold = decide(target, Severity(row["severity"]), now, queued)
        if hold:
            await notification.hold(connection, row["id"], hold.why, hold.until)
            continue
        await _send(connection, target, [row], _single(target, row), now)
        queued.append(now)
        sent += 1
    return sent + await _release(connection, target, queued, now)


async def _release(connection: Connection, target: AppriseSettings, queued: Sequence[datetime], now: datetime) -> int:
    """Everything that was held back, as one message, once the first of it is due and nothing speaks against it any more."""
    rows = await notification.held(connection, target.name)
    if not any(row["release_at"] <= now for row in rows):
        return 0
    worst = max((Severity(row["severity"]) for row in rows), key=lambda severity: severity.rank)
    hold = decide(target, worst, now, queued)
    if hold:
        await notification.hold_longer(connection, target.name, hold.until, now)
        return 0
    notice = _single(target, rows[0]) if len(rows) == 1 else _digest(target, rows, worst)
    await _send(connection, target, rows, notice, now)
    return 1


async def _send(
    connection: Connection, target: AppriseSettings, rows: Sequence[Row], notice: Notice, now: datetime
) -> None:
    # A stream of its own: a message that the service refuses for good must not keep the others waiting.
    outbox_id = await outbox.insert(
        connection, connector=target.name, stream=f"notice:{rows[-1]['id']}", kind=str(EventKind.NOTICE),
        payload=notice.payload(), key=str(notice.event_id),
    )  # fmt: skip
    ids = [row["id"] for row in rows]
    await notification.queued(connection, ids, outbox_id, now, digest=len(rows) > 1)


def _single(target: AppriseSettings, row: Row) -> Notice:
    return Notice(
        event_id=event_id("notification", f"{target.name}|{row['key']}", 1),
        subject=row["subject"],
        body=row["body"],
        severity=row["severity"],
        occurred_at=row["occurred_at"],
        facts={"ref": row["subject_ref"], "role": row["role"]},
    )


def _digest(target: AppriseSettings, rows: Sequence[Row], worst: Severity) -> Notice:
    lines = [f"{row['occurred_at']:%Y-%m-%d %H:%M:%S} UTC  {row['subject']}" for row in rows[:MOST_IN_DIGEST]]
    if len(rows) > MOST_IN_DIGEST:
        lines.append(f"... and {len(rows) - MOST_IN_DIGEST} more")
    why = " and ".join(
        sorted({f"by the {RATE} limit" if row["held_for"] == RATE else "by quiet hours" for row in rows})
    )
    return Notice(
        event_id=event_id("digest", f"{target.name}|{rows[0]['id']}|{rows[-1]['id']}", len(rows)),
        subject=f"{len(rows)} messages, the worst {str(worst).upper()}",
        body="\n".join([f"Held back {why}:", *lines]),
        severity=str(worst),
        occurred_at=rows[-1]["occurred_at"],
        facts={"refs": [row["subject_ref"] for row in rows]},
    )
