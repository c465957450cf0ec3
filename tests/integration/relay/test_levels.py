"""Levels of stock on their way from the system that knows them to a shop: soon, each once, the newest after an outage."""

from __future__ import annotations

import asyncio
import signal
from decimal import Decimal

import pytest

from bridge.erp.connectors import CONNECTORS
from bridge.errors import ConfigError, TransientError
from bridge.store import availability
from bridge.store.availability import Stream
from bridge.store.reversal import reverse_pieces
from tests.erp_systems.business_central import SimulatedBusinessCentral
from tests.erp_systems.declarative import Described
from tests.erp_systems.erpnext import SimulatedErpNext
from tests.erp_systems.odoo19 import SimulatedOdoo
from tests.erp_systems.sap_s4 import SimulatedSap
from tests.erp_systems.tryton82 import RealTryton
from tests.erp_systems.webhook import SimulatedReceiver
from tests.relay_process import AT, drained, post, relaying, start, until

ORDER, ITEM = "MES-0001", "HSG-L1"


@pytest.fixture
async def erp(tmp_path):
    async with SimulatedErpNext(tmp_path / "erp") as running:
        yield running


@pytest.fixture
async def shop(tmp_path):
    async with SimulatedReceiver(tmp_path / "shop") as running:
        yield running


def tables(erp, shop, *levels, poll_s=3600, **changes):
    """The ERP tells, the shop is told; without polls, but for the first, unless a test says how often."""
    told = levels or ({"item": ITEM},)
    availability = [{"to": ["shop"], **level} for level in told]
    return erp.settings(poll_s=poll_s, availability=availability, **changes), shop.settings(name="shop", poll_s=3600)


def heard(shop, item=ITEM):
    """Sequence and level of each message that the shop took, in the order in which they came."""
    events = [event["data"] for event in shop.system.received.values()]
    return [(data["sequence"], data["available"]) for data in events if data["item"] == item]


def told(rows):
    return [row for row in rows if row["kind"] == "availability"]


def reached(level, count=1):
    """Whether everything is done, so many levels among it and this one the last."""

    def is_so(rows):
        levels = told(rows)
        return (
            len(levels) >= count
            and all(row["state"] == "done" for row in rows)
            and Decimal(levels[-1]["payload"]["available"]) == level
        )

    return is_so


async def test_shop_hears_the_new_level_of_pieces_that_were_posted_without_waiting_for_a_poll(
    erp, shop, connection, database_dsn
):
    async with relaying(database_dsn, *tables(erp, shop)):
        await until(database_dsn, reached(0))
        await post(connection, ORDER, [5])
        await until(database_dsn, reached(5))
        await post(connection, ORDER, [3], first=2, before=5)
        rows = await until(database_dsn, reached(8))
    assert heard(shop) == [(1, "0"), (2, "5"), (3, "8")]
    assert shop.system.business.stock[ITEM] == 8
    event = told(rows)[-1]
    assert (event["connector"], event["payload"]["uom"], event["payload"]["location"]) == ("shop", "1", "")


@pytest.mark.parametrize("system_type", ["business_central", "declarative", "odoo19", "sap_s4", "tryton82"])
async def test_level_of_every_system_reaches_the_shop_after_a_posting_and_after_what_is_taken_back(
    shop, connection, database_dsn, tmp_path, system_type, request
):
    system = {
        "business_central": SimulatedBusinessCentral, "declarative": Described, "odoo19": SimulatedOdoo,
        "sap_s4": SimulatedSap,
    }  # fmt: skip
    source = request.getfixturevalue("tryton") if system_type == "tryton82" else tmp_path / "erp"
    async with system.get(system_type, RealTryton)(source) as erp, relaying(database_dsn, *tables(erp, shop)):
        rows = await until(database_dsn, lambda rows: [row["state"] for row in told(rows)] == ["done"])
        before = Decimal(told(rows)[0]["payload"]["available"])
        await post(connection, ORDER, [5])
        await until(database_dsn, reached(before + 5, 2))
        async with connection.transaction():
            await reverse_pieces(
                connection, connector="erp", order_number=ORDER, quantity=Decimal(5), reason="crack", actor="anna",
                at=AT, key="k",
            )  # fmt: skip
        await until(database_dsn, reached(before, 3))
    assert [Decimal(level) for _, level in heard(shop)] == [before, before + 5, before]


async def test_level_that_changed_by_hand_is_heard_with_the_next_poll(erp, shop, database_dsn):
    async with relaying(database_dsn, *tables(erp, shop, poll_s=0.1)):
        await until(database_dsn, reached(0))
        erp.system.business.stock[ITEM] = Decimal(12)
        await until(database_dsn, reached(12))
        erp.system.business.stock[ITEM] = Decimal(7)
        await until(database_dsn, reached(7))
    assert heard(shop) == [(1, "0"), (2, "12"), (3, "7")]


@pytest.fixture
def asked(monkeypatch):
    """Waits until the ERP was asked for its stock so often again."""
    times, news = [], asyncio.Condition()
    read = CONNECTORS["erpnext"].read_stock

    async def counted(self, places):
        found = await read(self, places)
        async with news:
            times.append(list(places))
            news.notify_all()
        return found

    async def more(count):
        async with news:
            wanted = len(times) + count
            await news.wait_for(lambda: len(times) >= wanted)
        return times

    monkeypatch.setattr(CONNECTORS["erpnext"], "read_stock", counted)
    return more


async def test_level_that_is_as_before_is_not_told_again_not_even_by_the_next_relay(
    erp, shop, connection, database_dsn, asked
):
    for _ in range(2):
        async with relaying(database_dsn, *tables(erp, shop, poll_s=0.05)):
            await asked(3)
            rows = await drained(database_dsn)
    assert len(told(rows)) == 1


async def test_shop_that_was_away_hears_the_newest_level_and_none_of_those_between(
    erp, shop, connection, database_dsn, asked
):
    async with relaying(database_dsn, *tables(erp, shop, poll_s=0.05)):
        await until(database_dsn, reached(0))
        await shop.stop()
        for sequence in range(1, 6):
            await post(connection, ORDER, [2], first=sequence, before=2 * (sequence - 1))
            rows = await until(
                database_dsn,
                lambda rows, n=sequence: sum(r["kind"] == "wip_to_fg" and r["state"] == "done" for r in rows) == n,
            )
            await asked(2)
        assert [row["state"] != "done" for row in told(rows)] == [False, True]
        await shop.start()
        rows = await until(database_dsn, reached(10, 3))
    assert len(told(rows)) == 3
    assert [sequence for sequence, _ in heard(shop)] == [1, 2, 3]
    assert heard(shop)[-1] == (3, "10")


async def test_shop_that_refuses_a_level_gets_no_heap_of_them(erp, shop, connection, database_dsn, asked):
    async with relaying(database_dsn, *tables(erp, shop, poll_s=0.05)):
        await until(database_dsn, reached(0))
        await connection.execute("update outbox set state = 'parked', done_at = null where kind = 'availability'")
        await post(connection, ORDER, [2])
        await until(
            database_dsn, lambda rows: any(row["kind"] == "wip_to_fg" and row["state"] == "done" for row in rows)
        )
        await asked(3)
        await connection.execute("update outbox set state = 'pending' where kind = 'availability'")
        rows = await until(database_dsn, reached(2, 2))
    assert len(told(rows)) == 2


async def test_two_relays_at_once_write_each_level_once_and_in_order(erp, shop, connection, database_dsn):
    both = tables(erp, shop, poll_s=0.05)
    async with relaying(database_dsn, *both), relaying(database_dsn, *both):
        for sequence in range(1, 9):
            await post(connection, ORDER, [1], first=sequence, before=sequence - 1)
            await until(database_dsn, reached(sequence))
    assert [sequence for sequence, _ in heard(shop)] == list(range(1, len(heard(shop)) + 1))
    levels = [Decimal(level) for _, level in heard(shop)]
    assert levels == sorted(set(levels))
    assert shop.system.duplicates == 0


async def test_locations_and_items_are_told_apart(erp, shop, connection, database_dsn):
    levels = ({"item": ITEM}, {"item": ITEM, "location": "FG"}, {"item": "BAR-60", "uom": "m"})
    names = {"FG": erp.stock_location}
    async with relaying(database_dsn, *tables(erp, shop, *levels, locations=names)):
        await until(database_dsn, lambda rows: len(told(rows)) == 3)
        await drained(database_dsn)
        await post(connection, ORDER, [4])
        rows = await until(
            database_dsn, lambda rows: len(told(rows)) == 6 and all(row["state"] == "done" for row in rows)
        )
    newest = {(row["payload"]["item"], row["payload"]["location"]): row["payload"] for row in told(rows)}
    assert {place: (level["sequence"], level["uom"]) for place, level in newest.items()} == {
        (ITEM, ""): (2, "1"),
        (ITEM, "FG"): (2, "1"),
        ("BAR-60", ""): (2, "m"),
    }
    assert newest[ITEM, ""]["available"] == newest[ITEM, "FG"]["available"] == "4"
    assert len({row["stream"] for row in told(rows)}) == 3


async def test_names_with_any_characters_have_levels_of_their_own(connection):
    for item, location in (("A", "B|C"), ("A|B", "C"), ("A|B|C", ""), ("A%7CB", "C")):
        stream = Stream("erp", "shop", item, location)
        assert await availability.write(connection, stream, 1, Decimal(4), "1", AT) is not None
    assert len(await availability.last_levels(connection, "erp")) == 4


async def test_item_that_cannot_be_told_keeps_no_other_from_being_told(erp, shop, connection, database_dsn, capsys):
    levels = ({"item": "no-such-item"}, {"item": "THIRDS"}, {"item": ITEM}, {"item": "no-other"})
    items = {"THIRDS": {"code": ITEM, "numerator": 3}}
    async with relaying(database_dsn, *tables(erp, shop, *levels, items=items, poll_s=0.05)):
        await until(database_dsn, lambda rows: len(told(rows)) == 2)  # of nothing a third is nothing
        erp.system.business.stock[ITEM] = Decimal(4)
        await until(database_dsn, reached(4, 3))
        erp.system.business.stock[ITEM] = Decimal(6)
        await until(database_dsn, lambda rows: len(told(rows)) == 5)
        await drained(database_dsn)
    assert heard(shop, "THIRDS") == [(1, "0"), (2, "2")]
    assert heard(shop) == [(1, "0"), (2, "4"), (3, "6")]
    said = [line for line in capsys.readouterr().out.splitlines() if "level cannot be told" in line]
    names = [name for line in said for name in ("no-such-item", "THIRDS", "no-other") if f"item={name}" in line]
    assert names == ["no-such-item", "no-other", "THIRDS"]


async def test_of_what_is_oversold_nothing_is_promised(erp, shop, database_dsn):
    erp.system.business.stock[ITEM] = Decimal(3)
    async with relaying(database_dsn, *tables(erp, shop, poll_s=0.1)):
        await until(database_dsn, reached(3))
        erp.system.business.stock[ITEM] = Decimal(-2)
        await until(database_dsn, reached(0, 2))
    assert heard(shop)[-1] == (2, "0")


async def test_erp_that_is_away_is_asked_again_until_it_tells(erp, shop, database_dsn, monkeypatch):
    failures = iter([TransientError("busy")] * 3)
    read = CONNECTORS["erpnext"].read_stock

    async def failing(self, places):
        for error in failures:
            raise error
        return await read(self, places)

    monkeypatch.setattr(CONNECTORS["erpnext"], "read_stock", failing)
    async with relaying(database_dsn, *tables(erp, shop)):
        await until(database_dsn, reached(0))
    assert next(failures, None) is None


@pytest.mark.parametrize(
    "life",
    ["before write_level 2", "after insert 2", "after write_level 2", "before write_level 1", "after write_level 1"],
)
async def test_relay_that_is_killed_while_it_writes_a_level_loses_none_and_tells_none_twice(
    erp, shop, connection, database_dsn, life
):
    source, target = tables(erp, shop)
    process = start(database_dsn, source, life, "", others=[target])
    try:
        await until(database_dsn, lambda rows: bool(told(rows)))
        await post(connection, ORDER, [5])
        rows = await until(database_dsn, reached(5))
    finally:
        process.send_signal(signal.SIGTERM)
        await process.ended()
    # Killed before its first level was written, it may have found the pieces posted afterwards.
    assert [row["payload"]["sequence"] for row in told(rows)] == list(range(1, len(told(rows)) + 1))
    assert heard(shop)[-1] == (len(told(rows)), "5")
    assert shop.system.business.stock[ITEM] == 5


async def test_relay_does_not_start_with_levels_that_nobody_tells_or_takes(erp, shop, database_dsn):
    source, target = tables(erp, shop, {"item": ITEM, "to": ["erp", "shop", "nobody"]})
    with pytest.raises(ExceptionGroup) as raised:
        async with relaying(database_dsn, source, target):
            await asyncio.Event().wait()
    [error] = raised.value.exceptions
    assert isinstance(error, ConfigError)
