"""What is SAP's own, beyond what every connector promises."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime
from decimal import Decimal

import httpx
import pytest

from bridge.erp.http import from_step
from bridge.erp.posting import key16
from bridge.erp.sap_s4 import SapS4
from bridge.errors import BusinessError, TransientError
from bridge.model.production import Disposition, ProductionPerformance, Reversal, event_id
from simulators.systems.sap_s4.system import PASSWORD, USER
from tests.contract.scenes import AT, EQUIPMENT, ORDER, actual, carry, pieces, request
from tests.erp_systems.sap_s4 import SimulatedSap


@pytest.fixture
async def sap():
    async with SimulatedSap() as running:
        yield running


@pytest.fixture
async def connector(sap):
    async with SapS4(sap.settings()) as connector:
        yield connector


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


async def test_closed_period_is_posted_today_where_that_is_configured(sap):
    sap.system.business.closed_before = date(2026, 7, 2)
    async with SapS4(sap.settings(closed_period="today")) as connector:
        assert (await carry(connector, pieces(3, 3))).is_posted
    assert sap.system.business.bookings[0].posting_date == datetime.now(UTC).date()


async def test_confirmation_is_cancelled_whole_or_not_at_all(connector, sap):
    scrap = actual(4, 4, disposition=Disposition.SCRAP, reason="SURFACE")
    await carry(connector, scrap)
    part = Reversal(event_id("t", "part", 1), ORDER, 2, AT, Decimal(1), Decimal(1), "found good", scrap)
    with pytest.raises(BusinessError, match="as a whole"):
        await connector.plan(part)
    whole = Reversal(event_id("t", "whole", 1), ORDER, 2, AT, Decimal(4), Decimal(4), "found good", scrap)
    assert (await carry(connector, whole)).is_posted
    assert (await sap.truth())["scrap_posted_by_origin"][ORDER] == 0
    assert await connector.plan(whole) == []
    assert (await connector.lookup(scrap)).is_posted


async def test_confirmation_carries_yield_scrap_reason_and_the_plants_clock(sap):
    event = ProductionPerformance(
        event_id("t", "p", 1), ORDER, 1, "0020", AT, AT, Decimal(7), Decimal(2), "1", EQUIPMENT, reason="scratch"
    )
    async with SapS4(sap.settings(reasons={"scratch": "SURFACE"}, time_zone="Europe/Berlin")) as connector:
        assert (await carry(connector, event)).is_posted
    fields = sap.system.business.bookings[0].fields
    assert (fields["ConfirmationYieldQuantity"], fields["ConfirmationScrapQuantity"]) == ("7.000", "2.000")
    assert (fields["VarianceReasonCode"], fields["OrderOperation"]) == ("SURFACE", "0020")


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
