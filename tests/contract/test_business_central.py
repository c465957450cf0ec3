"""What is Business Central's own, beyond what every connector promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from starlette.responses import JSONResponse

from bridge.erp.business_central import BusinessCentral
from bridge.erp.connector import OrderTotals, Place
from bridge.erp.http import Request, to_step
from bridge.errors import BusinessError, TransientError, UnknownOutcome
from bridge.model.production import Disposition, MaterialUse, ProductionPerformance, RequestState, Reversal, event_id
from tests.contract.scenes import AT, EQUIPMENT, ORDER, actual, carry, pieces, request, resume, wire
from tests.erp_systems.business_central import SimulatedBusinessCentral
from tests.faulty_proxy import FaultyProxy


@pytest.fixture
async def bc():
    async with SimulatedBusinessCentral() as running:
        yield running


@pytest.fixture
async def connector(bc):
    async with BusinessCentral(bc.settings()) as connector:
        yield connector


async def test_token_that_expires_between_two_steps_is_renewed(connector, bc):
    enter, post = await connector.plan(pieces(3, 3))
    await connector.execute(enter)
    bc.system.tokens.expire()
    await connector.execute(post)
    assert (await connector.verify(pieces(3, 3))).is_posted


async def test_line_that_is_entered_again_stays_one_line(connector, bc):
    enter, post = await connector.plan(pieces(3, 3))
    for step in (enter, enter, post):
        await connector.execute(step)
    assert await bc.good_posted(ORDER) == 3
    assert (await bc.truth())["journal_lines"] == 0


async def test_line_of_an_event_that_a_person_corrected_is_brought_up_to_date(connector, bc):
    enter, _ = await connector.plan(pieces(3, 3))
    await connector.execute(enter)
    corrected = replace(pieces(3, 3), quantity=Decimal(2), cumulative=Decimal(2))
    assert (await carry(connector, corrected)).is_posted
    assert await bc.good_posted(ORDER) == 2


async def test_posting_a_line_that_is_gone_is_unclear_and_lookup_tells(connector, bc):
    enter, post = await connector.plan(pieces(3, 3))
    await connector.execute(enter)
    await connector.execute(post)
    with pytest.raises(UnknownOutcome):
        await connector.execute(post)
    assert (await connector.lookup(pieces(3, 3))).is_posted
    assert await bc.good_posted(ORDER) == 3


async def test_request_and_performance_that_are_there_already_are_planned_no_second_time(connector):
    for event in (request(), performed(7, 0)):
        assert (await carry(connector, event)).is_posted
        assert list(await connector.plan(event)) == []


async def test_event_of_a_closed_period_is_not_posted_on_an_open_day_unless_that_is_configured(connector, bc):
    bc.system.business.closed_before = date(2026, 7, 2)
    with pytest.raises(BusinessError, match=r"clos|range of allowed"):
        await carry(connector, pieces(3, 3))
    assert await bc.good_posted(ORDER) == 0


async def test_closed_period_is_posted_today_where_that_is_configured(bc):
    bc.system.business.closed_before = date(2026, 7, 2)
    async with BusinessCentral(bc.settings(closed_period="today")) as connector:
        assert (await carry(connector, pieces(3, 3))).is_posted
    assert bc.system.business.bookings[0].posting_date == datetime.now(UTC).date()


async def test_reversal_is_applied_to_the_entry_of_its_event(connector, bc):
    good = pieces(5, 5)
    entry = (await carry(connector, good)).external_id
    back = Reversal(event_id("t", "back", 1), ORDER, 2, AT, Decimal(2), Decimal(2), "late", good)
    enter, _ = await connector.plan(back)
    assert (str(enter.body["json"]["appliesToEntry"]), enter.body["json"]["outputQuantity"]) == (entry, -2)
    assert (await carry(connector, back)).is_posted
    assert await bc.good_posted(ORDER) == 3


def performed(yielded, scrap, **more):
    fact = event_id("t", "p", 1)
    return ProductionPerformance(
        fact, ORDER, 1, "20", AT, AT, Decimal(yielded), Decimal(scrap), "1", EQUIPMENT, **more
    )  # fmt: skip


def taken_back(event, quantity, cumulative=None, sequence=1):
    fact = event_id("t", f"{event.event_id}", sequence)
    total = Decimal(cumulative or quantity)
    return Reversal(fact, ORDER, 10 + sequence, AT, Decimal(quantity), total, "late", event)


async def posted(connector):
    return (await connector.read_totals([ORDER]))[ORDER]


async def test_part_of_yield_and_scrap_together_is_for_a_person(connector):
    both = performed(7, 2, reason="SURFACE")
    await carry(connector, both)
    with pytest.raises(BusinessError, match="7 output, 2 scrap, and which of them"):
        await connector.plan(taken_back(both, 2))


async def test_whole_of_yield_and_scrap_is_taken_back_by_a_line_each(connector, bc):
    both = performed(7, 2, reason="SURFACE")
    entry = (await carry(connector, both)).external_id
    assert await posted(connector) == OrderTotals(Decimal(7), Decimal(2))
    steps = await connector.plan(taken_back(both, 9))
    lines = [step.body["json"] for step in steps if "json" in step.body]
    assert [(line["outputQuantity"], line["scrapQuantity"]) for line in lines] == [(-7, 0), (0, -2)]
    assert {str(line["appliesToEntry"]) for line in lines} == {entry}
    assert (await carry(connector, taken_back(both, 9))).is_posted
    assert await posted(connector) == OrderTotals(Decimal(0), Decimal(0))
    assert await connector.plan(taken_back(both, 9)) == []


async def test_scrap_and_consumption_whose_predecessors_are_missing_are_for_a_person(connector):
    for event in (actual(2, 6, 2, disposition=Disposition.SCRAP), replace(consumed(2), cumulative=Decimal(6))):
        with pytest.raises(BusinessError, match=r"4 (PCS)? came before"):
            await connector.plan(event)


async def test_scrap_is_taken_back_in_parts(connector, bc):
    scrap = actual(4, 4, disposition=Disposition.SCRAP, reason="SURFACE")
    await carry(connector, scrap)
    for sequence, (quantity, left) in enumerate([(1, 3), (3, 0)], start=1):
        assert (await carry(connector, taken_back(scrap, quantity, 4 - left, sequence))).is_posted
        assert await posted(connector) == OrderTotals(Decimal(0), Decimal(left))


async def test_serial_numbers_are_a_line_each_with_the_lot(connector, bc):
    event = replace(pieces(3, 3), lot="L-1", serials=("S1", "S2", "S3"))
    steps = await connector.plan(event)
    assert len(steps) == 6
    assert (await carry(connector, event)).is_posted
    made = bc.system.business.bookings
    assert [(each.quantity, each.lot, each.fields["serialNumber"]) for each in made] == [
        (1, "L-1", "S1"), (1, "L-1", "S2"), (1, "L-1", "S3"),
    ]  # fmt: skip
    assert len({each.reference for each in made}) == 3
    assert (await carry(connector, pieces(2, 5, 2))).is_posted
    with pytest.raises(BusinessError, match="which of them are taken back"):
        await connector.plan(taken_back(event, 1))
    assert (await carry(connector, taken_back(event, 3))).is_posted
    assert await bc.good_posted(ORDER) == 2


async def test_serial_numbers_that_are_not_one_each_are_refused(connector):
    with pytest.raises(BusinessError, match="2 serial numbers for a quantity of 3"):
        await connector.plan(replace(pieces(3, 3), serials=("S1", "S2")))
    with pytest.raises(BusinessError, match="at most 200"):
        await connector.plan(replace(pieces(201, 201), serials=tuple(f"S{number}" for number in range(201))))


SEVERAL = {
    "three serials": (replace(pieces(3, 3), serials=("S1", "S2", "S3")), None, 3),
    "yield and scrap taken back": (performed(7, 2), taken_back(performed(7, 2), 9), 0),
}


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("mode", ["drop_before_commit", "drop_after_commit"])
async def test_event_of_several_lines_that_breaks_at_any_step_is_posted_once(name, mode):
    first, back, left = SEVERAL[name]
    event, steps = back or first, range(4 if back else 6)
    for broken in steps:
        async with (
            SimulatedBusinessCentral() as bc,
            FaultyProxy.before(bc.port) as proxy,
            BusinessCentral(bc.settings(url=proxy.url, timeout_s=30)) as connector,
        ):
            if back is not None:
                await carry(connector, first)
            plan = list(await connector.plan(event))
            assert len(plan) == len(steps)
            for step in plan[:broken]:
                await connector.execute(step)
            proxy.fail(mode, wire(plan[broken].call))
            with pytest.raises((UnknownOutcome, TransientError)):
                await connector.execute(plan[broken])
            assert (await resume(connector, event, plan, broken)).is_posted
            assert await posted(connector) == OrderTotals(Decimal(left), Decimal(0))
            assert (await bc.truth())["journal_lines"] == 0
            assert len({booking.reference for booking in bc.system.business.bookings}) == 3


def consumed(quantity, location=""):
    return actual(quantity, quantity, use=MaterialUse.CONSUMED, item="BAR-60", location=location)


async def test_stock_that_would_silently_go_below_zero_is_asked_for_first(bc):
    bc.system.business.is_negative_stock_allowed = True
    async with BusinessCentral(bc.settings(locations={"YARD": "EMPTY"})) as connector:
        for event in (consumed(5001), consumed(1, "YARD")):
            with pytest.raises(BusinessError, match="are in stock"):
                await connector.plan(event)
        assert (await carry(connector, consumed(5000))).is_posted
    assert bc.system.business.stock["BAR-60"] == 0


async def test_plant_that_lives_with_stock_below_zero_is_left_to_it(bc):
    bc.system.business.is_negative_stock_allowed = True
    async with BusinessCentral(bc.settings(check_stock=False)) as connector:
        assert (await carry(connector, consumed(5001))).is_posted
    assert bc.system.business.stock["BAR-60"] == -1


async def test_what_comes_off_beside_the_product_is_no_output_of_the_order(connector, bc):
    await carry(connector, pieces(3, 3))
    bc.system.business.book(
        ORDER, "good", Decimal(2), item="CHIPS", reference="", unit="PCS", posting_date=date(2026, 7, 1)
    )
    assert (await posted(connector)).good == 3


async def test_last_line_of_a_final_performance_finishes_its_operation(connector, bc):
    await carry(connector, performed(7, 0, is_final=True))
    assert bc.system.business.bookings[0].fields["finished"] is True


async def test_end_of_an_operation_without_a_piece_is_a_line_of_nothing_that_finishes_it(connector, bc):
    assert (await carry(connector, performed(0, 0, is_final=True))).is_posted
    (booking,) = bc.system.business.bookings
    assert (booking.quantity, booking.fields["finished"]) == (0, True)
    assert await posted(connector) == OrderTotals(Decimal(0), Decimal(0))


async def test_what_was_posted_a_moment_ago_is_found_although_a_replica_is_behind(connector, bc):
    bc.system.hold_replica()
    await carry(connector, pieces(3, 3))
    assert (await connector.lookup(pieces(3, 3))).is_posted
    assert await connector.plan(pieces(3, 3)) == []
    assert (await posted(connector)).good == 3


async def test_pages_of_the_servers_are_read_to_the_end():
    """An event that is not found because its page was not read is posted twice."""
    async with SimulatedBusinessCentral(page=2) as bc, BusinessCentral(bc.settings()) as connector:
        for sequence in range(1, 8):
            await carry(connector, pieces(1, sequence, sequence))
        assert await connector.plan(pieces(1, 7, 7)) == []
        assert (await posted(connector)).good == 7
        assert len(await connector.read_orders(None)) == len(bc.system.business.orders)
        assert len(await connector.read_shipments(None)) == len(bc.system.business.shipments)


@pytest.mark.parametrize("link", ["https://elsewhere.example.com/x", "https://elsewhere.example.com/x?", "same"])
async def test_link_that_leads_nowhere_is_no_end_of_a_list(connector, bc, monkeypatch, link):
    def endless(rows, request, most):
        return JSONResponse(
            {"value": [{"number": "MES-0001"}], "@odata.nextLink": str(request.url) if link == "same" else link}
        )

    monkeypatch.setattr("simulators.systems.business_central.system.listing", endless)
    with pytest.raises(TransientError):
        await connector.read_totals([ORDER])


async def test_line_that_somebody_changed_meanwhile_is_tried_again(connector, bc):
    """`If-Match: *` goes with every change; without it Business Central refuses, with another one it says that it changed."""
    enter, _ = await connector.plan(pieces(3, 3))
    await connector.execute(enter)
    await connector.execute(enter)  # brings it up to date
    (line,) = bc.system.journal.lines.values()
    page = f"{enter.body['path']}({line['id']})"
    for headers, error in (({}, BusinessError), ({"If-Match": 'W/"old"'}, TransientError)):
        change = Request("PATCH", page, is_repeatable=True, headers=headers, json={"outputQuantity": 4})
        with pytest.raises(error):
            await connector.execute(to_step("change", change))
    assert line["outputQuantity"] == 3


async def test_or_goes_between_values_of_one_field_only(connector, bc):
    """The other side of these tests is no pushover."""
    company = connector._company
    page = company.own("productionOrders")
    assert len(await company.rows(page, "number eq 'MES-0001' or number eq 'MES-0002'", order="number")) == 2
    with pytest.raises((BusinessError, TransientError), match="distinct fields"):
        await company.rows(page, "number eq 'MES-0001' or status eq 'Released'", order="number")
    with pytest.raises(BusinessError, match="less than or equal to 20"):
        await company.rows(page, f"number eq '{'X' * 21}'", order="number")


async def test_names_that_are_longer_than_their_fields_are_told_as_unknown(bc):
    settings = bc.settings(locations={"FG": "FINISHED-GOODS"}, items={"X": {"code": "X" * 21}})
    async with BusinessCentral(settings) as connector:
        problems = await connector.check_master_data(["acme/dortmund/machining/line1/cnc1", "acme/" + "x" * 40])
    assert {problem.field for problem in problems} == {"locations.FG", "items.X.code", f"equipment_ids.acme/{'x' * 40}"}


async def test_stock_is_that_of_the_company_or_of_a_location(bc):
    async with BusinessCentral(bc.settings(locations={"FG": "MAIN", "YARD": "EMPTY"})) as connector:
        await carry(connector, replace(pieces(5, 5), location="FG"))
        await carry(connector, replace(pieces(2, 7, 2), location="YARD"))
        places = [Place("HSG-L1", location) for location in ("", "FG", "YARD")]
        assert await connector.read_stock(places) == dict(zip(places, (7, 5, 2), strict=True))


async def test_stock_in_a_unit_of_its_own_is_refused(bc):
    async with BusinessCentral(bc.settings(items={"HSG-L1": {"code": "HSG-L1", "uom": "KG"}})) as connector:
        with pytest.raises(BusinessError, match="PCS, not KG"):
            await connector.read_stock([Place("HSG-L1", "")])


async def test_states_whose_names_have_blanks_are_read_as_people_write_them(connector, bc):
    bc.system.business.orders[ORDER].state = "planned"
    order = {order.number: order for order in await connector.read_orders(None)}[ORDER]
    assert order.state == "planned"
    with pytest.raises(BusinessError, match="is Firm Planned in Business Central"):
        await connector.plan(pieces(3, 3))
    await carry(connector, request())
    bc.system.business.requests[0].state = "in_progress"
    (state,) = await connector.read_ticket_states(None)
    assert (state.state, state.said) == (RequestState.IN_PROGRESS, "In Progress")


async def test_order_that_was_shipped_keeps_its_number_when_it_is_invoiced_and_gone(connector, bc):
    before = {one.number: one for one in await connector.read_shipments(None)}
    waiting = next(one for one in bc.system.business.shipments if one.shipped_at is None)
    assert before[waiting.order_ref].shipped_at is None
    waiting.shipped_at = waiting.changed_at = datetime.now(UTC)
    after = {one.number: one for one in await connector.read_shipments(None)}
    assert after.keys() == before.keys()
    assert after[waiting.order_ref].shipped_at is not None
