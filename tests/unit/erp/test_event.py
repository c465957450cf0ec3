from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bridge.erp import event as events
from bridge.errors import BusinessError
from bridge.model.production import EventKind, MaterialActual, WorkRequest, event_id

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
PIECES = MaterialActual(event_id("plant", "MES-1", 2), "MES-1", 2, AT, Decimal("2.5"), Decimal(7), "1", "acme/a")
REQUEST = WorkRequest(event_id("plant", "t", 1), 9, "acme/a", "VIB", "high", "Vibration", "4.9 mm/s", AT)


@pytest.mark.parametrize(("kind", "event"), [(EventKind.WIP_TO_FG, PIECES), (EventKind.WORK_REQUEST, REQUEST)])
def test_event_comes_back_from_its_payload_as_it_was(kind, event):
    assert events.read(kind, event.payload()) == event


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
    with pytest.raises(BusinessError, match="scrap"):
        events.read(EventKind.SCRAP, PIECES.payload())
