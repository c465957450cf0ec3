"""What the relay writes of its work, and how it claims it: each write by itself, cheap, and never of an older attempt."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.erp.connector import Found
from bridge.erp.odoo19 import Odoo19
from bridge.erp.relay.journal import NotWritten
from bridge.errors import TransientError, UnknownOutcome
from bridge.store import outbox
from bridge.store import relay as relay_store
from bridge.store.database import connected
from tests.integration.relay.journal_stage import OK, ORDER, OTHER, SETTLE, claim, journal_of, lose_locks
from tests.relay_process import drained, post, relaying, until


async def test_write_that_the_database_refuses_ends_one_attempt_and_not_the_others(connection, database_dsn):
    await post(connection, ORDER, [1])
    await post(connection, OTHER, [1])
    async with journal_of(database_dsn) as (journal, _):
        one, two = await claim(journal)
        refused, taken = await asyncio.gather(
            journal.record_attempt(one, replace(OK, outcome="nonsense")),
            journal.finish(two, "D1", wants_next=False),
            return_exceptions=True,
        )
        assert isinstance(refused, NotWritten)
        assert taken is None


async def test_events_of_a_connector_that_is_not_configured_any_more_are_told(erp, connection, database_dsn, capsys):
    await outbox.insert(connection, connector="old-erp", stream="s", kind="wip_to_fg", payload={}, key="k")
    assert await outbox.open_elsewhere(connection, ["erp"]) == {"old-erp": 1}
    assert await outbox.open_elsewhere(connection, ["erp", "old-erp"]) == {}


async def test_claim_and_plan_and_step_leave_the_indexes_alone(connection, database_dsn):
    """Or each event would grow every index of the outbox with each of its writes."""
    await post(connection, ORDER, [1])
    counts = "select pg_stat_get_xact_tuples_updated('outbox'::regclass) as all, pg_stat_get_xact_tuples_hot_updated('outbox'::regclass) as hot"
    async with connection.transaction():
        looked = await relay_store.due_heads(connection, "erp", [], 10, "")
        [row] = await relay_store.claim(connection, "erp", looked.found, 10, SETTLE)
        assert not await relay_store.keep_plans(connection, [relay_store.Plan(row.id, 1, [{"name": "x"}])], SETTLE)
        assert not await relay_store.record(connection, [relay_store.Attempted(row.id, 1, OK, 1)], SETTLE)
        await relay_store.hold(connection, {row.id: 1}, SETTLE)
        updated = await (await connection.execute(counts)).fetchone()
        await relay_store.release(connection, "erp", [ORDER])
    assert updated == {"all": 4, "hot": 4}


async def test_look_goes_round_all_streams_however_many_there_are(connection, database_dsn, monkeypatch):
    monkeypatch.setattr(relay_store, "STEPS", 3)
    monkeypatch.setattr(relay_store, "NEWEST", 1)
    streams = [f"S{number:02}" for number in range(10)]
    for stream in streams:
        await outbox.insert(connection, connector="erp", stream=stream, kind="wip_to_fg", payload={}, key=stream)
    seen, after, looks = set(), "", 0
    while looks == 0 or after:
        found, last = await relay_store.due_heads(connection, "erp", [], 10, after)
        assert "S09" in {head.stream for head in found}, "the newest is seen at each look"
        seen |= {head.stream for head in found}
        after, looks = last or "", looks + 1
    assert seen == set(streams)
    assert looks <= 6


async def test_id_that_no_index_takes_ends_one_write_and_not_the_session(connection, database_dsn):
    for stream in (ORDER, OTHER):
        key, payload = f"request {stream}", {"ticket_id": 1}
        await outbox.insert(connection, connector="erp", stream=stream, kind="work_request", payload=payload, key=key)
    async with journal_of(database_dsn) as (journal, _):
        one, two = await claim(journal)
        refused, taken = await asyncio.gather(
            journal.finish(one, secrets.token_hex(100_000), wants_next=False),
            journal.finish(two, "D1", wants_next=False),
            return_exceptions=True,
        )
        assert isinstance(refused, NotWritten)
        assert taken is None


async def test_system_that_names_no_id_but_a_book_is_told_to_a_person(erp, connection, database_dsn, monkeypatch):
    async def endless(self, event):
        return Found(is_posted=True, external_id="9" * 10_000)

    monkeypatch.setattr(Odoo19, "verify", endless)
    await post(connection, ORDER, [1])
    async with relaying(database_dsn, erp.settings()):
        [row] = await until(database_dsn, lambda rows: rows[0]["state"] == "parked")
    assert "an id of 10000 characters" in row["last_error"]


async def test_question_about_failures_that_is_given_up_ends_one_attempt_and_not_the_session(connection, database_dsn):
    """The session lives, and with it the stream's lock: who takes it for lost would hold the stream, and the row, for ever."""
    async with journal_of(database_dsn) as (journal, session), connected(database_dsn, "test") as somebody:
        await session.execute("set lock_timeout = '10ms'")
        async with somebody.transaction():
            await somebody.execute("lock table outbox_attempt in access exclusive mode")
            with pytest.raises(NotWritten, match="LockNotAvailable"):
                await journal.same_failures(1, "step", None, 3)
        assert await journal.same_failures(1, "step", None, 3) == 0


async def test_stream_that_was_found_due_and_was_claimed_since_is_not_claimed_again(connection, database_dsn):
    await post(connection, ORDER, [5])
    async with journal_of(database_dsn) as (first, session), journal_of(database_dsn) as (second, _):
        looked = await second.due_heads([], 10, "")
        assert len(await claim(first)) == 1
        await lose_locks(session)
        assert await second.claim(looked.found, 10) == []


async def test_event_that_is_replayed_is_looked_up_before_anything_else(erp, connection, database_dsn):
    """It was parked because the system did not show it, and shows now."""
    [number] = await post(connection, ORDER, [5])
    async with relaying(database_dsn, erp.settings()):
        await drained(database_dsn)
        await connection.execute("update outbox set state = 'parked', done_at = null, external_id = null")
        assert await outbox.replay(connection, number)
        await drained(database_dsn)
    [newest, *_] = await outbox.attempts(connection, number, 10)
    assert (newest["step"], newest["answer"][:9]) == ("look up", "has it as")
    assert await erp.good_posted(ORDER) == 5


async def test_event_whose_last_step_was_answered_stays_unclear_until_it_is_seen(
    erp, connection, database_dsn, monkeypatch
):
    """Who says go, or claims it anew, must give the system its time: a busy answer to a question does not say that nothing went out."""
    verify, is_busy = Odoo19.verify, True

    async def busy(self, event):
        if is_busy:
            raise TransientError("busy")
        return await verify(self, event)

    monkeypatch.setattr(Odoo19, "verify", busy)
    await post(connection, ORDER, [5])
    async with relaying(database_dsn, erp.settings()):
        [row] = await until(database_dsn, lambda rows: rows[0]["last_error"] == "busy")
        assert row["state"] == "sending"
        is_busy = False
        await drained(database_dsn)
    assert await erp.good_posted(ORDER) == 5


async def test_request_without_an_answer_is_not_asked_after_before_its_system_had_its_time(
    erp, connection, database_dsn, monkeypatch
):
    async def unheard(self, step):
        raise UnknownOutcome("no answer came")

    monkeypatch.setattr(Odoo19, "execute", unheard)
    await post(connection, ORDER, [5])
    async with relaying(database_dsn, erp.settings(timeout_s=300)):
        await until(database_dsn, lambda rows: rows[0]["last_error"] == "no answer came")
    row = await (await connection.execute("select state, attempts, next_at - now() as wait from outbox")).fetchone()
    assert (row["state"], row["attempts"]) == ("sending", 1)
    assert row["wait"] > timedelta(seconds=200)
