"""The fields of events as people read and mend them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bridge.model.event_fields import NotAValue, changes_of, fields_of
from bridge.model.notice import Notice, TagWrite
from bridge.model.production import (
    Availability,
    Disposition,
    MaterialActual,
    MaterialUse,
    ProductionPerformance,
    Reversal,
    WorkRequest,
    event_id,
)

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
ID = event_id("test", "MES-1", 1)
MADE = MaterialActual(ID, "MES-1", 1, AT, Decimal(5), Decimal(20), "pcs", "acme/cnc1")
EVENTS = [
    MADE,
    MaterialActual(
        ID, "MES-1", 1, AT, Decimal(1), Decimal(1), "pcs", "acme/cnc1", disposition=Disposition.SCRAP, reason="CRACK"
    ),
    MaterialActual(
        ID, "MES-1", 1, AT, Decimal(1), Decimal(1), "kg", "acme/cnc1", use=MaterialUse.CONSUMED, item="STEEL"
    ),
    ProductionPerformance(ID, "MES-1", 1, "10", AT, AT, Decimal(5), Decimal(0), "pcs", "acme/cnc1"),
    Reversal(ID, "MES-1", 1, AT, Decimal(1), Decimal(1), "cracked", MADE),
    WorkRequest(ID, 7, "acme/cnc1", "VIB", "high", "Vibration", "4.9 mm/s", AT),
    Availability(ID, "HSG", "FG", 1, AT, Decimal(3), "pcs"),
    Notice(ID, "subject", "body", "high", AT),
    TagWrite(ID, "acme/cnc1", "feed", 0.5, "rule", AT),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event.kind))
def test_every_field_of_every_event_has_a_name_for_people(event):
    payload = event.payload()
    fields = fields_of(event.kind, payload)
    assert set(payload) <= {field.name for field in fields}
    assert all(field.label != field.name for field in fields)
    assert {field.name: field.value for field in fields}["event_id"] == str(ID)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event.kind))
def test_event_as_it_stands_is_no_change(event):
    payload = event.payload()
    wanted = {
        field.name: field.value
        for field in fields_of(event.kind, payload)
        if field.kind != "fixed" and field.value is not None
    }
    assert changes_of(event.kind, payload, wanted) == {}


def test_what_a_form_sends_for_fields_that_are_not_there_is_no_change():
    assert changes_of("wip_to_fg", MADE.payload(), {"lot": "", "serials": [], "item": " "}) == {}


def test_changes_are_written_as_events_have_them():
    wanted = {
        "order_ref": " MES-2 ", "quantity": "4.50", "occurred_at": "2026-07-01T14:00:00+02:00", "lot": "L1",
        "serials": ["S1", "S2"],
    }  # fmt: skip
    # 14:00 in that zone is when it happened: no change.
    assert changes_of("wip_to_fg", MADE.payload(), wanted) == {
        "order_ref": "MES-2", "quantity": "4.50", "lot": "L1", "serials": ["S1", "S2"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("event_id", str(ID), "never changed"),
        ("sequence", "2", "never changed"),
        ("colour", "red", "no such field; it has order_ref"),
        ("quantity", "five", "is no number"),
        ("quantity", 5, "is no number"),
        ("quantity", "NaN", "is no number"),
        ("quantity", "0", "more than 0"),
        ("quantity", "-1", "use a reversal"),
        ("quantity", "1e999", "out of all measure"),
        ("occurred_at", "yesterday", "is no instant"),
        ("occurred_at", "2026-07-01T12:00:00", "says no zone"),
        ("order_ref", 17, "is a text"),
        ("lot", "x" * 2001, "at most 2000"),
        ("serials", "S1", "is a list"),
        ("serials", ["S"] * 201, "at most 200"),
        ("serials", [1], "is a text"),
    ],
)
def test_value_that_a_field_cannot_take_is_refused_with_its_name_and_why(name, value, words):
    with pytest.raises(NotAValue, match=words) as refused:
        changes_of("wip_to_fg", MADE.payload(), {name: value})
    assert str(refused.value).startswith(f"{name}: ")


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(NotAValue) as refused:
        changes_of("wip_to_fg", MADE.payload(), {"quantity": "x", "lot": 1})
    assert str(refused.value) == "quantity: 'x' is no number; write it as 12 or 12.5; lot: is a text"


def test_text_that_no_database_holds_is_kept_as_its_escape():
    assert changes_of("wip_to_fg", MADE.payload(), {"lot": "a\x00b"}) == {"lot": "a\\u0000b"}


def test_field_that_nobody_knows_is_shown_and_not_changed():
    payload = {**MADE.payload(), "mood": "good"}
    assert [(field.name, field.kind) for field in fields_of("wip_to_fg", payload)][-1] == ("mood", "fixed")
