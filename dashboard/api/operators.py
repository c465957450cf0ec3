"""What operators do with alarms: acknowledge, reset, shelve, take out of service, judge. Each needs the role operator and is audited.

A step may say which revision of the alarm the person saw: where it has changed since, it is refused and says what it is now.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import psycopg
from fastapi import APIRouter, HTTPException, Query

from bridge.model.alarm import AlarmState, can_be_reset
from bridge.model.alarm_load import first_up
from bridge.store import account, alarm, alarm_load, board, feedback, shelf
from bridge.store.account import Account
from bridge.store.database import Connection, Row
from dashboard.api.discreet import Discreet
from dashboard.api.models import AlarmAnswer
from dashboard.api.operator_models import (
    AlarmDetail,
    AlarmStep,
    EventAnswer,
    GroupAnswer,
    OutOfServiceAnswer,
    ShelfAnswer,
    ShelveAlarm,
    ShelveSource,
    TakeOut,
    UnshelveSource,
    VerdictGiven,
)
from dashboard.api.tower import TheAccount, TheTower, Tower, require

router: Final = APIRouter(prefix="/api/v1", tags=["operators"], route_class=Discreet)

Past = Annotated[float, Query(ge=0, le=366, description="Also what ended in the last days.")]
Closed = Annotated[bool, Query(description="Those that are over instead of those that are open.")]
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {403: {}, 404: {}, 409: {}}

_GROUPED: Final = timedelta(days=7)  # how far back a group may have begun

Do = Callable[[Connection, Row, datetime], Awaitable[None]]


@router.get("/alarms")
async def alarms(tower: TheTower, closed: Closed = False) -> list[AlarmAnswer]:  # a query parameter
    """Open alarms, the most severe first."""
    async with tower.pool.connection() as connection:
        return [AlarmAnswer.of(row) for row in await board.alarms(connection, closed=closed)]


@router.get("/alarms/groups")
async def groups(tower: TheTower) -> list[GroupAnswer]:
    """Open alarms by their first-up: those of one line within a short time of the first belong to it, also where it is over."""
    window = tower.settings.alarms.first_up
    async with tower.pool.connection() as connection:
        rows = await alarm_load.for_groups(connection, window, datetime.now(UTC) - _GROUPED)
        is_open = {row["id"]: row["is_open"] for row in rows}
        found = [
            (first, [each for each in others if is_open[each]])
            for first, others in first_up(rows, window)
            if any(is_open[each] for each in (first, *others))
        ]
        answers = {
            each: AlarmAnswer.of(await _existing(connection, each))
            for first, others in found
            for each in (first, *others)
        }
    return [
        GroupAnswer(line=answers[first].line, first_up=answers[first], followers=[answers[each] for each in others])
        for first, others in found
    ]


@router.get("/alarms/{alarm_id}", responses={404: {}})
async def alarm_detail(alarm_id: int, tower: TheTower) -> AlarmDetail:
    """One alarm, open or not, with its way through the states."""
    async with tower.pool.connection() as connection:
        row = await _existing(connection, alarm_id)
        events = await board.alarm_events(connection, alarm_id)
    return AlarmDetail(alarm=AlarmAnswer.of(row), events=[EventAnswer.of(event) for event in events])


@router.post("/alarms/{alarm_id}/ack", responses=_REFUSALS)
async def acknowledge(alarm_id: int, said: AlarmStep, tower: TheTower, me: TheAccount) -> AlarmAnswer:
    """Acknowledge an alarm, with a note."""

    async def do(connection: Connection, _row: Row, now: datetime) -> None:
        await alarm.acknowledge(connection, alarm_id, me.login, said.note, now)

    return await _operate(tower, me, alarm_id, said.seen, "alarm acknowledged", {"note": said.note}, do)


@router.post("/alarms/{alarm_id}/reset", responses=_REFUSALS)
async def reset(alarm_id: int, said: AlarmStep, tower: TheTower, me: TheAccount) -> AlarmAnswer:
    """Reset a latched alarm whose condition is gone, which closes it."""

    async def do(connection: Connection, row: Row, now: datetime) -> None:
        if not can_be_reset(AlarmState(row["state"])):
            raise HTTPException(409, f"only a latched alarm can be reset; this one is {row['state']}")
        await alarm.reset(connection, alarm_id, me.login, said.note, now)

    return await _operate(tower, me, alarm_id, said.seen, "alarm reset", {"note": said.note}, do)


@router.post("/alarms/{alarm_id}/shelve", responses=_REFUSALS)
async def shelve(alarm_id: int, said: ShelveAlarm, tower: TheTower, me: TheAccount) -> AlarmAnswer:
    """Shelve an alarm, with a reason and an end; one that is shelved already gets the new ones."""

    async def do(connection: Connection, row: Row, now: datetime) -> None:
        await _shelve(connection, tower, me, said, row["rule_id"], row["equipment_id"], now)

    detail = {"reason": said.reason, "kind": said.kind, "until": said.until.isoformat()}
    return await _operate(tower, me, alarm_id, said.seen, "alarm shelved", detail, do)


@router.post("/alarms/{alarm_id}/unshelve", responses=_REFUSALS)
async def unshelve(alarm_id: int, said: AlarmStep, tower: TheTower, me: TheAccount) -> AlarmAnswer:
    """Take an alarm off the shelf before its end."""

    async def do(connection: Connection, row: Row, now: datetime) -> None:
        if not await shelf.unshelve(connection, row["rule_id"], row["equipment_id"], me.login, said.note, now):
            raise HTTPException(409, "the alarm is not on the shelf")

    return await _operate(tower, me, alarm_id, said.seen, "alarm unshelved", {"note": said.note}, do)


@router.post("/alarms/{alarm_id}/verdict", responses={403: {}, 404: {}})
async def verdict(alarm_id: int, said: VerdictGiven, tower: TheTower, me: TheAccount) -> AlarmAnswer:
    """Say whether an alarm told the truth, over or not; the newest word counts."""

    async def do(connection: Connection, _row: Row, now: datetime) -> None:
        await feedback.give(connection, alarm_id, said.verdict, me.login, said.note, now)

    detail = {"verdict": said.verdict, "note": said.note}
    return await _operate(tower, me, alarm_id, None, "alarm judged", detail, do)


@router.get("/shelves")
async def shelves(tower: TheTower, days: Past = 0) -> list[ShelfAnswer]:
    """What is on the shelf, the next to come back first."""
    now = datetime.now(UTC)
    async with tower.pool.connection() as connection:
        rows = await shelf.shelved(connection, now, now - timedelta(days=days) if days else None)
    return [ShelfAnswer.of(row) for row in rows]


@router.post("/shelves", responses={403: {}, 404: {}, 422: {}})
async def shelve_source(said: ShelveSource, tower: TheTower, me: TheAccount) -> list[ShelfAnswer]:
    """Shelve the alarm of a rule on an asset, whether it stands or not; returns the shelf."""
    require(me, "operator")
    now = datetime.now(UTC)
    async with tower.pool.connection() as connection, connection.transaction():
        await _shelve(connection, tower, me, said, said.rule_id, said.equipment_id, now)
        detail = {"reason": said.reason, "kind": said.kind, "until": said.until.isoformat()}
        subject = f"rule:{said.rule_id} equipment:{said.equipment_id}"
        await account.write_audit(connection, me.login, "alarm shelved", subject, now, detail)
        return [ShelfAnswer.of(row) for row in await shelf.shelved(connection, now)]


@router.post("/shelves/unshelve", responses={403: {}, 409: {}})
async def unshelve_source(said: UnshelveSource, tower: TheTower, me: TheAccount) -> list[ShelfAnswer]:
    """Take it off the shelf; returns what is still there."""
    require(me, "operator")
    now = datetime.now(UTC)
    async with tower.pool.connection() as connection, connection.transaction():
        if not await shelf.unshelve(connection, said.rule_id, said.equipment_id, me.login, said.note, now):
            raise HTTPException(409, "it is not on the shelf")
        subject = f"rule:{said.rule_id} equipment:{said.equipment_id}"
        await account.write_audit(connection, me.login, "alarm unshelved", subject, now, {"note": said.note})
        return [ShelfAnswer.of(row) for row in await shelf.shelved(connection, now)]


@router.get("/out-of-service")
async def out_of_service(tower: TheTower, days: Past = 0) -> list[OutOfServiceAnswer]:
    """What is out of service."""
    since = datetime.now(UTC) - timedelta(days=days) if days else None
    async with tower.pool.connection() as connection:
        return [OutOfServiceAnswer.of(row) for row in await shelf.out_of_service(connection, since)]


@router.post("/out-of-service", responses=_REFUSALS)
async def take_out(said: TakeOut, tower: TheTower, me: TheAccount) -> list[OutOfServiceAnswer]:
    """Take alarms out of service under a work order; returns what is out of service."""
    require(me, "operator")
    now = datetime.now(UTC)
    async with tower.pool.connection() as connection, connection.transaction():
        try:
            taken = await shelf.take_out_of_service(
                connection, said.equipment_id, said.rule_id, work_order=said.work_order, reason=said.reason,
                actor=me.login, now=now,
            )  # fmt: skip
        except psycopg.errors.ForeignKeyViolation:
            raise HTTPException(404, "no such equipment") from None
        if taken is None:
            raise HTTPException(409, "it is out of service already")
        detail = {"work_order": said.work_order, "reason": said.reason, "rule": said.rule_id}
        subject = f"equipment:{said.equipment_id}"
        await account.write_audit(connection, me.login, "alarms taken out of service", subject, now, detail)
        return [OutOfServiceAnswer.of(row) for row in await shelf.out_of_service(connection)]


@router.post("/out-of-service/{out_id}/end", responses={403: {}, 409: {}})
async def bring_back(out_id: int, said: AlarmStep, tower: TheTower, me: TheAccount) -> list[OutOfServiceAnswer]:
    """Put alarms back into service; those that stand call people within a second."""
    require(me, "operator")
    now = datetime.now(UTC)
    async with tower.pool.connection() as connection, connection.transaction():
        row = await shelf.bring_back(connection, out_id, me.login, now)
        if row is None:
            raise HTTPException(409, "it is in service")
        detail = {"work_order": row["work_order"], "note": said.note, "rule": row["rule_id"]}
        subject = f"equipment:{row['equipment_id']}"
        await account.write_audit(connection, me.login, "alarms put back into service", subject, now, detail)
        return [OutOfServiceAnswer.of(found) for found in await shelf.out_of_service(connection)]


async def _operate(
    tower: Tower, me: Account, alarm_id: int, seen: int | None, said: str, detail: dict[str, Any], do: Do
) -> AlarmAnswer:
    """Do something to an alarm that is as it was seen, and write who did it, when and why."""
    require(me, "operator")
    now = datetime.now(UTC)
    async with tower.pool.connection() as connection, connection.transaction():
        await alarm.lock(connection, [alarm_id])  # nobody changes it between the look and the step
        row = await _existing(connection, alarm_id)
        if seen is not None and seen != row["revision"]:
            raise HTTPException(
                409,
                f"the alarm has changed since you saw it: it is {row['state']}, {row['severity']}; look at it again",
            )
        await do(connection, row, now)
        await account.write_audit(connection, me.login, said, f"alarm:{alarm_id}", now, detail)
        return AlarmAnswer.of(await _existing(connection, alarm_id))


async def _shelve(
    connection: Connection, tower: Tower, me: Account, said: ShelveAlarm, rule_id: str, equipment_id: int, now: datetime
) -> None:
    longest = tower.settings.alarms.longest_shelving
    if not now < said.until <= now + longest:
        hours = longest.total_seconds() / 3600
        raise HTTPException(422, f"until must be in the future, and at most {hours:g} h away: then look at it again")
    try:
        await shelf.shelve(
            connection,
            rule_id,
            equipment_id,
            kind=said.kind,
            reason=said.reason,
            actor=me.login,
            now=now,
            until=said.until,
        )
    except psycopg.errors.ForeignKeyViolation:
        raise HTTPException(404, "no such equipment") from None


async def _existing(connection: Connection, alarm_id: int) -> Row:
    row = await board.alarm(connection, alarm_id)
    if row is None:
        raise HTTPException(404, "no such alarm")
    return row
