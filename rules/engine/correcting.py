"""Readings that came after their time had been worked on: the instance goes back to before them and sees everything again.

What the journal says otherwise then is marked superseded and stays for people to see; what is new carries `late`. An alarm that
never was is retracted. So the same readings give the same journal in any order of arrival.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from bridge.model.alarm import AlarmState
from bridge.model.reading import microseconds
from bridge.store import alarm, rule, ticket
from bridge.store.alarm import Corrected
from bridge.store.database import Connection, Row
from rules.engine.asset import Asset
from rules.engine.episodes import Change, Episode, Line, assign_rows, changes_of, episodes_of
from rules.engine.journal import event_of, follow_up, new_alarm
from rules.engine.plant import Plant
from rules.engine.replay import Operation, Step, read, replay
from rules.instance import Instance

log = structlog.get_logger()

_MICROSECOND: Final = timedelta(microseconds=1)
_LONG: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Again:
    """An instance made anew from before the late readings, with all that it told since and what was written of that time."""

    instance: Instance
    start: datetime
    open_alarm: int | None  # the row of the alarm that stood at the start
    steps: list[Step]
    journal: list[Row]
    rows: list[Row]


async def correct(
    connection: Connection, plant: Plant, instance: Instance, late: datetime, known: datetime, now: datetime
) -> None:
    """Let an instance go back to before `late` and bring the journal to what it finds, in the caller's transaction.

    `known` is how far the asset was worked on before this step: what is told of a later time is not late.
    """
    asset = plant.assets[instance.equipment_id]
    late = _within_horizon(plant, asset, instance, late)
    again = await _see_again(connection, plant, asset, instance, late)
    lines = [_line(again.instance, step, known) for step in again.steps]
    episodes = episodes_of(lines, again.open_alarm)
    never = assign_rows(episodes, again.rows, again.start)
    changes = changes_of(episodes, again.journal)
    for row in never:
        await _retract(connection, plant, row, again.journal, now)
    returned = again.instance.returned_at
    instance.become(again.instance)
    instance.alarm_id, instance.returned_at = None, None
    for change in sorted(changes, key=lambda change: change.episode is episodes[-1]):
        await _write(connection, plant, instance, change, again, returned)
    await rule.drop_checkpoints(connection, instance.rule.id, asset.equipment_id, max(late, again.start + _MICROSECOND))
    # What comes late next is likely newer: where the way back was long, it begins at a checkpoint of now.
    is_long = asset.released is not None and asset.released - again.start > _LONG
    instance.checkpoint_us = 0 if is_long else microseconds(again.start)
    if never or any(change.wrong or any(line.event.late for line in change.new) for change in changes):
        log.info("alarms are corrected", rule=instance.rule.id, asset=asset.path, late=str(late), retracted=len(never))


def _within_horizon(plant: Plant, asset: Asset, instance: Instance, late: datetime) -> datetime:
    assert asset.released is not None, "only what was worked on is gone through again"
    horizon = asset.released - timedelta(hours=plant.settings.rules.correct_within_h)
    horizon = max(horizon, plant.versions[instance.rule.id].since)
    if late < horizon:
        log.warning("readings came too late for the rule to be corrected", rule=instance.rule.id, asset=asset.path,
                    at=str(late), corrected_from=str(horizon))  # fmt: skip
    return max(late, horizon)


async def _see_again(connection: Connection, plant: Plant, asset: Asset, instance: Instance, late: datetime) -> Again:
    assert asset.released is not None, "only what was worked on is gone through again"
    rule_id, equipment_id = instance.rule.id, instance.equipment_id
    anew, version = plant.create(asset, instance.rule), plant.versions[rule_id]
    start = version.since - _MICROSECOND
    checkpoint = await rule.checkpoint_before(connection, rule_id, equipment_id, version.number, late)
    checkpoint = checkpoint or await rule.carried_checkpoint(connection, rule_id, equipment_id, version.number)
    if checkpoint:
        start = checkpoint.at
        anew.restore(checkpoint.state)
    open_alarm = anew.alarm_id
    samples = await read(connection, plant, asset, anew, start, asset.released)
    journal = await alarm.journal(connection, rule_id, equipment_id, start)
    rows = await alarm.rows_after(connection, rule_id, equipment_id, start)
    operations = [Operation(microseconds(r["applied_at"]), r["kind"]) for r in journal if _is_operation(r)]
    steps = replay(anew, asset, samples, operations, microseconds(asset.ruled or asset.released))
    return Again(anew, start, open_alarm, steps, journal, rows)


def _is_operation(row: Row) -> bool:
    return row["kind"] in ("ACK", "RESET") and row["applied_at"] is not None


def _line(instance: Instance, step: Step, known: datetime) -> Line | Operation:
    if isinstance(step, Operation):
        return step
    return Line(event_of(instance, step, late=step.transition.at <= known), step)


async def _retract(connection: Connection, plant: Plant, row: Row, journal: list[Row], now: datetime) -> None:
    lines = [line for line in journal if line["alarm_id"] == row["id"] and line["actor"] == "rules"]
    await alarm.supersede(connection, [line["id"] for line in lines])
    await alarm.retract(connection, row["id"], lines[-1]["severity"] if lines else "low", now)
    await ticket.note_on_alarm(connection, row["id"], "late readings showed that the alarm never was", now)
    plant.by_alarm.pop(row["id"], None)


async def _write(
    connection: Connection, plant: Plant, instance: Instance, change: Change, again: Again, returned: datetime | None
) -> None:
    """Write one episode: its row, its lines and what follows; the instance has its alarm while that is so."""
    episode = change.episode
    state = _state_of(instance, episode, returned, again.rows)
    if episode.is_new:
        first = episode.lines[0]
        version = plant.versions[instance.rule.id].number
        new = new_alarm(instance, version, first.told, late=first.event.late)
        episode.alarm_id = await alarm.insert_late(connection, new, state)
    assert episode.alarm_id is not None, "it has a row now"
    if not episode.is_new and (change.wrong or change.new or episode.closed is None):
        await alarm.supersede(connection, change.wrong)
        await alarm.correct(connection, episode.alarm_id, state, late=any(line.event.late for line in change.new))
    instance.alarm_id = episode.alarm_id
    for line in change.new:
        await alarm.add_event(connection, episode.alarm_id, line.event)
        if line.event.kind not in change.wrong_kinds:
            await follow_up(connection, plant, instance, line.told)
    if episode.closed is None:
        plant.by_alarm[episode.alarm_id] = instance
        instance.returned_at = state.returned_at
    else:
        plant.by_alarm.pop(episode.alarm_id, None)
        instance.alarm_id = None


def _state_of(instance: Instance, episode: Episode, returned: datetime | None, rows: list[Row]) -> Corrected:
    """What the row is to say; `returned` is when the alarm that stood at the start had returned, if it had."""
    memory = instance.memory
    last, raised = episode.lines[-1] if episode.lines else None, episode.last_of("RAISE")
    shown = episode.last_of("RAISE", "ESCALATE")
    before = episode.began is None and raised is None and not episode.last_of("RETURN")
    row = next((row for row in rows if row["id"] == episode.alarm_id), None)
    closed_at = row["closed_at"] if row and row["closed_at"] and _by_operator(episode) else episode.closed
    is_open = episode.closed is None
    severity = memory.severity if is_open and memory.severity else last.told.transition.severity if last else "low"
    return Corrected(
        state=memory.state if is_open else AlarmState.NORMAL,
        severity=str(severity),
        quality=memory.quality if is_open or last is None else last.event.because["quality"],
        acked=memory.acked if is_open else True,
        message=shown.event.note if shown else None,
        inputs=raised.event.inputs if raised else None,
        because=raised.event.because if raised else None,
        raised_at=episode.began,
        returned_at=returned if before else episode.returned,
        closed_at=closed_at,
    )


def _by_operator(episode: Episode) -> bool:
    """Whether a person closed it, and the row has the time of that."""
    return episode.closed is not None and (not episode.lines or episode.lines[-1].event.kind != "CLEAR")
