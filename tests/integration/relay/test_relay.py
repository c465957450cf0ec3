"""The relay between a real database and the simulated ERP: what it promises while things fail around it."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.erp import relay
from bridge.erp.odoo19 import Odoo19
from bridge.store import outbox
from bridge.store.database import connected
from tests.erp_process import KEY
from tests.relay_process import EQUIPMENT, QUICK, drained, post, relaying, request, settings_of, started, until

ORDER, OTHER = "MES-0001", "MES-0002"


async def rows(connection, query, *arguments):
    return await (await connection.execute(query, arguments)).fetchall()


async def test_two_writers_of_one_stream_take_turns_without_gaps(connection, database_dsn):
    async def write(number):
        async with connected(database_dsn, "test") as own:
            for n in range(10):
                await outbox.insert(own, connector="erp", stream="s", kind="wip_to_fg", payload={}, key=f"{number}-{n}")

    await asyncio.gather(*(write(number) for number in range(6)))
    found = await rows(connection, "select seq from outbox order by seq")
    assert [row["seq"] for row in found] == list(range(1, 61))


async def test_known_key_is_not_written_again(connection):
    event = {"connector": "erp", "stream": "s", "kind": "wip_to_fg", "payload": {}, "key": "k"}
    assert await outbox.insert(connection, **event) is not None
    assert await outbox.insert(connection, **{**event, "stream": "t"}) is None
    assert await outbox.open_count(connection) == {"pending": 1}


async def test_row_of_a_transaction_that_failed_was_never_there(connection):
    async def fail():
        async with connection.transaction():
            await post(connection, ORDER, [1])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await outbox.open_count(connection) == {}


async def test_pieces_become_documents_in_the_order_of_their_stream(erp, connection, database_dsn):
    await post(connection, ORDER, [5, 1, 4, 30])
    await post(connection, OTHER, [2, 2])
    async with relaying(database_dsn, erp.settings()):
        done = await drained(database_dsn)
    truth = await erp.truth()
    assert truth["good_posted_by_origin"] == {ORDER: 40, OTHER: 4}
    assert truth["postings_by_origin"] == {ORDER: 4, OTHER: 2}
    for stream in (ORDER, OTHER):
        chain = [row for row in done if row["stream"] == stream]
        assert [row["done_at"] for row in chain] == sorted(row["done_at"] for row in chain)
        assert len({row["external_id"] for row in chain}) == len(chain)
    assert await outbox.open_count(connection) == {}


async def test_work_request_gives_its_id_to_the_ticket(erp, connection, database_dsn):
    [equipment] = await rows(
        connection,
        "insert into equipment (level, path, name) values ('enterprise', %s, 'cnc1') returning id",
        EQUIPMENT,
    )
    [ticket] = await rows(
        connection,
        "insert into ticket (equipment_id, failure_mode, priority, title, opened_at)"
        " values (%s, 'VIB', 'high', 'Vibration', now()) returning id",
        equipment["id"],
    )
    await request(connection, ticket["id"])
    async with relaying(database_dsn, erp.settings()):
        [row] = await drained(database_dsn)
    [made] = (await erp.truth())["maintenance_requests"]
    assert made["equipment"] == EQUIPMENT
    [ticket] = await rows(connection, "select external_id from ticket")
    assert ticket["external_id"] == row["external_id"] == str(made["id"])
    # What the system says of it afterwards may be heard already.
    [event, *_] = await rows(connection, "select kind, actor, note from ticket_event order by id")
    assert (event["kind"], event["actor"]) == ("EXTERNAL", "relay")
    assert event["note"] == f"erp took it as {made['id']}"


async def test_notification_wakes_the_relay(erp, connection, database_dsn):
    rhythm = replace(QUICK, look_again=timedelta(hours=1))
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(relay.run(settings_of(database_dsn, erp.settings()), stop, rhythm))
        await post(connection, ORDER, [1])
        await drained(database_dsn)
        await post(connection, ORDER, [1], first=2, before=1)
        await drained(database_dsn)
        stop.set()


@pytest.mark.parametrize("mode", ["500", "429", "timeout_before_commit", "timeout_after_commit", "drop_after_commit"])
@pytest.mark.parametrize("call", ["write", "set_qty_producing", "button_mark_done", "search_read"])
async def test_call_that_fails_changes_no_quantity(erp, connection, database_dsn, mode, call):
    await erp.fail(mode, match=f"mrp.production/{call}", count=2, seconds=0.3)
    await post(connection, ORDER, [5, 4])
    await request(connection, 1)
    async with relaying(database_dsn, erp.settings(timeout_s=0.25)):
        await drained(database_dsn)
    truth = await erp.truth()
    assert truth["failures_pending"] == []
    assert truth["good_posted_by_origin"] == {ORDER: 9}
    assert truth["postings_by_origin"] == {ORDER: 2}
    assert len(truth["maintenance_requests"]) == 1


async def test_work_request_that_the_erp_makes_after_nobody_waits_is_not_made_again(erp, connection, database_dsn):
    await erp.fail("slow", match="maintenance.request/load", seconds=1.5)
    await request(connection, 1)
    async with relaying(database_dsn, erp.settings(timeout_s=1)):
        [row] = await drained(database_dsn)
    assert row["attempts"] == 2
    assert len((await erp.truth())["maintenance_requests"]) == 1


async def test_retry_after_is_waited_for(erp, connection, database_dsn):
    await erp.fail("429", match="set_qty_producing")
    await post(connection, ORDER, [5])
    async with relaying(database_dsn, erp.settings()):
        await drained(database_dsn)
    [refused] = await rows(connection, "select * from outbox_attempt where outcome = 'transient'")
    assert (refused["step"], refused["status"]) == ("pick components", 429)
    [again] = await rows(connection, "select min(at) as at from outbox_attempt where id > %s", refused["id"])
    assert again["at"] - refused["at"] >= timedelta(seconds=1)


async def test_erp_that_was_away_gets_everything_once_when_it_is_back(erp, connection, database_dsn):
    await erp.stop()
    for number in range(1, 7):
        await post(connection, f"MES-{number:04}", [3, 2, 1])
    async with relaying(database_dsn, erp.settings()):
        # Every head has been tried and is still in the outbox.
        await until(
            database_dsn,
            lambda found: all(
                row["attempts"] >= 2 and "cannot be reached" in row["last_error"] for row in found if row["seq"] == 1
            ),
        )
        assert sum((await outbox.open_count(connection)).values()) == 18
        await erp.start()
        await drained(database_dsn)
    truth = await erp.truth()
    assert set(truth["good_posted_by_origin"].values()) == {6}
    assert set(truth["postings_by_origin"].values()) == {3}


async def test_parked_head_holds_its_own_stream_only_and_goes_on_after_replay(erp, connection, database_dsn):
    [first, second] = await post(connection, "NOWHERE", [1, 1])
    await post(connection, ORDER, [5, 4])
    async with relaying(database_dsn, erp.settings()):
        found = await until(
            database_dsn,
            lambda found: (
                sum(row["state"] == "done" for row in found) == 2 and any(row["state"] == "parked" for row in found)
            ),
        )
        by_id = {row["id"]: row for row in found}
        assert by_id[first]["state"] == "parked"
        assert "NOWHERE" in by_id[first]["last_error"]
        assert (by_id[second]["state"], by_id[second]["attempts"]) == ("pending", 0)
        # A person corrects the order's name and gives both back.
        await connection.execute(
            "update outbox set payload = payload || %s where stream = 'NOWHERE'", (json.dumps({"order_ref": OTHER}),)
        )
        assert await outbox.replay(connection, first)
        assert not await outbox.replay(connection, second)
        await drained(database_dsn)
    assert await erp.good_posted(OTHER) == 2


async def test_refused_key_stops_the_connector_and_loses_nothing(erp, connection, database_dsn):
    for number in range(1, 7):
        await post(connection, f"MES-{number:04}", [3])
    async with relaying(database_dsn, erp.settings(api_key="wrong-key-7731")):
        await until(database_dsn, lambda found: any("refuses the credentials" in row["last_error"] for row in found))
    assert "parked" not in await outbox.open_count(connection)
    async with relaying(database_dsn, erp.settings()):
        await drained(database_dsn)
    assert set((await erp.truth())["postings_by_origin"].values()) == {1}


async def test_key_stands_in_no_row(erp, connection, database_dsn):
    await erp.fail("500", match="set_qty_producing")
    await post(connection, ORDER, [5])
    await post(connection, "NOWHERE", [5])
    async with relaying(database_dsn, erp.settings()):
        await until(database_dsn, lambda found: {row["state"] for row in found} == {"done", "parked"})
    written = await rows(connection, "select a.*, o.* from outbox_attempt a join outbox o on o.id = a.outbox_id")
    assert len(written) > 4
    assert KEY not in str(written)


async def test_every_request_is_kept_with_its_answer(erp, connection, database_dsn):
    await post(connection, ORDER, [5])
    async with relaying(database_dsn, erp.settings()):
        await drained(database_dsn)
    kept = await rows(connection, "select * from outbox_attempt order by id")
    assert [(row["step"], row["outcome"], row["status"]) for row in kept] == [
        ("write quantity", "ok", 200),
        ("pick components", "ok", 200),
        ("mark done", "ok", 200),
    ]
    assert kept[0]["request"]["vals"] == {"qty_producing": 5}


async def test_two_relays_post_each_event_once_in_order(erp, connection, database_dsn):
    table = erp.settings(max_in_flight=8)
    other = await started(database_dsn, table)
    async with relaying(database_dsn, table):
        for first in (1, 4, 7, 10):
            for number in range(1, 13):
                await post(connection, f"MES-{number:04}", [2, 1, 2], first=first, before=(first - 1) // 3 * 5)
        done = await drained(database_dsn)
    other.send_signal(signal.SIGTERM)
    assert await other.ended() == 0
    truth = await erp.truth()
    assert truth["good_posted_by_origin"] == {f"MES-{number:04}": 20 for number in range(1, 13)}
    assert truth["postings_by_origin"] == {f"MES-{number:04}": 12 for number in range(1, 13)}
    assert max(Counter(row["external_id"] for row in done).values()) == 1
    assert {row["attempts"] for row in done} == {1}


async def test_attempt_that_takes_long_is_not_taken_over_while_its_relay_lives(erp, connection, database_dsn):
    table = erp.settings(max_in_flight=2, timeout_s=2)
    await erp.fail("slow", match="mrp.production", count=1000, seconds=1.2)  # planning and one step outlast timeout_s
    await post(connection, ORDER, [5])
    async with relaying(database_dsn, table), relaying(database_dsn, table):
        [row] = await drained(database_dsn)
    assert row["attempts"] == 1
    assert (await erp.truth())["postings_by_origin"] == {ORDER: 1}


async def test_database_sessions_that_are_cut_in_the_middle_lose_and_double_nothing(erp, connection, database_dsn):
    for number in range(1, 7):
        await post(connection, f"MES-{number:04}", [2] * 10)
    async with relaying(database_dsn, erp.settings(timeout_s=0.5)):
        for part in (10, 25, 40):
            await until(database_dsn, lambda found, part=part: sum(row["state"] == "done" for row in found) >= part)
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'amor relay' and datname = current_database()"
            )
        await drained(database_dsn)
    truth = await erp.truth()
    assert set(truth["good_posted_by_origin"].values()) == {20}
    assert set(truth["postings_by_origin"].values()) == {10}


async def test_mistake_in_a_connector_holds_its_own_stream_only(erp, connection, database_dsn, monkeypatch):
    plan = Odoo19.plan

    async def mistaken(self, event):
        if event.order_ref == OTHER:
            raise KeyError("a mistake")
        return await plan(self, event)

    monkeypatch.setattr(Odoo19, "plan", mistaken)
    await post(connection, OTHER, [1])
    await post(connection, ORDER, [5, 4])
    async with relaying(database_dsn, erp.settings(timeout_s=0.25)):
        await until(database_dsn, lambda found: sum(row["state"] == "done" for row in found) == 2)
        monkeypatch.undo()
        await drained(database_dsn)
    assert await erp.good_posted(OTHER) == 1


async def test_relay_ends_while_the_erp_lets_it_wait(erp, connection, database_dsn):
    await erp.fail("timeout_after_commit", match="button_mark_done", seconds=60)
    await post(connection, ORDER, [5])
    stop = asyncio.Event()
    running = asyncio.create_task(relay.run(settings_of(database_dsn, erp.settings(timeout_s=60)), stop, QUICK))
    while (await erp.truth())["good_posted"] == 0:
        pass  # the question itself takes its time
    stop.set()
    async with asyncio.timeout(10):
        await running
    found = await rows(connection, "select state from outbox")
    assert [row["state"] for row in found] == ["sending"]
    await connection.execute("update outbox set next_at = now()")  # its 60 s to settle
    async with relaying(database_dsn, erp.settings()):
        await drained(database_dsn)
    assert (await erp.truth())["postings_by_origin"] == {ORDER: 1}


async def test_orders_and_shipments_of_the_erp_arrive_and_follow_its_changes(erp, connection, database_dsn):
    async with connected(database_dsn, "test") as listening:
        await listening.execute("listen amor_live")
        async with relaying(database_dsn, erp.settings()):
            async for notice in listening.notifies():
                if notice.payload.startswith("shipment:"):
                    break
            orders = await rows(
                connection, "select number, quantity, state, connector from production_order order by number"
            )
            assert len(orders) == 12
            assert orders[0] == {"number": ORDER, "quantity": 40, "state": "released", "connector": "erp"}
            [shipped] = await rows(connection, "select count(*) as n from shipment where shipped_at >= created_at")
            assert shipped["n"] > 0
            await post(connection, ORDER, [40])
            async for _ in listening.notifies():
                [order] = await rows(
                    connection, "select state, quantity from production_order where number = %s", ORDER
                )
                if order["state"] == "done":
                    break
            assert order["quantity"] == 40


async def test_relay_without_connectors_waits_for_its_end(database_dsn):
    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(10):
        await relay.run(settings_of(database_dsn), stop, QUICK)
