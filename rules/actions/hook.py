"""An alarm as an event for programs: a notice in the outbox of a connector, in the engine's transaction."""

from __future__ import annotations

from bridge.model.notice import Notice
from bridge.model.production import EventKind, event_id
from bridge.store import outbox
from bridge.store.database import Connection
from rules.actions.occasion import Occasion


async def send_hooks(connection: Connection, occasion: Occasion) -> None:
    """Write what the rule's webhook actions say; the steps of one alarm go out in their order."""
    for action in occasion.rule.webhooks:
        if occasion.is_of(action.lowest, action.on):
            notice = _notice(occasion, action.connector)
            await outbox.insert(
                connection, connector=action.connector, stream=f"alarm:{occasion.alarm_id}", kind=str(EventKind.NOTICE),
                payload=notice.payload(), key=str(notice.event_id),
            )  # fmt: skip


def _notice(occasion: Occasion, connector: str) -> Notice:
    facts = {
        "alarm": occasion.alarm_id,
        "rule": occasion.rule.id,
        "rule_version": occasion.rule_version,
        "equipment": occasion.path,
        "event": occasion.when,
        "severity": str(occasion.severity),
        "message": occasion.message,
        "consequence": occasion.rule.consequence,
        "response": occasion.rule.response,
        "inputs": occasion.inputs,
    }
    return Notice(
        event_id=event_id("webhook", f"{connector}|{occasion.key}", 1),
        subject=f"{occasion.name}: {occasion.message}",
        body=occasion.message,
        severity=str(occasion.severity),
        occurred_at=occasion.at,
        facts=facts,
    )
