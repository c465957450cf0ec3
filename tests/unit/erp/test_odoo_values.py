import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.erp.odoo19.values import from_odoo, instant
from bridge.erp.quantity import to_number
from bridge.errors import BusinessError

QUANTITIES = st.decimals(min_value=0, max_value=10**9, places=2)


@given(QUANTITIES)
def test_quantity_is_the_same_after_the_way_through_odoo(quantity):
    answer = json.loads(json.dumps(float(to_number(quantity))), parse_float=Decimal)
    assert from_odoo(answer) == quantity


@given(st.lists(st.decimals(min_value=0, max_value=1000, places=2), max_size=50))
def test_sum_that_odoo_makes_of_doubles_is_the_exact_sum(quantities):
    answer = json.loads(json.dumps(sum(float(q) for q in quantities)), parse_float=Decimal)
    assert from_odoo(answer) == sum(quantities)


def test_quantity_that_a_double_cannot_hold_is_refused():
    with pytest.raises(BusinessError):
        to_number(Decimal("1234567890123456.01"))


@pytest.mark.parametrize("number", [None, False, "5", Decimal("0.00000012"), Decimal("1e300"), float("nan")])
def test_what_is_no_quantity_is_refused(number):
    with pytest.raises(BusinessError):
        from_odoo(number)


def test_time_of_odoo_is_utc_and_its_empty_value_is_none():
    assert instant("2026-07-01 12:00:00") == datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert instant(False) is None
    with pytest.raises(BusinessError):
        instant("soon")
