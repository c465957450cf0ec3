"""From a transition of an alarm to the actions of its rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.store.database import Connection
from rules.actions.ticket import open_ticket
from rules.instance import Instance, Told

if TYPE_CHECKING:
    from rules.engine.plant import Plant


async def act(connection: Connection, plant: Plant, version: int, instance: Instance, told: Told) -> None:
    """Write what a transition causes, in the caller's transaction.

    The engine calls it for every RAISE, ESCALATE, RETURN and CLEAR, after it has written the alarm's row and event, while
    `instance.alarm_id` is still the alarm.
    """
    if told.transition.kind in ("RAISE", "ESCALATE"):
        for action in instance.rule.tickets:
            await open_ticket(connection, plant, version, instance, told, action)
