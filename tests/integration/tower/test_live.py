"""The live feed over a real database."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime

import pytest
import websockets

from bridge.store.account import create_account
from bridge.store.database import connected
from dashboard.api.live import socket as live_socket
from tests.dashboard_process import running_tower
from tests.plant_seed import LOGIN


async def test_a_client_is_greeted_then_gets_the_whole_state(tower, seed):
    seed.alarm("cnc2", "high", "too much", datetime.now(UTC))
    async with tower.feed() as feed:
        hello = await feed.next("hello")
        snapshot = await feed.next("snapshot")
    assert (hello["plant"], hello["login"], hello["time_zone"]) == ("Acme Dortmund", LOGIN, "Europe/Berlin")
    assert len(snapshot["machines"]) == 6
    assert [alarm["message"] for alarm in snapshot["alarms"]] == ["too much"]
    assert snapshot["plant"]["window"]["name"] == "shift"


async def test_every_new_reading_arrives_as_a_point(tower, seed):
    tag = seed.tag("cnc2", "spindle.vib_rms", "mm/s")
    async with tower.feed() as feed:
        await feed.next("snapshot")
        for n in range(20):
            now = datetime.now(UTC)
            seed.readings(2, [(tag, now, float(n), 0)])
            frame = await feed.next("points")
            assert frame["machine"] == seed.equipment("cnc2")
            assert frame["points"] == [[tag, pytest.approx(now.timestamp() * 1000, abs=0.01), float(n), 0]]


async def test_words_and_bad_quality_travel_with_the_points(tower, seed):
    tag = seed.tag("cnc2", "state", kind="state")
    async with tower.feed() as feed:
        await feed.next("snapshot")
        seed.readings(2, [(tag, datetime.now(UTC), "EXECUTE", 0)])
        assert (await feed.next("points"))["points"][0][2:] == ["EXECUTE", 0]
        seed.readings(2, [(tag, datetime.now(UTC), None, 0x80050000)])
        assert (await feed.next("points"))["points"][0][2:] == [None, 0x80050000]


async def test_a_piece_moves_the_figures(tower, seed):
    async with tower.feed("?window=15m") as feed:
        before = (await feed.next("snapshot"))["plant"]["output"]["made"]
        seed.count("insp1", datetime.now(UTC), 7, final=True)
        frame = await feed.next("kpis", lambda frame: frame["plant"]["output"]["made"] != before)
    assert (before, frame["plant"]["output"]["made"], frame["plant"]["window"]["name"]) == (0, 7, "15m")


async def test_a_state_shows_at_once(tower, seed):
    async with tower.feed() as feed:
        await feed.next("snapshot")
        seed.state("saw1", datetime.now(UTC), None, "UNPLANNED_STOP", "tool breakage")
        frame = await feed.next("machines", lambda frame: frame["machines"][0]["state"] == "UNPLANNED_STOP")
    assert frame["machines"][0]["reason"] == "tool breakage"


async def test_every_change_of_an_alarm_and_a_ticket_arrives(tower, seed):
    async with tower.feed() as feed:
        await feed.next("snapshot")
        now = datetime.now(UTC)
        alarm = seed.alarm("cnc2", "high", "too much", now)
        assert (await feed.next("alarm"))["alarm"]["state"] == "ACTIVE_UNACK"
        ticket = seed.ticket("cnc2", "high", "Vibration", now, alarm, None)
        assert (await feed.next("ticket"))["ticket"]["id"] == ticket
        seed.connection.execute("update alarm set state = 'NORMAL', closed_at = now() where id = %s", (alarm,))
        seed.notify("amor_live", f"alarm:{alarm}")
        assert (await feed.next("alarm"))["alarm"]["closed_at"] is not None


async def test_what_came_without_a_notify_is_found_by_looking(tower, seed):
    tag = seed.tag("cnc2", "spindle.temp", "Cel")
    seed.notify = lambda *_: None
    async with tower.feed() as feed:
        await feed.next("snapshot")
        seed.readings(2, [(tag, datetime.now(UTC), 41.0, 0)])
        seed.alarm("cnc2", "low", "drift", datetime.now(UTC))
        assert (await feed.next("points"))["points"][0][2] == 41.0
        await feed.next("alarms", lambda frame: len(frame["alarms"]) == 1)


async def test_a_client_may_ask_for_another_window_and_one_machine(tower, seed):
    cnc1, cnc2 = seed.tag("cnc1", "spindle.temp", "Cel"), seed.tag("cnc2", "spindle.temp", "Cel")
    async with tower.feed() as feed:
        await feed.next("snapshot")
        await feed.socket.send(f'{{"type": "subscribe", "window": "24h", "machines": [{seed.equipment("cnc2")}]}}')
        assert (await feed.next("snapshot"))["plant"]["window"]["name"] == "24h"
        seed.readings(1, [(cnc1, datetime.now(UTC), 1.0, 0)])
        seed.readings(2, [(cnc2, datetime.now(UTC), 2.0, 0)])
        assert [point[0] for point in (await feed.next("points"))["points"]] == [cnc2]


@pytest.mark.parametrize(
    "nonsense", ["{", "[]", '{"type": "subscribe", "window": "year"}', '{"type": "subscribe", "machines": 3}']
)
async def test_nonsense_ends_the_connection(tower, nonsense):
    async with tower.feed() as feed:
        await feed.next("hello")
        await feed.socket.send(nonsense)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await feed.next("never")
    assert closed.value.rcvd.code == 1008


async def test_heartbeat_says_the_time_and_that_the_database_answers(tower, seed):
    seed.readings(1, [(seed.tag("cnc1", "spindle.temp"), datetime.now(UTC), 1.0, 0)])
    async with tower.feed() as feed:
        beat = await feed.next("heartbeat", lambda frame: "line1" in frame["sources"])
    assert beat["database"] is True
    assert abs(datetime.fromisoformat(beat["server_time"]).timestamp() - time.time()) < 5


async def test_a_session_that_ended_closes_its_socket(database_dsn, tower, monkeypatch):
    monkeypatch.setattr(live_socket, "_RECHECK_S", 0.2)
    async with tower.feed() as feed:
        await feed.next("snapshot")
        async with connected(database_dsn, "test") as connection:
            await create_account(connection, LOGIN, "a new passphrase", "operator")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await feed.next("never")
    assert closed.value.rcvd.code == 4401


async def test_the_process_ends_in_two_seconds_with_clients_connected(database_dsn):
    async with contextlib.AsyncExitStack() as clients:
        async with running_tower(database_dsn) as tower:
            for _ in range(3):
                await (await clients.enter_async_context(tower.feed())).next("snapshot")
            began = time.monotonic()
        assert time.monotonic() - began < 2


async def test_database_outage_is_told_and_survived(own_database):
    from bridge.store.migrate import migrate

    dsn = own_database.dsn_of("amor")
    await migrate(dsn)
    async with running_tower(dsn) as tower, tower.client() as client, tower.feed() as feed:
        await tower.log_in(client)
        await feed.next("snapshot")
        await asyncio.to_thread(own_database.stop)
        await feed.next("heartbeat", lambda frame: not frame["database"])
        assert (await client.get("/ready")).status_code == 503
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/api/v1/plant")).status_code == 503
        await asyncio.to_thread(own_database.start)
        assert len((await feed.next("snapshot"))["machines"]) == 6
        await feed.next("heartbeat", lambda frame: frame["database"])
        assert (await client.get("/ready")).status_code == 200
