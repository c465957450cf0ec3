"""`/api/v1/erp`, what people do: mend, replay and settle events, take pieces back, stop and let go, ask the relay.

Each needs the role operator and is audited. The tower never talks to a business system: what needs one is asked of the relay (`dry-run`,
`compare`), which answers in the database.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, HTTPException

from bridge.errors import AmorError
from bridge.model.event_fields import NotAValue, changes_of
from bridge.store import account, connector_control, erp_board, mending, outbox, relay_question
from bridge.store.account import Account
from bridge.store.database import Connection, Row
from bridge.store.relay_question import Kind
from bridge.store.reversal import reverse_pieces
from bridge.store.reversal_event import reverse_event
from dashboard.api.discreet import Discreet
from dashboard.api.erp import ConnectorName, EventNumber, detail_of, event_of, existing, known
from dashboard.api.erp_models import (
    EditEvent,
    ErpEvent,
    ErpEventDetail,
    ErpSummary,
    Nothing,
    QuestionAnswer,
    Replayed,
    Settle,
    TakeBack,
    TakeBackEvent,
    TakenBack,
    WithReason,
)
from dashboard.api.tower import TheAccount, TheTower, require

router: Final = APIRouter(prefix="/api/v1/erp", tags=["erp"], route_class=Discreet)

_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {403: {}, 404: {}, 409: {}}
_MOST_REPLAYED: Final = 500


@router.post("/events/{number}/edit", responses={**_REFUSALS, 422: {}})
async def edit(number: EventNumber, said: EditEvent, tower: TheTower, me: TheAccount) -> ErpEventDetail:
    """Mend fields of a parked event; it stays the same fact, under the same id."""
    require(me, "operator")
    async with tower.pool.connection() as connection, connection.transaction():
        row = await existing(connection, number)
        try:
            changes = changes_of(row["kind"], row["payload"], said.changes)
        except NotAValue as problem:
            raise HTTPException(422, str(problem)) from None
        if not changes:
            raise HTTPException(422, "nothing is changed: every field is as it was")
        try:
            edited = await mending.edit(connection, number, changes, me.login, said.reason)
        except AmorError as refused:
            raise HTTPException(409, str(refused)) from None
        if edited is None:
            raise HTTPException(409, _not_parked(row))
        edits = await outbox.edits(connection, number)  # the row is locked: nobody edits it now
        if said.seen is not None and len(edits) != said.seen + 1:
            raise HTTPException(409, f"{edits[-2]['actor']} has changed it since you saw it; look at it again")
        detail = {"reason": said.reason, "changes": changes}
        await _audit(connection, me, "event edited", f"event:{number}", detail)
        return await detail_of(connection, number)


@router.post("/events/{number}/replay", responses=_REFUSALS)
async def replay(number: EventNumber, said: Nothing, tower: TheTower, me: TheAccount) -> ErpEvent:
    """Give a parked event back to the relay, with the same id; it looks the event up before it sends."""
    del said
    require(me, "operator")
    async with tower.pool.connection() as connection, connection.transaction():
        row = await existing(connection, number)
        if not await outbox.replay(connection, number):
            raise HTTPException(409, _not_parked(row))
        await _audit(connection, me, "event replayed", f"event:{number}", {"error": row["last_error"]})
        return event_of(await existing(connection, number))


@router.post("/events/{number}/settle", responses=_REFUSALS)
async def settle(number: EventNumber, said: Settle, tower: TheTower, me: TheAccount) -> ErpEvent:
    """Say that a parked event was booked by hand, so that what waits behind it goes on. Nothing is sent."""
    require(me, "operator")
    async with tower.pool.connection() as connection, connection.transaction():
        row = await existing(connection, number)
        if not await outbox.settle(connection, number, said.document, me.login, said.reason):
            raise HTTPException(409, _not_parked(row))
        detail = {"reason": said.reason, "document": said.document, "error": row["last_error"]}
        await _audit(connection, me, "event settled", f"event:{number}", detail)
        return event_of(await existing(connection, number))


@router.post("/connectors/{name}/replay", responses=_REFUSALS)
async def replay_all(name: ConnectorName, said: WithReason, tower: TheTower, me: TheAccount) -> Replayed:
    """Give all of a connector's parked events back to the relay, at most 500 at a time: what was wrong was mended over there."""
    require(me, "operator")
    async with tower.pool.connection() as connection:
        await known(connection, tower, name)
        async with connection.transaction():
            numbers = await erp_board.parked(connection, name, _MOST_REPLAYED)
            given = [number for number in numbers if await outbox.replay(connection, number)]
            if not given:
                raise HTTPException(409, f"nothing of {name} waits for a person")
            await _audit(
                connection, me, "events replayed", f"connector:{name}", {"reason": said.reason, "events": given}
            )
    return Replayed(events=given)


@router.post("/events/{number}/dry-run", responses={**_REFUSALS, 429: {}}, status_code=202)
async def dry_run(number: EventNumber, said: Nothing, tower: TheTower, me: TheAccount) -> QuestionAnswer:
    """Ask the relay which requests would go out for an event now. Read the answer at /questions."""
    del said
    require(me, "operator")  # the system is asked for it, at its rate
    async with tower.pool.connection() as connection:
        row = await existing(connection, number)
        return await _ask(connection, me, row["connector"], "dry_run", number)


@router.post("/take-back", responses={403: {}, 409: {}})
async def take_back(said: TakeBack, tower: TheTower, me: TheAccount) -> TakenBack:
    """Take good pieces back from what was posted to an order, by reversals of its newest events."""
    require(me, "operator")
    now = datetime.now(UTC)
    async with tower.pool.connection() as connection:
        try:
            async with connection.transaction():
                made = await reverse_pieces(
                    connection, connector=said.connector, order_number=said.order, quantity=said.quantity,
                    reason=said.reason, actor=me.login, at=now, key=said.key,
                )  # fmt: skip
                detail = {
                    "connector": said.connector,
                    "quantity": str(said.quantity),
                    "reason": said.reason,
                    "events": made,
                }
                await _audit(connection, me, "pieces taken back", f"order:{said.order}", detail)
        except AmorError as refused:
            raise HTTPException(409, str(refused)) from None
    return TakenBack(events=made)


@router.post("/events/{number}/take-back", responses=_REFUSALS)
async def take_event_back(number: EventNumber, said: TakeBackEvent, tower: TheTower, me: TheAccount) -> TakenBack:
    """Take one event back, whole or in part: good pieces, scrap, a consumption, a confirmation. What its system refuses is parked."""
    require(me, "operator")
    async with tower.pool.connection() as connection:
        await existing(connection, number)
        try:
            async with connection.transaction():
                made = await reverse_event(
                    connection, outbox_id=number, quantity=said.quantity, reason=said.reason, actor=me.login,
                    at=datetime.now(UTC), key=said.key,
                )  # fmt: skip
                quantity = None if said.quantity is None else str(said.quantity)
                detail = {"quantity": quantity, "reason": said.reason, "events": [made]}
                await _audit(connection, me, "event taken back", f"event:{number}", detail)
        except AmorError as refused:
            raise HTTPException(409, str(refused)) from None
    return TakenBack(events=[made])


@router.post("/connectors/{name}/stop", responses=_REFUSALS)
async def stop(name: ConnectorName, said: WithReason, tower: TheTower, me: TheAccount) -> ErpSummary:
    """Let nothing more go to a connector; what is under way ends."""
    require(me, "operator")
    async with tower.pool.connection() as connection:
        await known(connection, tower, name)
        async with connection.transaction():
            if not await connector_control.stop(connection, name, said.reason, me.login):
                raise HTTPException(409, f"{name} is stopped already")
            await _audit(connection, me, "connector stopped", f"connector:{name}", {"reason": said.reason})
        return await tower.erp.read(connection, fresh=True)


@router.post("/connectors/{name}/go", responses=_REFUSALS)
async def go(name: ConnectorName, said: WithReason, tower: TheTower, me: TheAccount) -> ErpSummary:
    """Let a stopped connector go on, and end the pauses of one that refuses the key or fails: it is tried now."""
    require(me, "operator")
    async with tower.pool.connection() as connection:
        await known(connection, tower, name)
        async with connection.transaction():
            ended = await connector_control.go(connection, name, me.login)
            what = "connector let go on" if ended else "connector tried now"
            await _audit(connection, me, what, f"connector:{name}", {"reason": said.reason})
        return await tower.erp.read(connection, fresh=True)


@router.post("/connectors/{name}/compare", responses={**_REFUSALS, 429: {}}, status_code=202)
async def compare(name: ConnectorName, said: Nothing, tower: TheTower, me: TheAccount) -> QuestionAnswer:
    """Ask the relay to compare now; the result is kept. Read the answer at /questions, then the comparison."""
    del said
    require(me, "operator")
    async with tower.pool.connection() as connection:
        await known(connection, tower, name)
        return await _ask(connection, me, name, "reconcile", None)


async def _ask(
    connection: Connection, me: Account, connector: str, kind: Kind, outbox_id: int | None
) -> QuestionAnswer:
    async with connection.transaction():
        try:
            asked = await relay_question.ask(connection, connector, kind, me.login, outbox_id)
        except AmorError as refused:
            raise HTTPException(429, str(refused), {"retry-after": "30"}) from None
        subject = f"connector:{connector}" if outbox_id is None else f"event:{outbox_id}"
        await _audit(connection, me, f"asked for {kind}".replace("_", " "), subject, {"question": asked})
        row = await relay_question.read(connection, asked)
    assert row is not None, "it was written just now"
    return QuestionAnswer.of(row)


async def _audit(connection: Connection, me: Account, said: str, subject: str, detail: dict[str, Any]) -> None:
    await account.write_audit(connection, me.login, said, subject, datetime.now(UTC), detail)


def _not_parked(row: Row) -> str:
    words = {
        "done": f"the system has it, as {row['external_id']}",
        "pending": "it is on its way",
        "sending": "it is on its way",
    }
    return f"only what waits for a person can be changed, replayed or settled: {words.get(row['state'], row['state'])}"
