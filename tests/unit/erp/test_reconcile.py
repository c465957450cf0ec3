"""What reconciliation proposes for an order, and when it is due."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from bridge.erp.connector import OrderTotals
from bridge.erp.relay.proposal import propose
from bridge.erp.relay.reconcile import last_due
from bridge.store.reconciliation import OrderLedger


def ledger(made, posted, *, unposted=0, waiting=0, parked=0, **more):
    """`back=(posted, waiting, parked)` was taken back; `scrap=(made, unposted, posted, waiting, parked)`."""
    back, scrap = more.get("back", (0, 0, 0)), more.get("scrap")
    told = {} if scrap is None else dict(zip(SCRAP, map(Decimal, scrap), strict=True))
    return OrderLedger(
        "MES-1", *(Decimal(n) for n in (made, unposted, posted, waiting, parked)), *map(Decimal, back), **told
    )


SCRAP = ("scrap_made", "scrap_unposted", "scrap_posted", "scrap_waiting", "scrap_parked")


def totals(erp):
    """What the system tells: nothing, good pieces, or good pieces and scrap."""
    if erp is None:
        return None
    good, scrap = erp if isinstance(erp, tuple) else (erp, None)
    return OrderTotals(Decimal(good), None if scrap is None else Decimal(scrap))


@pytest.mark.parametrize(
    ("order", "erp"),
    [
        (ledger(40, 40), 40),
        (ledger(40, 40), None),
        (ledger(40, 30, unposted=4, waiting=6), 30),
        (ledger(40, 30, waiting=10), 36),  # one of them is through and not yet known to be
        (ledger("0.5", "0.5"), "0.5"),
        (ledger(40, 40, back=(3, 0, 0)), 37),
        (ledger(40, 40, back=(3, 0, 0)), (37, 0)),  # the system reverses its documents
        (ledger(40, 40, back=(3, 0, 0), scrap=(2, 0, 2, 0, 0)), (37, 5)),  # ... or scraps what is taken back
        (ledger(40, 40, back=(3, 0, 0), scrap=(2, 0, 2, 0, 0)), (37, 2)),
        (ledger(40, 40, back=(1, 2, 0)), 39),
        (ledger(40, 40, back=(1, 2, 0)), 37),  # through and not yet known to be
        (ledger(40, 40, scrap=(5, 0, 5, 0, 0)), (40, 5)),
        (ledger(40, 40, scrap=(5, 0, 5, 0, 0)), (40, None)),
        (ledger(40, 40, scrap=(5, 2, 3, 0, 0)), (40, 3)),
        (ledger(40, 40, scrap=(5, 0, 3, 2, 0)), (40, 4)),
        (ledger(40, 40), (40, 7)),  # nobody posts scrap there: what is booked by hand is theirs
    ],
)
def test_order_that_agrees_or_will_by_itself_is_no_difference(order, erp):
    assert propose(order, totals(erp)) == ""


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
        (ledger(40, 30, parked=10), 34, "10 are parked: they may be there already"),
        (ledger(40, 30, parked=3), 40, "10 more than was posted: look for a posting by hand"),
        (ledger(40, 40, back=(3, 0, 0)), 40, "3 more than was posted"),  # the reversal was undone there
        (ledger(40, 40, back=(3, 0, 0)), 30, "7 less than was posted"),
        (ledger(40, 40, back=(0, 0, 3)), 40, "3 that are taken back wait for a person"),
        (ledger(40, 40, scrap=(5, 0, 5, 0, 0)), (40, 8), "3 more of scrap than was posted"),
        (ledger(40, 40, scrap=(5, 0, 5, 0, 0)), (40, 1), "4 less of scrap than was posted"),
        (ledger(40, 40, back=(3, 0, 0), scrap=(2, 0, 2, 0, 0)), (37, 6), "1 more of scrap"),
        (ledger(40, 40, scrap=(5, 0, 3, 0, 0)), (40, 3), "2 of scrap are in no posting"),
        (ledger(40, 40, scrap=(3, 0, 5, 0, 0)), (40, 5), "2 of scrap were posted and not counted"),
        (ledger(40, 40, scrap=(5, 0, 3, 0, 2)), (40, 3), "2 of scrap wait for a person"),
        (ledger(40, 40, scrap=(5, 0, 3, 0, 0)), None, "2 of scrap are in no posting"),
    ],
)
def test_difference_is_told_with_what_a_person_might_do(order, erp, says):
    assert says in propose(order, totals(erp))


def test_several_things_that_are_wrong_are_all_told():
    said = propose(ledger(40, 20, parked=10, scrap=(5, 0, 3, 0, 0)), totals((50, 9)))
    assert said.count("; ") == 4


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
