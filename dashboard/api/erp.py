"""`/api/v1/erp`, reading: connectors, events with all that is known of them, comparisons, answers of the relay."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Path, Query

from bridge.model.event_fields import fields_of
from bridge.store import erp_board, outbox, reconciliation, relay_question
from bridge.store.database import Connection, Row
from dashboard.api.discreet import Discreet
from dashboard.api.erp_models import (
    AttemptAnswer,
    ComparisonAnswer,
    CountAnswer,
    EditAnswer,
    ErpEvent,
    ErpEventDetail,
    ErpSummary,
    FieldAnswer,
    QuestionAnswer,
    ReversalAnswer,
)
from dashboard.api.tower import TheTower, Tower

router: Final = APIRouter(prefix="/api/v1/erp", tags=["erp"], route_class=Discreet)

EventNumber = Annotated[int, Path(ge=1, lt=2**63)]
ConnectorName = Annotated[str, Path(max_length=200)]
Most = Annotated[int, Query(ge=1, le=200)]
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
        return await detail_of(connection, number)


@router.get("/connectors/{name}/comparison", responses={404: {}})
async def comparison(name: ConnectorName, tower: TheTower) -> ComparisonAnswer:
    """The newest comparison of made, posted and the system's own totals, order by order."""
    async with tower.pool.connection() as connection:
        await known(connection, tower, name)
        found = await reconciliation.newest(connection, name)
    if found is None:
        return ComparisonAnswer(connector=name, at=None, since=None, orders=0, differences=0, actor="", lines=[])
    row, lines = found
    return ComparisonAnswer(
        connector=name, at=row["at"], since=row["since"], orders=row["orders"], differences=row["differences"],
        actor=row["actor"], lines=lines[:_MOST_LINES],
    )  # fmt: skip


@router.get("/questions/{question_id}", responses={404: {}})
async def question(question_id: EventNumber, tower: TheTower) -> QuestionAnswer:
    """What was asked of the relay, and what it answered."""
    async with tower.pool.connection() as connection:
        row = await relay_question.read(connection, question_id)
    if row is None:
        raise HTTPException(404, "no such question, or it was asked long ago")
    return QuestionAnswer.of(row)


async def detail_of(connection: Connection, number: int) -> ErpEventDetail:
    """An event with all that is known of it. Raises 404 where there is none."""
    row = await existing(connection, number)
    attempts = await outbox.attempts(connection, number, _MOST_ATTEMPTS)
    edits = await outbox.edits(connection, number)
    reversals = await erp_board.taken_back(connection, number, _MOST_COUNTS)
    counts, in_all, pieces = await erp_board.counts(connection, number, _MOST_COUNTS)
    return ErpEventDetail(
        event=event_of(row),
        key=row["key"],
        fields=[FieldAnswer.model_validate(field) for field in fields_of(row["kind"], row["payload"])],
        attempts=[AttemptAnswer.of(attempt) for attempt in attempts],
        edits=[EditAnswer.of({**each, "changed": _changed(each["before"], each["after"])}) for each in edits],
        reversals=[ReversalAnswer.of(each) for each in reversals],
        counts=[CountAnswer.of(count) for count in counts],
        counts_in_all=in_all,
        pieces=pieces,
    )


def event_of(row: Row) -> ErpEvent:
    """From a row of the outbox with its payload."""
    said = row["payload"]
    texts = {
        name: None if said.get(name) is None else str(said[name]) for name in ("order_ref", "ticket_id", "item", "uom")
    }
    quantity = next(
        (str(said[name]) for name in ("quantity", "yielded", "available") if said.get(name) is not None), None
    )
    return ErpEvent.of({**row, **texts, "quantity": quantity, "behind": 0})


async def existing(connection: Connection, number: int) -> Row:
    """A row of the outbox with its payload. Raises 404 where there is none."""
    row = await outbox.read(connection, number)
    if row is None:
        raise HTTPException(404, f"there is no event {number}")
    return row


async def known(connection: Connection, tower: Tower, name: str) -> None:
    """Raise 404 for a connector that is neither configured nor has any events, naming those that are."""
    names = [each.connector for each in (await tower.erp.read(connection)).connectors]
    if name not in names:
        raise HTTPException(404, f"there is no connector {name}; there are: {', '.join(names) or 'none'}")


def _changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        name: (before.get(name), after.get(name))
        for name in after.keys() | before.keys()
        if before.get(name) != after.get(name)
    }
