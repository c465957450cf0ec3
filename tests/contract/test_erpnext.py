"""What is ERPNext's own, beyond what every connector promises."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from starlette.responses import JSONResponse

from bridge.erp.connector import OrderTotals, Place, Refusal
from bridge.erp.erpnext import ErpNext
from bridge.erp.http import ClosedPeriod
from bridge.errors import BusinessError, CredentialsError, TransientError
from bridge.model.production import Disposition, MaterialUse, ProductionPerformance, Reversal, event_id
from tests.contract.scenes import AT, EQUIPMENT, ORDER, actual, carry, pieces, request, resume
from tests.erp_systems.erpnext import SimulatedErpNext


async def test_entry_that_the_site_queues_is_waited_for():
    async with SimulatedErpNext(queues=3) as site, ErpNext(site.settings()) as connector:
        found = await carry(connector, pieces(3, 3))
        assert found.is_posted
        assert await site.good_posted(ORDER) == 3
        assert await connector.lookup(pieces(3, 3)) == found


async def test_entry_that_stays_in_the_queue_is_found_again_and_never_entered_twice():
    async with SimulatedErpNext(queues=1000) as site, ErpNext(site.settings(queue_wait_s=0)) as connector:
        (step,) = await connector.plan(pieces(3, 3))
        await connector.execute(step)
        with pytest.raises(TransientError, match="still a draft") as raised:
            await connector.verify(pieces(3, 3))
        assert isinstance(raised.value.__cause__, Refusal)
        assert raised.value.__cause__.is_own_fault, "so that a person is told in the end"
        assert (await connector.lookup(pieces(3, 3))).steps_done == 2
        assert await connector.plan(pieces(3, 3)) == []
        site.system.drafts.waiting = [(1, draft) for _, draft in site.system.drafts.waiting]
        assert (await resume(connector, pieces(3, 3), [step], 1)).is_posted
        assert await site.good_posted(ORDER) == 3


async def test_second_entry_with_the_same_event_is_refused_by_the_site_and_taken_for_what_it_is():
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        for event in (pieces(3, 3), request()):
            (step,) = await connector.plan(event)
            first, second = await connector.execute(step), await connector.execute(step)
            assert (first.status, second.status) == (200, 417)
        assert await site.good_posted(ORDER) == 3
        assert len((await site.truth())["maintenance_requests"]) == 1


def performance(good, loss, sequence=1):
    fact = event_id("t", "p", sequence)
    return ProductionPerformance(fact, ORDER, sequence, "", AT, AT, Decimal(good), Decimal(loss), "1", EQUIPMENT)


def back(original, quantity, sequence=1):
    fact = event_id("t", "back", sequence)
    return Reversal(fact, ORDER, sequence, AT, Decimal(quantity), Decimal(quantity), "late", original)


async def test_yield_and_loss_are_one_entry():
    event = performance(7, 2)
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        (step,) = await connector.plan(event)
        assert (step.body["json"]["fg_completed_qty"], step.body["json"]["process_loss_qty"]) == (9, 2)
        await connector.execute(step)
        truth = await site.truth()
    assert (truth["good_posted_by_origin"][ORDER], truth["scrap_posted_by_origin"][ORDER]) == (7, 2)


async def test_fraction_goes_out_as_the_number_that_it_is_or_not_at_all():
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        await carry(connector, pieces("0.1", "0.1"))
        await carry(connector, pieces("0.2", "0.3", 2))
        assert site.system.business.orders[ORDER].good == Decimal("0.3")
        with pytest.raises(BusinessError):
            await connector.plan(pieces("0.0001", "0.3001", 3))


async def test_messages_of_the_site_are_unwrapped():
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        (step,) = await connector.plan(pieces(3, 3))
        site.system.business.stock["BAR-60"] = Decimal(1)
        with pytest.raises(BusinessError, match="NegativeStockError: 3 of BAR-60 are needed, 1 are there"):
            await connector.execute(step)


async def test_entry_that_a_person_cancelled_is_told_by_the_total_before_the_next_pieces():
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        await carry(connector, pieces(5, 5))
        await site.cancel_by_hand(ORDER)
        with pytest.raises(BusinessError, match="has 0 Nos posted, and 5 Nos came before"):
            await connector.plan(pieces(2, 7, 2))


async def test_order_that_takes_nothing_is_told_with_its_state_before_anything_is_asked_of_it():
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        for state, words in (("done", "Completed"), ("planned", "Draft"), ("cancelled", "Cancelled")):
            site.system.business.orders[ORDER].state = state
            with pytest.raises(BusinessError, match=f"Work Order {ORDER} is {words} in ERPNext: submit or reopen it"):
                await connector.plan(pieces(1, 1))


async def test_closed_period_waits_for_a_person_where_nothing_else_is_configured():
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        site.system.business.closed_before = date(2026, 7, 2)
        with pytest.raises(ClosedPeriod, match="the period is closed"):
            await carry(connector, pieces(3, 3))
        assert await site.good_posted(ORDER) == 0


async def test_closed_period_is_posted_today_where_that_is_configured():
    async with SimulatedErpNext() as site, ErpNext(site.settings(closed_period="today")) as connector:
        site.system.business.closed_before = date(2026, 7, 2)
        assert (await carry(connector, pieces(3, 3))).is_posted
        assert site.system.business.bookings[0].posting_date == datetime.now(UTC).date()


async def test_times_of_the_site_are_those_of_its_zone():
    async with SimulatedErpNext() as site, ErpNext(site.settings(time_zone="Europe/Berlin")) as connector:
        (order, *_) = await connector.read_orders(None)
        wall = site.system.business.orders[order.number].due.replace(tzinfo=None)
    assert abs((order.due.replace(tzinfo=None) - wall).total_seconds()) in (3600, 7200)


async def test_unique_field_that_is_not_ours_is_never_taken_for_the_event():
    """The site's people may have made another field unique: then the event is not there."""
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        (step,) = await connector.plan(pieces(3, 3))
        await connector.execute(step)
        other = type(step)(step.name, step.call, {**step.body, "json": {**step.body["json"]}}, step.is_repeatable)
        other.body["json"]["custom_amor_event_id"] = str(event_id("t", "other", 1))
        site.system.drafts.unique_remarks = True
        with pytest.raises(BusinessError, match="a field that is unique in this site"):
            await connector.execute(other)
        assert await site.good_posted(ORDER) == 3


async def test_number_that_is_taken_already_is_tried_again_and_told_in_the_end():
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        site.system.drafts.collisions = 1
        (step,) = await connector.plan(pieces(3, 3))
        with pytest.raises(TransientError, match="already exists") as raised:
            await connector.execute(step)
        assert raised.value.__cause__.is_own_fault
        assert not (await connector.lookup(pieces(3, 3))).is_posted
        assert (await resume(connector, pieces(3, 3), [step], 0)).is_posted
        assert await site.good_posted(ORDER) == 3


async def test_draft_whose_queue_failed_is_neither_entered_again_nor_taken_for_posted_until_somebody_submits_or_deletes_it():
    event = pieces(3, 3)
    async with SimulatedErpNext(queues=1) as site, ErpNext(site.settings(queue_wait_s=0)) as connector:
        drafts = site.system.drafts
        site.system.business.stock["BAR-60"] = Decimal(1)  # the job is refused, the draft stays
        steps = list(await connector.plan(event))
        await connector.execute(steps[0])
        for _ in range(3):
            with pytest.raises(TransientError, match="still a draft"):
                await resume(connector, event, steps, 1)
        assert len(drafts.rows()) == 1
        assert (await connector.read_totals([ORDER]))[ORDER].good == 0
        drafts.waiting.clear()  # deleted by a person: the next attempt enters it anew
        site.system.business.stock["BAR-60"] = Decimal(50)
        assert not (await connector.lookup(event)).is_posted
        assert (await resume(connector, event, steps, 1)).is_posted
        assert await site.good_posted(ORDER) == 3


async def test_batch_is_entered_once_before_the_first_pieces_of_it():
    first, second = (replace(event, lot="L-1") for event in (pieces(3, 3), pieces(2, 5, 2)))
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        batch, entry = await connector.plan(first)
        assert (batch.call, batch.body["json"]) == ("POST api/resource/Batch", {"batch_id": "L-1", "item": "HSG-L1"})
        with pytest.raises(BusinessError, match="Could not find Row #2: Batch No: L-1"):
            await connector.execute(entry)
        assert (await connector.execute(batch)).status == 200
        assert (await connector.execute(batch)).status == 409  # somebody else was faster: it is there
        await connector.execute(entry)
        assert [step.name for step in await connector.plan(second)] == ["post wip_to_fg"]
        assert (await carry(connector, second)).is_posted
        assert await site.good_posted(ORDER) == 5


async def test_batch_of_another_item_is_for_a_person():
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        site.system.drafts.batches["L-1"] = "BAR-60"
        with pytest.raises(BusinessError, match="Batch L-1 is one of BAR-60"):
            await connector.plan(replace(pieces(3, 3), lot="L-1"))


async def test_scrap_alone_consumes_what_the_pieces_were_made_of_because_a_manufacture_entry_needs_a_finished_good():
    scrap = actual(2, 2, disposition=Disposition.SCRAP, reason="scratch")
    async with SimulatedErpNext() as site, ErpNext(site.settings(reasons={"scratch": "SURFACE"})) as connector:
        for event in (scrap, performance(0, 3)):
            (step,) = await connector.plan(event)
            document = step.body["json"]
            assert document["purpose"] == document["stock_entry_type"] == "Material Consumption for Manufacture"
            assert not any(row.get("is_finished_item") for row in document["items"])
            assert document["process_loss_qty"] == document["fg_completed_qty"] == document["items"][0]["qty"]
            assert (await carry(connector, event)).is_posted
        assert (
            "SURFACE"
            in (await connector.plan(replace(scrap, event_id=event_id("t", "s", 9), cumulative=Decimal(7))))[0].body[
                "json"
            ]["remarks"]
        )
        assert site.system.business.stock["BAR-60"] == 4995
        assert await connector.read_totals([ORDER]) == {ORDER: OrderTotals(Decimal(0), Decimal(5))}


async def test_scrap_that_somebody_entered_is_found_by_the_total():
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        await carry(connector, actual(2, 2, disposition=Disposition.SCRAP))
        with pytest.raises(BusinessError, match="2 Nos posted, and 4 Nos came before"):
            await connector.plan(actual(1, 5, 2, disposition=Disposition.SCRAP))


async def test_yield_of_a_performance_is_taken_back_in_any_part_and_with_loss_only_whole():
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        await carry(connector, performance(7, 0))
        assert (await carry(connector, back(performance(7, 0), 2))).is_posted
        assert await site.good_posted(ORDER) == 5
        await carry(connector, performance(6, 1, 2))
        with pytest.raises(BusinessError, match="as a whole, and 2 of 7"):
            await connector.plan(back(performance(6, 1, 2), 2, 2))
        assert (await carry(connector, back(performance(6, 1, 2), 7, 3))).is_posted
        assert await connector.read_totals([ORDER]) == {ORDER: OrderTotals(Decimal(5), Decimal(0))}


@pytest.mark.parametrize(
    "event",
    [
        actual(2, 2, disposition=Disposition.SCRAP),
        actual(2, 2, use=MaterialUse.CONSUMED, item="BAR-60"),
        performance(6, 1),
    ],
)
async def test_cancellation_that_is_sent_twice_is_done_once(event):
    whole = 7 if isinstance(event, ProductionPerformance) else 2
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        await carry(connector, event)
        stock = dict(site.system.business.stock)
        (step,) = await connector.plan(back(event, whole))
        assert step.is_repeatable
        assert [(await connector.execute(step)).status for _ in range(2)] == [200, 417]
        assert (await connector.verify(back(event, whole))).is_posted
        assert site.system.business.stock["BAR-60"] - stock["BAR-60"] == (6 if whole == 7 else 2)


async def test_pieces_of_an_entry_that_a_person_cancelled_are_not_taken_back_a_second_time():
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        await carry(connector, pieces(5, 5))
        await site.cancel_by_hand(ORDER)
        with pytest.raises(BusinessError, match="was cancelled in ERPNext"):
            await connector.plan(back(pieces(5, 5), 1))
        assert await site.good_posted(ORDER) == 0


async def test_reversal_names_the_entry_that_it_takes_apart():
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        posted = await carry(connector, pieces(5, 5))
        await carry(connector, back(pieces(5, 5), 2))
        assert site.system.drafts.sources == [posted.external_id]


async def test_stock_is_what_sales_orders_have_not_reserved_and_never_below_zero():
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        await carry(connector, pieces(5, 5))
        site.system.reserved["HSG-L1"] = Decimal(2)
        everywhere = Place("HSG-L1", "")
        assert await connector.read_stock([everywhere]) == {everywhere: 3}
        site.system.reserved["HSG-L1"] = Decimal(9)
        assert await connector.read_stock([everywhere]) == {everywhere: 0}


async def test_stock_in_a_unit_that_is_not_the_items_is_refused_with_both_names():
    boxes = {"HSG-L1": {"code": "HSG-L1", "uom": "Box", "denominator": 4}}
    async with SimulatedErpNext() as site, ErpNext(site.settings(items=boxes)) as connector:
        with pytest.raises(BusinessError, match="stock of HSG-L1 in Nos, and the connector's items has Box"):
            await connector.read_stock([Place("HSG-L1", "")])


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (417, "RateLimitExceededError", TransientError), (429, "TooManyRequestsError", TransientError),
        (417, "DocumentLockedError", TransientError), (417, "TimestampMismatchError", TransientError),
        (500, "QueryDeadlockError", TransientError), (503, "InReadOnlyMode", TransientError),
        (401, "AuthenticationError", CredentialsError), (403, "PermissionError", CredentialsError),
        (400, "InvalidAuthorizationToken", CredentialsError), (401, "SessionExpired", CredentialsError),
        (404, "DoesNotExistError", BusinessError), (417, "MandatoryError", BusinessError),
        (417, "FinishedGoodError", BusinessError), (417, "DuplicateEntryForWorkOrderError", BusinessError),
    ],
)  # fmt: skip
async def test_exception_of_the_site_says_who_must_act_with_and_without_words(status, kind, error):
    """frappe/exceptions.py has the status of each class; a site that shows no tracebacks sends no `exception`."""
    words = json.dumps([json.dumps({"message": "<b>Bold</b> words", "title": "Message"})])
    for body in (
        {"exc_type": kind, "_server_messages": words},
        {"exc_type": kind, "exception": f"frappe.{kind}: x"},
        {"exc_type": kind},
    ):
        async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
            (step,) = await connector.plan(pieces(3, 3))
            site.system.answer = lambda *_, body=body: JSONResponse(body, status)
            with pytest.raises(error, match="Bold words" if "_server_messages" in body else kind):
                await connector.execute(step)


async def test_field_of_the_event_that_is_missing_or_not_unique_is_told_before_anything_is_posted():
    async with SimulatedErpNext() as site:
        async with ErpNext(site.settings(event_id_field="custom_typo")) as connector:
            found = await connector.check_master_data([])
        assert [problem.field for problem in found] == ["event_id_field"] * 2
        assert "Stock Entry has no field custom_typo" in found[0].message
        site.system.is_field_unique = False
        async with ErpNext(site.settings()) as connector:
            found = await connector.check_master_data([])
            assert ["is not unique: tick Unique" in problem.message for problem in found] == [True, True]
            site.system.shows_custom_fields = False  # then nobody can say
            assert await connector.check_master_data([]) == []


async def test_site_that_is_busy_while_its_fields_are_checked_is_not_told_to_have_none():
    async with SimulatedErpNext() as site, ErpNext(site.settings()) as connector:
        await site.fail("429", match="Stock Entry")
        with pytest.raises(TransientError, match="429"):
            await connector.check_master_data([])
