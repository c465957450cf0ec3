"""What is SAP's own, beyond what every connector promises."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from bridge.config.settings.sap_s4 import SapS4Settings
from bridge.erp.http import from_step
from bridge.erp.posting import key16
from bridge.erp.sap_s4 import SapS4
from bridge.errors import BusinessError, TransientError, UnknownOutcome
from bridge.model.production import Disposition, ProductionPerformance, event_id
from simulators.systems.oauth import CLIENT, SECRET
from simulators.systems.sap_s4.system import PASSWORD, USER
from tests.contract.sap_s4.sap_scenes import performed, performed_for, scrap_in, scrapped, taken_back
from tests.contract.scenes import AT, EQUIPMENT, ORDER, carry, pieces, request
from tests.erp_systems.sap_s4 import SimulatedSap


async def test_session_that_ends_between_two_postings_costs_a_token_and_nothing_else(connector, sap):
    await carry(connector, pieces(3, 3))
    sap.system.expire_sessions()
    await carry(connector, pieces(2, 5, 2))
    assert await sap.good_posted(ORDER) == 5


async def test_request_that_is_repeated_under_its_request_id_is_carried_out_once():
    async with SimulatedSap(is_repeatable=True) as sap, SapS4(sap.settings(is_repeatable=True)) as connector:
        (step,) = await connector.plan(pieces(3, 3))
        assert step.body["headers"]["RequestID"] == pieces(3, 3).event_id.hex.upper()
        for _ in range(2):
            await connector.execute(step)
        assert await sap.good_posted(ORDER) == 3


async def test_request_that_was_carried_out_so_long_ago_that_its_answer_is_gone_is_looked_up():
    async with SimulatedSap(is_repeatable=True) as sap, SapS4(sap.settings(is_repeatable=True)) as connector:
        (step,) = await connector.plan(pieces(3, 3))
        await connector.execute(step)
        sap.system.forget_answers()
        with pytest.raises(UnknownOutcome, match="outdated"):
            await connector.execute(step)
        assert (await connector.lookup(pieces(3, 3))).is_posted
        assert await sap.good_posted(ORDER) == 3


async def test_each_document_of_an_event_has_a_request_id_of_its_own():
    async with SimulatedSap(is_repeatable=True) as sap, SapS4(sap.settings(is_repeatable=True)) as connector:
        await carry(connector, scrapped(4, 4))
        steps = await connector.plan(taken_back(scrapped(4, 4), 1, 1))
        assert len({step.body["headers"]["RequestID"] for step in steps}) == 2
        for step in [step for step in steps for _ in range(2)]:
            await connector.execute(step)
        assert await scrap_in(sap) == 3


async def test_token_that_expires_between_two_steps_is_renewed(sap):
    """OAuth 2 by the communication arrangement; the session and its CSRF token stay."""
    auth = {
        "type": "oauth2",
        "token_url": f"{sap.url}{sap.system.tokens.path}",
        "client_id": CLIENT,
        "client_secret": SECRET,
    }
    async with SapS4(sap.settings(auth=auth)) as connector:
        await carry(connector, scrapped(4, 4))
        steps = await connector.plan(taken_back(scrapped(4, 4), 1, 1))
        for step in steps:
            sap.system.tokens.expire()
            await connector.execute(step)
        assert (await connector.verify(taken_back(scrapped(4, 4), 1, 1))).is_posted
    assert await scrap_in(sap) == 3
    assert sap.system.tokens.given == 3


async def test_tenant_without_request_ids_books_a_blind_repetition_twice_so_that_lookup_is_what_counts(connector, sap):
    (step,) = await connector.plan(pieces(3, 3))
    for _ in range(2):
        await connector.execute(step)
    assert await sap.good_posted(ORDER) == 6
    assert await connector.plan(pieces(3, 3)) == []


def test_reference_of_sixteen_characters_differs_for_every_event():
    keys = {key16(event_id("a", "order", number)) for number in range(20_000)}
    assert len(keys) == 20_000
    assert {len(key) for key in keys} == {16}


async def test_document_that_the_update_task_writes_late_is_waited_for(sap):
    async with SapS4(sap.settings(update_wait_s=30)) as connector:
        (step,) = await connector.plan(pieces(3, 3))
        await connector.execute(step)
        sap.system.store.late = 2
        assert (await connector.verify(pieces(3, 3))).is_posted
        assert sap.system.store.late == 0
        sap.system.store.late = 1
        assert not (await connector.lookup(pieces(3, 3))).is_posted


async def test_quantities_are_strings_of_decimals(connector, sap):
    (step,) = await connector.plan(pieces("0.125", "0.125"))
    (item,) = step.body["json"]["to_MaterialDocumentItem"]["results"]
    assert item["QuantityInEntryUnit"] == "0.125"
    with pytest.raises(BusinessError, match="3 digits"):
        await connector.plan(pieces("0.1255", "0.1255"))


async def test_posting_date_is_that_of_the_plant(sap):
    async with SapS4(sap.settings(time_zone="Asia/Tokyo")) as connector:
        (step,) = await connector.plan(pieces(1, 1))
    assert AT.astimezone(UTC).hour == 12
    assert step.body["json"]["PostingDate"] == "2026-07-01T00:00:00"
    late = datetime(2026, 7, 1, 15, 30, tzinfo=UTC)
    async with SapS4(sap.settings(time_zone="Asia/Tokyo")) as connector:
        (step,) = await connector.plan(
            type(pieces(1, 1))(event_id("t", "z", 1), ORDER, 1, late, Decimal(1), Decimal(1), "1", EQUIPMENT)
        )
    assert step.body["json"]["PostingDate"] == "2026-07-02T00:00:00"


async def test_request_and_performance_that_are_there_already_are_planned_no_second_time(connector):
    for event in (request(), performed(7, 0)):
        assert (await carry(connector, event)).is_posted
        assert list(await connector.plan(event)) == []


async def test_event_of_a_closed_period_is_not_posted_on_an_open_day_unless_that_is_configured(connector, sap):
    sap.system.business.closed_before = date(2026, 7, 2)
    with pytest.raises(BusinessError, match=r"clos|range of allowed"):
        await carry(connector, pieces(3, 3))
    assert await sap.good_posted(ORDER) == 0


async def test_closed_period_is_posted_today_where_that_is_configured(sap):
    sap.system.business.closed_before = date(2026, 7, 2)
    async with SapS4(sap.settings(closed_period="today")) as connector:
        assert (await carry(connector, pieces(3, 3))).is_posted
    assert sap.system.business.bookings[0].posting_date == datetime.now(UTC).date()


async def test_confirmation_carries_yield_scrap_reason_and_the_plants_clock(sap):
    event = ProductionPerformance(
        event_id("t", "p", 1), ORDER, 1, "0020", AT, AT, Decimal(7), Decimal(2), "1", EQUIPMENT, reason="scratch"
    )
    async with SapS4(sap.settings(reasons={"scratch": "SURF"}, time_zone="Europe/Berlin")) as connector:
        assert (await carry(connector, event)).is_posted
    booking = sap.system.business.bookings[0]
    fields = booking.fields
    assert (booking.quantity, booking.scrap) == (7, 2)
    assert (fields["VarianceReasonCode"], fields["OrderOperation"]) == ("SURF", "0020")


async def test_lock_of_another_user_is_tried_again(connector, sap, monkeypatch):
    (step,) = await connector.plan(pieces(3, 3))
    monkeypatch.setattr("simulators.systems.sap_s4.system._CODES", {"order_closed": "M3/897"})
    sap.system.business.orders[ORDER].state = "planned"
    with pytest.raises(TransientError):
        await connector.execute(step)


async def test_state_of_a_notification_comes_back(connector, sap):
    number = (await carry(connector, request())).external_id
    sap.system.business.requests[0].state = "done"
    (state,) = await connector.read_ticket_states(None)
    assert (state.external_id, state.state, state.said) == (number, "done", "4")


async def test_simulated_tenant_keeps_the_contract_strictly(connector, sap):
    """The other side of these tests is no pushover: tokens, cookies, ETags, and strings for decimals."""
    await carry(connector, request())
    (step,) = await connector.plan(pieces(3, 3))
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    root, headers = f"{sap.url}/sap/opu/odata/sap/", {"Authorization": f"Basic {basic}"}
    async with httpx.AsyncClient(base_url=root, headers=headers) as http:
        without = await http.post(from_step(step).path, json=step.body["json"])
        assert (without.status_code, without.headers["x-csrf-token"]) == (403, "Required")
        token = (await http.get("X/", headers={"x-csrf-token": "Fetch"})).headers["x-csrf-token"]
        async with httpx.AsyncClient(base_url=root, headers=headers) as other:
            stolen = await other.post(from_step(step).path, json=step.body["json"], headers={"x-csrf-token": token})
            assert stolen.status_code == 403, "a token without its session"
        number = sap.system.business.requests[0].id
        path = f"API_MAINTNOTIFICATION/MaintenanceNotification('{number:012}')"
        for etag, status in ((None, 428), ('W/"old"', 412), ("*", 204)):
            match = {"If-Match": etag} if etag else {}
            answer = await http.patch(path, json={"NotificationText": "x"}, headers={"x-csrf-token": token, **match})
            assert answer.status_code == status
        body = {**step.body["json"], "to_MaterialDocumentItem": {"results": [{"QuantityInEntryUnit": 3}]}}
        number_for_text = await http.post(from_step(step).path, json=body, headers={"x-csrf-token": token})
        assert number_for_text.status_code == 400
        assert number_for_text.json()["error"]["message"]["lang"] == "en"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("$filter=LastChangeDateTime ge '20260701120000'", 200),
        ("$filter=LastChangeDateTime ge datetimeoffset'2026-07-01T12:00:00Z'", 400),
        ("$filter=MfgOrderPlannedTotalQty ge '1'", 400),
        ("$select=MfgOrderPlannedTotalQty", 400),
        ("$expand=to_Nothing", 400),
        ("$filter=ManufacturingOrder eq 'MES-0001' or ManufacturingOrder eq 'MES-0002'", 200),
    ],
)
async def test_simulated_tenant_knows_only_what_the_metadata_has(sap, query, status):
    async with httpx.AsyncClient(auth=(USER, PASSWORD)) as http:
        root = f"{sap.url}/sap/opu/odata/sap/API_PRODUCTION_ORDER_2_SRV/A_ProductionOrder_2"
        answer = await http.get(f"{root}?{query}")
    assert answer.status_code == status
    if status == 200:
        assert "__deferred" in answer.json()["d"]["results"][0]["to_ProductionOrderItem"], (
            "an association nobody asked for"
        )


async def test_factor_of_an_item_holds_also_where_the_event_names_none(sap):
    """The order's product is theirs: it is found in the table by their code."""
    boxes = {"HOUSING": {"code": "HSG-L1", "uom": "PC", "numerator": 1, "denominator": 4}}
    async with SapS4(sap.settings(items=boxes)) as connector:
        (step,) = await connector.plan(pieces(8, 8))
        (item,) = step.body["json"]["to_MaterialDocumentItem"]["results"]
        assert item["QuantityInEntryUnit"] == "2"
        with pytest.raises(BusinessError, match="does not fit"):
            await connector.plan(pieces("0.001", "0.001"))


async def test_order_in_kilograms_takes_no_pieces(connector, sap):
    sap.system.business.orders[ORDER].unit = "KG"
    with pytest.raises(BusinessError, match="KG"):
        await connector.plan(pieces(3, 3))


@pytest.mark.parametrize(
    ("field", "longest", "changes"),
    [
        ("lot", 10, {"lot": "L" * 11}),
        ("serial", 18, {"serials": ("S" * 19,)}),
        ("location", 4, {"location": "SHELF"}),
        ("reason", 4, {"disposition": Disposition.SCRAP, "reason": "SURFACE"}),
    ],
)
async def test_text_that_is_longer_than_its_field_is_refused_before_it_is_cut_off(connector, field, longest, changes):
    event = replace(pieces(1, 1), **changes)
    with pytest.raises(BusinessError, match=f"^{field}.*{longest} characters"):
        await connector.plan(event)


async def test_names_that_are_longer_than_their_fields_are_told_before_anything_is_posted(sap):
    settings = sap.settings(reasons={"scratch": "SURFACE", "size": "DIME"}, locations={"FG": "STORE", "RAW": "171A"})
    async with SapS4(settings) as connector:
        problems = await connector.check_master_data([])
    assert {problem.field for problem in problems} == {"reasons.scratch", "locations.FG"}


async def test_number_that_is_longer_than_any_order_of_saps_is_not_asked_for(connector, sap):
    await sap.fail("500", match="GET", count=1)
    with pytest.raises(BusinessError, match="SAP has no production order MES-0001-AND-MORE"):
        await connector.plan(performed_for("MES-0001-AND-MORE"))


async def test_batch_and_serial_numbers_go_with_the_movement_and_come_back_whole(connector, sap):
    event = replace(pieces(3, 3), lot="L-1", serials=("S1", "S2", "S3"))
    await carry(connector, event)
    booking = sap.system.business.bookings[0]
    assert (booking.lot, booking.fields["serials"]) == ("L-1", ["S1", "S2", "S3"])
    with pytest.raises(BusinessError, match="which of them nothing says"):
        await connector.plan(taken_back(event, 1, 1))
    (step,) = await connector.plan(taken_back(event, 3, 3))
    (item,) = step.body["json"]["to_MaterialDocumentItem"]["results"]
    assert (item["GoodsMovementType"], item["Batch"], len(item["to_SerialNumbers"]["results"])) == ("102", "L-1", 3)


async def test_long_description_of_a_request_is_cut_behind_what_names_the_event(connector):
    (step,) = await connector.plan(replace(request(), description="hot " * 1000))
    text = step.body["json"]["MaintNotifLongTextForEdit"]
    assert len(text) == 1333
    assert str(request().event_id) in text
    assert (await carry(connector, replace(request(), description="hot " * 1000))).is_posted


def test_unclear_request_is_looked_up_when_no_work_process_can_carry_it_out_any_more(sap_settings):
    assert sap_settings().settle == timedelta(seconds=660)
    assert sap_settings(is_repeatable=True).settle == timedelta(seconds=10)
    assert sap_settings(settle_s=30).settle == timedelta(seconds=30)


@pytest.fixture
def sap_settings():
    def made(**changes):
        table = {"type": "sap_s4", "name": "sap", "url": "https://s4.example.com", "plant": "1010", **changes}
        return SapS4Settings.model_validate(table)

    return made
