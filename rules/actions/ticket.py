"""The ticket of an alarm: opened or counted on the open one, with its evidence asked for and its work requested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.model.alarm import Severity
from bridge.model.equipment import EquipmentPath
from bridge.model.production import EventKind, WorkRequest, event_id
from bridge.store import outbox, ticket
from bridge.store.database import Connection
from rules.actions.words import description, message
from rules.instance import Instance, Told
from rules.rulebook.model import EvidenceSpec, TicketAction

if TYPE_CHECKING:
    from rules.engine.plant import Plant


async def open_ticket(
    connection: Connection, plant: Plant, version: int, instance: Instance, told: Told, action: TicketAction
) -> None:
    """Open the ticket of one action, or count an occurrence, or raise its priority."""
    transition = told.transition
    if transition.severity.rank < action.lowest.rank:
        return
    priority = action.priority or transition.severity
    which = {"equipment_id": instance.equipment_id, "failure_mode": action.failure_mode, "priority": str(priority)}
    if transition.previous is not None and transition.previous.rank >= action.lowest.rank:
        await ticket.raise_priority(connection, **which, at=transition.at)  # type: ignore[arg-type]  # the mapping is mixed
        return
    assert instance.alarm_id is not None, "the alarm is raised before its ticket"
    title = f"{action.failure_mode} on {EquipmentPath.parse(instance.path).name}: {message(instance, told)}"
    opened = await ticket.open_or_recur(
        connection, **which, title=title, description=description(instance), alarm_id=instance.alarm_id, at=transition.at  # type: ignore[arg-type]  # the mapping is mixed
    )  # fmt: skip
    if opened.is_new:
        if action.evidence:
            await _ask_for_evidence(connection, plant, version, instance, told, action.evidence, opened.id)
        if action.connector:
            await _request_work(connection, instance, told, action, opened.id, title, priority)


async def _ask_for_evidence(
    connection: Connection,
    plant: Plant,
    version: int,
    instance: Instance,
    told: Told,
    evidence: EvidenceSpec,
    ticket_id: int,
) -> None:
    asset, at = plant.assets[instance.equipment_id], told.transition.at
    tags = [
        {"id": asset.tags[name], "name": name, "unit": asset.units[name]}
        for name in evidence.tags
        if name in asset.tags
    ]
    tag_of = {entry.name: entry.tag for entry in instance.rule.inputs}
    limits = [
        {"severity": str(level.severity), "tag": tag_of[name], "value": limit}
        for level in instance.condition.levels
        for name, limit in level.condition.limits()
        if name in tag_of
    ]
    assert instance.alarm_id is not None, "the alarm is raised before its ticket"
    await ticket.ask_for_evidence(
        connection, ticket_id, alarm_id=instance.alarm_id, during=(at - evidence.before, at + evidence.after),
        rule_id=instance.rule.id, rule_version=version, tags=tags, limits=limits,
    )  # fmt: skip


async def _request_work(
    connection: Connection,
    instance: Instance,
    told: Told,
    action: TicketAction,
    ticket_id: int,
    title: str,
    priority: Severity,
) -> None:
    stream = f"ticket:{ticket_id}"
    request = WorkRequest(
        event_id=event_id(str(EventKind.WORK_REQUEST), stream, 1),
        ticket_id=ticket_id,
        equipment=instance.path,
        failure_mode=action.failure_mode,
        priority=str(priority),
        title=title,
        description=description(instance),
        detected_at=told.transition.at,
    )
    await outbox.insert(
        connection, connector=action.connector or "", stream=stream, kind=str(EventKind.WORK_REQUEST),
        payload=request.payload(), key=str(request.event_id),
    )  # fmt: skip
