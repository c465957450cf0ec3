"""What a connector says of an order's totals (TellsTotals), for every connector that has `read_totals`: net, and in our unit.

Levers that a system may have beside those of the suite: `cancel_by_hand(order)` takes back, as a person does in the system itself,
the newest document of good pieces; `scrap_by_hand(order, quantity)` books scrap there.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest

from bridge.erp.connector import OrderTotals, TellsTotals
from bridge.erp.connectors import CONNECTORS
from bridge.errors import BusinessError, CredentialsError, TransientError
from bridge.model.production import EventKind, MaterialActual, ProductionPerformance
from tests.contract.scenes import AT, EQUIPMENT, ORDER, Scene, carry, pieces, quirks

ASKS = "read_totals"  # see conftest
OTHER, THIRD = "MES-0002", "MES-0003"
NOTHING = OrderTotals(Decimal(0))


async def total(connector, order=ORDER):
    return (await connector.read_totals([order])).get(order, NOTHING)


def carries(connector, kind):
    return kind in connector.kinds


def by_hand(quantity, before, order=ORDER):
    """What somebody else posts, a person or a program that we know nothing of."""
    return MaterialActual(
        uuid.uuid4(), order, 900, AT, Decimal(quantity), Decimal(before + quantity), "1", EQUIPMENT
    )  # fmt: skip


async def test_connector_is_one_that_tells_totals(connector):
    assert isinstance(connector, TellsTotals)
    assert getattr(connector, "tells_totals", True)


async def test_order_that_nothing_was_posted_to_is_absent_or_zero(connector):
    assert (await total(connector)).good == 0
    assert (await total(connector)).scrap in (None, 0)


async def test_parts_of_an_order_are_counted_together(connector, system):
    before = 0
    for sequence, quantity in enumerate((5, 1, 4), start=1):
        before += quantity
        await carry(connector, pieces(quantity, before, sequence))
        assert (await total(connector)).good == before
    assert await system.good_posted(ORDER) == 10


async def test_order_that_is_complete_and_more_is_counted_whole(connector):
    await carry(connector, pieces(38, 38))
    await carry(connector, pieces(5, 43, 2))
    assert (await total(connector)).good == 43


async def test_what_is_posted_twice_counts_once(connector):
    for _ in range(2):
        await carry(connector, pieces(3, 3))
    assert (await total(connector)).good == 3


async def test_scrap_is_told_apart_or_not_at_all_and_leaves_good_pieces_alone(connector, system_type):
    if not carries(connector, EventKind.SCRAP):
        return
    await carry(connector, pieces(5, 5))
    scene = Scene(EventKind.SCRAP, quirks(system_type))
    for _ in range(2):
        await carry(connector, await scene.next(connector))
    found = await total(connector)
    assert found.good == 5
    assert found.scrap in (None, scene.total)


async def test_reversal_is_taken_off(connector, system_type):
    if not carries(connector, EventKind.REVERSAL):
        return
    share = quirks(system_type).reversed_share
    scene = Scene(EventKind.REVERSAL, quirks(system_type))
    for number in (1, 2):  # each after a posting of 5
        await carry(connector, await scene.next(connector))
        found = await total(connector)
        assert found.good == number * (5 - share)
        # What is taken back may be scrap there.
        assert found.scrap in (None, 0, number * share)


async def test_confirmed_yield_of_an_order_without_receipts_is_what_was_made(connector, system_type):
    if not carries(connector, EventKind.PERFORMANCE):
        return
    wanted = quirks(system_type)
    event = ProductionPerformance(
        uuid.uuid4(), ORDER, 1, wanted.segment, AT, AT, Decimal(7), Decimal(0), "1", EQUIPMENT, is_final=wanted.is_final
    )
    await carry(connector, event)
    assert (await total(connector)).good == 7


async def test_document_that_somebody_else_posted_counts(connector):
    await carry(connector, pieces(5, 5))
    await carry(connector, by_hand(2, 5))
    assert (await total(connector)).good == 7


async def test_document_that_was_cancelled_by_hand_does_not_count(connector, system, system_type):
    if not hasattr(system, "cancel_by_hand"):
        pytest.skip(f"{system_type}'s system has no lever to cancel a document by hand")
    await carry(connector, pieces(5, 5))
    await carry(connector, pieces(2, 7, 2))
    await system.cancel_by_hand(ORDER)
    assert (await total(connector)).good == 5


async def test_scrap_that_was_booked_by_hand_counts_where_scrap_is_told(connector, system, system_type):
    if not hasattr(system, "scrap_by_hand"):
        pytest.skip(f"{system_type}'s system has no lever to book scrap by hand")
    await carry(connector, pieces(5, 5))
    await system.scrap_by_hand(ORDER, 2)
    found = await total(connector)
    assert found.good == 5
    assert found.scrap in (None, 2)


async def test_several_orders_are_told_apart_in_one_call(connector):
    await carry(connector, pieces(5, 5))
    await carry(connector, pieces(2, 2, order=OTHER))
    found = await connector.read_totals([ORDER, "NOWHERE", OTHER, THIRD])
    assert found[ORDER].good == 5
    assert found[OTHER].good == 2
    assert found.get("NOWHERE", NOTHING) == NOTHING
    assert found.get(THIRD, NOTHING).good == 0
    assert set(found) <= {ORDER, OTHER, THIRD, "NOWHERE"}


async def test_no_orders_are_no_question(connector, system):
    await system.stop()
    assert await connector.read_totals([]) == {}


async def test_order_that_is_asked_for_twice_is_not_counted_twice(connector):
    await carry(connector, pieces(5, 5))
    assert (await connector.read_totals([ORDER, ORDER]))[ORDER].good == 5


async def test_number_of_an_order_is_no_pattern_and_no_expression(connector):
    await carry(connector, pieces(5, 5))
    for odd in ("MES-000_", "MES-%", "MES-0001' or '1' eq '1", "*", 'x"]', "MES-0001,MES-0002", "MES-0001&$top=1", " "):
        found = await connector.read_totals([odd, ORDER])
        assert found.get(odd, NOTHING).good == 0
        assert found[ORDER].good == 5


async def test_hundreds_of_orders_are_asked_for_in_one_call(connector, proxy, through):
    """More than one page holds, and more than one address can carry: the two known ones are the first and the last."""
    await carry(connector, pieces(5, 5))
    await carry(connector, pieces(2, 2, order=OTHER))
    unknown = [f"UNKNOWN-ORDER-WITH-A-LONG-NUMBER-{number:06}" for number in range(248)]
    found = await through.read_totals([ORDER, *unknown, OTHER])
    assert (found[ORDER].good, found[OTHER].good) == (5, 2)
    assert all(found.get(order, NOTHING).good == 0 for order in unknown)
    assert 0 < proxy.longest_address <= 8000, "web servers and their proxies take 8 kB"
    assert sum(proxy.requests.values()) <= 250, "one question an order at most"


async def test_many_documents_of_one_order_are_all_counted(connector):
    for sequence in range(1, 26):
        await carry(connector, pieces(1, sequence, sequence))
    assert (await total(connector)).good == 25


async def test_order_in_another_unit_there_comes_back_in_ours(system, system_type):
    boxes = {"HOUSING": {"code": "HSG-L1", "numerator": 1, "denominator": 4}}
    async with CONNECTORS[system_type](system.settings(items=boxes)) as connector:
        await carry(connector, pieces(8, 8))
        assert await system.good_posted(ORDER) == 2
        assert (await total(connector)).good == 8


async def test_quantity_that_has_no_exact_counterpart_in_our_unit_is_refused(connector, system, system_type):
    await carry(connector, pieces(4, 4))
    thirds = {"HOUSING": {"code": "HSG-L1", "numerator": 3}}
    async with CONNECTORS[system_type](system.settings(items=thirds)) as converting:
        with pytest.raises(BusinessError, match=ORDER):
            await converting.read_totals([ORDER])


@pytest.mark.parametrize("mode", ["500", "502", "drop_before_commit", "drop_after_commit", "malformed"])
async def test_question_that_fails_is_transient(connector, through, proxy, mode):
    await carry(connector, pieces(5, 5))
    proxy.fail(mode)
    with pytest.raises(TransientError):
        await through.read_totals([ORDER])
    assert not proxy.pending
    assert (await through.read_totals([ORDER]))[ORDER].good == 5


async def test_question_that_nobody_answers_is_transient(system, system_type, answering):
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    async with (
        answering(endless, drips=True) as url,
        CONNECTORS[system_type](system.settings(url=url, timeout_s=0.2)) as misled,
    ):
        with pytest.raises(TransientError):
            await misled.read_totals([ORDER])


@pytest.mark.parametrize("body", [b"null", b"{}", b'{"d": {}}', b'{"data": {}}', b'[{"origin": 7}]', b'"none"'])
async def test_answer_that_is_none_is_never_taken_for_nothing_posted(system, system_type, answering, body):
    """A zero that is none would have a person post everything again."""
    async with (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)) as url,
        CONNECTORS[system_type](system.settings(url=url)) as misled,
    ):
        with pytest.raises((TransientError, BusinessError)):
            await misled.read_totals([ORDER])


async def test_wait_that_the_system_asks_for_is_handed_on(connector, through, proxy):
    proxy.fail("429", seconds=7)
    with pytest.raises(TransientError) as raised:
        await through.read_totals([ORDER])
    assert raised.value.retry_after == timedelta(seconds=7)


async def test_system_that_is_away_is_transient(connector, system):
    await system.stop()
    with pytest.raises(TransientError):
        await connector.read_totals([ORDER])


async def test_wrong_key_is_a_matter_of_credentials(system, system_type):
    async with CONNECTORS[system_type](system.settings(api_key="wrong-key-7731")) as connector:
        with pytest.raises(CredentialsError) as raised:
            await connector.read_totals([ORDER])
    assert "wrong-key-7731" not in f"{raised.value} {raised.value.__cause__}"
