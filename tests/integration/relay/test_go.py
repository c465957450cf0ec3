"""A person who mended something says go: the pauses of the connector end, in every relay, and nothing is asked too early."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.erp.backoff import Backoff
from bridge.model.notice import Notice
from bridge.model.production import event_id
from bridge.store import connector_control, outbox, relay
from tests.integration.relay.test_telling import people, telling
from tests.integration.relay.test_telling import relaying as telling_relay
from tests.receivers import HttpReceiver, listening
from tests.relay_process import AT, QUICK, drained, post, relaying, until

ORDER = "MES-0001"
LONG = Backoff(timedelta(hours=1), timedelta(hours=1))
# A request that times out on a busy machine would wait for ever as well: they have the time.
PATIENT = replace(QUICK, retry=LONG, refused_key=LONG, circuit=LONG)  # no test lives through one of its pauses


async def seen(connection, query):
    while not (row := await (await connection.execute(query)).fetchone()):
        pass
    return row


async def test_key_that_was_mended_there_is_tried_at_once(amor, connection, database_dsn):
    hook = HttpReceiver()
    hook.statuses = [401]
    async with listening(hook):
        settings = telling(database_dsn, people(hook.url, "shift", max_in_flight=1))
        for number in range(3):
            said = Notice(event_id("t", "n", number), f"news {number}", "b", "high", AT, {})
            await outbox.insert(
                connection, connector="shift", stream=f"n{number}", kind="notice", payload=said.payload(), key=str(number)
            )  # fmt: skip
        async with telling_relay(settings, PATIENT):
            await seen(connection, "select 1 from connector_condition where state = 'refused'")
            code, text = await amor("go", "shift")
            assert (code, "it is tried now" in text) == (0, True)
            await drained(database_dsn)
    assert hook.requests == 4


async def test_key_that_is_still_refused_costs_one_request_for_each_go(connection, database_dsn):
    hook = HttpReceiver()
    hook.statuses = [401] * 40
    async with listening(hook):
        settings = telling(database_dsn, people(hook.url, "shift", max_in_flight=4))
        for number in range(8):
            said = Notice(event_id("t", "n", number), f"news {number}", "b", "high", AT, {})
            await outbox.insert(
                connection, connector="shift", stream=f"n{number}", kind="notice", payload=said.payload(), key=str(number)
            )  # fmt: skip
        async with telling_relay(settings, PATIENT):
            before = await tries(connection, 1)
            for times in range(1, 4):
                await connector_control.go(connection, "shift", "olga")
                assert await tries(connection, before + times) == before + times
    assert hook.requests == before + 3


async def tries(connection, least):
    """How many attempts there were, as soon as there were so many and none is under way."""
    query = "select sum(attempts)::int as n from outbox having sum(attempts) >= %s and not bool_or(state = 'sending')"
    while not (row := await (await connection.execute(query, (least,))).fetchone()):
        pass
    return row["n"]


async def test_open_circuit_and_waits_of_streams_end_in_every_relay(erp, connection, database_dsn):
    await erp.stop()
    for number in range(1, 6):
        await post(connection, f"MES-{number:04}", [2])
    rhythm = replace(PATIENT, most_failures=2)
    async with (
        relaying(database_dsn, erp.settings(timeout_s=20), rhythm=rhythm),
        relaying(database_dsn, erp.settings(timeout_s=20), rhythm=rhythm),
    ):
        await seen(connection, "select 1 from connector_condition where state = 'failing' having count(*) = 2")
        await erp.start()
        await connector_control.go(connection, "erp", "olga")
        await drained(database_dsn)
        await seen(connection, "select 1 from connector_condition where state = 'works' having count(*) >= 1")
    assert (await erp.truth())["good_posted"] == 10


async def test_replay_of_one_event_lets_the_connector_be_tried(amor, erp, connection, database_dsn):
    await erp.stop()
    parked, *_ = [(await post(connection, f"MES-{number:04}", [2]))[0] for number in range(1, 5)]
    await connection.execute("update outbox set state = 'parked' where id = %s", (parked,))
    async with relaying(database_dsn, erp.settings(timeout_s=20), rhythm=replace(PATIENT, most_failures=2)):
        await seen(connection, "select 1 from connector_condition where state = 'failing'")
        await erp.start()
        await amor("replay", parked)
        await drained(database_dsn)
    assert (await erp.truth())["good_posted"] == 8


async def test_what_may_have_arrived_is_not_asked_for_before_its_system_had_its_time(erp, connection, database_dsn):
    [event] = await post(connection, ORDER, [3])
    await erp.fail("timeout_after_commit", match="button_mark_done", seconds=30)
    settle = timedelta(seconds=2)  # of this table: its timeout
    async with relaying(database_dsn, erp.settings(timeout_s=2), rhythm=PATIENT):
        await until(database_dsn, lambda rows: rows[0]["last_error"] != "")
        before = await outbox.read(connection, event)
        assert before["state"] == "sending"
        await connector_control.go(connection, "erp", "olga")
        await drained(database_dsn)
    asked = await seen(connection, "select min(at) as at from outbox_attempt where step = 'look up'")
    said = await seen(connection, "select at from connector_go")
    assert asked["at"] - said["at"] >= settle
    assert await erp.good_posted(ORDER) == 3


@pytest.mark.parametrize(
    ("state", "waits_s", "left_s"),
    [
        ("pending", 900, 0),
        ("sending", 900, 30),
        ("sending", 20, 20),  # in hand, or due sooner anyway
        ("parked", 900, 900),
    ],
)
async def test_end_of_waits_by_state(connection, state, waits_s, left_s):
    [event] = await post(connection, ORDER, [3])
    set_to = "update outbox set state = %s, next_at = now() + make_interval(secs => %s) where id = %s"
    async with connection.transaction():  # in which now() stands still
        await connection.execute(set_to, (state, waits_s, event))
        await relay.end_waits(connection, "erp", timedelta(seconds=30))
        left = "select extract(epoch from next_at - now())::float as s from outbox where id = %s"
        assert (await (await connection.execute(left, (event,))).fetchone())["s"] == left_s


async def test_relay_that_begins_has_heard_of_what_was_said_long_ago(connection):
    await connector_control.go(connection, "erp", "olga")
    assert await connector_control.goes(connection, "erp") == (1, True)
    await connection.execute("update connector_go set at = at - interval '2 minutes'")
    assert await connector_control.goes(connection, "erp") == (1, False)
    assert await connector_control.goes(connection, "other") == (0, False)
