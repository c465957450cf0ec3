"""What a maintenance system says of a ticket's request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bridge.model.production import RequestState, WorkRequestState
from bridge.store import work_request
from bridge.store.database import connected
from tests.relay_process import request

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
async def connection(database_dsn):
    """A ticket whose request stands in the system as 41."""
    async with connected(database_dsn, "test") as connection:
        await connection.execute("insert into equipment (level, path, name) values ('enterprise', 'acme', 'acme')")
        row = await (
            await connection.execute(
                "insert into ticket (equipment_id, failure_mode, priority, title, opened_at)"
                " select id, 'VIB', 'high', 'Vibration', now() from equipment returning id"
            )
        ).fetchone()
        await request(connection, row["id"])
        await connection.execute("update outbox set state = 'done', done_at = now(), external_id = '41'")
        yield connection


def said(state, minutes, word="x", external_id="41"):
    return WorkRequestState(external_id, state, word, AT + timedelta(minutes=minutes))


async def ticket(connection):
    row = await (await connection.execute("select external_state, external_said from ticket")).fetchone()
    lines = await (
        await connection.execute("select note from ticket_event where kind = 'EXTERNAL' order by id")
    ).fetchall()
    return (row["external_state"], row["external_said"]), [line["note"] for line in lines]


async def test_state_of_the_system_stands_beside_the_tickets_own_and_in_its_history(connection):
    assert await work_request.take_states(connection, "erp", [said(RequestState.IN_PROGRESS, 1, "In Progress")]) == 1
    state, lines = await ticket(connection)
    assert state == ("in_progress", "In Progress")
    assert lines == ["erp says in_progress (In Progress)"]


async def test_state_that_is_known_already_is_no_news(connection):
    for _ in range(3):
        await work_request.take_states(connection, "erp", [said(RequestState.DONE, 1)])
    assert len((await ticket(connection))[1]) == 1


async def test_state_that_comes_late_does_not_take_back_a_newer_one(connection):
    await work_request.take_states(connection, "erp", [said(RequestState.DONE, 5)])
    assert await work_request.take_states(connection, "erp", [said(RequestState.IN_PROGRESS, 1)]) == 0
    assert (await ticket(connection))[0] == ("done", "x")


async def test_request_that_is_not_ours_or_of_another_system_changes_nothing(connection):
    assert await work_request.take_states(connection, "erp", [said(RequestState.DONE, 1, external_id="999")]) == 0
    assert await work_request.take_states(connection, "other", [said(RequestState.DONE, 1)]) == 0
    assert (await ticket(connection))[0] == (None, None)
