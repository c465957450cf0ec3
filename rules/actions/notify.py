"""Telling people of an alarm: written in the engine's transaction, sent on by rules/actions/telling.py as quiet hours and rates allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from bridge.config.settings import Settings
from bridge.config.settings.notify import targets_of
from bridge.store import notification
from bridge.store.database import Connection
from bridge.store.notification import News
from rules.actions.occasion import Occasion
from rules.actions.words import description
from rules.rulebook.model import When

log = structlog.get_logger()

_VERBS: Final[dict[When, str]] = {"raise": "", "escalate": " (worse)", "return": " is over", "clear": " is closed"}


async def notify(connection: Connection, settings: Settings, occasion: Occasion) -> None:
    """Write what the rule's notify actions say, once for each role."""
    meant = [action for action in occasion.rule.notifies if occasion.is_of(action.lowest, action.on)]
    roles = list(dict.fromkeys(role for action in meant for role in action.to))
    if roles:
        await tell(connection, settings, roles, _news(occasion))


async def tell(connection: Connection, settings: Settings, roles: Sequence[str], news: News) -> None:
    """Write news for all targets of some roles; a role that nobody has is kept and logged, not dropped."""
    for role in roles:
        targets = targets_of(settings.connector, role)
        if not targets:
            log.warning("nobody has the role: no connector of type apprise serves it", role=role, subject=news.subject)
        # A target that serves two of the roles is told once: its key is the same.
        await notification.insert(connection, targets, role, news)


def _news(occasion: Occasion) -> News:
    subject = f"{str(occasion.severity).upper()} {occasion.name}: {occasion.message}{_VERBS[occasion.when]}"
    lines = [
        f"{occasion.path}, {occasion.at:%Y-%m-%d %H:%M:%S} UTC",
        occasion.message,
        description(occasion.rule),
        f"Alarm {occasion.alarm_id}, rule version {occasion.rule_version}",
    ]
    return News(
        occasion.key, str(occasion.severity), subject, "\n".join(lines), f"alarm:{occasion.alarm_id}", occasion.at
    )
