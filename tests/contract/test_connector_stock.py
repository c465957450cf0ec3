"""What a connector says of stock (TellsStock), for every connector that has `read_stock`: what may be promised, in our unit.

Levers that a system may have beside those of the suite: `stock_location` is the system's name (as a table `locations` has it) of
the place that finished goods go to, `empty_location` that of one where nothing is.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from bridge.erp.connector import Place, TellsStock
from bridge.erp.connectors import CONNECTORS
from bridge.errors import BusinessError, CredentialsError, TransientError
from bridge.model.production import EventKind
from tests.contract.scenes import Scene, carry, pieces, quirks

ASKS = "read_stock"  # see conftest
ITEM, COMPONENT = "HSG-L1", "BAR-60"
ALL = Place(ITEM, "")


async def level(connector, place=ALL):
    return (await connector.read_stock([place]))[place]


def located(system, system_type, lever="stock_location"):
    """The connector with our location FG for one of the system's; skips where the system has no such lever."""
    if not (theirs := getattr(system, lever, None)):
        pytest.skip(f"{system_type}'s system names no {lever}")
    return CONNECTORS[system_type](system.settings(locations={"FG": theirs}))


async def test_connector_is_one_that_tells_stock(connector):
    assert isinstance(connector, TellsStock)
    assert getattr(connector, "tells_stock", True)


async def test_level_rises_by_the_pieces_that_are_posted(connector, system):
    before = await level(connector)
    cumulative = 0
    for sequence, quantity in enumerate((5, 1, 4), start=1):
        cumulative += quantity
        await carry(connector, pieces(quantity, cumulative, sequence))
        assert await level(connector) == before + cumulative


async def test_level_falls_by_what_is_taken_back(connector, system_type):
    if EventKind.REVERSAL not in connector.kinds:
        return
    before = await level(connector)
    await carry(connector, await Scene(EventKind.REVERSAL, quirks(system_type)).next(connector))
    assert await level(connector) == before + 5 - quirks(system_type).reversed_share


async def test_level_is_an_exact_decimal(connector, system):
    assert isinstance(await level(connector), Decimal)


async def test_items_are_told_apart_in_one_call(connector, system):
    component = Place(COMPONENT, "")
    before = await connector.read_stock([component, ALL])
    await carry(connector, pieces(5, 5))
    after = await connector.read_stock([component, ALL])
    assert set(after) == {component, ALL}
    assert after[ALL] == before[ALL] + 5
    assert after[component] <= before[component]


async def test_place_that_is_asked_for_twice_counts_once(connector, system):
    before = await level(connector)
    await carry(connector, pieces(5, 5))
    assert await connector.read_stock([ALL, ALL]) == {ALL: before + 5}


async def test_level_at_a_location_rises_by_what_goes_there(system, system_type):
    async with located(system, system_type) as connector:
        there = Place(ITEM, "FG")
        before = await connector.read_stock([there, ALL])
        await carry(connector, pieces(5, 5))
        after = await connector.read_stock([there, ALL])
        assert after[there] == before[there] + 5
        assert after[ALL] == before[ALL] + 5


async def test_level_where_nothing_is_is_zero_and_not_left_out(system, system_type):
    async with located(system, system_type, "empty_location") as connector:
        await carry(connector, pieces(5, 5))
        assert await level(connector, Place(ITEM, "FG")) == 0


async def test_item_that_the_system_does_not_know_is_left_out(connector, system):
    before = await level(connector)
    assert await connector.read_stock([Place("no-such-item", ""), ALL]) == {ALL: before}
    assert await connector.read_stock([Place("no-such-item", "")]) == {}


async def test_location_that_the_system_does_not_know_is_left_out(system, system_type):
    async with CONNECTORS[system_type](system.settings(locations={"MOON": "no-such-place"})) as connector:
        before = await level(connector)
        assert await connector.read_stock([Place(ITEM, "MOON"), ALL]) == {ALL: before}


async def test_code_of_an_item_is_no_pattern_and_no_expression(connector, system):
    before = await level(connector)
    for odd in ("HSG-L_", "HSG-%", "HSG-L1' or '1' eq '1", "*", 'x"]', "HSG-L1,BAR-60", "HSG-L1&$top=1", "hsg-l1 "):
        found = await connector.read_stock([Place(odd, ""), ALL])
        assert Place(odd, "") not in found
        assert found[ALL] == before


async def test_hundreds_of_places_are_asked_for_in_one_call(proxy, through):
    """More than one page holds, and more than one address can carry: the two known ones are the first and the last."""
    component = Place(COMPONENT, "")
    wanted = await through.read_stock([ALL, component])
    before = sum(proxy.requests.values())
    unknown = [Place(f"unknown-item-with-a-long-code-{number:06}", "") for number in range(248)]
    assert await through.read_stock([ALL, *unknown, component]) == wanted
    assert 0 < proxy.longest_address <= 8000, "web servers and their proxies take 8 kB"
    assert sum(proxy.requests.values()) - before <= 250, "one question a place at most"


async def test_no_places_are_no_question(connector, system):
    await system.stop()
    assert await connector.read_stock([]) == {}


async def test_level_in_another_unit_there_comes_back_in_ours(system, system_type):
    boxes = {"HOUSING": {"code": ITEM, "numerator": 1, "denominator": 4}}
    async with CONNECTORS[system_type](system.settings(items=boxes)) as connector:
        ours = Place("HOUSING", "")
        before = await level(connector, ours)
        await carry(connector, pieces(8, 8))
        assert await level(connector, ours) == before + 8
    async with CONNECTORS[system_type](system.settings()) as connector:
        assert await level(connector) == (before + 8) / 4


async def test_level_that_has_no_exact_counterpart_in_our_unit_is_refused_with_its_item(connector, system, system_type):
    there = await level(connector)
    quantity = 1 if (there + 1) % 3 else 2
    await carry(connector, pieces(quantity, quantity))
    thirds = {"HOUSING": {"code": ITEM, "numerator": 3}}
    async with CONNECTORS[system_type](system.settings(items=thirds)) as converting:
        with pytest.raises(BusinessError, match="HOUSING"):
            await converting.read_stock([Place("HOUSING", "")])


@pytest.mark.parametrize("mode", ["500", "502", "drop_before_commit", "drop_after_commit", "malformed"])
async def test_question_that_fails_is_transient(connector, through, proxy, mode):
    before = await level(connector)
    proxy.fail(mode)
    with pytest.raises(TransientError):
        await through.read_stock([ALL])
    assert not proxy.pending
    assert await level(through) == before


async def test_question_that_nobody_answers_is_transient(system, system_type, answering):
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    async with (
        answering(endless, drips=True) as url,
        CONNECTORS[system_type](system.settings(url=url, timeout_s=0.2)) as misled,
    ):
        with pytest.raises(TransientError):
            await misled.read_stock([ALL])


@pytest.mark.parametrize(
    "body", [b"null", b"{}", b'{"d": {}}', b'{"data": {}}', b'[{"id": 7}]', b'"none"', b"[7]", b'{"value": [{}]}']
)
async def test_answer_that_is_none_is_never_taken_for_an_empty_shelf(system, system_type, answering, body):
    """A zero that is none would sell the shop out."""
    async with (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)) as url,
        CONNECTORS[system_type](system.settings(url=url)) as misled,
    ):
        with pytest.raises((TransientError, BusinessError)):
            await misled.read_stock([ALL])


async def test_wait_that_the_system_asks_for_is_handed_on(through, proxy):
    proxy.fail("429", seconds=7)
    with pytest.raises(TransientError) as raised:
        await through.read_stock([ALL])
    assert raised.value.retry_after == timedelta(seconds=7)


async def test_system_that_is_away_is_transient(connector, system):
    await system.stop()
    with pytest.raises(TransientError):
        await connector.read_stock([ALL])


async def test_wrong_key_is_a_matter_of_credentials(system, system_type):
    async with CONNECTORS[system_type](system.settings(api_key="wrong-key-7731")) as connector:
        with pytest.raises(CredentialsError) as raised:
            await connector.read_stock([ALL])
    assert "wrong-key-7731" not in f"{raised.value} {raised.value.__cause__}"
