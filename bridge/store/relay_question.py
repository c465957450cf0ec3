"""What people ask the relay, which alone talks to business systems: a dry run of an event, a comparison now.

A question is void a minute after it was asked: nobody waits any more. NOTIFY carries ids only, to the relay and back.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, Literal, NamedTuple

from psycopg.types.json import Jsonb

from bridge.errors import AmorError
from bridge.model.text import storable
from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("relay_question")

Kind = Literal["dry_run", "reconcile"]
VALID: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(seconds=45)  # that a relay is at one
_MOST_WAITING: Final = 20


class Asked(NamedTuple):
    """A question that a relay has taken."""

    id: int
    kind: Kind
    outbox_id: int | None
    asked_by: str


async def listen(connection: Connection) -> None:
    """Hear of new questions on this connection."""
    await connection.execute(_QUERIES.listen)


async def ask(connection: Connection, connector: str, kind: Kind, asked_by: str, outbox_id: int | None = None) -> int:
    """Ask; returns the question's number. Relays hear of it when the caller's transaction commits.

    Raises AmorError where so many wait already that no relay seems to answer.
    """
    await connection.execute(_QUERIES.delete_old)
    found = await (await connection.execute(_QUERIES.waiting, {"connector": connector, "valid": VALID})).fetchone()
    assert found is not None, "a count is one row"
    if found["waiting"] >= _MOST_WAITING:
        raise AmorError(
            f"{found['waiting']} questions to {connector} wait for an answer already: see whether its relay runs"
        )
    values = {"connector": connector, "kind": kind, "outbox_id": outbox_id, "asked_by": asked_by}
    row = await (await connection.execute(_QUERIES.ask, values)).fetchone()
    assert row is not None, "the query returns one row"
    return int(row["id"])


async def take(connection: Connection, connector: str) -> Asked | None:
    """The oldest question to a connector that waits, now in this relay's hand; None where there is none."""
    values = {"connector": connector, "valid": VALID, "longest": LONGEST}
    row = await (await connection.execute(_QUERIES.take, values)).fetchone()
    return None if row is None else Asked(**row)


async def answer(connection: Connection, question_id: int, said: dict[str, Any]) -> None:
    """Answer it; who asked hears of it on the live channel."""
    await connection.execute(_QUERIES.answer, {"id": question_id, "answer": Jsonb(said), "error": None})


async def refuse(connection: Connection, question_id: int, why: str) -> None:
    """Say why there is no answer."""
    await connection.execute(_QUERIES.answer, {"id": question_id, "answer": None, "error": storable(why)})


async def read(connection: Connection, question_id: int) -> Row | None:
    """A question with its answer or error, both None while it waits; None where there is none."""
    return await (await connection.execute(_QUERIES.read, {"id": question_id})).fetchone()
