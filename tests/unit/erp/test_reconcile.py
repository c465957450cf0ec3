"""What reconciliation proposes for an order, and when it is due."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from bridge.erp.relay.reconcile import last_due, propose
from bridge.store.reconciliation import OrderLedger


def ledger(made, posted, *, unposted=0, waiting=0, parked=0):
    return OrderLedger("MES-1", *(Decimal(n) for n in (made, unposted, posted, waiting, parked)))


@pytest.mark.parametrize(
    ("order", "erp"),
    [
        (ledger(40, 40), 40),
        (ledger(40, 40), None),
        (ledger(40, 30, unposted=4, waiting=6), 30),
        (ledger(40, 30, waiting=10), 36),  # one of them is through and not yet known to be
        (ledger("0.5", "0.5"), "0.5"),
    ],
)
def test_order_that_agrees_or_will_by_itself_is_no_difference(order, erp):
    assert propose(order, None if erp is None else Decimal(erp)) == ""


@pytest.mark.parametrize(
    ("order", "erp", "says"),
    [
        (ledger(40, 40), 43, "3 more than was posted"),
        (ledger(40, 40), 35, "5 less than was posted"),
        (ledger(40, 40), 0, "40 less than was posted"),
        (ledger(40, 30), 30, "10 were made and are in no posting"),
        (ledger(30, 40), 40, "10 were posted and not counted"),
        (ledger(40, 30, parked=10), 30, "10 wait for a person"),
        (ledger("1.25", 1), 1, "0.25 were made"),
    ],
)
def test_difference_is_told_with_what_a_person_might_do(order, erp, says):
    assert says in propose(order, Decimal(erp))


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-07-01T00:31", "2026-07-01T00:30"),  # 02:31 in Berlin
        ("2026-07-01T00:29", "2026-06-30T00:30"),
        ("2026-12-01T01:30", "2026-12-01T01:30"),
        ("2026-03-29T00:59", "2026-03-28T01:30"),  # the clock goes forward over 02:30: it is 03:30 then
        ("2026-03-29T01:31", "2026-03-29T01:30"),
        ("2026-10-25T00:31", "2026-10-25T00:30"),  # the clock goes back: the first 02:30 counts
    ],
)
def test_comparison_is_due_at_the_plants_clock_also_when_it_is_set(now, due):
    found = last_due(datetime.fromisoformat(now).replace(tzinfo=UTC), time(2, 30), ZoneInfo("Europe/Berlin"))
    assert found == datetime.fromisoformat(due).replace(tzinfo=UTC)
