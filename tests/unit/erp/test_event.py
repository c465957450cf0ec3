import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from bridge.erp import event as events
from bridge.errors import BusinessError
from bridge.model.notice import Notice, TagWrite
from bridge.model.production import (
    Availability,
    Disposition,
    EventKind,
    MaterialActual,
    MaterialUse,
    ProductionPerformance,
    Reversal,
    WorkRequest,
    event_id,
)

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
PIECES = MaterialActual(event_id("plant", "MES-1", 2), "MES-1", 2, AT, Decimal("2.5"), Decimal(7), "1", "acme/a")
REQUEST = WorkRequest(event_id("plant", "t", 1), 9, "acme/a", "VIB", "high", "Vibration", "4.9 mm/s", AT)
SCRAP = replace(PIECES, disposition=Disposition.SCRAP, reason="porosity", lot="L7", serials=("S1", "S2"))
CONSUMED = replace(PIECES, use=MaterialUse.CONSUMED, item="BAR-60", location="line1")
PERFORMANCE = ProductionPerformance(
    event_id("plant", "MES-1/10", 1), "MES-1", 1, "10", AT, AT + timedelta(hours=2), Decimal(5), Decimal("0.5"),
    "kg", "acme/a", "porosity", is_final=True,
)  # fmt: skip
REVERSALS = [
    Reversal(event_id("plant", "MES-1", 3), "MES-1", 3, AT, quantity, quantity, "crack", event)
    for quantity, event in ((Decimal(2), PIECES), (Decimal("5.5"), PERFORMANCE))
]
AVAILABLE = Availability(event_id("plant", "HSG", 4), "HSG", "FG", 4, AT, Decimal(0), "1")
NOTICE = Notice(event_id("plant", "n", 1), "cnc1: vibration", "4.9 mm/s", "high", AT, {"alarm": 7})
WRITE = TagWrite(event_id("plant", "w", 1), "acme/a", "feed.limit", 0.5, "rule r, alarm 7", AT)
EVENTS = [PIECES, SCRAP, CONSUMED, PERFORMANCE, *REVERSALS, REQUEST, AVAILABLE, NOTICE, WRITE]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event.kind))
def test_event_comes_back_from_its_payload_as_it_was(event):
    stored = json.loads(json.dumps(event.payload()))
    assert events.read(event.kind, stored) == event


def test_there_is_an_event_of_every_kind():
    assert {event.kind for event in EVENTS} == set(EventKind)


def test_consumption_that_names_no_item_is_refused():
    with pytest.raises(BusinessError, match="item"):
        events.read(EventKind.CONSUMED, PIECES.payload())


def test_more_than_was_posted_is_not_reversed():
    with pytest.raises(BusinessError, match=r"above the 2\.5"):
        events.read(EventKind.REVERSAL, replace(REVERSALS[0], cumulative=Decimal(3)).payload())


@pytest.mark.parametrize("inner", [REQUEST, AVAILABLE, REVERSALS[0]])
def test_what_is_no_posting_is_not_reversed(inner):
    payload = REVERSALS[0].payload() | {"reverses": {"kind": str(inner.kind), "payload": inner.payload()}}
    with pytest.raises(BusinessError, match="cannot be reversed"):
        events.read(EventKind.REVERSAL, payload)


def test_row_of_the_first_version_is_still_read():
    payload = {
        "event_id": str(PIECES.event_id), "order_ref": "MES-1", "sequence": 2, "occurred_at": AT.isoformat(),
        "quantity": "2.5", "cumulative": "7", "uom": "1", "equipment": "acme/a",
    }  # fmt: skip
    assert events.read("wip_to_fg", payload) == PIECES
    assert PIECES.payload() == payload


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": "0"},
        {"quantity": "-1"},
        {"quantity": "8"},
        {"quantity": "NaN"},
        {"quantity": "Infinity", "cumulative": "Infinity"},
        {"quantity": "two"},
        {"event_id": "x"},
        {"occurred_at": "2026-07-01T12:00:00"},
    ],
)
def test_payload_that_holds_no_event_is_refused(change):
    with pytest.raises(BusinessError):
        events.read(EventKind.WIP_TO_FG, {**PIECES.payload(), **change})


def test_missing_field_is_refused():
    payload = PIECES.payload()
    del payload["cumulative"]
    with pytest.raises(BusinessError, match="cumulative"):
        events.read(EventKind.WIP_TO_FG, payload)


def test_kind_that_nobody_carries_is_refused():
    with pytest.raises(BusinessError, match="teleport"):
        events.read("teleport", PIECES.payload())
