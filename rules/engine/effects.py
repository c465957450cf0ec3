"""What production accounting found, written in the caller's transaction: states, counts, epochs."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from bridge.model.production import MachineState
from bridge.model.reading import DeadLetter
from bridge.store import dead_letter, machine_state, production_count, serial
from bridge.store.database import Connection
from bridge.store.production_count import Unposted
from rules.engine.plant import Plant
from rules.engine.posting import PostingBook
from rules.engine.posting.waiting import Ended
from rules.production.effects import (
    Counted,
    Effect,
    EpochBegan,
    LateState,
    OrderChanged,
    ReasonGiven,
    SerialGiven,
    SerialUnclaimed,
    StateChanged,
    WordRefused,
)

log = structlog.get_logger()

_SOURCE: Final = "rules"  # of the dead letters


async def write(connection: Connection, plant: Plant, book: PostingBook, effect: Effect) -> None:
    """Write one thing that was found."""
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
        case OrderChanged():
            _change_order(plant, book, effect)
        case EpochBegan():
            if effect.cause != "first":
                log.warning("counter began anew", tag_id=effect.tag_id, cause=effect.cause, at=str(effect.at))
            await production_count.begin_epoch(connection, **_fields(effect))
        case Counted():
            await _count(connection, plant, book, effect)
        case SerialGiven() | SerialUnclaimed():
            await _name(connection, plant, book, effect)


def _change_order(plant: Plant, book: PostingBook, change: OrderChanged) -> None:
    facts = plant.assets[change.equipment_id].accounting.facts
    if change.previous is not None:
        book.complete(change.previous, change.equipment_id, is_final=facts.is_final)
    if change.ended is not None:
        book.end(change.ended, Ended(change.equipment_id, facts.path, change.at))


async def _begin_state(connection: Connection, plant: Plant, effect: StateChanged) -> None:
    if effect.state is MachineState.UNKNOWN:
        log.warning("machine state is unknown: its word is not in the map, or its quality is bad",
                    asset=plant.assets[effect.equipment_id].path, at=str(effect.at))  # fmt: skip
    if not await machine_state.begin(connection, effect.equipment_id, effect.at, str(effect.state), effect.reason):
        log.warning("machine state is left out: the time is taken", equipment_id=effect.equipment_id, at=str(effect.at))


async def _count(connection: Connection, plant: Plant, book: PostingBook, count: Counted) -> None:
    row = {**_fields(count), "kind": str(count.kind), "key": count.key}
    count_id = await production_count.insert(connection, row)
    if count_id is not None:
        path = plant.assets[count.equipment_id].path
        book.add(
            Unposted(
                count_id, count.equipment_id, count.tag_id, count.at, str(count.kind), count.qty, count.order_number,
                count.reason, count.is_final, count.lot, path, plant.class_of(path, None),
            )
        )  # fmt: skip


async def _name(connection: Connection, plant: Plant, book: PostingBook, told: SerialGiven | SerialUnclaimed) -> None:
    found = await serial.give(connection, **_fields(told)) if isinstance(told, SerialGiven) else {}
    for count_id, pieces in found.items():
        book.name(count_id, told.serial, pieces)
    if not found:
        # One that should have had a piece came too late; the others were read again, or their piece went another way.
        say = log.warning if isinstance(told, SerialGiven) else log.info
        say("serial number of no counted piece", asset=plant.assets[told.equipment_id].path, serial=told.serial,
            at=str(told.at))  # fmt: skip


async def keep(connection: Connection, plant: Plant, effect: Effect, reason: str) -> None:
    """Record what cannot be written: the lane goes on, and people see what is missing."""
    asset = plant.assets.get(getattr(effect, "equipment_id", 0)) or plant.by_tag[getattr(effect, "tag_id", 0)]
    log.error("left out: the database refuses it", asset=asset.path, found=type(effect).__name__,
              tag_id=getattr(effect, "tag_id", None), at=str(getattr(effect, "at", None)), error=reason)  # fmt: skip
    fields = json.dumps(_fields(effect), default=str).encode()
    await _keep(connection, asset.path, fields, f"{type(effect).__name__} is refused: {reason}")


async def _refuse_word(connection: Connection, plant: Plant, effect: WordRefused) -> None:
    asset = plant.assets[effect.equipment_id]
    name = next((name for name, tag_id in asset.tags.items() if tag_id == effect.tag_id), str(effect.tag_id))
    log.warning("word is left out", asset=asset.path, tag=name, at=str(effect.at), why=effect.why)
    await _keep(connection, f"{asset.path}/{name}", effect.word.encode("utf-8", "backslashreplace"), effect.why)


async def _keep(connection: Connection, address: str, content: bytes, reason: str) -> None:
    letter = DeadLetter(_SOURCE, address, content, reason[:500], datetime.now(UTC))
    await dead_letter.insert(connection, _SOURCE, [letter], only_unknown=True)


def _fields(effect: Effect) -> dict[str, Any]:
    return {field.name: getattr(effect, field.name) for field in dataclasses.fields(effect)}
