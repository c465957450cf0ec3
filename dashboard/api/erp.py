"""`/api/v1/erp`: what goes to business systems, and what people do about it. Each change needs the role operator and is audited.

The tower never talks to a business system: what needs one is asked of the relay (`dry-run`, `compare`), which answers in the database.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Path, Query

from bridge.errors import AmorError
from bridge.store import account, connector_control, erp_board, outbox, reconciliation, relay_question
from bridge.store.account import Account
from bridge.store.database import Connection, Row
from bridge.store.relay_question import Kind
from bridge.store.reversal import reverse_pieces
from dashboard.api.discreet import Discreet
from dashboard.api.erp_models import (
    AttemptAnswer,
    ComparisonAnswer,
    CountAnswer,
    EditAnswer,
    EditEvent,
    ErpEvent,
    ErpEventDetail,
    ErpSummary,
    FieldAnswer,
    Nothing,
    QuestionAnswer,
    ReversalAnswer,
    TakeBack,
    TakenBack,
    WithReason,
)
from dashboard.api.event_fields import NotAValue, changes_of, fields_of
from dashboard.api.tower import TheAccount, TheTower, Tower, require

router: Final = APIRouter(prefix="/api/v1/erp", tags=["erp"], route_class=Discreet)

EventNumber = Annotated[int, Path(ge=1, lt=2**63)]
ConnectorName = Annotated[str, Path(max_length=200)]
Most = Annotated[int, Query(ge=1, le=200)]
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {403: {}, 404: {}, 409: {}}
_MOST_ATTEMPTS: Final = 60
_MOST_COUNTS: Final = 200
_MOST_LINES: Final = 200


@router.get("")
async def summary(tower: TheTower) -> ErpSummary:
    """Connectors, and the events that wait for a person or fail."""
    async with tower.pool.connection() as connection:
        return await tower.erp.read(connection)


@router.get("/events")
async def events(
    tower: TheTower,
    order: Annotated[str | None, Query(max_length=200, description="Number of an order, or another stream.")] = None,
    most: Most = 20,
) -> list[ErpEvent]:
    """What the systems took last; all events of an order where one is named, the newest first."""
    async with tower.pool.connection() as connection:
        names = [each.connector for each in (await tower.erp.read(connection)).connectors]
        if order is None:
            rows = await erp_board.latest(connection, names, most)
        else:
            rows = await erp_board.of_stream(connection, names, order, most)
    return [ErpEvent.of(row) for row in rows]


@router.get("/events/{number}", responses={404: {}})
async def event(number: EventNumber, tower: TheTower) -> ErpEventDetail:
    """One event with its fields, every request with its answer, what people changed, and the pieces that it is made of."""
    async with tower.pool.connection() as connection:
        return await _detail(connection, number)


@router.post("/events/{number}/edit", responses={**_REFUSALS, 422: {}})
async def edit(number: EventNumber, said: EditEvent, tower: TheTower, me: TheAccount) -> ErpEventDetail:
    """Mend fields of a parked event; it stays the same fact, under the same id."""
    require(me, "operator")
    async with tower.pool.connection() as connection, connection.transaction():
        row = await _existing(connection, number)
        try:
            changes = changes_of(row["kind"], row["payload"], said.changes)
        except NotAValue as problem:
            raise HTTPException(422, str(problem)) from None
        if not changes:
            raise HTTPException(422, "nothing is changed: every field is as it was")
        if await outbox.edit(connection, number, changes, me.login, said.reason) is None:
            raise HTTPException(409, _not_parked(row))
        edits = await outbox.edits(connection, number)  # the row is locked: nobody edits it now
        if said.seen is not None and len(edits) != said.seen + 1:
            raise HTTPException(409, f"{edits[-2]['actor']} has changed it since you saw it; look at it again")
        detail = {"reason": said.reason, "changes": changes}
        await _audit(connection, me, "event edited", f"event:{number}", detail)
        return await _detail(connection, number)


@router.post("/events/{number}/replay", responses=_REFUSALS)
async def replay(number: EventNumber, said: Nothing, tower: TheTower, me: TheAccount) -> ErpEvent:
    """Give a parked event back to the relay, with the same id; it looks the event up before it sends."""
    del said
    require(me, "operator")
    async with tower.pool.connection() as connection, connection.transaction():
        row = await _existing(connection, number)
        if not await outbox.replay(connection, number):
            raise HTTPException(409, _not_parked(row))
        await _audit(connection, me, "event replayed", f"event:{number}", {"error": row["last_error"]})
        return _event(await _existing(connection, number))


@router.post("/events/{number}/dry-run", responses={**_REFUSALS, 429: {}}, status_code=202)
async def dry_run(number: EventNumber, said: Nothing, tower: TheTower, me: TheAccount) -> QuestionAnswer:
    """Ask the relay which requests would go out for an event now. Read the answer at /questions."""
    del said
    require(me, "operator")  # the system is asked for it, at its rate
    async with tower.pool.connection() as connection:
        row = await _existing(connection, number)
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


@router.post("/connectors/{name}/stop", responses=_REFUSALS)
async def stop(name: ConnectorName, said: WithReason, tower: TheTower, me: TheAccount) -> ErpSummary:
    """Let nothing more go to a connector; what is under way ends."""
    require(me, "operator")
    async with tower.pool.connection() as connection:
        await _known(connection, tower, name)
        async with connection.transaction():
            if not await connector_control.stop(connection, name, said.reason, me.login):
                raise HTTPException(409, f"{name} is stopped already")
            await _audit(connection, me, "connector stopped", f"connector:{name}", {"reason": said.reason})
        return await tower.erp.read(connection, fresh=True)


@router.post("/connectors/{name}/go", responses=_REFUSALS)
async def go(name: ConnectorName, said: WithReason, tower: TheTower, me: TheAccount) -> ErpSummary:
    """Let a stopped connector go on."""
    require(me, "operator")
    async with tower.pool.connection() as connection:
        await _known(connection, tower, name)
        async with connection.transaction():
            if not await connector_control.go(connection, name, me.login):
                raise HTTPException(409, f"{name} is not stopped")
            await _audit(connection, me, "connector let go on", f"connector:{name}", {"reason": said.reason})
        return await tower.erp.read(connection, fresh=True)


@router.get("/connectors/{name}/comparison", responses={404: {}})
async def comparison(name: ConnectorName, tower: TheTower) -> ComparisonAnswer:
    """The newest comparison of made, posted and the system's own totals, order by order."""
    async with tower.pool.connection() as connection:
        await _known(connection, tower, name)
        found = await reconciliation.newest(connection, name)
    if found is None:
        return ComparisonAnswer(connector=name, at=None, since=None, orders=0, differences=0, actor="", lines=[])
    row, lines = found
    return ComparisonAnswer(
        connector=name, at=row["at"], since=row["since"], orders=row["orders"], differences=row["differences"],
        actor=row["actor"], lines=lines[:_MOST_LINES],
    )  # fmt: skip


@router.post("/connectors/{name}/compare", responses={**_REFUSALS, 429: {}}, status_code=202)
async def compare(name: ConnectorName, said: Nothing, tower: TheTower, me: TheAccount) -> QuestionAnswer:
    """Ask the relay to compare now; the result is kept. Read the answer at /questions, then the comparison."""
    del said
    require(me, "operator")
    async with tower.pool.connection() as connection:
        await _known(connection, tower, name)
        return await _ask(connection, me, name, "reconcile", None)


@router.get("/questions/{question_id}", responses={404: {}})
async def question(question_id: EventNumber, tower: TheTower) -> QuestionAnswer:
    """What was asked of the relay, and what it answered."""
    async with tower.pool.connection() as connection:
        row = await relay_question.read(connection, question_id)
    if row is None:
        raise HTTPException(404, "no such question, or it was asked long ago")
    return QuestionAnswer.of(row)


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


async def _detail(connection: Connection, number: int) -> ErpEventDetail:
    row = await _existing(connection, number)
    attempts = await outbox.attempts(connection, number, _MOST_ATTEMPTS)
    edits = await outbox.edits(connection, number)
    reversals = await erp_board.taken_back(connection, number, _MOST_COUNTS)
    counts, in_all, pieces = await erp_board.counts(connection, number, row["stream"], _MOST_COUNTS)
    return ErpEventDetail(
        event=_event(row),
        key=row["key"],
        fields=[FieldAnswer.model_validate(field) for field in fields_of(row["kind"], row["payload"])],
        attempts=[AttemptAnswer.of(attempt) for attempt in attempts],
        edits=[EditAnswer.of({**each, "changed": _changed(each["before"], each["after"])}) for each in edits],
        reversals=[ReversalAnswer.of(each) for each in reversals],
        counts=[CountAnswer.of(count) for count in counts],
        counts_in_all=in_all,
        pieces=pieces,
    )


def _event(row: Row) -> ErpEvent:
    said = row["payload"]
    texts = {
        name: None if said.get(name) is None else str(said[name]) for name in ("order_ref", "ticket_id", "item", "uom")
    }
    quantity = next(
        (str(said[name]) for name in ("quantity", "yielded", "available") if said.get(name) is not None), None
    )
    return ErpEvent.of({**row, **texts, "quantity": quantity, "behind": 0})


def _changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        name: (before.get(name), after.get(name))
        for name in after.keys() | before.keys()
        if before.get(name) != after.get(name)
    }


async def _audit(connection: Connection, me: Account, said: str, subject: str, detail: dict[str, Any]) -> None:
    await account.write_audit(connection, me.login, said, subject, datetime.now(UTC), detail)


async def _existing(connection: Connection, number: int) -> Row:
    row = await outbox.read(connection, number)
    if row is None:
        raise HTTPException(404, f"there is no event {number}")
    return row


async def _known(connection: Connection, tower: Tower, name: str) -> None:
    known = [each.connector for each in (await tower.erp.read(connection)).connectors]
    if name not in known:
        raise HTTPException(404, f"there is no connector {name}; there are: {', '.join(known) or 'none'}")


def _not_parked(row: Row) -> str:
    words = {
        "done": f"the system has it, as {row['external_id']}",
        "pending": "it is on its way",
        "sending": "it is on its way",
    }
    return f"only what waits for a person can be changed or replayed: {words.get(row['state'], row['state'])}"
