"""The relay against what wants it to lose or double something: sessions that vanish, databases that fall silent, rows that are held."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from bridge.erp.connector import Found
from bridge.erp.odoo19 import Odoo19
from bridge.erp.relay.journal import Journal, NotWritten, Overtaken
from bridge.errors import SetupError, TransientError, UnknownOutcome
from bridge.store import connector_control, outbox
from bridge.store import relay as relay_store
from bridge.store.database import connected
from bridge.store.relay import Exchange
from tests.relay_process import QUICK, drained, post, relaying, until

ORDER, OTHER = "MES-0001", "MES-0002"
SETTLE = timedelta(seconds=30)
OK = Exchange("step", "ok", 200, {"call": "x"}, "fine", 1.0)


@asynccontextmanager
async def journal_of(dsn, settle=SETTLE):
    """A dispatcher's journal on a session of its own."""
    async with connected(dsn, "relay") as session:
        await relay_store.prepare_session(session)
        journal = Journal(session, "erp", settle)
        writing = asyncio.create_task(journal.run())
        try:
            yield journal, session
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


async def claim(journal):
    looked = await journal.due_heads([], 10, "")
    return await journal.claim(looked.found, 10)


async def lose_locks(session):
    """As a failover or a pooler does it, under the holder's feet."""
    await session.execute("select pg_advisory_unlock_all()")


async def make_due(connection):
    await connection.execute("update outbox set next_at = now() where state = 'sending'")


class Silence:
    """A way to the database that falls silent at will: every packet is taken, and nothing goes on.

    When the client has given up, the server's side is cut as well, as its keepalive would do it after half a minute.
    """

    def __init__(self) -> None:
        self.is_silent = asyncio.Event()
        self.swallowed = asyncio.Event()

    @asynccontextmanager
    async def before(self, dsn):
        found = psycopg.conninfo.conninfo_to_dict(dsn)
        talks = set()

        async def pump(reader, writer):
            while data := await reader.read(65536):
                if self.is_silent.is_set():
                    self.swallowed.set()
                    while await reader.read(65536):
                        pass
                    return
                writer.write(data)
                await writer.drain()

        async def talk(reader, writer):
            task = asyncio.current_task()
            talks.add(task)
            try:
                there, here = await asyncio.open_connection(found["host"], int(found["port"]))
                ways = {asyncio.ensure_future(pump(reader, here)), asyncio.ensure_future(pump(there, writer))}
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)
                    here.close()
            except asyncio.CancelledError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield psycopg.conninfo.make_conninfo(dsn, host="127.0.0.1", port=port)
        finally:
            server.close()
            for task in talks:
                task.cancel()
            await asyncio.gather(*talks, return_exceptions=True)


async def test_attempt_whose_lock_vanished_and_whose_row_another_relay_claimed_sends_nothing_more(
    connection, database_dsn
):
    await post(connection, ORDER, [5, 4])
    async with journal_of(database_dsn) as (first, session), journal_of(database_dsn) as (second, _):
        [row] = await claim(first)
        await lose_locks(session)
        assert await claim(second) == [], "its time is not over: the request may be under way"
        await make_due(connection)
        [again] = await claim(second)
        assert (again.id, again.attempts, again.was_sending) == (row.id, 2, True)
        for write in (
            first.keep_plan(row, [{"name": "x"}]),
            first.record_step(row, OK, 1),
            first.finish(row, "D1", wants_next=True),
            first.postpone(relay_store.Postponed(row.id, row.attempts, "pending", timedelta(0), "busy")),
        ):
            with pytest.raises(Overtaken):
                await write
        await second.finish(again, "D2", wants_next=False)
    rows = await (await connection.execute("select state, external_id from outbox order by id")).fetchall()
    assert [(each["state"], each["external_id"]) for each in rows] == [("done", "D2"), ("pending", None)]


async def test_row_in_hand_is_held_for_as_long_as_its_session_lives(connection, database_dsn):
    await post(connection, ORDER, [5])
    settle = timedelta(seconds=1.5)
    async with journal_of(database_dsn, settle) as (first, session), journal_of(database_dsn) as (second, _):
        watching = asyncio.create_task(first.watch())
        [row] = await claim(first)
        before = await (await connection.execute("select next_at from outbox")).fetchone()
        await lose_locks(session)
        while (now := await (await connection.execute("select next_at from outbox")).fetchone()) == before:
            pass
        assert now["next_at"] - before["next_at"] >= timedelta(seconds=0.9)
        assert await claim(second) == []
        await first.release(row.stream)
        assert not first._held, "what was given back is held no longer"
        watching.cancel()


async def test_two_relays_that_hold_one_stream_do_not_both_begin_its_next_event(connection, database_dsn):
    """As behind a pooler that gives both the same lock."""
    await post(connection, ORDER, [1, 2, 3])
    async with journal_of(database_dsn) as (first, session), journal_of(database_dsn) as (second, _):
        [row] = await claim(first)
        await lose_locks(session)
        one, two = await asyncio.gather(
            first.finish(row, "D1", wants_next=True),
            relay_store.begin_next(second._connection, "erp", [ORDER], SETTLE),
        )
        assert [bool(one), bool(two)].count(True) <= 1


async def test_database_behind_a_pooler_of_transactions_is_refused(database_dsn, monkeypatch):
    async with connected(database_dsn, "relay") as session:
        other = await connected(database_dsn, "relay").__aenter__()
        monkeypatch.setattr(type(session), "info", property(lambda _: other.info_of_pooler), raising=False)
        other.info_of_pooler = type("Info", (), {"backend_pid": 1})()
        with pytest.raises(SetupError, match="pooler"):
            await relay_store.prepare_session(session)
        monkeypatch.undo()
        await other.close()


async def test_database_that_falls_silent_is_left_and_everything_is_posted_once(erp, connection, database_dsn):
    """Half a connection: the packets arrive somewhere, and no statement is answered any more."""
    for number in range(1, 5):
        await post(connection, f"MES-{number:04}", [1] * 6)
    silence = Silence()
    async with silence.before(database_dsn) as through, relaying(through, erp.settings(timeout_s=1)):
        await until(database_dsn, lambda rows: sum(row["state"] == "done" for row in rows) >= 4)
        silence.is_silent.set()
        await silence.swallowed.wait()
        silence.is_silent.clear()  # for new connections; those that fell silent stay so
        async with asyncio.timeout(60):
            await drained(database_dsn)
    truth = await erp.truth()
    assert set(truth["good_posted_by_origin"].values()) == {6}
    assert set(truth["postings_by_origin"].values()) == {6}


async def test_database_that_takes_no_writes_for_a_while_stops_nothing_for_good(erp, connection, database_dsn):
    await post(connection, ORDER, [1, 2])
    name = (await (await connection.execute("select current_database() as name")).fetchone())["name"]
    sessions = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'amor relay'"
    await connection.execute(f'alter database "{name}" set default_transaction_read_only = on')
    try:
        async with relaying(database_dsn, erp.settings()):
            relays = (
                "select 1 from pg_stat_activity where application_name = 'amor relay' and query like '%update outbox%'"
            )
            while not await (await connection.execute(relays)).fetchone():
                pass
            assert await outbox.open_count(connection) == {"pending": 2}
            await connection.execute("set default_transaction_read_only = off")
            await connection.execute(f'alter database "{name}" reset default_transaction_read_only')
            await connection.execute(sessions + " and datname = current_database()")
            await drained(database_dsn)
    finally:
        await connection.execute("set default_transaction_read_only = off")
        await connection.execute(f'alter database "{name}" reset default_transaction_read_only')
    assert (await erp.truth())["good_posted_by_origin"] == {ORDER: 3}


async def test_row_that_somebody_holds_in_the_database_holds_up_no_other(erp, connection, database_dsn):
    """Somebody began to mend a ticket's request by hand, and went to lunch."""
    [held] = await post(connection, ORDER, [1])
    await post(connection, OTHER, [1, 2])
    async with connected(database_dsn, "test") as somebody, somebody.transaction():
        await somebody.execute("select 1 from outbox where id = %s for update", (held,))
        async with relaying(database_dsn, erp.settings()):
            await until(
                database_dsn, lambda rows: all(row["state"] == "done" for row in rows if row["stream"] == OTHER)
            )
    assert await erp.good_posted(OTHER) == 3


async def test_stop_holds_from_the_next_event_on_also_in_streams_that_are_under_way(erp, connection, database_dsn):
    await post(connection, ORDER, [1] * 30)
    async with relaying(database_dsn, erp.settings()):
        await until(database_dsn, lambda rows: sum(row["state"] == "done" for row in rows) >= 3)
        await connector_control.stop(connection, "erp", "stock-taking", "test")
        at_stop = sum(
            row["state"] == "done" for row in await (await connection.execute("select state from outbox")).fetchall()
        )
        # Another stream, of which nothing is taken, shows that the relay has looked since.
        rows = await until(database_dsn, lambda rows: not any(row["state"] == "sending" for row in rows))
        assert sum(row["state"] == "done" for row in rows) <= at_stop + 1
        await connector_control.go(connection, "erp", "test")
        await drained(database_dsn)
    assert await erp.good_posted(ORDER) == 30


POISON: dict[str, dict[str, Any]] = {
    "before the common era": {"occurred_at": "0001-01-01T00:00:00+05:00"},
    "a quantity with a million digits": {"quantity": "1e999999", "cumulative": "1e999999"},
    "a quantity beyond the point": {"quantity": "1e-999999", "cumulative": "1e999999"},
    "no order": {"order_ref": None},
    "an order that is a list": {"order_ref": ["a"]},
    "a sequence that is none": {"sequence": {}},
    "an id that is none": {"event_id": 7},
    "not a quantity": {"quantity": {"$gt": 0}},
    "nested": {"equipment": [[[[[[]]]]]]},
    "long": {"equipment": "x" * 100_000},
}


async def test_poison_parks_itself_and_nothing_else(erp, connection, database_dsn):
    good = (await post(connection, ORDER, [5]))[0]
    row = await outbox.read(connection, good)
    for number, (name, wrong) in enumerate(POISON.items()):
        payload = {**row["payload"], "order_ref": "MES-0002", "event_id": str(uuid.uuid4()), **wrong}
        await outbox.insert(
            connection, connector="erp", stream=f"poison {number}", kind="wip_to_fg", payload=payload, key=name
        )
    async with relaying(database_dsn, erp.settings()):
        rows = await until(database_dsn, lambda rows: all(row["state"] in ("done", "parked") for row in rows))
    stuck = {row["key"]: row["last_error"] for row in rows if row["state"] == "parked"}
    assert set(POISON) - {"nested", "long"} <= set(stuck), "those two name equipment only, which Odoo is not told"
    assert all(stuck.values())
    assert await erp.good_posted(ORDER) == 5


async def test_plan_that_cannot_be_kept_is_for_a_person(erp, connection, database_dsn, monkeypatch):
    plan = Odoo19.plan

    async def odd(self, event):
        steps = list(await plan(self, event))
        return [replace(steps[0], body={"x": "a\x00b"}), *steps[1:]] if event.order_ref == OTHER else steps

    monkeypatch.setattr(Odoo19, "plan", odd)
    await post(connection, OTHER, [1])
    await post(connection, ORDER, [5])
    async with relaying(database_dsn, erp.settings()):
        rows = await until(database_dsn, lambda rows: {row["state"] for row in rows} == {"done", "parked"})
    assert "cannot be kept" in rows[0]["last_error"]


async def test_mistake_that_a_connector_makes_again_and_again_is_told_to_a_person(
    erp, connection, database_dsn, monkeypatch
):
    async def mistaken(self, event):
        raise KeyError("a mistake")

    monkeypatch.setattr(Odoo19, "plan", mistaken)
    monkeypatch.setattr(Odoo19, "lookup", mistaken)
    await post(connection, ORDER, [5])
    rhythm = replace(QUICK, most_own_faults=3)
    async with relaying(database_dsn, erp.settings(timeout_s=0.05), rhythm=rhythm):
        [row] = await until(database_dsn, lambda rows: rows[0]["state"] == "parked")
    assert "a mistake" in row["last_error"]


async def test_one_order_that_always_fails_holds_no_other_up(erp, connection, database_dsn, monkeypatch):
    """It alone fails, again and again, while nothing else is to be done: the system is not away."""
    for name in ("plan", "lookup"):
        original = getattr(Odoo19, name)

        async def failing(self, event, original=original):
            if event.order_ref == OTHER:
                raise TransientError("the gateway timed out")
            return await original(self, event)

        monkeypatch.setattr(Odoo19, name, failing)
    await post(connection, OTHER, [1])
    rhythm = replace(QUICK, circuit=replace(QUICK.circuit, base=timedelta(hours=1), cap=timedelta(hours=1)))
    async with relaying(database_dsn, erp.settings(poll_s=3600), rhythm=rhythm):
        await until(database_dsn, lambda rows: rows[0]["attempts"] > 2 * QUICK.most_failures)
        [new] = await post(connection, ORDER, [5])
        await until(database_dsn, lambda rows: any(row["id"] == new and row["state"] == "done" for row in rows))


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
