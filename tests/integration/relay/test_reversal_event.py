"""One event is taken back, whole or in part, whatever it said: from the command and the store down to the systems' own totals."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from bridge.erp import event as events
from bridge.erp.connectors import make
from bridge.erp.relay.proposal import propose
from bridge.errors import AmorError
from bridge.model.production import Disposition, MaterialUse, ProductionPerformance, event_id
from bridge.store import ledger, outbox, reconciliation
from bridge.store.database import connected
from bridge.store.reversal import reverse_pieces
from bridge.store.reversal_event import reverse_event
from tests.contract.scenes import actual
from tests.erp_systems.business_central import SimulatedBusinessCentral
from tests.erp_systems.erpnext import SimulatedErpNext
from tests.erp_systems.sap_s4 import SimulatedSap
from tests.relay_process import AT, EQUIPMENT, drained, post, put, relaying, request, until

ORDER = "MES-0001"
SCRAP = actual("3", "3", disposition=Disposition.SCRAP, reason="crack")
CONSUMED = actual("2.5", "2.5", uom="kg", use=MaterialUse.CONSUMED, item="BAR-60")
FACT = event_id("test", "operation", 1)
PERFORMANCE = ProductionPerformance(FACT, ORDER, 1, "0020", AT, AT, Decimal(5), Decimal(1), "1", EQUIPMENT)


async def back(connection, number, quantity=None, *, key="k", reason="wrong terminal"):
    async with connection.transaction():
        return await reverse_event(
            connection, outbox_id=number, quantity=None if quantity is None else Decimal(quantity), reason=reason,
            actor="anna", at=AT, key=key,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("event", "part", "whole"),
    [(SCRAP, "1", "3"), (CONSUMED, "0.5", "2.5"), (PERFORMANCE, "2", "6"), (actual("4", "4"), "1", "4")],
    ids=["scrap", "consumed", "performance", "wip_to_fg"],
)
async def test_any_event_of_an_order_is_taken_back_in_part_and_then_the_rest(connection, event, part, whole):
    number = await put(connection, event, ORDER)
    first = await outbox.read(connection, await back(connection, number, part))
    rest = await outbox.read(connection, await back(connection, number, key="l"))
    taken = [events.read("reversal", row["payload"]) for row in (first, rest)]
    assert [each.reverses for each in taken] == [event, event]
    assert [each.cumulative for each in taken] == [Decimal(part), Decimal(whole)]
    assert (rest["stream"], rest["kind"]) == (ORDER, "reversal")
    with pytest.raises(AmorError, match="nothing is left to take back"):
        await back(connection, number, key="m")


async def test_more_than_is_left_is_refused_with_what_is_left_and_writes_nothing(connection):
    number = await put(connection, SCRAP, ORDER)
    await back(connection, number, 2)
    with pytest.raises(AmorError, match=r"2 of event .* cannot be taken back: 1 are left .posted 3, taken back 2."):
        await back(connection, number, 2, key="l")
    assert sum((await outbox.open_count(connection)).values()) == 2


async def test_what_cannot_be_taken_back_is_refused_in_words(connection):
    ticket = await request(connection, 7)
    number = await put(connection, SCRAP, ORDER)
    reversal = await back(connection, number, 1)
    parked = await put(connection, CONSUMED, ORDER)
    await connection.execute("update outbox set state = 'parked' where id = %s", (parked,))
    for wrong, words in (
        (ticket, "is of kind work_request"),
        (reversal, "takes something back itself"),
        (parked, "is parked and posted nothing yet"),
        (4711, "there is no event 4711"),
    ):
        with pytest.raises(AmorError, match=words):
            await back(connection, wrong, key="l")
    with pytest.raises(AmorError, match="give a reason"):
        await back(connection, number, 1, key="l", reason=" ")


async def test_key_takes_back_once_and_belongs_to_one_event(connection):
    number, other = await put(connection, SCRAP, ORDER), await put(connection, CONSUMED, ORDER)
    written = await back(connection, number, 1)
    assert await back(connection, number, 1) == await back(connection, number) == written
    for event, quantity in ((number, 2), (other, 1)):
        with pytest.raises(AmorError, match="took back 1 of order MES-0001 from erp already"):
            await back(connection, event, quantity)


async def test_callers_at_once_of_the_event_and_of_the_order_never_take_back_more_than_was_posted(
    connection, database_dsn
):
    [number] = await post(connection, ORDER, [5])

    async def take(n):
        async with connected(database_dsn, "test") as mine:
            try:
                if n % 2:
                    return [await back(mine, number, 2, key=str(n))]
                return await reverse_pieces(
                    mine, connector="erp", order_number=ORDER, quantity=Decimal(2), reason="r", actor="a", at=AT, key=str(n)
                )  # fmt: skip
            except AmorError:
                return []

    written = await asyncio.gather(*(take(n) for n in range(6)))
    assert sum(len(rows) for rows in written) == 2
    query = "select max((payload ->> 'cumulative')::numeric) as most from outbox where kind = 'reversal'"
    assert (await (await connection.execute(query)).fetchone())["most"] == 4


# --- in the systems -------------------------------------------------------------------------------------------------------


async def test_scrap_that_was_none_is_taken_back_by_a_command_down_to_the_books_of_the_erp(
    amor, erp, connection, database_dsn
):
    number = await put(connection, SCRAP, ORDER)
    async with relaying(database_dsn, erp.settings()):
        await drained(database_dsn)
        assert await scrapped(erp) == 3
        code, text = await amor("reverse-event", number, "--quantity", "1", answers="y\n", reason="good after all")
        assert code == 0, text
        assert f"takes back 1 of event {number}, 1 of it in all" in text
        await drained(database_dsn)
    assert await scrapped(erp) == 2
    code, text = await amor("show", number + 1)
    assert "good after all" in text


async def scrapped(erp):
    """What the system says it has as scrap of the order."""
    async with make(erp.settings()) as system:
        return (await system.read_totals([ORDER]))[ORDER].scrap


async def test_system_that_cannot_is_asked_before_anything_is_written(amor, erp, connection):
    number = await put(connection, SCRAP, ORDER)  # done by our books, and nobody booked it there
    await connection.execute("update outbox set state = 'done', done_at = now() where id = %s", (number,))
    code, text = await amor("reverse-event", number, "--yes", reason="r")
    assert (code, "cannot take it back, nothing is written" in text) == (1, True)
    assert await outbox.open_count(connection) == {}


async def test_system_that_is_away_keeps_nobody_from_taking_back(amor, erp, connection):
    number = await put(connection, SCRAP, ORDER)
    await connection.execute("update outbox set state = 'done', done_at = now() where id = %s", (number,))
    await erp.stop()
    code, text = await amor("reverse-event", number, "--yes", reason="r")
    assert (code, "cannot be asked now" in text) == (0, True)
    assert await outbox.open_count(connection) == {"pending": 1}


@pytest.mark.parametrize("system_class", [SimulatedSap, SimulatedBusinessCentral], ids=["sap_s4", "business_central"])
async def test_scrap_and_a_confirmation_are_taken_back_in_the_system(system_class, connection, database_dsn):
    confirmed = replace(PERFORMANCE, scrapped=Decimal(0))
    async with system_class() as system, relaying(database_dsn, system.settings()):
        scrap = await put(connection, replace(SCRAP, reason=""), ORDER)
        confirmation = await put(connection, confirmed, ORDER)
        await drained(database_dsn)
        await back(connection, scrap, 1)
        await back(connection, confirmation, key="l")
        rows = await until(database_dsn, lambda rows: all(row["state"] in ("done", "parked") for row in rows))
        assert [row["last_error"] for row in rows] == [""] * 4
        async with make(system.settings()) as connector:
            totals = (await connector.read_totals([ORDER]))[ORDER]
    assert (totals.good, totals.scrap) == (0, 2)


async def test_system_that_takes_an_event_back_as_a_whole_only_parks_a_part_and_takes_the_whole(
    connection, database_dsn
):
    async with SimulatedErpNext() as system, relaying(database_dsn, system.settings()):
        scrap, other = [
            await put(connection, event, event.order_ref)
            for event in (replace(SCRAP, reason=""), replace(SCRAP, reason="", order_ref="MES-0002", event_id=FACT))
        ]
        await drained(database_dsn)
        await back(connection, scrap, 1)
        await back(connection, other, key="l")
        rows = await until(database_dsn, lambda rows: all(row["state"] in ("done", "parked") for row in rows))
    part, whole = rows[2:]
    assert (part["state"], whole["state"]) == ("parked", "done")
    assert "as a whole" in part["last_error"]


# --- the books ------------------------------------------------------------------------------------------------------------


async def test_comparison_and_ledger_are_net_of_scrap_and_material_taken_back(connection):
    scrap, material = await put(connection, SCRAP, ORDER), await put(connection, CONSUMED, ORDER)
    await back(connection, scrap, 1)
    await back(connection, material, "0.5", key="l")
    since = datetime.now(UTC) - timedelta(days=1)
    [waiting] = await reconciliation.read_ledger(connection, "erp", since)
    assert (waiting.scrap_posted_net, waiting.scrap_on_the_way) == (0, 2)
    await connection.execute("update outbox set state = 'done', done_at = now()")
    [books] = await reconciliation.read_ledger(connection, "erp", since)
    assert (books.scrap_posted, books.scrap_posted_net, books.scrap_on_the_way) == (3, 2, 0)
    counted = replace(books, scrap_made=Decimal(3))
    assert counted.scrap_made_net == 2
    assert propose(counted, None) == ""
    totals = await ledger.read_ledger(connection)
    assert (totals.scrap_posted, totals.material_posted) == (2, {"BAR-60": Decimal(2)})


async def test_confirmation_of_another_operation_that_is_taken_back_leaves_the_good_pieces(connection):
    last = replace(PERFORMANCE, scrapped=Decimal(0))
    before = replace(last, segment="0010", event_id=event_id("test", "before", 1))
    numbers = [await put(connection, event, ORDER) for event in (before, last)]
    await connection.execute("update outbox set state = 'done', done_at = now()")
    await back(connection, numbers[0], 2)
    await connection.execute("update outbox set state = 'done', done_at = now()")
    since = datetime.now(UTC) - timedelta(days=1)
    [books] = await reconciliation.read_ledger(connection, "erp", since)
    assert (books.posted, books.reversed) == (5, 0)
    await back(connection, numbers[1], 2, key="l")
    [books] = await reconciliation.read_ledger(connection, "erp", since)
    assert (books.posted_net, books.reversed_waiting) == (5, 2)
