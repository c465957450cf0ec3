from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bridge.erp.connector import Step
from bridge.erp.odoo19.completion import plan
from bridge.erp.odoo19.production import Production, find, number_of
from bridge.erp.relay.attempt import first_to_send
from bridge.errors import BusinessError
from bridge.model.production import MaterialActual, event_id


def event(quantity, cumulative, uom="1"):
    at = datetime(2026, 7, 1, tzinfo=UTC)
    return MaterialActual(
        event_id("p", "MES-1", 1), "MES-1", 1, at, Decimal(quantity), Decimal(cumulative), uom, "acme/a"
    )


def production(number, state, quantity, produced=0):
    name = f"WH/MO/00001-{number:03}"
    return Production(number, name, "MES-1", state, "Housing", "Units", Decimal(quantity), Decimal(produced))


CHAIN = [production(1, "done", 5, 5), production(2, "done", 3, 3), production(3, "confirmed", 12)]


def test_total_before_the_event_means_not_posted():
    assert not find(CHAIN, event(4, 12)).is_posted


@pytest.mark.parametrize(("quantity", "cumulative", "document"), [(3, 8, "2"), (5, 5, "1"), (2, 2, "1")])
def test_total_with_the_event_means_posted_by_the_production_that_reached_it(quantity, cumulative, document):
    found = find(CHAIN, event(quantity, cumulative))
    assert (found.is_posted, found.external_id) == (True, document)


@pytest.mark.parametrize(("quantity", "cumulative"), [(2, 9), (1, 12)])
def test_total_that_is_neither_before_nor_after_is_refused(quantity, cumulative):
    with pytest.raises(BusinessError, match="neither"):
        find(CHAIN, event(quantity, cumulative))


def test_part_of_the_open_production_leaves_a_backorder():
    *_, done = plan(CHAIN, event(4, 12), "Units")
    assert done.body["context"]["mo_ids_to_backorder"] == [3]


@pytest.mark.parametrize(("quantity", "cumulative"), [(12, 20), (15, 23)])
def test_all_of_it_or_more_closes_the_order(quantity, cumulative):
    first, _, done = plan(CHAIN, event(quantity, cumulative), "Units")
    assert first.body == {"ids": [3], "vals": {"qty_producing": quantity}}
    assert "mo_ids_to_backorder" not in done.body["context"]


def test_event_that_is_in_needs_no_steps():
    assert plan(CHAIN, event(3, 8), "Units") == []


def test_pieces_beyond_a_closed_order_are_refused():
    with pytest.raises(BusinessError, match="complete in Odoo"):
        plan(CHAIN[:2], event(1, 9), "Units")


def test_order_that_is_a_draft_is_refused():
    with pytest.raises(BusinessError, match="draft"):
        plan([production(1, "draft", 10)], event(1, 1), "Units")


@pytest.mark.parametrize(("uom", "product_uom"), [("kg", "Units"), ("1", "Dozens")])
def test_other_units_are_refused(uom, product_uom):
    with pytest.raises(BusinessError, match="counts in"):
        plan(CHAIN, event(4, 12, uom), product_uom)


@pytest.mark.parametrize(
    ("name", "sequence", "base"),
    [
        ("WH/MO/00001-002", 2, "WH/MO/00001"),
        ("WH/MO/00001-1000", 1000, "WH/MO/00001"),
        ("WH/MO/00001", 0, "WH/MO/00001"),
        ("MO-2026-001", 1, "MO-2026"),
        ("MO-002", 0, "MO-002"),  # the numbers of a plant may look like those of a chain
        ("renamed", 3, "renamed"),
    ],
)
def test_numbering_of_a_chain_is_taken_off_its_name(name, sequence, base):
    assert number_of({"name": name, "origin": False, "backorder_sequence": sequence}) == base
    assert number_of({"name": name, "origin": "MES-1", "backorder_sequence": sequence}) == "MES-1"


SET, BOOK = Step("set", "m/set", {}, is_repeatable=True), Step("book", "m/book", {}, is_repeatable=False)


@pytest.mark.parametrize(
    ("steps", "done", "first"),
    [
        ([SET, SET, BOOK], 0, 0),
        ([SET, SET, BOOK], 2, 0),
        ([SET, SET, BOOK], 3, 3),
        ([BOOK, SET, BOOK], 1, 1),
        ([BOOK, SET, BOOK], 2, 1),
        ([SET, BOOK], 9, 2),
        ([], 0, 0),
    ],
)
def test_resumed_plan_repeats_what_may_be_repeated_and_nothing_else(steps, done, first):
    assert first_to_send(steps, done) == first


def test_step_comes_back_from_the_checkpoint_as_it_was():
    step = plan(CHAIN, event(4, 12), "Units")[0]
    assert Step.from_json(step.to_json()) == step
