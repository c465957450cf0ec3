"""Tickets: their life, their evidence, the promises that run on them, and what people were told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query, Response

from bridge.model.ticket import NotAllowed, Step, TicketState, steps
from bridge.store import board, feedback, notification, ticket, ticket_clock, ticket_life
from bridge.store.database import Connection
from bridge.store.ticket import Change
from bridge.store.ticket_life import TicketChanged
from dashboard.api.discreet import Discreet
from dashboard.api.models import TicketAnswer
from dashboard.api.operator_models import (
    ClockAnswer,
    EventAnswer,
    EvidenceAnswer,
    FeedbackAnswer,
    KeptAnswer,
    NotificationAnswer,
    OccurrenceAnswer,
    TicketDetail,
    TicketLife,
    TicketStep,
)
from dashboard.api.tower import TheAccount, TheTower, require

router: Final = APIRouter(prefix="/api/v1", tags=["tickets"], route_class=Discreet)

Closed = Annotated[bool, Query(description="Those that are over instead of those that are open.")]
Days = Annotated[float, Query(gt=0, le=3660)]
_NEEDS: Final = {
    Step.REJECT: ("reason",),
    Step.HOLD: ("reason",),
    Step.SCHEDULE: ("scheduled_for",),
    Step.FINISH: ("mechanism", "cause", "action", "downtime_s", "was_true"),
}
_SOME_CLOCK: Final = timedelta(minutes=1)  # that a person's clock may be ahead of ours


@router.get("/tickets")
async def tickets(tower: TheTower, closed: Closed = False) -> list[TicketAnswer]:  # a query parameter
    """Open tickets, the most urgent first."""
    async with tower.pool.connection() as connection:
        return [TicketAnswer.of(row) for row in await board.tickets(connection, closed=closed)]


@router.get("/tickets/{ticket_id}", responses={404: {}})
async def one_ticket(ticket_id: int, tower: TheTower) -> TicketAnswer:
    """One ticket, open or not."""
    async with tower.pool.connection() as connection:
        row = await board.ticket(connection, ticket_id)
    if row is None:
        raise HTTPException(404, "no such ticket")
    return TicketAnswer.of(row)


@router.get("/tickets/{ticket_id}/life", responses={404: {}})
async def life(ticket_id: int, tower: TheTower) -> TicketDetail:
    """One ticket with its life, its clocks, its history, and what can be done to it now."""
    async with tower.pool.connection() as connection:
        return await _detail(connection, ticket_id)


@router.post("/tickets/{ticket_id}/steps", responses={403: {}, 404: {}, 409: {}, 422: {}})
async def take_step(ticket_id: int, said: TicketStep, tower: TheTower, me: TheAccount) -> TicketDetail:
    """Take a step in a ticket's life. Needs the role operator; written to its history and the audit trail."""
    require(me, "operator")
    now = datetime.now(UTC)
    async with tower.pool.connection() as connection, connection.transaction():
        change = await _change(connection, ticket_id, said, now)
        note = said.note or said.reason or ""
        try:
            state = await ticket_life.take(
                connection, tower.settings.tickets, ticket_id, said.step, seen=said.seen, change=change, actor=me.login,
                note=note, now=now,
            )  # fmt: skip
        except (NotAllowed, TicketChanged) as refused:
            raise HTTPException(409, str(refused)) from None
        if state is None:
            raise HTTPException(404, "no such ticket")
        return await _detail(connection, ticket_id)


@router.get("/tickets/{ticket_id}/evidence", response_class=Response, responses={200: {"content": {"image/png": {}}}})
async def evidence(ticket_id: int, tower: TheTower) -> Response:
    """The picture of the readings around the event; 404 until it is drawn."""
    async with tower.pool.connection() as connection:
        picture = await board.evidence_picture(connection, ticket_id)
    if picture is None:
        raise HTTPException(404, "no picture yet")
    # A picture is drawn once; a script in an SVG must never run in our origin.
    headers = {
        "cache-control": "private, max-age=3600",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    return Response(picture[0], media_type=picture[1], headers=headers)


@router.get("/tickets/{ticket_id}/evidence/data", responses={404: {}})
async def evidence_data(ticket_id: int, tower: TheTower) -> EvidenceAnswer:
    """The evidence as data: the rule's version, its inputs at the event, the readings around it."""
    async with tower.pool.connection() as connection:
        row = await ticket.evidence_data(connection, ticket_id)
    if row is None:
        raise HTTPException(404, "no evidence was asked for")
    return EvidenceAnswer.of(row)


@router.get("/ticket-codes")
async def codes(tower: TheTower) -> dict[str, dict[str, str]]:
    """The codes of ISO 14224 that a finished ticket needs: failure_mode, mechanism, cause, action."""
    async with tower.pool.connection() as connection:
        return await ticket.codes(connection)


@router.get("/promises")
async def promises(tower: TheTower, days: Days = 30) -> list[KeptAnswer]:
    """How many promises were kept, by priority, of those whose clocks stopped in the last days."""
    now = datetime.now(UTC)
    async with tower.pool.connection() as connection:
        return [KeptAnswer.of(row) for row in await ticket_clock.kept(connection, now - timedelta(days=days), now)]


@router.get("/notifications")
async def notifications(
    tower: TheTower,
    about: Annotated[str | None, Query(max_length=100, description="alarm:<id> or ticket:<id>.")] = None,
) -> list[NotificationAnswer]:
    """What people were told lately, or are to be told, and how it went."""
    async with tower.pool.connection() as connection:
        return [NotificationAnswer.of(row) for row in await notification.recent(connection, about)]


@router.get("/rule-feedback")
async def rule_feedback(tower: TheTower) -> list[FeedbackAnswer]:
    """How often each level of each rule told the truth, and the limit that would have told it more often."""
    async with tower.pool.connection() as connection:
        answers = [FeedbackAnswer.of(row) for row in await feedback.of_rules(connection)]
    for answer in answers:
        judged = answer.true_count + answer.false_count
        answer.precision = answer.true_count / judged if judged else None
    return answers


async def _change(connection: Connection, ticket_id: int, said: TicketStep, now: datetime) -> Change:
    """What the step changes. Raises 422 where it does not say what it has to."""
    missing = [name for name in _NEEDS.get(said.step, ()) if getattr(said, name) is None]
    if missing:
        raise HTTPException(422, f"{said.step} needs {', '.join(missing)}")
    values: dict[str, Any] = {"assignee": said.assignee}
    if said.step in (Step.REJECT, Step.HOLD):
        values["reason"] = said.reason
    if said.step is Step.SCHEDULE:
        values["scheduled_for"] = said.scheduled_for
    if said.step is Step.FINISH:
        values |= await _finished(connection, ticket_id, said, now)
    return Change(values)


async def _finished(connection: Connection, ticket_id: int, said: TicketStep, now: datetime) -> dict[str, Any]:
    row = await board.ticket(connection, ticket_id)
    if row is None:
        raise HTTPException(404, "no such ticket")
    codes = await ticket.codes(connection)
    found_mode = said.failure_mode or row["failure_mode"]
    if found_mode not in codes["failure_mode"] and found_mode != row["failure_mode"]:
        raise HTTPException(422, f"failure_mode {found_mode} is no code of ISO 14224 and not the one that was reported")
    for kind in ("mechanism", "cause", "action"):
        if getattr(said, kind) not in codes[kind]:
            raise HTTPException(422, f"{kind} {getattr(said, kind)} is no code of ISO 14224; see /api/v1/ticket-codes")
    restarted_at = said.restarted_at or now
    if not row["opened_at"] <= restarted_at <= now + _SOME_CLOCK:
        raise HTTPException(422, "restarted_at must be between the opening of the ticket and now")
    return {
        "found_mode": found_mode,
        "mechanism": said.mechanism,
        "cause": said.cause,
        "action": said.action,
        "downtime": timedelta(seconds=said.downtime_s or 0),
        "was_true": said.was_true,
        "restarted_at": min(restarted_at, now),
    }


async def _detail(connection: Connection, ticket_id: int) -> TicketDetail:
    row, more = await board.ticket(connection, ticket_id), await ticket.detail(connection, ticket_id)
    if row is None or more is None:
        raise HTTPException(404, "no such ticket")
    return TicketDetail(
        ticket=TicketAnswer.of(row),
        life=TicketLife.of(more),
        steps=steps(TicketState(row["state"])),
        clocks=[ClockAnswer.of(clock) for clock in await ticket_clock.of_ticket(connection, ticket_id)],
        occurrences=[OccurrenceAnswer.of(each) for each in await ticket.occurrences(connection, ticket_id)],
        events=[EventAnswer.of(event) for event in await ticket.events(connection, ticket_id)],
    )
