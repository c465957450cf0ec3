"""What connectors decide alike."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.erp.posting import (
    Document,
    carrying,
    check_total,
    instant_of,
    json_number,
    order_unit,
    posting_day,
    quantity_of,
    readable,
)
from bridge.errors import BusinessError
from bridge.model.production import MaterialActual, event_id

AT = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)


def event(uom="1"):
    return MaterialActual(event_id("t", "M", 1), "M", 1, AT, Decimal(3), Decimal(5), uom, "acme/a")


@pytest.mark.parametrize(("posted", "theirs"), [("PC", "PC"), ("", "PC"), ("", "Nos"), ("", "EA"), ("KG", "KG")])
def test_event_is_posted_in_the_orders_unit(posted, theirs):
    assert order_unit(event(), posted, theirs) == theirs


@pytest.mark.parametrize(("posted", "theirs"), [("", "KG"), ("", ""), ("", "BOX"), ("PC", "KG"), ("kg", "KG")])
def test_count_is_never_posted_in_another_unit_by_omission(posted, theirs):
    with pytest.raises(BusinessError, match="counts in"):
        order_unit(event(), posted, theirs)


def test_total_must_be_what_came_before():
    there = [Document("1", "a", Decimal(2))]
    check_total(event(), there, Decimal(2), "PC")
    for wrong in ([], [*there, Document("2", "", Decimal("0.5"))]):
        with pytest.raises(BusinessError, match="compare the postings"):
            check_total(event(), wrong, Decimal(2), "PC")


def test_document_is_found_by_what_it_carries_of_ours():
    found = carrying([Document("1", "a", Decimal(2)), Document("2", "b", Decimal(2))], "b")
    assert found is not None
    assert found.id == "2"
    assert carrying([Document("1", "", Decimal(2))], "b") is None


def test_posting_day_is_the_plants():
    assert posting_day(AT, "") == date(2026, 7, 1)
    assert posting_day(AT, "Europe/Berlin") == date(2026, 7, 2)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_json_number_is_the_quantity_or_refused(quantity):
    try:
        number = json_number(quantity)
    except BusinessError:
        return
    assert Decimal(repr(number)) == quantity


@pytest.mark.parametrize("value", [None, "", "x", "NaN", "Infinity", True, 1.5, [], {}])
def test_what_is_no_quantity_is_refused(value):
    with pytest.raises(BusinessError):
        quantity_of(value)


def test_time_without_a_zone_is_the_systems():
    assert instant_of("2026-07-02 00:30:00.5", "Europe/Berlin") == AT.replace(microsecond=500_000)
    assert instant_of("2026-07-01T22:30:00Z", "Europe/Berlin") == AT
    assert instant_of("2026-07-02", "Europe/Berlin") == AT.replace(minute=0)
    assert instant_of(None, "") is None
    for wrong in ("soon", 7, True):
        with pytest.raises(BusinessError):
            instant_of(wrong, "")


def test_row_that_cannot_be_read_does_not_keep_the_others():
    assert readable([{"a": 1}, {}, {"a": 2}], lambda row: row["a"]) == [1, 2]
