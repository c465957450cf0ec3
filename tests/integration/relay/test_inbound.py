"""What business systems tell of themselves: read again and again, whatever of it fails, by one relay at a time, on from where it was."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from bridge.erp.one_way import OneWay
from bridge.erp.relay.dispatcher import Lane
from bridge.erp.relay.gate import Gate
from bridge.erp.relay.inbound import CHUNK, Spans, follow
from bridge.errors import BusinessError, TransientError
from bridge.model.production import EventKind, ProductionOrder, RequestState, ShipmentStatus, WorkRequestState
from bridge.store.database import connected
from tests.erp_systems.erpnext import SimulatedErpNext
from tests.relay_process import AT, QUICK, relaying, request

QUICKLY = timedelta(milliseconds=20)


def order(number, **changes):
    return replace(ProductionOrder(number, f"id-{number}", "HSG-L1", Decimal(40), None, "released"), **changes)


def shipment(number, **changes):
    return replace(ShipmentStatus(number, "SO-1", "done", AT, AT, AT, AT), **changes)


class Fake(OneWay):
    """A system that tells what a test put into it; an exception in place of records is raised."""

    kinds = frozenset({EventKind.WORK_REQUEST})

    def __init__(self):
        self.orders, self.shipments, self.states = [], [], []
        self.asked = {"orders": [], "shipments": [], "states": []}
        self.reading = self.most_at_once = 0
        self._news = asyncio.Condition()

    async def _told(self, what, since):
        self.reading += 1
        self.most_at_once = max(self.most_at_once, self.reading)
        await asyncio.sleep(0)
        self.reading -= 1
        async with self._news:
            self.asked[what].append(since)
            self._news.notify_all()
        records = getattr(self, what)
        if isinstance(records, Exception):
            raise records
        return list(records)

    async def read_orders(self, since):
        return await self._told("orders", since)

    async def read_shipments(self, since):
        return await self._told("shipments", since)

    async def read_ticket_states(self, since):
        return await self._told("states", since)

    async def more(self, what, count=2):
        """Until it was asked so often again: what was told before is stored then."""
        async with self._news:
            wanted = len(self.asked[what]) + count
            await self._news.wait_for(lambda: len(self.asked[what]) >= wanted)


@asynccontextmanager
async def following(dsn, fake, *, name="erp", system="http://erp", spans=None, every=QUICKLY):
    """A reader of the fake's, with a connection of its own."""
    lane = Lane(name, fake, timedelta(seconds=1), 4, QUICK, asyncio.Event(), Gate(name, QUICK))
    stop = asyncio.Event()
    async with connected(dsn, "test") as own, asyncio.TaskGroup() as group:
        group.create_task(follow(lane, system, every, own, stop, spans or Spans()))
        try:
            yield
        finally:
            stop.set()


@pytest.fixture
def fake():
    return Fake()


async def stored(connection, table="production_order", column="number"):
    rows = await connection.execute(f"select {column} from {table} order by 1".encode())
    return [row[column] async for row in rows]


@pytest.mark.parametrize("failure", [BusinessError("no right to read it"), KeyError("name")])
async def test_kind_that_cannot_be_read_keeps_no_other_from_being_read_and_is_said_once(
    fake, connection, database_dsn, capsys, failure
):
    fake.orders, fake.shipments = failure, [shipment("OUT-1")]
    async with following(database_dsn, fake):
        await fake.more("shipments", 3)
        assert await stored(connection, "shipment") == ["OUT-1"]
        fake.orders = [order("M-1")]
        await fake.more("orders")
        assert await stored(connection) == ["M-1"]
    printed = capsys.readouterr().out
    assert printed.count("cannot be read, trying again") == 1
    assert printed.count("is read again") == 1


async def test_system_that_is_away_is_asked_for_one_kind_a_round(fake, connection, database_dsn):
    fake.orders = fake.shipments = fake.states = TransientError("busy")
    async with following(database_dsn, fake):
        await fake.more("orders", 4)
        counts = [len(asked) for asked in fake.asked.values()]
        assert max(counts) - min(counts) <= 1
        fake.orders = [order("M-1")]
        await fake.more("orders")
    assert await stored(connection) == ["M-1"]


async def test_question_that_always_takes_too_long_keeps_no_other_kind_from_being_read(fake, connection, database_dsn):
    fake.orders, fake.shipments = TransientError("took too long"), [shipment("OUT-1")]
    async with following(database_dsn, fake):
        await fake.more("shipments", 3)
        assert await stored(connection, "shipment") == ["OUT-1"]
    assert await stored(connection) == []


async def test_system_that_cannot_be_read_keeps_no_other_system_from_being_read(fake, connection, database_dsn):
    broken = Fake()
    broken.orders = broken.shipments = broken.states = RuntimeError("a mistake")
    fake.orders = [order("M-1")]
    async with following(database_dsn, broken, name="other"), following(database_dsn, fake):
        await broken.more("orders")
        await fake.more("orders")
    assert await stored(connection) == ["M-1"]


async def test_record_that_the_database_refuses_keeps_no_other_out_and_is_said_once(
    fake, connection, database_dsn, capsys
):
    fake.orders = [order("M-1"), order("M-2", state="no such state"), order("M\0"), order("M-4")]
    async with following(database_dsn, fake):
        await fake.more("orders", 4)
    assert await stored(connection) == ["M-1", "M-4"]
    printed = capsys.readouterr().out
    assert printed.count("the database refuses it") == 2
    assert printed.count("no such state") == 2  # the record and the reason


async def test_state_of_a_request_that_the_database_refuses_keeps_no_other_out(fake, connection, database_dsn):
    await connection.execute(
        "with e as (insert into equipment (level, path, name) values ('enterprise', 'acme', 'acme') returning id) "
        "insert into ticket (equipment_id, failure_mode, priority, title, description, opened_at) "
        "select id, 'VIB', 'low', 't', 'd', now() from e"
    )
    row = await request(connection, 1)
    await connection.execute(
        "update outbox set state = 'done', done_at = now(), external_id = '7' where id = %s", (row,)
    )
    fake.states = [
        WorkRequestState(number, RequestState.IN_PROGRESS, "Repairing", AT) for number in ("\0", "7", "unknown")
    ]
    async with following(database_dsn, fake):
        await fake.more("states")
    assert await stored(connection, "ticket", "external_said") == ["Repairing"]


async def test_relay_that_is_started_anew_reads_on_from_where_the_last_one_was(fake, connection, database_dsn):
    for _ in range(2):
        async with following(database_dsn, fake):
            await fake.more("states")
    for asked in fake.asked.values():
        assert asked[0] is None
        assert None not in asked[1:]
        assert all(since > datetime.now(UTC) - timedelta(minutes=6) for since in asked[1:])


async def test_other_system_of_the_same_name_is_read_whole(fake, connection, database_dsn):
    for system in ("http://erp", "http://new"):
        async with following(database_dsn, fake, system=system):
            await fake.more("states")
    assert fake.asked["orders"].count(None) == 2


async def test_reading_that_was_not_stored_is_read_again(fake, connection, database_dsn):
    """The relay was killed, or lost its database, between the answer and the commit: nothing was noted."""
    fake.orders = [order("M-1")]
    await connection.execute("alter table production_order rename to away")
    with pytest.raises(ExceptionGroup):
        async with following(database_dsn, fake):
            await asyncio.Event().wait()
    await connection.execute("alter table away rename to production_order")
    async with following(database_dsn, fake):
        await fake.more("orders")
    assert fake.asked["orders"][:2] == [None, None]
    assert await stored(connection) == ["M-1"]


async def test_one_relay_at_a_time_reads_a_system_and_another_goes_on_when_it_ends(fake, connection, database_dsn):
    async with following(database_dsn, fake):
        async with following(database_dsn, fake), following(database_dsn, fake):
            await fake.more("states", 6)
        fake.orders = [order("M-1")]
        await fake.more("orders")
    assert fake.most_at_once == 1
    assert await stored(connection) == ["M-1"]


async def test_thousands_of_orders_are_stored_in_parts(fake, connection, database_dsn):
    fake.orders = [order(f"M-{number:06}") for number in range(2 * CHUNK + 500)]
    async with following(database_dsn, fake):
        await fake.more("orders", 1)
        await fake.more("shipments", 1)
    assert len(await stored(connection)) == 2 * CHUNK + 500


async def test_change_of_a_system_whose_clock_is_minutes_behind_arrives(connection, database_dsn, tmp_path):
    async with SimulatedErpNext(tmp_path / "erp") as erp:
        business = erp.system.business
        business.now = lambda: datetime.now(UTC) - timedelta(minutes=20)
        for each in business.orders.values():
            each.changed_at = business.now()
        async with relaying(database_dsn, erp.settings(poll_s=0.02)) as _:
            while not await stored(connection):
                pass
        changed = business.orders["MES-0001"]
        changed.quantity, changed.changed_at = Decimal(55), business.now()
        # The next time that much overlap is read is due.
        await connection.execute("update inbound_mark set wide_at = wide_at - interval '5 minutes'")
        async with relaying(database_dsn, erp.settings(poll_s=0.02)):
            query = "select 1 from production_order where number = 'MES-0001' and quantity = 55"
            while not await (await connection.execute(query)).fetchone():
                pass
