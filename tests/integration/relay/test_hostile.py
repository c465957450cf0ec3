"""The relay against what wants it to lose or double something: sessions that vanish, databases that fall silent, rows that are held."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import psycopg
import pytest

from bridge.erp.relay.journal import Overtaken
from bridge.errors import SetupError
from bridge.store import connector_control, outbox
from bridge.store import relay as relay_store
from bridge.store.database import connected
from tests.integration.relay.journal_stage import OK, ORDER, OTHER, SETTLE, claim, journal_of, lose_locks, make_due
from tests.relay_process import drained, post, relaying, until


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
