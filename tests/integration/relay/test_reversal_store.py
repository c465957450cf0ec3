"""What is taken back: of which events, how much in all, and never more than was posted."""

from __future__ import annotations

import asyncio
import signal
from decimal import Decimal

import pytest

from bridge.erp import event as events
from bridge.errors import AmorError
from bridge.model.production import Reversal
from bridge.store import mending, outbox, production_count, reversal
from bridge.store.database import connected
from bridge.store.reversal import read_posted, reverse_pieces
from tests.program import Program
from tests.relay_process import AT, post

ORDER = "MES-0001"


async def back(connection, quantity, *, key="k", order=ORDER, connector="erp", reason="crack"):
    async with connection.transaction():
        return await reverse_pieces(
            connection, connector=connector, order_number=order, quantity=Decimal(quantity), reason=reason, actor="anna",
            at=AT, key=key,
        )  # fmt: skip


async def reversals(connection):
    rows = await connection.execute("select * from outbox where kind = 'reversal' order by id")
    return [row async for row in rows]


async def shares(connection):
    """Event taken back of, how much, how much in all."""
    return [
        (row["payload"]["reverses"]["payload"]["sequence"], row["payload"]["quantity"], row["payload"]["cumulative"])
        for row in await reversals(connection)
    ]


async def park(connection, outbox_id, state="parked"):
    await connection.execute(
        "update outbox set state = %s::text, done_at = case when %s = 'done' then now() end where id = %s",
        (state, state, outbox_id),
    )


async def test_reversal_names_the_whole_event_and_stands_behind_it_in_its_stream(connection):
    [posted] = await post(connection, ORDER, [5])
    [written] = await back(connection, 2)
    row, reversed_row = await outbox.read(connection, written), await outbox.read(connection, posted)
    assert (row["kind"], row["stream"], row["state"]) == ("reversal", ORDER, "pending")
    assert row["seq"] > reversed_row["seq"]
    event = events.read("reversal", row["payload"])
    assert event == Reversal(
        event.event_id, ORDER, 1, AT, Decimal(2), Decimal(2), "crack", events.read("wip_to_fg", reversed_row["payload"])
    )
    assert row["payload"] == event.payload()
    assert row["key"] == str(event.event_id)


@pytest.mark.parametrize("looked_at_first", [1, 2, 200])
async def test_newest_events_are_taken_back_first_and_more_than_one_where_one_is_not_enough(
    connection, monkeypatch, looked_at_first
):
    monkeypatch.setattr(reversal, "_NEWEST", looked_at_first)
    await post(connection, ORDER, [4, 5, 3])
    assert len(await back(connection, 6)) == 2
    assert await shares(connection) == [(3, "3", "3"), (2, "3", "3")]
    await back(connection, 3, key="again")
    assert await shares(connection) == [(3, "3", "3"), (2, "3", "3"), (2, "2", "5"), (1, "1", "1")]
    with pytest.raises(AmorError, match=r"4 cannot be taken back from erp, 3 are left .posted 12, taken back 9"):
        await back(connection, 4, key="too many")


async def test_fractions_are_exact(connection):
    await post(connection, ORDER, [1])
    for number in range(10):
        await back(connection, "0.1", key=f"k{number}")
    assert [share[2] for share in await shares(connection)] == [str(Decimal(n + 1) / 10) for n in range(9)] + ["1.0"]
    with pytest.raises(AmorError, match="0 are left"):
        await back(connection, "0.0001", key="more")


async def test_more_than_is_left_takes_nothing_back_and_says_how_many_are(connection):
    await post(connection, ORDER, [4, 5])
    await back(connection, 2)
    with pytest.raises(AmorError, match=r"8 cannot be taken back from erp, 7 are left \(posted 9, taken back 2\)"):
        await back(connection, 8, key="more")
    assert len(await reversals(connection)) == 1


async def test_order_to_which_nothing_was_posted_is_told(connection):
    await post(connection, ORDER, [4])
    with pytest.raises(AmorError, match="nothing was posted to shop"):
        await back(connection, 1, connector="shop")


async def test_key_that_is_known_takes_back_nothing_more(connection):
    await post(connection, ORDER, [4, 5])
    written = await back(connection, 6)
    assert await back(connection, 6) == written
    assert len(await reversals(connection)) == len(written) == 2
    with pytest.raises(AmorError, match="took back 6 of order MES-0001"):
        await back(connection, 5)


@pytest.mark.parametrize("state", ["pending", "sending", "done"])
async def test_event_that_waits_is_under_way_or_done_is_reversible(connection, state):
    [posted] = await post(connection, ORDER, [4])
    await park(connection, posted, state)
    assert len(await back(connection, 4)) == 1


async def test_parked_event_is_not_reversed_and_is_named(connection):
    _first, second = await post(connection, ORDER, [4, 5])
    await park(connection, second)
    await back(connection, 3)
    assert await shares(connection) == [(1, "3", "3")]
    with pytest.raises(AmorError, match=r"1 are left.*5 more are parked"):
        await back(connection, 2, key="more")


async def test_reversal_that_is_parked_counts_as_taken_back(connection):
    await post(connection, ORDER, [4])
    [written] = await back(connection, 3)
    await park(connection, written)
    with pytest.raises(AmorError, match="1 are left"):
        await back(connection, 2, key="more")


async def test_reversal_whose_quantity_nobody_can_read_keeps_its_event_from_being_taken_back(connection):
    await post(connection, ORDER, [4])
    [written] = await back(connection, 1)
    await park(connection, written)
    await mending.edit(connection, written, {"quantity": "two"}, "anna", "typing error")
    with pytest.raises(AmorError, match="0 are left"):
        await back(connection, 1, key="more")


async def test_event_that_a_person_moved_to_another_order_is_taken_back_of_that_order(connection):
    [posted] = await post(connection, "NOWHERE", [4])
    await park(connection, posted)
    await mending.edit(connection, posted, {"order_ref": ORDER}, "anna", "wrong order at the terminal")
    await outbox.replay(connection, posted)
    await post(connection, ORDER, [2])
    written = await back(connection, 5)
    rows = [await outbox.read(connection, number) for number in written]
    assert [(row["stream"], row["payload"]["quantity"], row["payload"]["order_ref"]) for row in rows] == [
        (ORDER, "2", ORDER),
        (ORDER, "3", ORDER),
    ]
    with pytest.raises(AmorError, match="nothing was posted"):
        await back(connection, 1, order="NOWHERE", key="other")


async def test_quantity_lowered_in_a_parked_event_lowers_what_is_left(connection):
    [posted] = await post(connection, ORDER, [4])
    await back(connection, 1)
    await park(connection, posted)
    await mending.edit(connection, posted, {"quantity": "2"}, "anna", "two only")
    await outbox.replay(connection, posted)
    with pytest.raises(AmorError, match="1 are left"):
        await back(connection, 2, key="more")


@pytest.mark.parametrize("quantity", ["0", "-1", "NaN", "Infinity"])
async def test_quantity_that_is_none_is_refused(connection, quantity):
    await post(connection, ORDER, [4])
    with pytest.raises(AmorError, match="above 0"):
        await back(connection, quantity)


async def test_reason_is_wanted_and_kept_with_who_and_of_what(connection):
    [posted] = await post(connection, ORDER, [4])
    with pytest.raises(AmorError, match="reason"):
        await back(connection, 1, reason=" ")
    [written] = await back(connection, 1)
    query = "select * from reversal join reversal_part on reversal_id = id"
    row = await (await connection.execute(query)).fetchone()
    assert (row["actor"], row["reason"], row["at"], row["outbox_id"], row["reverses_id"]) == (
        "anna", "crack", AT, written, posted,
    )  # fmt: skip


async def test_callers_at_once_never_take_back_more_than_was_posted(connection, database_dsn):
    await post(connection, ORDER, [4, 3])

    async def one(number):
        async with connected(database_dsn, "test") as own:
            try:
                return await back(own, 2, key=f"k{number}")
            except AmorError as error:
                assert "are left" in str(error)  # noqa: PT017  # the others went well
                return []

    taken = await asyncio.gather(*(one(number) for number in range(8)))
    assert sum(bool(each) for each in taken) == 3
    found = await shares(connection)
    assert sum(Decimal(quantity) for _, quantity, _ in found) == 6
    assert [cumulative for event, _, cumulative in found if event == 2] == ["2", "3"]
    assert [cumulative for event, _, cumulative in found if event == 1] == ["1", "3"]
    assert len({row["key"] for row in await reversals(connection)}) == len(found)
    assert sum(event.left for event in await read_posted(connection, "erp", ORDER)) == 1


async def test_callers_at_once_with_one_key_take_back_once(connection, database_dsn):
    await post(connection, ORDER, [9])

    async def one():
        async with connected(database_dsn, "test") as own:
            return await back(own, 2)

    taken = await asyncio.gather(*(one() for _ in range(6)))
    assert len(await reversals(connection)) == 1
    assert all(each == taken[0] for each in taken)


async def test_reversal_waits_for_a_posting_of_its_order(connection, database_dsn):
    await post(connection, ORDER, [1])
    async with connected(database_dsn, "test") as other, connected(database_dsn, "test") as third:
        async with other.transaction():
            await production_count.take_for_posting(other, ORDER, [])
            waiting = asyncio.create_task(back(connection, 2))
            query = "select 1 from pg_stat_activity where wait_event = 'advisory' and pid = %s"
            while not await (await third.execute(query, (connection.info.backend_pid,))).fetchone():
                assert not waiting.done()
            await post(other, ORDER, [1], first=2, before=1)
        await waiting
    assert await shares(connection) == [(2, "1", "1"), (1, "1", "1")]


DIES = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from decimal import Decimal
from bridge.store import outbox, reversal
from bridge.store.database import connected

async def main():
    original, calls = outbox.insert, []
    async def insert(*arguments, **named):
        written = await original(*arguments, **named)
        calls.append(written)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return written
    outbox.insert = insert
    async with connected(sys.argv[1], "test") as connection:
        await reversal.reverse_pieces(connection, connector="erp", order_number="MES-0001", quantity=Decimal(6),
            reason="crack", actor="anna", at=datetime(2026, 7, 1, 12, tzinfo=UTC), key="k")

asyncio.run(main())
"""


async def test_process_killed_between_two_parts_takes_nothing_back_and_can_be_repeated(connection, database_dsn):
    await post(connection, ORDER, [4, 5])
    assert await Program("-c", DIES, database_dsn).ended() == -signal.SIGKILL
    assert await reversals(connection) == []
    await back(connection, 6)
    assert await shares(connection) == [(2, "5", "5"), (1, "1", "1")]
