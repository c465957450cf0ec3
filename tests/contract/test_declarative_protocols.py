"""The same promises over each of the five protocols: one event after the other, failures, escaping, refusals."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from bridge.erp.connector import OrderTotals, Place
from bridge.erp.declarative import Declarative
from bridge.erp.http import ClosedPeriod
from bridge.errors import BusinessError, CredentialsError, TransientError, UnknownOutcome
from bridge.model.production import Disposition, Reversal, event_id
from tests.contract.scenes import AT, ORDER, actual, carry, pieces
from tests.erp_systems.declarative import DESCRIPTIONS, Described

PROTOCOLS = ["rest", "json_rpc", "xml_rpc", "soap", "graphql"]
NASTY = "L-1 <b>&\"']]>{order_ref}\\{{ é漢 %2e%2e/"


@pytest.fixture(params=PROTOCOLS)
async def described(request):
    async with Described(protocol=request.param) as running:
        yield running


@pytest.fixture
async def connector(described):
    async with Declarative(described.settings()) as connector:
        yield connector


async def test_pieces_scrap_and_reversal_are_posted_once_each(connector, described):
    good, scrap = pieces(5, 5), actual(2, 2, disposition=Disposition.SCRAP, reason="SURFACE")
    back = Reversal(event_id("test", "back", 1), ORDER, 3, AT, Decimal(1), Decimal(1), "late", good)
    for event in (good, scrap, back):
        assert not (await connector.lookup(event)).is_posted
        found = await carry(connector, event)
        assert found.external_id
        assert await connector.plan(event) == []
    truth = await described.truth()
    assert truth["good_posted_by_origin"][ORDER] == 4
    assert truth["scrap_posted_by_origin"][ORDER] == 2


async def test_fractions_arrive_exactly(connector, described):
    await carry(connector, pieces("0.1", "0.1"))
    await carry(connector, pieces("0.2", "0.3", 2))
    assert described.system.business.orders[ORDER].good == Decimal("0.3")


async def test_text_of_an_event_arrives_as_it_is_and_is_never_read_as_anything_else(connector, described):
    await carry(connector, replace(pieces(1, 1), lot=NASTY))
    assert described.system.business.bookings[-1].lot == NASTY


async def test_order_that_is_named_like_a_path_is_looked_for_under_its_name(connector):
    with pytest.raises(BusinessError):
        await connector.plan(pieces(1, 1, order="../../postings?x=1#"))


async def test_lost_answer_is_unknown_and_lookup_finds_the_posting(connector, described):
    (step,) = await connector.plan(pieces(3, 3))
    await described.fail("drop_after_commit", match=step.call)
    with pytest.raises(UnknownOutcome):
        await connector.execute(step)
    assert (await connector.lookup(pieces(3, 3))).is_posted


async def test_total_that_differs_is_for_a_person(connector):
    with pytest.raises(BusinessError, match="came before"):
        await connector.plan(pieces(5, 10, 2))


async def test_refusal_is_for_a_person_in_the_systems_own_words(connector, described):
    (step,) = await connector.plan(pieces(3, 3))
    described.system.business.stock["BAR-60"] = Decimal(1)
    with pytest.raises(BusinessError, match="BAR-60"):
        await connector.execute(step)
    assert not (await connector.lookup(pieces(3, 3))).is_posted


async def test_failure_of_the_system_is_transient_or_unclear_and_its_wait_is_handed_on(connector, described):
    (step,) = await connector.plan(pieces(3, 3))
    await described.fail("429", match=step.call, seconds=3)
    with pytest.raises(TransientError) as raised:
        await connector.execute(step)
    assert raised.value.retry_after.total_seconds() == 3
    await described.fail("500", match=step.call)
    with pytest.raises((TransientError, UnknownOutcome)):
        await connector.execute(step)


async def test_wrong_key_is_a_matter_of_credentials(described):
    async with Declarative(described.settings(api_key="wrong-key-7731")) as connector:
        with pytest.raises(CredentialsError) as raised:
            await connector.lookup(pieces(1, 1))
    assert "7731" not in f"{raised.value} {raised.value.__cause__}"


async def test_totals_of_many_orders_are_net_and_those_that_are_not_known_are_left_out(connector, described):
    """More orders than one answer has, in every protocol: lists go out and pages come back."""
    numbers = [f"MES-{number:04}" for number in range(1, 7)]
    for quantity, number in enumerate(numbers, 1):
        await carry(connector, pieces(quantity, quantity, order=number))
    await described.cancel_by_hand(numbers[5])
    await described.scrap_by_hand(numbers[0], 3)
    found = await connector.read_totals([*numbers, "NOWHERE", NASTY, numbers[1]])
    assert found == {
        **{number: OrderTotals(Decimal(quantity), Decimal(0)) for quantity, number in enumerate(numbers, 1)},
        numbers[0]: OrderTotals(Decimal(1), Decimal(3)),
        numbers[5]: OrderTotals(Decimal(0), Decimal(0)),
    }


async def test_stock_is_told_and_what_is_not_known_is_left_out(connector, described):
    described.system.business.stock["HSG-L1"] = Decimal("2.50")
    here, yard, moon = Place("HSG-L1", "FINISHED"), Place("HSG-L1", "YARD"), Place("HSG-L1", "MOON")
    places = [here, Place("HSG-L1", ""), yard, moon, Place(NASTY, "")]
    assert await connector.read_stock(places) == {here: Decimal("2.5"), Place("HSG-L1", ""): Decimal("2.5"), yard: 0}


async def test_answer_without_what_is_taken_from_it_is_for_a_person_and_never_an_empty_value(tmp_path):
    text = (DESCRIPTIONS / "rest.toml").read_text().replace('item_code = "product"', 'article = "sku"')
    (tmp_path / "d.toml").write_text(text)
    async with Described() as described, Declarative(described.settings(file=tmp_path / "d.toml")) as connector:
        with pytest.raises(
            BusinessError, match="the answer to GET rest/orders/ has nothing at sku, where article is taken from"
        ):
            await connector.plan(pieces(1, 1))


async def test_path_into_an_answer_that_leads_nowhere_is_told_beside_what_the_answer_has(tmp_path):
    text = (DESCRIPTIONS / "rest.toml").read_text()
    (tmp_path / "d.toml").write_text(text.replace('id = "code"', 'id = "sku"'))
    items = {"HSG-L1": {"code": "HSG-L1"}}
    async with (
        Described() as described,
        Declarative(described.settings(file=tmp_path / "d.toml", items=items)) as connector,
    ):
        (problem,) = await connector.check_master_data([])
    assert problem.field == "items.HSG-L1.code"
    assert "nothing at sku" in problem.message
    assert "check_item.id in d.toml is another path (the answer has code)" in problem.message


async def test_success_that_does_not_say_what_is_expected_is_none(connector, described):
    """A warehouse that answers 200 and holds the posting back."""
    (step,) = await connector.plan(pieces(3, 3))
    described.system.operations.post_status = "held"
    with pytest.raises(UnknownOutcome, match=r"'held' at .*status, which is no success"):
        await connector.execute(step)


async def test_factor_is_not_left_out_where_nobody_says_which_item_the_order_makes(described):
    boxes = {"HOUSING": {"code": "HSG-L1", "denominator": 4}}
    async with Declarative(described.settings(items=boxes)) as connector:
        if described.file.stem == "rest":  # its questions take item_code
            assert (await carry(connector, pieces(8, 8))).is_posted
            assert await described.good_posted(ORDER) == 2
            assert (await connector.read_totals([ORDER]))[ORDER].good == 8
        else:
            with pytest.raises(BusinessError, match=f"take item_code|{described.file.name}"):
                await connector.plan(pieces(8, 8))


@pytest.mark.parametrize("protocol", ["rest", "json_rpc", "graphql"])
async def test_closed_period_is_posted_today_only_where_that_is_configured(protocol):
    async with Described(protocol=protocol) as described:
        described.system.business.closed_before = date(2026, 7, 2)
        async with Declarative(described.settings()) as parking:
            (step,) = await parking.plan(pieces(3, 3))
            with pytest.raises(ClosedPeriod):
                await parking.execute(step)
        async with Declarative(described.settings(closed_period="today")) as posting:
            assert (await carry(posting, pieces(3, 3))).is_posted
        assert described.system.business.bookings[-1].posting_date > date(2026, 7, 2)


async def test_plan_that_was_made_for_today_waits_once_that_is_no_longer_configured():
    async with Described() as described:
        described.system.business.closed_before = date(2026, 7, 2)
        async with Declarative(described.settings(closed_period="today")) as planning:
            (step,) = await planning.plan(pieces(3, 3))
        async with Declarative(described.settings()) as parking:
            with pytest.raises(ClosedPeriod):
                await parking.execute(step)
        assert await described.good_posted(ORDER) == 0


async def test_csrf_token_is_fetched_where_the_description_says_and_again_when_its_session_is_over(tmp_path):
    text = (
        (DESCRIPTIONS / "rest.toml")
        .read_text()
        .replace('protocol = "rest"', 'protocol = "rest"\ncsrf_path = "rest/orders"')
    )
    (tmp_path / "d.toml").write_text(text)
    async with Described() as described:
        described.system.csrf = 1
        async with Declarative(described.settings()) as without:
            with pytest.raises(CredentialsError, match="CSRF token validation failed"):
                await carry(without, pieces(3, 3))
        async with Declarative(described.settings(file=tmp_path / "d.toml")) as connector:
            assert (await carry(connector, pieces(3, 3))).is_posted
            described.system.csrf = 2
            assert (await carry(connector, pieces(2, 5, 2))).is_posted
        assert await described.good_posted(ORDER) == 5
