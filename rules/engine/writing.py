"""What the engine found, written in the caller's transaction: states, counts, alarms."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import psycopg
import structlog

from bridge.model.alarm import AlarmState
from bridge.model.production import CountKind, MachineState
from bridge.model.reading import DeadLetter
from bridge.store import alarm, dead_letter, machine_state, production_count
from bridge.store.alarm import NewAlarm
from bridge.store.database import Connection
from bridge.store.production_count import Unposted
from rules.actions import act, message
from rules.engine.asset import Asset
from rules.engine.plant import Plant, Released
from rules.engine.posting import PostingBook
from rules.instance import Instance, Told
from rules.production.accounting import LONGEST_WORD
from rules.production.effects import (
    Counted,
    Effect,
    EpochBegan,
    LateState,
    OrderChanged,
    ReasonGiven,
    StateChanged,
    WordRefused,
)

log = structlog.get_logger()

# What the database says of a value that it will never take, however often it is tried.
REFUSALS: Final = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)
_SOURCE: Final = "rules"  # of the dead letters

AlarmRow = tuple[AlarmState, str, str, bool]


async def write(
    connection: Connection,
    plant: Plant,
    book: PostingBook,
    versions: dict[str, int],
    released: Released,
    *,
    is_careful: bool = False,
) -> None:
    """Write everything that was found, in its order; `is_careful` leaves out, logged and kept, what the database refuses."""
    for effect in released.effects:
        write_it = partial(_write_effect, connection, plant, book, effect)
        if not is_careful:
            await write_it()
        elif refused := await _refusal(connection, write_it):
            await _keep_effect(connection, plant, effect, refused)
    for instance, told in released.told:
        if instance.is_parked:
            continue
        tell = partial(_write_told, connection, plant, versions[instance.rule.id], instance, told)
        before = instance.alarm_id, instance.returned_at
        if not is_careful:
            await tell()
        elif refused := await _refusal(connection, tell):
            instance.alarm_id, instance.returned_at = before
            instance.is_parked = True
            log.error("rule is parked: the database refuses what it tells", rule=instance.rule.id, asset=instance.path,
                      at=str(told.transition.at), error=refused)  # fmt: skip


async def _refusal(connection: Connection, work: Callable[[], Awaitable[None]]) -> str | None:
    """Do work by itself; returns why the database refuses it, and nothing of it is left then."""
    try:
        async with connection.transaction():
            await work()
    except REFUSALS as error:
        return str(error).strip()
    return None


async def _keep_effect(connection: Connection, plant: Plant, effect: Effect, reason: str) -> None:
    """Record what cannot be written: the lane goes on, and people see what is missing."""
    asset = plant.assets.get(getattr(effect, "equipment_id", 0)) or plant.by_tag[getattr(effect, "tag_id", 0)]
    log.error("left out: the database refuses it", asset=asset.path, found=type(effect).__name__,
              tag_id=getattr(effect, "tag_id", None), at=str(getattr(effect, "at", None)), error=reason)  # fmt: skip
    fields = json.dumps(_fields(effect), default=str).encode()
    await _keep(connection, asset.path, fields, f"{type(effect).__name__} is refused: {reason}")


async def _refuse_word(connection: Connection, plant: Plant, effect: WordRefused) -> None:
    asset = plant.assets[effect.equipment_id]
    name = next((name for name, tag_id in asset.tags.items() if tag_id == effect.tag_id), str(effect.tag_id))
    log.warning("word is left out: it is too long", asset=asset.path, tag=name, at=str(effect.at),
                characters=len(effect.word), most=LONGEST_WORD)  # fmt: skip
    reason = f"the word has {len(effect.word)} characters; at most {LONGEST_WORD} are read"
    await _keep(connection, f"{asset.path}/{name}", effect.word.encode("utf-8", "backslashreplace"), reason)


async def _keep(connection: Connection, address: str, content: bytes, reason: str) -> None:
    letter = DeadLetter(_SOURCE, address, content, reason[:500], datetime.now(UTC))
    await dead_letter.insert(connection, _SOURCE, [letter], only_unknown=True)


async def take_over_operators(connection: Connection, instances: Collection[Instance]) -> dict[int, AlarmRow]:
    """Lock the open alarms of these instances and take over what operators did to them; returns the rows as they are."""
    open_ones = {instance.alarm_id: instance for instance in instances if instance.alarm_id is not None}
    rows = await alarm.lock(connection, open_ones) if open_ones else {}
    found: dict[int, AlarmRow] = {}
    for alarm_id, instance in open_ones.items():
        row = rows.get(alarm_id)
        instance.operate(instance.now_us or 0, acked=bool(row and row["acked"]), closed=row is None or row["closed"])
        if row is None or row["closed"]:
            instance.alarm_id, instance.returned_at = None, None
        else:
            found[alarm_id] = (AlarmState(row["state"]), row["severity"], instance.memory.quality, row["acked"])
    return found


async def update_alarms(connection: Connection, assets: Collection[Asset], rows: dict[int, AlarmRow]) -> None:
    """Bring the rows of open alarms to what the life cycle says, where they differ."""
    for asset in assets:
        for instance in asset.instances:
            memory = instance.memory
            if instance.alarm_id is None or memory.severity is None or instance.is_parked:
                continue
            wanted = (memory.state, str(memory.severity), memory.quality, memory.acked)
            if rows.get(instance.alarm_id) != wanted and instance.now:
                await _update(connection, instance, memory.state, wanted[1], instance.now, acked=memory.acked)


async def _write_effect(connection: Connection, plant: Plant, book: PostingBook, effect: Effect) -> None:
    match effect:
        case WordRefused():
            await _refuse_word(connection, plant, effect)
        case StateChanged():
            await _begin_state(connection, plant, effect)
        case ReasonGiven():
            await machine_state.set_reason(connection, effect.equipment_id, effect.reason)
        case LateState():
            done = await machine_state.split(
                connection, effect.equipment_id, effect.tag_id, effect.at, str(effect.state)
            )
            log.info(
                "late state", equipment_id=effect.equipment_id, at=str(effect.at), state=str(effect.state), split=done
            )
        case OrderChanged(previous=str(previous)):
            if plant.assets[effect.equipment_id].accounting.facts.is_final:
                book.complete(previous)
        case EpochBegan():
            if effect.cause != "first":
                log.warning("counter began anew", tag_id=effect.tag_id, cause=effect.cause, at=str(effect.at))
            await production_count.begin_epoch(connection, **_fields(effect))
        case Counted():
            await _count(connection, plant, book, effect)


async def _begin_state(connection: Connection, plant: Plant, effect: StateChanged) -> None:
    if effect.state is MachineState.UNKNOWN:
        log.warning("machine state is unknown: its word is not in the map, or its quality is bad",
                    asset=plant.assets[effect.equipment_id].path, at=str(effect.at))  # fmt: skip
    if not await machine_state.begin(connection, effect.equipment_id, effect.at, str(effect.state), effect.reason):
        log.warning("machine state is left out: the time is taken", equipment_id=effect.equipment_id, at=str(effect.at))


async def _count(connection: Connection, plant: Plant, book: PostingBook, count: Counted) -> None:
    row = {**_fields(count), "kind": str(count.kind), "key": count.key}
    count_id = await production_count.insert(connection, row)
    if count_id is not None and count.is_final and count.kind is CountKind.GOOD:
        path = plant.assets[count.equipment_id].path
        book.add(
            Unposted(
                count_id, count.equipment_id, count.tag_id, count.at, count.qty, count.order_number, path,
                plant.class_of(path, None),
            )
        )  # fmt: skip


async def _write_told(connection: Connection, plant: Plant, version: int, instance: Instance, told: Told) -> None:
    transition = told.transition
    severity = str(transition.severity)
    if transition.kind == "RAISE":
        instance.returned_at = None
        instance.alarm_id = await alarm.raise_alarm(connection, _new_alarm(instance, version, told))
    alarm_id = instance.alarm_id
    assert alarm_id is not None, "what is told of an alarm follows its raise"
    note = message(instance, told)
    await alarm.add_event(connection, alarm_id, transition.kind, severity, transition.at, note=note, inputs=told.inputs)
    if transition.kind == "RETURN":
        instance.returned_at = transition.at
    if transition.kind in ("RAISE", "ESCALATE", "RETURN", "CLEAR"):
        await act(connection, plant, version, instance, told)
    if transition.kind == "ESCALATE":
        await _update(connection, instance, AlarmState.ACTIVE_UNACK, severity, transition.at, acked=False, message=note)
    if transition.kind == "CLEAR":
        await _update(connection, instance, AlarmState.NORMAL, severity, transition.at, acked=True)
        instance.alarm_id, instance.returned_at = None, None


async def _update(
    connection: Connection,
    instance: Instance,
    state: AlarmState,
    severity: str,
    at: datetime,
    *,
    acked: bool,
    message: str | None = None,
) -> None:
    assert instance.alarm_id is not None, "there is a row to bring up to date"
    await alarm.update(
        connection, instance.alarm_id, state=state, severity=severity, quality=instance.memory.quality, acked=acked,
        returned_at=instance.returned_at, message=message, at=at,
    )  # fmt: skip


def _new_alarm(instance: Instance, version: int, told: Told) -> NewAlarm:
    return NewAlarm(
        rule_id=instance.rule.id,
        rule_version=version,
        equipment_id=instance.equipment_id,
        severity=str(told.transition.severity),
        quality=instance.memory.quality,
        message=message(instance, told),
        consequence=instance.rule.consequence,
        response=instance.rule.response,
        inputs=told.inputs,
        at=told.transition.at,
    )


def _fields(effect: Effect) -> dict[str, Any]:
    return {field.name: getattr(effect, field.name) for field in dataclasses.fields(effect)}
