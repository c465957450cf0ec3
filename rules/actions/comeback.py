"""Alarms that come back from the shelf, from suppression or into service while they still stand: now they call people after all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import structlog

from bridge.config.settings import Settings
from bridge.model.alarm import AlarmState, Severity
from bridge.store import shelf, ticket
from bridge.store.database import Connection, Row
from rules.actions.act import carry_out
from rules.actions.occasion import Occasion
from rules.rulebook.model import Rule

log = structlog.get_logger()

_STANDS: Final = frozenset({AlarmState.ACTIVE_UNACK, AlarmState.ACTIVE_ACK, AlarmState.RECOVERING, AlarmState.LATCHED})


async def come_back(connection: Connection, settings: Settings, rules: Mapping[str, Rule], now: datetime) -> int:
    """End what is over, and annunciate what stands and is held back no longer; returns how many alarms that were.

    Each alarm in a transaction of its own: a process that dies in it has told nothing, and the next one tells it. What is to be told
    is a matter of what the database says, not of who ended the shelf.
    """
    for ended in await shelf.end_due(connection, now):
        log.info("shelf is over", rule=ended["rule_id"], equipment_id=ended["equipment_id"])
    back = 0
    while True:
        async with connection.transaction():
            row = await shelf.no_longer_held_back(connection, now)
            if row is None:
                return back
            await _annunciate(connection, settings, rules.get(row["rule_id"]), row, now)
        back += 1


async def _annunciate(connection: Connection, settings: Settings, rule: Rule | None, row: Row, now: datetime) -> None:
    was = row["held_back"].replace("_", " ")
    await shelf.annunciate(connection, row["id"], f"no longer {was}", now)
    if rule is None or AlarmState(row["state"]) not in _STANDS:
        return
    # An alarm that has its ticket already is known; it is told again, and is not another occurrence.
    has_ticket = await ticket.has_ticket(connection, row["id"])
    occasion = Occasion(
        rule, row["rule_version"], row["id"], row["equipment_id"], row["path"], "raise", Severity(row["severity"]),
        Severity(row["severity"]) if has_ticket else None, now, f"{row['message']} (no longer {was})", row["inputs"],
    )  # fmt: skip
    await carry_out(connection, settings, occasion)
