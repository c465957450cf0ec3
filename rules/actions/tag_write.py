"""Writing to a tag of a machine because of an alarm: only what the configuration allows, every try in the audit trail."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from bridge.config.settings import Settings, TagWriteSettings
from bridge.model.notice import TagWrite
from bridge.model.production import EventKind, event_id
from bridge.store import account, outbox
from bridge.store.database import Connection
from rules.actions.occasion import Occasion
from rules.rulebook.model import WriteAction

log = structlog.get_logger()


async def write_tags(connection: Connection, settings: Settings, occasion: Occasion) -> None:
    """Ask for what the rule's write actions say; what is not allowed is refused here, and said so."""
    for action in occasion.rule.writes:
        if occasion.is_of(action.lowest, action.on):
            await _ask(connection, settings, occasion, action)


async def _ask(connection: Connection, settings: Settings, occasion: Occasion, action: WriteAction) -> None:
    cause = f"rule {occasion.rule.id} version {occasion.rule_version}, alarm {occasion.alarm_id}"
    write = TagWrite(
        event_id=event_id("tag_write", f"{action.connector}|{action.tag}|{occasion.key}", 1),
        equipment=occasion.path,
        tag=action.tag,
        value=action.value,
        cause=cause,
        occurred_at=occasion.at,
    )
    refused = refusal(settings, action.connector, write)
    detail = {"connector": action.connector, "value": action.value, "cause": cause, "refused": refused}
    subject = f"tag:{write.equipment}/{write.tag}"
    said = "tag write refused" if refused else "tag write asked for"
    await account.write_audit(connection, f"rule:{occasion.rule.id}", said, subject, datetime.now(UTC), detail)
    if refused:
        log.error("tag is not written", equipment=write.equipment, tag=write.tag, value=write.value, reason=refused,
                  cause=cause)  # fmt: skip
        return
    await outbox.insert(
        connection, connector=action.connector, stream=write.stream, kind=str(EventKind.TAG_WRITE),
        payload=write.payload(), key=str(write.event_id),
    )  # fmt: skip


def refusal(settings: Settings, connector: str, write: TagWrite) -> str | None:
    """Why the configuration does not let this be written; None where it does."""
    table = next((each for each in settings.connector if each.name == connector), None)
    if not isinstance(table, TagWriteSettings):
        return f"{connector} is no connector of type tag_write"
    return table.refuses(write.equipment, write.tag, write.value)
