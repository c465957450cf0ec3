"""What people do about the outbox: look, mend, send again, stop and go, compare; by the commands that they type."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from bridge.erp.odoo19 import Odoo19
from bridge.erp.relay import dispatcher
from bridge.model.production import MaterialActual
from bridge.store import outbox
from tests.erp_process import KEY
from tests.relay_process import AT, EQUIPMENT, QUICK, drained, post, relaying, until

ORDER, OTHER = "MES-0001", "MES-0002"


async def parked(database_dsn, erp):
    async with relaying(database_dsn, erp.settings()):
        rows = await until(database_dsn, lambda rows: any(row["state"] == "parked" for row in rows))
    return next(row for row in rows if row["state"] == "parked")


async def book_by_hand(erp, quantity, total):
    """What a person does in the system itself."""
    async with Odoo19(erp.settings()) as somebody:
        by_hand = MaterialActual(uuid.uuid4(), ORDER, 9, AT, Decimal(quantity), Decimal(total), "1", EQUIPMENT)
        for step in await somebody.plan(by_hand):
            await somebody.execute(step)


async def test_parked_event_is_mended_and_replayed_with_its_id(amor, erp, connection, database_dsn):
    await post(connection, "NOWHERE", [3])
    row = await parked(database_dsn, erp)
    code, text = await amor("list")
    assert code == 0
    assert "NOWHERE" in text
    assert "parked" in text
    code, text = await amor("edit", row["id"], "--set", f"order_ref={ORDER}", "--reason", "wrong order at the terminal")
    assert code == 0
    assert ORDER in text
    code, text = await amor("replay", row["id"])
    assert "on its way" in text
    async with relaying(database_dsn, erp.settings()):
        [done] = await drained(database_dsn)
    code, text = await amor("list", order=ORDER, state="done")
    assert (code, done["external_id"] in text) == (0, True)
    assert "no system has anything" in (await amor("list", order=OTHER, state="done"))[1]
    assert (done["key"], done["payload"]["event_id"]) == (row["key"], row["payload"]["event_id"])
    assert await erp.good_posted(ORDER) == 3
    code, text = await amor("show", row["id"])
    assert "wrong order at the terminal" in text
    assert "mark done" in text
    assert KEY not in text


async def test_event_that_was_booked_by_hand_is_settled_and_its_followers_go_out(amor, erp, connection, database_dsn):
    first, second = await post(connection, ORDER, [3, 4])
    await connection.execute("update outbox set state = 'parked', last_error = 'closed period' where id = %s", (first,))
    assert (await amor("settle", second, "--reason", "r"))[0] == 1  # it waits behind the first, for no person
    await book_by_hand(erp, 3, 3)
    code, text = await amor("settle", first, "--document", "WH/MO/00042", "--reason", "entered in Odoo")
    assert (code, "counts as posted, as WH/MO/00042" in text) == (0, True)
    async with relaying(database_dsn, erp.settings()):
        await drained(database_dsn)
    assert await erp.good_posted(ORDER) == 7
    assert "booked by hand: entered in Odoo" in (await amor("show", first))[1]


async def test_event_that_is_not_parked_is_not_changed(amor, connection):
    [first] = await post(connection, ORDER, [3])
    code, text = await amor("edit", first, "--set", "quantity=4", "--reason", "because")
    assert code == 1
    assert "is not parked" in text
    assert (await outbox.read(connection, first))["payload"]["quantity"] == "3"


async def test_dry_run_prints_the_requests_and_changes_nothing(amor, erp, connection):
    [first] = await post(connection, ORDER, [3])
    code, text = await amor("dry-run", first)
    assert code == 0
    assert "mrp.production/button_mark_done" in text
    assert '"qty_producing": 3' in text
    assert KEY not in text
    assert (await erp.truth())["good_posted"] == 0
    assert await outbox.open_count(connection) == {"pending": 1}


async def test_stopped_connector_takes_nothing_until_it_is_let_go_on(amor, erp, connection, database_dsn):
    code, text = await amor("stop", "erp", "--reason", "stock-taking")
    assert (code, "erp is stopped" in text) == (0, True)
    await post(connection, ORDER, [3])
    async with relaying(database_dsn, erp.settings(poll_s=0.05)):
        # The relay is up and reads orders: it could post.
        while not await (await connection.execute("select 1 from production_order limit 1")).fetchone():
            pass
        assert await outbox.open_count(connection) == {"pending": 1}
        assert "stock-taking" in (await amor("list"))[1]
        await amor("go", "erp")
        await drained(database_dsn)
    assert await erp.good_posted(ORDER) == 3


async def test_events_of_a_connector_that_is_not_configured_any_more_are_listed(amor, connection):
    await outbox.insert(connection, connector="old-erp", stream="s", kind="wip_to_fg", payload={}, key="k")
    code, text = await amor("list")
    assert (code, "nobody carries 1 events for old-erp" in text) == (0, True)


async def test_connector_that_is_not_configured_is_told_with_those_that_are(amor):
    code, text = await amor("stop", "sap", "--reason", "x")
    assert code == 1
    assert "there are: erp" in text


async def made(connection, order, pieces):
    """Pieces of the final operation, as the rules count them, not posted by anybody."""
    await connection.execute(
        """with e as (
            insert into equipment (level, path, name) values ('enterprise', 'acme', 'acme')
            on conflict (path) do update set name = excluded.name returning id
        ), t as (
            insert into tag (equipment_id, name, datatype, unit, kind, source, address)
            select id, 'parts.good', 'number', '', 'counter', 'test', '' from e
            on conflict (equipment_id, name) do update set unit = '' returning id, equipment_id
        )
        insert into production_count (equipment_id, ts, tag_id, ordinal, order_number, kind, qty, is_final, counter_to, key)
        select equipment_id, now(), id, 0, %s, 'good', %s, true, 1, gen_random_uuid()::text from t""",
        (order, pieces),
    )


async def test_reconciliation_lists_what_was_posted_by_hand_and_corrects_nothing(
    amor, erp, connection, database_dsn, tmp_path
):
    await post(connection, ORDER, [5, 4])
    await post(connection, OTHER, [7])
    await made(connection, ORDER, 9)
    await made(connection, OTHER, 7)
    await connection.execute(
        "update production_count c set outbox_id = o.id from outbox o where o.stream = c.order_number"
    )
    async with relaying(database_dsn, erp.settings()):
        await drained(database_dsn)
    code, text = await amor("reconcile", "erp")
    assert (code, "2 orders agree" in text) == (0, True)
    await book_by_hand(erp, 2, 11)
    file = tmp_path / "found.json"
    code, text = await amor("reconcile", "erp", "--json", file)
    assert code == 1
    [line] = json.loads(file.read_bytes())["differences"]
    assert (line["order"], line["made"], line["posted"], line["erp"]) == (ORDER, "9", "9", "11")
    assert "2 more than was posted" in line["proposal"]
    assert await erp.good_posted(ORDER) == 11
    assert await outbox.open_count(connection) == {}
    kept = await (
        await connection.execute("select differences from reconciliation where actor <> 'relay' order by id")
    ).fetchall()
    assert [row["differences"] for row in kept] == [0, 1]


async def test_relay_reconciles_when_no_night_has(erp, connection, database_dsn):
    await made(connection, ORDER, 3)  # in no posting, as after a rule was added too late
    await connection.execute("update production_count set outbox_id = null")
    async with relaying(database_dsn, erp.settings()):
        while not (row := await (await connection.execute("select * from reconciliation")).fetchone()):
            pass
    assert (row["connector"], row["actor"], row["orders"]) == ("erp", "relay", 1)


@pytest.mark.parametrize("look_s", [dispatcher.LOOK_S, 0], ids=["quick system", "slow system"])
async def test_new_event_does_not_wait_behind_a_backlog(erp, connection, database_dsn, monkeypatch, look_s):
    """A slow system's relay looks anew before each stream that it takes."""
    monkeypatch.setattr(dispatcher, "LOOK_S", look_s)
    streams = [f"MES-{number:04}" for number in range(1, 12)]
    for stream in streams:
        await post(connection, stream, [1] * 30)
    table = erp.settings(max_in_flight=2)
    async with relaying(database_dsn, table, rhythm=replace(QUICK, in_a_row=2)):
        await until(database_dsn, lambda rows: sum(row["state"] == "done" for row in rows) >= 10)
        [new] = await post(connection, "MES-0012", [1])
        rows = await until(database_dsn, lambda rows: any(row["id"] == new and row["state"] == "done" for row in rows))
    written, done = next((row["created_at"], row["done_at"]) for row in rows if row["id"] == new)
    # By the database's own clock: how long this test took to look says nothing.
    overtaking = [row["id"] for row in rows if row["done_at"] and written <= row["done_at"] < done]
    assert len(overtaking) < 30, "of 330 events that wait"
    assert await erp.good_posted("MES-0012") == 1


async def test_rate_of_a_connector_holds_for_all_streams_together(erp, connection, database_dsn):
    for number in range(1, 7):
        await post(connection, f"MES-{number:04}", [1])
    async with relaying(database_dsn, erp.settings(max_in_flight=6, rate_per_s=20, burst=1)):
        await drained(database_dsn)
    query = "select extract(epoch from max(at) - min(at))::float as s, count(*) as n from outbox_attempt"
    spread = await (await connection.execute(query)).fetchone()
    assert spread["n"] == 18
    assert timedelta(seconds=spread["s"]) >= timedelta(seconds=(18 - 6) / 20)
