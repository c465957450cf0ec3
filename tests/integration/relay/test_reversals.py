"""`amor outbox reverse`: what a person takes back, from the command line down to the ERP's books."""

from __future__ import annotations

import httpx
import pytest

from bridge.store import outbox
from tests.erp_process import KEY
from tests.relay_process import drained, post, relaying, until

ORDER = "MES-0001"


def reversal(**changes):
    return {"connector": "erp", "quantity": 2, "reason": "crack found at packing", **changes}


async def test_pieces_are_taken_back_of_the_newest_postings_down_to_the_books_of_the_erp(
    amor, erp, connection, database_dsn
):
    await post(connection, ORDER, [5, 4])
    async with relaying(database_dsn, erp.settings()):
        await drained(database_dsn)
        before = await stock(erp)
        code, text = await amor("reverse", ORDER, "--yes", **reversal(quantity=6))
        assert code == 0, text
        assert "takes back 4 of 4 of posting 2, 4 of it in all" in text
        assert "takes back 2 of 5 of posting 1, 2 of it in all" in text
        rows = await drained(database_dsn)
    assert [row["kind"] for row in rows] == ["wip_to_fg", "wip_to_fg", "reversal", "reversal"]
    assert all(row["external_id"] for row in rows)
    assert await stock(erp) == before - 6
    assert (await erp.truth())["scrap_posted"] == 6


async def stock(erp):
    """What is on hand of line 1's finished goods, as the ERP tells anybody."""
    asked = {"ids": [1], "fields": ["qty_available"]}
    headers = {"Authorization": f"bearer {KEY}", "X-Odoo-Database": "acme"}
    async with httpx.AsyncClient(base_url=erp.url, headers=headers) as client:
        [product] = (await client.post("/json/2/product.product/read", json=asked)).json()
    return product["qty_available"]


async def test_what_will_be_taken_back_is_shown_and_nothing_happens_before_the_person_agrees(amor, connection):
    first, second = await post(connection, ORDER, [5, 4])
    code, text = await amor("reverse", ORDER, answers="n\n", **reversal(quantity=6))
    assert code == 1
    shown = [line.split()[1:-1:2] for line in text.splitlines() if ORDER in line]
    assert [row[:2] for row in shown] == [["4", str(second)], ["2", str(first)]]
    assert await outbox.open_count(connection) == {"pending": 2}
    code, text = await amor("reverse", ORDER, answers="y\n", **reversal(quantity=6))
    assert code == 0
    assert await outbox.open_count(connection) == {"pending": 4}


async def test_command_that_is_repeated_with_its_key_takes_back_nothing_more(amor, connection):
    await post(connection, ORDER, [5])
    first = await amor("reverse", ORDER, "--yes", key="ticket-17", **reversal(quantity=4))
    assert await amor("reverse", ORDER, key="ticket-17", **reversal(quantity=4)) == first
    assert await outbox.open_count(connection) == {"pending": 2}


async def test_more_than_is_left_is_refused_with_what_is_left(amor, connection):
    await post(connection, ORDER, [5])
    await amor("reverse", ORDER, "--yes", **reversal())
    code, text = await amor("reverse", ORDER, "--yes", **reversal(quantity=4))
    assert code == 1
    assert "3 are left (posted 5, taken back 2)" in text
    assert await outbox.open_count(connection) == {"pending": 2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantity": "two"}, "--quantity two: write a number"),
        ({"quantity": "-1"}, "above 0"),
        ({"reason": " "}, "give a reason"),
        ({"connector": "sap"}, "there are: erp, shift"),
        ({"connector": "shift"}, "shift (apprise) carries no reversals"),
    ],
)
async def test_what_cannot_be_taken_back_is_told(amor, connection, changes, message):
    await post(connection, ORDER, [5])
    code, text = await amor("reverse", ORDER, "--yes", **reversal(**changes))
    assert code == 1
    assert message in text
    assert await outbox.open_count(connection) == {"pending": 1}


async def test_reversal_of_an_event_that_is_still_on_its_way_follows_it(amor, erp, connection, database_dsn):
    await post(connection, ORDER, [5])
    assert (await amor("reverse", ORDER, "--yes", **reversal()))[0] == 0
    async with relaying(database_dsn, erp.settings()):
        posted, taken_back = await drained(database_dsn)
    assert taken_back["done_at"] >= posted["done_at"]
    assert await erp.good_posted(ORDER) == 5


async def test_reversal_of_an_event_that_a_person_lowered_afterwards_is_parked_for_a_person(
    amor, erp, connection, database_dsn
):
    """It was under way when it was reversed, the ERP refused it, and a person made less of it than was taken back."""
    [posted] = await post(connection, ORDER, [5])
    assert (await amor("reverse", ORDER, "--yes", **reversal(quantity=4)))[0] == 0
    await connection.execute("update outbox set state = 'parked' where id = %s", (posted,))
    await amor("edit", posted, "--set", "quantity=3", "--set", "cumulative=3", reason="two were scrap already")
    await amor("replay", posted)
    async with relaying(database_dsn, erp.settings()):
        rows = await until(database_dsn, lambda rows: any(row["state"] == "parked" for row in rows))
    assert [(row["kind"], row["state"]) for row in rows] == [("wip_to_fg", "done"), ("reversal", "parked")]
    assert await erp.good_posted(ORDER) == 3


async def test_who_took_pieces_back_and_why_is_shown_with_the_event(amor, connection):
    await post(connection, ORDER, [5])
    await amor("reverse", ORDER, "--yes", **reversal())
    row = await (await connection.execute("select id from outbox where kind = 'reversal'")).fetchone()
    code, text = await amor("show", row["id"])
    assert code == 0
    assert "taken back by" in text
    assert "crack found at packing" in text
