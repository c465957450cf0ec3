"""What people ask of a connector: the requests that an event would need now, and a comparison with the system now.

The control tower must not talk to business systems; it writes the question, this task of the relay answers it, one after the other.
Nothing is sent that changes anything there.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import psycopg
import structlog

from bridge.erp import event as events
from bridge.erp.connector import Connector, Step
from bridge.erp.relay import reconcile
from bridge.erp.relay.attempt import first_to_send
from bridge.erp.relay.dispatcher import Lane
from bridge.errors import AmorError
from bridge.store import outbox, reconciliation, relay_question
from bridge.store.database import Connection, Row
from bridge.store.relay_question import Asked

log = structlog.get_logger()

_MOST_BYTES: Final = 256 * 1024  # of an answer: a page must be able to show it


async def answer_questions(lane: Lane, connection: Connection, stop: asyncio.Event) -> None:
    """Answer what is asked of a lane's connector until `stop`. Raises psycopg errors where the database goes away."""
    await relay_question.listen(connection)
    while not stop.is_set():
        while not stop.is_set() and (asked := await relay_question.take(connection, lane.name)):
            await _answer(lane, connection, asked)
        async for _ in connection.notifies(timeout=lane.rhythm.look_again.total_seconds(), stop_after=1):
            pass


async def _answer(lane: Lane, connection: Connection, asked: Asked) -> None:
    try:
        async with asyncio.timeout(relay_question.LONGEST.total_seconds()):
            said = await _said(lane, connection, asked)
        _check_size(said)
        await relay_question.answer(connection, asked.id, said)
    except TimeoutError:
        await relay_question.refuse(connection, asked.id, f"{lane.name} did not answer in time: ask again later")
    except AmorError as error:
        await relay_question.refuse(connection, asked.id, str(error))
    except (psycopg.OperationalError, psycopg.InterfaceError):
        raise
    except Exception:
        log.exception(
            "a question could not be answered", connector=lane.name, kind=asked.kind, outbox_id=asked.outbox_id
        )
        await relay_question.refuse(connection, asked.id, "a mistake in the relay: its log says more")


def _check_size(said: dict[str, Any]) -> None:
    if (size := len(orjson.dumps(said, default=str))) > _MOST_BYTES:
        raise AmorError(f"the answer has {size} bytes, more than a page can show: ask by `amor outbox`")


async def _said(lane: Lane, connection: Connection, asked: Asked) -> dict[str, Any]:
    if lane.gate.condition.state == "refused":
        raise AmorError(
            f"not asked, as {lane.name} refuses the key and every request more could lock the account: {lane.gate.condition.reason}"
        )
    await lane.gate.token()
    if asked.kind == "reconcile":
        return await _compare(lane, connection, asked.asked_by)
    assert asked.outbox_id is not None, "by constraint"
    row = await outbox.read(connection, asked.outbox_id)
    if row is None:
        raise AmorError(f"there is no event {asked.outbox_id} in the outbox")
    return await dry_run(lane.connector, row)


async def dry_run(system: Connector, row: Row) -> dict[str, Any]:
    """What would go out for a row of the outbox now: `has_it_as`, the system's id where nothing would, and the `steps`.

    Raises ConnectorErrors.
    """
    event = events.read(row["kind"], row["payload"])
    found = await system.lookup(event)
    if found.is_posted:
        return {"has_it_as": found.external_id, "steps": []}
    checkpoint = {} if row["state"] == "parked" else row["checkpoint"]  # a replay plans anew
    steps = [Step.from_json(stored) for stored in checkpoint.get("steps", [])]
    done = found.steps_done if found.steps_done is not None else checkpoint.get("done", 0)
    first = first_to_send(steps, done)
    rest = steps[first:] if first else await system.plan(event)
    return {"has_it_as": None, "steps": [step.to_json() for step in rest]}


async def _compare(lane: Lane, connection: Connection, asked_by: str) -> dict[str, Any]:
    since = datetime.now(UTC) - reconcile.SPAN
    orders, differences = await reconcile.compare(connection, lane.name, lane.connector, since)
    kept = await reconciliation.keep(connection, lane.name, since, orders, differences, asked_by)
    return {"reconciliation": kept, "orders": orders, "differences": len(differences)}
