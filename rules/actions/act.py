"""From a transition of an alarm to the actions of its rule, in the engine's transaction.

An alarm that is shelved, suppressed or out of service calls nobody and causes nothing: it is marked as held back, and what it would
have caused is made up for when that ends while it still stands (rules/actions/comeback.py).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from bridge.config.settings import Settings
from bridge.store import shelf
from bridge.store.database import Connection
from rules.actions.hook import send_hooks
from rules.actions.notify import notify
from rules.actions.occasion import Occasion
from rules.actions.tag_write import write_tags
from rules.actions.ticket import open_tickets
from rules.instance import Instance, Told
from rules.rulebook.model import When

if TYPE_CHECKING:
    from rules.engine.plant import Plant

_WHEN: Final[dict[str, When]] = {"RAISE": "raise", "ESCALATE": "escalate", "RETURN": "return", "CLEAR": "clear"}


async def act(connection: Connection, plant: Plant, version: int, instance: Instance, told: Told) -> None:
    """Write what a transition causes, in the caller's transaction.

    The engine calls it for every RAISE, ESCALATE, RETURN and CLEAR, after it has written the alarm's row and event, while
    `instance.alarm_id` is still the alarm.
    """
    when = _WHEN[told.transition.kind]
    occasion = Occasion.of(instance, version, told, when)
    # Who is called is a matter of the wall's clock, not of the readings' time: a shelf holds for the people who are here now.
    now = datetime.now(UTC)
    overlay, held_back = await shelf.overlay(connection, occasion.alarm_id, now)
    if overlay is not None and when in ("raise", "escalate"):
        await shelf.mark_held_back(connection, occasion.alarm_id, overlay)
    elif overlay is None and held_back is None:
        await carry_out(connection, plant.settings, occasion)
    elif overlay is None and held_back is not None and when in ("raise", "escalate"):
        # Held back until a moment ago: this step calls people by itself.
        await shelf.annunciate(connection, occasion.alarm_id, f"no longer {held_back.replace('_', ' ')}", now)
        await carry_out(connection, plant.settings, occasion)
    if when in ("return", "clear"):
        await shelf.end_one_shot(connection, instance.rule.id, instance.equipment_id, now)


async def carry_out(connection: Connection, settings: Settings, occasion: Occasion) -> None:
    """Do all that the rule says for an occasion on which people are called."""
    await open_tickets(connection, settings.tickets, occasion)
    await notify(connection, settings, occasion)
    await send_hooks(connection, occasion)
    await write_tags(connection, settings, occasion)
