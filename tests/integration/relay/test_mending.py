"""An event that a person gives another order or another quantity: what is told after it stays exact, and is told."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from bridge.errors import AmorError
from bridge.store import mending, outbox, production_count
from bridge.store.database import connected
from tests.relay_process import drained, post, relaying, until

ORDER, OTHER = "MES-0001", "MES-0002"


async def payloads(connection, order):
    rows = await connection.execute("select payload from outbox where stream = %s order by seq", (order,))
    return [
        (row["payload"]["sequence"], row["payload"]["quantity"], row["payload"]["cumulative"]) async for row in rows
    ]


async def posted(connection, order, pieces, *, events, before):
    """What a rule writes of pieces that come later, where its own counts say so many events and pieces before."""
    async with connection.transaction():
        _, told = await production_count.take_for_posting(connection, order, [])
    return await post(connection, order, [pieces], first=1 + events + told.postings, before=before + int(told.qty))


async def park(connection, number):
    await connection.execute("update outbox set state = 'parked' where id = %s", (number,))


async def test_pieces_that_are_given_the_right_order_are_booked_there_beside_its_own(
    amor, erp, connection, database_dsn
):
    """Odoo is asked by an order's total: without the new numbers it would take the machine's next pieces for these ones."""
    async with relaying(database_dsn, erp.settings()):
        await post(connection, ORDER, [3])
        await drained(database_dsn)
        wrong, behind = await post(connection, "MES-9999", [2, 5])
        await until(database_dsn, lambda rows: rows[-2]["state"] == "parked")
        code, text = await amor("edit", wrong, "--set", f"order_ref={ORDER}", reason="wrong order at the terminal")
        assert (code, "1 events that wait behind it are numbered anew" in text) == (0, True)
        await amor("replay", wrong)
        [own] = await posted(connection, ORDER, 2, events=1, before=3)
        rows = await until(
            database_dsn, lambda rows: [row["state"] for row in rows] == ["done", "done", "parked", "done"]
        )
    assert await erp.good_posted(ORDER) == 7
    assert len({row["external_id"] for row in rows if row["state"] == "done"}) == 3
    assert [(row["id"], row["stream"], row["seq"]) for row in rows[1:]] == [
        (wrong, ORDER, 2), (behind, "MES-9999", 2), (own, ORDER, 3)
    ]  # fmt: skip
    assert rows[1]["key"] == rows[1]["payload"]["event_id"]
    assert await payloads(connection, "MES-9999") == [(2, "5", "5")]
    [kept] = await outbox.edits(connection, behind)
    assert (kept["before"]["cumulative"], kept["reason"]) == (
        "7", f"event {wrong} before it was mended: wrong order at the terminal"
    )  # fmt: skip


async def test_quantity_that_is_mended_holds_up_nothing_behind_it(amor, erp, connection, database_dsn):
    first, *_ = await post(connection, ORDER, [5, 4, 3])
    await park(connection, first)
    code, _ = await amor("edit", first, "--set", "quantity=4", reason="one fell down")
    assert code == 0
    assert await payloads(connection, ORDER) == [(1, "4", "4"), (2, "4", "8"), (3, "3", "11")]
    await amor("replay", first)
    async with relaying(database_dsn, erp.settings()):
        await drained(database_dsn)
        await posted(connection, ORDER, 6, events=3, before=12)
        await drained(database_dsn)
    assert await erp.good_posted(ORDER) == 17


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ("cumulative=6", "3 would be there before this event, and 5 were told already"),
        ("quantity=-1", "more than 0"),
        ("quantity=1e30", "out of all measure"),
        (f"quantity=1.{'3' * 70}", "out of all measure"),
        ("ordr_ref=MES-0002", "has no such field"),
        ("sequence=7", "never changed"),
        ("event_id=x", "never changed"),
        ("order_ref=MES-0002;cumulative=3", "leave it out"),
        ("lot=;location=", "nothing is changed"),
        ("serials=[S1]", "is no JSON"),
    ],
)
async def test_edit_that_would_make_a_false_number_is_refused_and_changes_nothing(amor, connection, changes, words):
    [_, second] = await post(connection, ORDER, [5, 3])
    await connection.execute("update outbox set state = 'done', done_at = now() where id < %s", (second,))
    await park(connection, second)
    given = [part for change in changes.split(";") for part in ("--set", change)]
    code, text = await amor("edit", second, *given, reason="r")
    assert code == 1
    assert words in text
    assert await payloads(connection, ORDER) == [(1, "5", "5"), (2, "3", "8")]
    assert await outbox.edits(connection, second) == []


async def test_sum_that_is_moved_up_moves_all_behind_it(connection):
    """Somebody has booked two pieces by hand there before them."""
    first, _ = await post(connection, ORDER, [5, 3])
    await park(connection, first)
    await mending.edit(connection, first, {"cumulative": "7"}, "anna", "two by hand")
    assert await payloads(connection, ORDER) == [(1, "5", "7"), (2, "3", "10")]
    [third] = await posted(connection, ORDER, 1, events=2, before=8)
    row = await outbox.read(connection, third)
    assert row["payload"]["cumulative"] == "11"


async def test_sum_has_every_digit(connection):
    first, _ = await post(connection, ORDER, [5, 3])
    await park(connection, first)
    await mending.edit(connection, first, {"quantity": "123456789012345.123456789012345"}, "anna", "weighed")
    assert await payloads(connection, ORDER) == [
        (1, "123456789012345.123456789012345", "123456789012345.123456789012345"),
        (2, "3", "123456789012348.123456789012345"),
    ]


async def test_events_that_are_moved_to_one_order_at_once_stand_one_after_the_other(connection, database_dsn):
    [first] = await post(connection, "MES-8", [2])
    [second] = await post(connection, "MES-9", [3])
    await post(connection, ORDER, [4])
    for number in (first, second):
        await park(connection, number)

    async def move(number):
        async with connected(database_dsn, "test") as own:
            return await mending.edit(own, number, {"order_ref": ORDER}, "anna", "r")

    await asyncio.gather(move(first), move(second))
    told = await payloads(connection, ORDER)
    assert [(sequence, cumulative) for sequence, _, cumulative in told] in (
        [(1, "4"), (2, "6"), (3, "9")],
        [(1, "4"), (2, "7"), (3, "9")],
    )
    async with connection.transaction():
        _, posted_so_far = await production_count.take_for_posting(connection, ORDER, [])
    assert posted_so_far == (2, Decimal(5))


@pytest.mark.parametrize("held", [ORDER, "MES-9999"], ids=["it is moved to", "it comes from"])
async def test_edit_waits_for_who_posts_to_the_order(connection, database_dsn, held):
    [wrong] = await post(connection, "MES-9999", [2])
    await park(connection, wrong)
    waiting = (
        "select 1 from pg_locks as l inner join pg_database as d on l.database = d.oid"
        " where d.datname = current_database() and l.locktype = 'advisory' and not l.granted"
    )
    async with connected(database_dsn, "rules") as rules, connected(database_dsn, "person") as person:
        async with rules.transaction():
            await production_count.lock_order(rules, held)
            moving = asyncio.create_task(mending.edit(person, wrong, {"order_ref": ORDER}, "anna", "r"))
            while not await (await connection.execute(waiting)).fetchone():
                assert not moving.done(), "it did not wait"
                await asyncio.sleep(0.01)
            await post(rules, ORDER, [4])
        await moving
    assert await payloads(connection, ORDER) == [(1, "4", "4"), (2, "2", "6")]


async def test_nothing_is_moved_while_an_event_behind_it_is_on_its_way(connection):
    first, second = await post(connection, ORDER, [5, 3])
    await park(connection, first)
    await connection.execute("update outbox set state = 'sending' where id = %s", (second,))
    with pytest.raises(AmorError, match="on its way already"):
        await mending.edit(connection, first, {"order_ref": OTHER}, "anna", "r")
    assert await payloads(connection, ORDER) == [(1, "5", "5"), (2, "3", "8")]
    assert await (await connection.execute("select 1 from posting_correction")).fetchone() is None


async def test_event_without_numbers_gets_some(connection):
    [first] = await post(connection, ORDER, [5])
    await connection.execute(
        'update outbox set state = \'parked\', payload = payload || \'{"quantity": "1E+999999", "cumulative": "x"}\' where id = %s',
        (first,),
    )
    edited = await mending.edit(connection, first, {"quantity": "5", "cumulative": "5"}, "anna", "r")
    assert (edited.after["quantity"], edited.after["cumulative"], edited.renumbered) == ("5", "5", 0)
