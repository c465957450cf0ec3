"""The ticket of an alarm: opened or counted on the open one, with its clocks started, its evidence asked for, its work requested."""

from __future__ import annotations

from bridge.config.settings import TicketsSettings
from bridge.model.alarm import Severity
from bridge.model.production import EventKind, WorkRequest, event_id
from bridge.store import outbox, ticket, ticket_clock
from bridge.store.database import Connection
from bridge.store.ticket import Opened
from rules.actions.occasion import Occasion
from rules.actions.words import description
from rules.conditions.threshold import Threshold
from rules.rulebook.model import EvidenceSpec, TicketAction


async def open_tickets(connection: Connection, settings: TicketsSettings, occasion: Occasion) -> None:
    """What the rule's ticket actions cause at a raise or an escalation."""
    if occasion.when in ("raise", "escalate"):
        for action in occasion.rule.tickets:
            if occasion.severity.rank >= action.lowest.rank:
                await _open(connection, settings, occasion, action)


async def _open(connection: Connection, settings: TicketsSettings, occasion: Occasion, action: TicketAction) -> None:
    priority = action.priority or occasion.severity
    failure = {"equipment_id": occasion.equipment_id, "failure_mode": action.failure_mode, "priority": str(priority)}
    if occasion.previous is not None and occasion.previous.rank >= action.lowest.rank:
        ticket_id = await ticket.raise_priority(connection, **failure, at=occasion.at)  # type: ignore[arg-type]  # the mapping is mixed
        if ticket_id is not None and (row := await ticket.lock(connection, ticket_id)):
            await ticket_clock.retarget(connection, settings, ticket_id, row["round"], row["priority"], occasion.at)
        return
    title = f"{action.failure_mode} on {occasion.name}: {occasion.message}"
    opened = await ticket.open_or_recur(
        connection, **failure, title=title, description=description(occasion.rule), alarm_id=occasion.alarm_id,  # type: ignore[arg-type]  # the mapping is mixed
        at=occasion.at, reopen_within=settings.reopen_within,
    )  # fmt: skip
    await _set_clocks(connection, settings, opened, occasion)
    if opened.is_new:
        if action.evidence:
            await _ask_for_evidence(connection, occasion, action.evidence, opened.id)
        if action.connector:
            await _request_work(connection, occasion, action, opened.id, title, priority)


async def _set_clocks(connection: Connection, settings: TicketsSettings, opened: Opened, occasion: Occasion) -> None:
    if opened.is_new or opened.is_reopened:
        await ticket_clock.start(connection, settings, opened.id, opened.round, opened.priority, occasion.at)
    elif opened.has_risen:
        await ticket_clock.retarget(connection, settings, opened.id, opened.round, opened.priority, occasion.at)


async def _ask_for_evidence(connection: Connection, occasion: Occasion, evidence: EvidenceSpec, ticket_id: int) -> None:
    rows = await ticket.evidence_tags(connection, occasion.equipment_id, evidence.tags)
    await ticket.ask_for_evidence(
        connection, ticket_id, alarm_id=occasion.alarm_id,
        during=(occasion.at - evidence.before, occasion.at + evidence.after), rule_id=occasion.rule.id,
        rule_version=occasion.rule_version, tags=[dict(row) for row in rows], limits=_limits(occasion),
    )  # fmt: skip


def _limits(occasion: Occasion) -> list[dict[str, object]]:
    condition = occasion.rule.condition
    assert isinstance(condition, Threshold), "only rules with levels raise alarms"
    tag_of = {entry.name: entry.tag for entry in occasion.rule.inputs}
    return [
        {"severity": str(level.severity), "tag": tag_of[name], "value": limit}
        for level in condition.levels
        for name, limit in level.condition.limits()
        if name in tag_of
    ]


async def _request_work(
    connection: Connection, occasion: Occasion, action: TicketAction, ticket_id: int, title: str, priority: Severity
) -> None:
    stream = f"ticket:{ticket_id}"
    request = WorkRequest(
        event_id=event_id(str(EventKind.WORK_REQUEST), stream, 1),
        ticket_id=ticket_id,
        equipment=occasion.path,
        failure_mode=action.failure_mode,
        priority=str(priority),
        title=title,
        description=description(occasion.rule),
        detected_at=occasion.at,
    )
    await outbox.insert(
        connection, connector=action.connector or "", stream=stream, kind=str(EventKind.WORK_REQUEST),
        payload=request.payload(), key=str(request.event_id),
    )  # fmt: skip
