"""What people ask the relay through the database, and what it says of its connectors there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.erp.backoff import Backoff
from bridge.errors import AmorError
from bridge.store import relay_question
from bridge.store.database import CHANNEL_LIVE, connected
from tests.erp_process import KEY
from tests.relay_process import QUICK, drained, post, relaying, until

ORDER = "MES-0001"


async def seen(dsn, query, reached):
    """What a query gives as soon as it is as asked for; looks whenever the live channel says that something changed."""
    async with asyncio.timeout(30), connected(dsn, "test") as listening:
        await listening.execute(f"listen {CHANNEL_LIVE}".encode())
        while True:
            rows = await (await listening.execute(query)).fetchall()
            if reached(rows):
                return rows
            async for _ in listening.notifies(stop_after=1):
                pass


async def answered(dsn, question):
    [row] = await seen(
        dsn,
        f"select * from relay_question where id = {question}".encode(),
        lambda rows: rows[0]["answered_at"] is not None,
    )
    return row


async def test_dry_run_is_answered_with_the_requests_and_sends_none(erp, connection, database_dsn):
    async with relaying(database_dsn, erp.settings()):
        await connection.execute(
            "insert into connector_stop (connector, actor, reason) values ('erp', 'olga', 'a test')"
        )
        [event] = await post(connection, ORDER, [3])
        row = await answered(database_dsn, await relay_question.ask(connection, "erp", "dry_run", "olga", event))
    assert row["error"] is None
    calls = [step["call"] for step in row["answer"]["steps"]]
    assert "mrp.production/button_mark_done" in calls
    assert KEY not in str(row["answer"])
    assert (await erp.truth())["good_posted"] == 0


async def test_dry_run_of_what_the_system_has_names_its_document(erp, connection, database_dsn):
    async with relaying(database_dsn, erp.settings()):
        [event] = await post(connection, ORDER, [3])
        [done] = await drained(database_dsn)
        row = await answered(database_dsn, await relay_question.ask(connection, "erp", "dry_run", "olga", event))
    assert row["answer"] == {"has_it_as": done["external_id"], "steps": []}


async def test_question_that_the_system_refuses_is_answered_with_its_words(erp, connection, database_dsn):
    async with relaying(database_dsn, erp.settings()):
        [event] = await post(connection, "NOWHERE", [3])
        await until(database_dsn, lambda rows: rows[0]["state"] == "parked")
        row = await answered(database_dsn, await relay_question.ask(connection, "erp", "dry_run", "olga", event))
    assert row["answer"] is None
    assert "NOWHERE" in row["error"]


async def test_comparison_is_made_at_once_and_kept_with_who_asked(erp, connection, database_dsn):
    async with relaying(database_dsn, erp.settings()):
        await post(connection, ORDER, [3])
        await drained(database_dsn)
        row = await answered(database_dsn, await relay_question.ask(connection, "erp", "reconcile", "olga"))
    kept = row["answer"]["reconciliation"]
    [found] = await (
        await connection.execute("select actor, orders from reconciliation where id = %s", (kept,))
    ).fetchall()
    assert (found["actor"], found["orders"], row["answer"]["orders"]) == ("olga", 1, 1)


async def test_question_that_was_asked_long_ago_is_left_alone(erp, connection, database_dsn):
    [event] = await post(connection, ORDER, [3])
    old = await relay_question.ask(connection, "erp", "dry_run", "olga", event)
    await connection.execute("update relay_question set asked_at = asked_at - interval '2 minutes'")
    new = await relay_question.ask(connection, "erp", "dry_run", "olga", event)
    async with relaying(database_dsn, erp.settings()):
        await answered(database_dsn, new)
    assert (await relay_question.read(connection, old))["answered_at"] is None


async def test_questions_that_nobody_answers_do_not_pile_up(connection):
    for _ in range(20):
        await relay_question.ask(connection, "erp", "reconcile", "olga")
    with pytest.raises(AmorError, match="see whether its relay runs"):
        await relay_question.ask(connection, "erp", "reconcile", "olga")


async def test_question_that_a_relay_died_over_is_taken_by_the_next(erp, connection, database_dsn):
    question = await relay_question.ask(connection, "erp", "reconcile", "olga")
    assert (await relay_question.take(connection, "erp")).id == question
    assert await relay_question.take(connection, "erp") is None
    await connection.execute("update relay_question set taken_at = taken_at - interval '46 seconds'")
    async with relaying(database_dsn, erp.settings()):
        assert (await answered(database_dsn, question))["error"] is None


CONDITIONS = b"select connector, state, reason, since, until from connector_condition"


async def test_relay_says_how_its_connectors_are_and_takes_it_back_when_it_ends(erp, connection, database_dsn):
    async with relaying(database_dsn, erp.settings()):
        [row] = await seen(database_dsn, CONDITIONS, lambda rows: len(rows) == 1)
        assert (row["connector"], row["state"], row["until"]) == ("erp", "works", None)
    assert await (await connection.execute(CONDITIONS)).fetchall() == []


async def test_refused_key_is_told_with_its_reason_and_nothing_more_is_asked_with_it(erp, connection, database_dsn):
    rhythm = replace(QUICK, refused_key=Backoff(timedelta(minutes=5), timedelta(minutes=5)))
    async with relaying(database_dsn, erp.settings(api_key="wrong"), rhythm=rhythm):
        [row] = await seen(database_dsn, CONDITIONS, lambda rows: [row["state"] for row in rows] == ["refused"])
        assert row["reason"] != ""
        assert row["until"] > row["since"] + timedelta(minutes=4)
        question = await answered(database_dsn, await relay_question.ask(connection, "erp", "reconcile", "olga"))
    assert "could lock the account" in question["error"]


async def test_system_that_is_away_is_told_and_told_again_when_it_is_back(erp, database_dsn):
    async with relaying(database_dsn, erp.settings(poll_s=0.05)):
        await seen(database_dsn, CONDITIONS, lambda rows: [row["state"] for row in rows] == ["works"])
        await erp.stop()
        await seen(database_dsn, CONDITIONS, lambda rows: [row["state"] for row in rows] == ["failing"])
        await erp.start()
        await seen(database_dsn, CONDITIONS, lambda rows: [row["state"] for row in rows] == ["works"])
