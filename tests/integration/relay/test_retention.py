"""What is kept how long: requests of events that are long done go, events with documents behind them stay, whatever refers to them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bridge.config.settings.relay import RelaySettings
from bridge.erp.relay import retention as night
from bridge.erp.relay.reconcile import compare
from bridge.erp.relay.retention import forget
from bridge.model.notice import Notice
from bridge.model.production import event_id
from bridge.store import outbox, reconciliation, retention
from bridge.store.database import connected
from bridge.store.notification import News, insert, queued
from tests.relay_process import AT, drained, post, relaying, until

ORDER = "MES-0001"
NOW = datetime(2026, 7, 1, 3, 30, tzinfo=UTC)
TABLE = RelaySettings.model_validate({"keep_attempts_days": 90, "keep_messages_days": 365})


async def rows_of(connection, table):
    found = await (await connection.execute(f"select count(*) as n from {table}")).fetchone()
    return found["n"]


async def attempt(connection, event, days, times=1):
    await connection.execute(
        "insert into outbox_attempt (outbox_id, at, step, outcome, duration_ms) select %s, %s, 'post', 'ok', 1"
        " from generate_series(1, %s)",
        (event, NOW - timedelta(days=days), times),
    )


async def done(connection, event, days):
    at = NOW - timedelta(days=days)
    await connection.execute(
        "update outbox set state = 'done', created_at = %s, done_at = %s where id = %s", (at, at, event)
    )


async def message(connection, number, kind="notice"):
    said = Notice(event_id("t", "n", number), "s", "b", "high", AT, {})
    return await outbox.insert(
        connection, connector="mail", stream=f"n{number}", kind=kind, payload=said.payload(), key=f"n{number}"
    )


@pytest.mark.parametrize(
    ("state", "written_days", "done_days", "is_kept"),
    [
        ("done", 91, 91, False),
        ("done", 91, 89, True),  # parked for long, then mended
        ("done", 89, 89, True),
        ("parked", 400, None, True),
        ("sending", 400, None, True),
    ],
    ids=["long done", "done late", "done lately", "parked", "unclear"],
)
async def test_requests_are_kept_until_their_event_is_long_done(connection, state, written_days, done_days, is_kept):
    [event] = await post(connection, ORDER, [1])
    await attempt(connection, event, written_days)
    if done_days is None:
        await connection.execute("update outbox set state = %s where id = %s", (state, event))
    else:
        await done(connection, event, done_days)
    deleted = await forget(connection, TABLE, NOW, asyncio.Event())
    assert (deleted.attempts, await rows_of(connection, "outbox_attempt")) == ((0, 1) if is_kept else (1, 0))
    assert await rows_of(connection, "outbox") == 1


async def test_many_pages_are_deleted_around_what_is_kept(connection, monkeypatch):
    monkeypatch.setattr(retention, "PAGE", 10)
    old, open_ = await post(connection, ORDER, [1, 1])
    for _ in range(6):
        await attempt(connection, open_, 200, 9)
        await attempt(connection, old, 200, 4)
    await attempt(connection, old, 1, 35)
    await done(connection, old, 100)
    assert (await forget(connection, TABLE, NOW, asyncio.Event())).attempts == 24
    assert await rows_of(connection, "outbox_attempt") == 54 + 35
    forever = RelaySettings.model_validate({"keep_attempts_days": 0, "keep_messages_days": 0})
    assert (await forget(connection, forever, NOW + timedelta(days=9999), asyncio.Event())).attempts == 0


async def test_messages_go_with_their_requests_and_what_was_to_be_told_and_accounting_stays(connection):
    old, new, level = [
        await message(connection, n, kind) for n, kind in enumerate(["notice", "notice", "availability"])
    ]
    [piece] = await post(connection, ORDER, [1])
    for event, days in ((old, 400), (new, 300), (level, 400), (piece, 4000)):
        await done(connection, event, days)
        await attempt(connection, event, days)
    await connection.execute(
        "insert into stock_level (source, target, item, location, sequence, available, outbox_id) values ('a', 'b', 'i', '', 1, 1, %s)",
        (level,),
    )
    said = News("k", "high", "s", "b", "alarm:1", NOW)
    await insert(connection, ["mail"], "shift", said)
    await queued(connection, [1], old, NOW, digest=False)
    await insert(connection, [], "nobody", said)
    await connection.execute("update notification set created_at = %s", (NOW - timedelta(days=400),))
    deleted = await forget(connection, TABLE, NOW, asyncio.Event())
    assert (deleted.messages, deleted.told_to_nobody) == (1, 1)
    left = await (await connection.execute("select id from outbox order by id")).fetchall()
    assert [row["id"] for row in left] == [new, level, piece]
    assert await rows_of(connection, "notification") == 0


async def test_posting_goes_on_meanwhile_and_the_comparison_holds(erp, connection, database_dsn):
    ids = [(await post(connection, f"MES-{n:04}", [1] * 5))[0] for n in range(1, 7)]
    old = ids[0]
    await attempt(connection, old, 5000, 12_000)
    keep = RelaySettings.model_validate({"keep_attempts_days": 1})
    async with relaying(database_dsn, erp.settings()):
        await until(database_dsn, lambda rows: any(row["state"] == "done" for row in rows))
        later = datetime.now(UTC) + timedelta(days=2)
        _, rows = await asyncio.gather(forget(connection, keep, later, asyncio.Event()), drained(database_dsn))
        await forget(connection, keep, later, asyncio.Event())
    assert await rows_of(connection, "outbox_attempt") == 0
    assert {row["state"] for row in rows} == {"done"}
    assert (await erp.truth())["good_posted"] == 30
    since = datetime.now(UTC) - timedelta(days=35)
    ledgers = await reconciliation.read_ledger(connection, "erp", since)
    assert sum(each.posted for each in ledgers) == 30
    assert len((await compare(connection, "erp", object(), since)).differences) == 6, "posted, and nobody counted it"


async def test_relays_delete_when_it_is_time_one_of_them(connection, database_dsn, monkeypatch):
    [event] = await post(connection, ORDER, [1])
    await attempt(connection, event, 5000, 3)
    await done(connection, event, 5000)
    nights = [
        timedelta(days=1),
        timedelta(0),
        timedelta(0),
    ]  # of two relays the first night begins now, the next ones do not
    monkeypatch.setattr(night, "last_due", lambda now, *_: now - (nights.pop(0) if nights else timedelta(0)))
    stop = asyncio.Event()
    async with (
        connected(database_dsn, "one") as one,
        connected(database_dsn, "two") as two,
        asyncio.TaskGroup() as group,
    ):
        for session in (one, two):
            group.create_task(night.forget_nightly(TABLE, ZoneInfo("Europe/Berlin"), session, stop))
        while await rows_of(connection, "outbox_attempt"):
            pass
        stop.set()


async def test_person_may_delete_now(amor, connection):
    [event] = await post(connection, ORDER, [1])
    await attempt(connection, event, 5000, 3)
    await done(connection, event, 5000)
    code, text = await amor("forget")
    assert (code, "deleted 3 requests" in text) == (0, True)
    assert "not kept any more" in (await amor("show", event))[1]
