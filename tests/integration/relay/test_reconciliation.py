"""An order's books as reconciliation reads them: what was counted, told, taken back and scrapped, of one system."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from psycopg.types.json import Jsonb

from bridge.erp.relay.reconcile import compare
from bridge.store import reconciliation
from bridge.store.database import connected
from bridge.store.reconciliation import Difference, OrderLedger

ORDER, OTHER = "MES-0001", "MES-0002"
SINCE = datetime.now(UTC) - timedelta(days=35)
NONE = Decimal(0)


class Books:
    """Writes what rules, people and the relay would have written."""

    def __init__(self, connection):
        self.connection = connection
        self._numbers = count(1)

    async def machine(self, name):
        row = await self._one(
            """with e as (insert into equipment (level, path, name) values ('enterprise', %(n)s, %(n)s) returning id)
            insert into tag (equipment_id, name, datatype, unit, kind, source, address)
            select id, 'parts', 'number', '', 'counter', 'test', '' from e returning id, equipment_id""",
            {"n": name},
        )
        return row["equipment_id"], row["id"]

    async def counted(self, machine, qty, *, kind="good", order=ORDER, is_final=True, event=None, age=timedelta(0)):
        row = await self._one(
            """insert into production_count
            (equipment_id, ts, tag_id, ordinal, order_number, kind, qty, is_final, counter_to, outbox_id, key)
            values (%s, now() - %s, %s, 0, %s, %s, %s, %s, 1, %s, gen_random_uuid()::text) returning id""",
            (machine[0], age, machine[1], order, kind, qty, is_final, event),
        )
        return row["id"]

    async def told(self, kind, quantity, state="done", /, *, connector="erp", order=ORDER, **more):
        number = next(self._numbers)
        payload = {"order_ref": order, "sequence": number, "quantity": str(quantity), **more}
        row = await self._one(
            """insert into outbox (connector, stream, seq, kind, payload, key, state, done_at)
            values (%s, %s, %s, %s, %s, %s, %s, %s) returning id""",
            (connector, order, number, kind, Jsonb(payload), f"k{number}", state, SINCE if state == "done" else None),
        )
        return row["id"]

    async def taken(self, kind, event, counts, *, connector="erp", order=ORDER):
        """That a rule's posting, carried by this event, took these counts."""
        posting = await self._one(
            """insert into posting (connector, kind, order_number, sequence, rule_id, equipment_id, quantity, cumulative, uom)
            select %s, %s, %s, %s, 'r', min(equipment_id), 1, 1, '' from production_count where id = any(%s) returning id""",
            (connector, kind, order, next(self._numbers), counts),
        )
        await self.connection.execute("insert into posting_event values (%s, %s)", (event, posting["id"]))
        for each in counts:
            await self.connection.execute(
                "insert into count_posting (count_id, connector, kind, posting_id) values (%s, %s, %s, %s)",
                (each, connector, kind, posting["id"]),
            )

    async def ledger(self, connector="erp"):
        found = await reconciliation.read_ledger(self.connection, connector, SINCE)
        return {ledger.order_number: ledger for ledger in found}

    async def _one(self, query, values):
        return await (await self.connection.execute(query, values)).fetchone()


@pytest.fixture
async def books(database_dsn):
    async with connected(database_dsn, "test") as connection:
        yield Books(connection)


def of(made, posted, order=ORDER, **more):
    return replace(
        OrderLedger(order, Decimal(made), NONE, Decimal(posted), NONE, NONE),
        **{name: Decimal(number) for name, number in more.items()},
    )


async def test_receipts_and_what_was_taken_back_of_them_are_told_apart_by_how_far_they_are(books):
    machine = await books.machine("m")
    for quantity, state in ((20, "done"), (10, "pending"), (4, "sending"), (3, "parked")):
        await books.counted(machine, quantity, event=await books.told("wip_to_fg", quantity, state))
    await books.counted(machine, 2)
    for quantity, state in ((5, "done"), (2, "sending"), (1, "parked")):
        await books.told("reversal", quantity, state, reverses={"kind": "wip_to_fg", "payload": {}})
    [ledger] = (await books.ledger()).values()
    assert ledger == of(
        39, 20, unposted=2, waiting=14, parked=3, reversed_posted=5, reversed_waiting=2, reversed_parked=1
    )
    assert (ledger.made_net, ledger.posted_net, ledger.on_the_way, ledger.reversed) == (31, 15, 14, 8)


async def test_order_without_receipts_counts_what_its_final_machine_yielded(books):
    first, final = await books.machine("first"), await books.machine("final")
    before = [await books.counted(first, 12, is_final=False)]
    after = [await books.counted(final, 10)]
    await books.taken(
        "performance", await books.told("performance", 0, yielded="12", scrapped="0", segment="0010"), before
    )
    await books.taken(
        "performance", await books.told("performance", 0, yielded="10", scrapped="0", segment="0020"), after
    )
    assert await books.ledger() == {ORDER: of(10, 10)}


async def test_performances_beside_receipts_are_counted_once(books):
    machine = await books.machine("m")
    made = await books.counted(machine, 10, event=await books.told("wip_to_fg", 10))
    await books.taken("performance", await books.told("performance", 0, yielded="10", scrapped="0"), [made])
    assert await books.ledger() == {ORDER: of(10, 10)}


async def test_of_performances_that_no_rule_wrote_the_last_segment_counts(books):
    for segment, yielded in (("0010", 12), ("0020", 11), ("0020", 5)):
        await books.told("performance", 0, yielded=str(yielded), scrapped="0", segment=segment)
    assert (await books.ledger())[ORDER].posted == 16


async def test_performance_that_is_taken_back_gives_back_its_yield_and_its_scrap(books):
    machine = await books.machine("m")
    made = [await books.counted(machine, 10), await books.counted(machine, 2, kind="scrap")]
    await books.taken("performance", await books.told("performance", 0, yielded="10", scrapped="2"), made)
    inner = {"kind": "performance", "payload": {"yielded": "10", "scrapped": "2"}}
    await books.told("reversal", 12, reverses=inner)
    scrap = {"scrap_made": 2, "scrap_posted": 2, "scrap_reversed_posted": 2}
    assert await books.ledger() == {ORDER: of(10, 10, reversed_posted=10, **scrap)}


async def test_scrap_is_compared_where_it_is_posted_and_only_of_machines_whose_scrap_is(books):
    posting, other = await books.machine("posting"), await books.machine("other")
    await books.counted(posting, 5, event=await books.told("wip_to_fg", 5))
    scrapped = await books.counted(posting, 3, kind="scrap", is_final=False)
    await books.taken("scrap", await books.told("scrap", 3), [scrapped])
    await books.counted(posting, 2, kind="scrap")  # soon
    await books.counted(posting, 1, kind="scrap", age=timedelta(days=2))  # never
    await books.counted(other, 7, kind="scrap")  # nobody posts it
    back = await books.counted(posting, 4, kind="scrap")
    event = await books.told("reversal", 4, reverses={"kind": "wip_to_fg", "payload": {}})
    await books.taken("reversal", event, [back])
    assert await books.ledger() == {ORDER: of(5, 5, reversed_posted=4, scrap_made=6, scrap_unposted=2, scrap_posted=3)}


async def test_order_whose_scrap_nobody_posts_says_nothing_of_scrap(books):
    machine = await books.machine("m")
    await books.counted(machine, 5, event=await books.told("wip_to_fg", 5))
    await books.counted(machine, 3, kind="scrap")
    assert (await books.ledger())[ORDER].scrap_made is None


async def test_what_another_system_was_told_is_not_this_ones(books):
    machine = await books.machine("m")
    await books.counted(machine, 5, event=await books.told("wip_to_fg", 5))
    await books.counted(machine, 7, event=await books.told("wip_to_fg", 7, connector="shop"))
    assert await books.ledger() == {ORDER: of(5, 5)}
    assert await books.ledger("shop") == {ORDER: of(7, 7)}


async def test_pieces_that_stay_unposted_are_a_difference(books):
    machine = await books.machine("m")
    await books.counted(machine, 5, event=await books.told("wip_to_fg", 5))
    await books.counted(machine, 3, age=timedelta(days=2))
    comparison = await compare(books.connection, "erp", object(), SINCE)
    assert comparison.orders == 1
    [difference] = comparison.differences
    assert "3 were made and are in no posting" in difference.proposal


@pytest.mark.parametrize("wrong", ["1e999999", "NaN", "Infinity", "-3", "", "ten", None, [1], {"a": 1}, "9" * 400])
async def test_quantity_that_is_none_spoils_no_other_order(books, wrong):
    await books.told("wip_to_fg", 0, "parked", quantity=wrong)
    await books.told("performance", 0, "parked", order="P", yielded=wrong, scrapped=wrong)
    await books.told("reversal", 1, order="R", reverses=wrong)
    await books.told("wip_to_fg", 5, order=OTHER)
    found = await books.ledger()
    assert found[OTHER].posted == 5
    assert found[ORDER].posted == 0


async def test_comparison_is_kept_as_it_was_seen(books):
    ledger = of(40, 38, waiting=2, parked=1, reversed_posted=3, scrap_made=6, scrap_unposted=1, scrap_posted=4)
    found = [Difference(ledger, Decimal(36), "look", Decimal(7))]
    await reconciliation.keep(books.connection, "erp", SINCE, 1, found, "relay")
    _, [line] = await reconciliation.newest(books.connection, "erp")
    assert line == {
        "order_number": ORDER, "made": 37, "posted": 35, "waiting": 2, "parked": 1, "reversed": 3, "erp": 36, "scrap_made": 6,
        "scrap_posted": 4, "scrap_waiting": 1, "scrap_parked": 0, "scrap_erp": 7, "proposal": "look",
    }  # fmt: skip


async def test_comparison_changes_nothing_but_its_own_record(books):
    machine = await books.machine("m")
    await books.counted(machine, 5, event=await books.told("wip_to_fg", 3))
    rows = "select md5(string_agg(o::text, '' order by id)) as all from outbox as o"
    before = await (await books.connection.execute(rows)).fetchone()
    comparison = await compare(books.connection, "erp", object(), SINCE)
    assert comparison.differences
    assert await (await books.connection.execute(rows)).fetchone() == before


async def test_orders_beyond_those_of_one_question_are_read_by_the_next(books, monkeypatch):
    monkeypatch.setattr(reconciliation, "_AT_ONCE", 2)
    machine = await books.machine("m")
    for number in range(1, 6):
        event = await books.told("wip_to_fg", number, order=f"MES-{number}")
        await books.counted(machine, number, order=f"MES-{number}", event=event)
    wanted = {f"MES-{number}": of(number, number, f"MES-{number}") for number in range(1, 6)}
    assert await books.ledger() == wanted
