"""`erp_posting` in a rule file: what it may say of each kind, and every mistake with its place and what to do."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from bridge.config.settings import ProductionSettings
from bridge.model.production import EventKind
from rules.rulebook import check_rules, read_rules
from tests.integration.rules.rules_stage import CONSUMED, FINAL, LATE_SCRAP, PERFORMANCE, RULES, SCRAP, settings_for
from tests.rules.rule_files import HEAD, messages_of, rules_of, written

POSTING = """- id: r
  inputs: {n: {tag: parts.scrap, counter: {modulus: 65536, max_delta: 500}}}
  on: "delta(n) > 0"
  actions:
    - erp_posting: {WHAT}
"""
EVERY = RULES + SCRAP.replace("- id: scrap", "- id: scrap\n  for_each: {equipment_class: inspection}") + CONSUMED
EVERY += PERFORMANCE + LATE_SCRAP


def posting(what: str) -> str:
    return POSTING.replace("WHAT", what)


def checked(folder: Path, rules: str, carried: dict[str, frozenset[EventKind]] | None = None) -> list[str]:
    found = check_rules(settings_for("postgresql:///x", folder, rules), carried)
    return [str(problem).split("rules.yaml:")[1] for problem in found]


def test_every_kind_is_read_with_its_own_fields(tmp_path):
    what = 'connector: erp, kind: consumed, quantity: "delta(n)", item: BAR-60, uom: kg, per_piece: 0.85, location: RAW, lot: {tag: parts.lot}, batch: {max_qty: 7, max_wait: 1m}'
    [rule] = rules_of(tmp_path, posting(what))
    [found] = rule.postings
    assert (found.kind, found.item, found.uom, found.location, found.lot, found.max_qty) == (
        EventKind.CONSUMED, "BAR-60", "kg", "RAW", "parts.lot", 7)  # fmt: skip
    [rule] = rules_of(tmp_path, posting('connector: sap, kind: performance, segment: "0010", final: order_end'))
    assert (rule.postings[0].segment, rule.postings[0].ends_with_order) == ("0010", True)
    [rule] = rules_of(tmp_path, posting("connector: sap, kind: reversal"))
    assert (rule.postings[0].kind, rule.postings[0].ends_with_order) == (EventKind.REVERSAL, False)


@pytest.mark.parametrize("written_as", ["0.85", '"0.85"', '"0.850"'])
def test_quantity_of_a_piece_is_what_its_digits_say(tmp_path, written_as):
    [rule] = rules_of(tmp_path, posting(f"connector: erp, kind: consumed, item: x, uom: kg, per_piece: {written_as}"))
    assert rule.postings[0].per_piece == Decimal("0.85")


@pytest.mark.parametrize(
    "written_as", ["0", "-1", "1/3", "1e3", '"0.0000000000001"', "12345678901", "nan", "[1]", '""', "0.8 kg", '"0,85"']
)
def test_quantity_of_a_piece_that_is_not_exact_is_refused(tmp_path, written_as):
    [told] = messages_of(
        tmp_path, posting(f"connector: erp, kind: consumed, item: x, uom: kg, per_piece: {written_as}")
    )
    assert "must be an exact decimal above 0" in told


@pytest.mark.parametrize(("what", "told"), [
    ("connector: erp, kind: scrapp", "rules[0].actions[0].erp_posting.kind: unknown 'scrapp'; did you mean scrap?"),
    ("kind: scrap", "rules[0].actions[0].erp_posting: connector is missing"),
    ("connector: erp, kind: consumed", "item is missing: what each piece takes"),
    ("connector: erp, kind: consumed, item: x, uom: kilos", "no UCUM code"),
    ("connector: erp, kind: scrap, item: x", "erp_posting.item: is of kind: consumed; a scrap posting has none"),
    ("connector: erp, segment: '10'", "erp_posting.segment: is of kind: performance; a wip_to_fg posting has none"),
    ("connector: erp, kind: performance, final: later", "unknown 'later'"),
    ("connector: erp, kind: performance, lot: {tag: l}", "a performance posting names no lot; wip_to_fg, scrap, consumed do"),
    ("connector: erp, kind: consumed, item: x, serials: {tag: s}",
     "erp_posting.serials: a consumed posting names no serial numbers of pieces; wip_to_fg, scrap do"),
    ("connector: erp, kind: scrap, serials: {}", "tag is missing: the tag of the serial number, e.g. serials: {tag: parts.serial}"),
    ("connector: erp, kind: scrap, lot: {tg: l}", "is not a known field; did you mean tag?"),
    ("connector: erp, kind: scrap, quantity: delta(m)", "must be delta(n): what is counted is what is posted"),
    ("connector: erp, kind: scrap, batch: {max_qty: 0}", "must be a whole number from 1"),
    ("connector: erp, kind: scrap, reason: burr", "is not a known field"),
])  # fmt: skip
def test_mistake_is_told_in_its_line(tmp_path, what, told):
    _, problems = read_rules([written(tmp_path, posting(what))])
    assert any(told in str(problem) and problem.line == 7 and problem.column > 18 for problem in problems), problems


def test_rule_may_post_one_count_for_several_purposes_and_none_twice(tmp_path):
    two = posting("connector: erp, kind: scrap") + "    - erp_posting: {connector: WHERE, kind: KIND}\n"
    for where, kind in (("mes", "scrap"), ("erp", "performance"), ("erp", "consumed, item: x")):
        [rule] = rules_of(tmp_path, two.replace("WHERE", where).replace("KIND", kind))
        assert len(rule.postings) == 2
    for kind in ("scrap", "reversal"):  # what is scrapped is not taken back as well
        [told] = messages_of(tmp_path, two.replace("WHERE", "erp").replace("KIND", kind))
        assert "a piece is posted once for a purpose" in told


def test_rules_of_every_kind_fit_beside_each_other(tmp_path):
    assert checked(tmp_path, EVERY) == []


def test_counter_must_count_what_is_posted(tmp_path):
    good = SCRAP.replace("parts.scrap", "parts.good")
    [told] = checked(tmp_path, HEAD + good)
    assert told == "5:23: scrap.inputs.bad.tag: only scrap pieces are posted as scrap: bad must be the tag parts.scrap"
    [told] = checked(tmp_path, HEAD + CONSUMED.split("- id: bars-of-scrap")[0].replace("parts.good", "parts.rework"))[
        :1
    ]
    assert "only good and scrap pieces are posted as consumed: good must be the tag parts.good or parts.scrap" in told


def test_lot_is_that_of_the_counts(tmp_path):
    rules = HEAD + SCRAP.replace("max_wait: 10s}}", "max_wait: 10s}, lot: {tag: batch.no}}")
    assert checked(tmp_path, rules) == [
        "9:121: scrap.actions: the lot of counted pieces is read from parts.lot: [production] lot names its tag"]  # fmt: skip


def test_serial_numbers_are_those_of_the_counts_and_their_system_takes_them(tmp_path):
    rules = HEAD + SCRAP.replace("max_wait: 10s}}", "max_wait: 10s}, serials: {tag: dmc}}")
    assert checked(tmp_path, rules) == [
        "9:125: scrap.actions: serial numbers of pieces are read from parts.serial: [production] serial names their tag"]  # fmt: skip
    settings = settings_for("postgresql:///x", tmp_path, rules.replace("dmc", "parts.serial"))
    assert check_rules(settings) == []
    tryton = SimpleNamespace(name="erp", type="tryton82")
    [told] = check_rules(settings.model_copy(update={"connector": [tryton]}))
    assert (told.line, told.column) == (9, 125)
    assert told.message.startswith("erp takes no serial numbers (tryton82): leave serials out")
    both = rules.replace("dmc}", "parts.serial}, lot: {tag: parts.lot}")
    assert checked(tmp_path, both) == [
        "9:125: scrap.actions: erp tracks a product by lot or by serial number (odoo19): leave lot or serials out"]  # fmt: skip


def test_rule_takes_no_pieces_back_that_have_serial_numbers(tmp_path):
    finished = RULES[RULES.index("- id: finished-goods") :].replace("10s}}", "10s}, serials: {tag: parts.serial}}")
    assert checked(tmp_path, HEAD + finished) == []
    [told] = checked(tmp_path, HEAD + finished + LATE_SCRAP)
    assert told.startswith(
        "15:43: rejected-later.actions: the rule finished-goods posts pieces with serial numbers to erp"
    )


def test_serial_pattern_is_an_expression(tmp_path):
    with pytest.raises(ValidationError, match="is no regular expression: missing \\)"):
        ProductionSettings(serial_pattern="(SN")


def test_kind_that_the_connector_does_not_carry_is_told_before_it_happens(tmp_path):
    carried = {"erp": frozenset({EventKind.WIP_TO_FG, EventKind.SCRAP, EventKind.WORK_REQUEST})}
    assert checked(tmp_path, HEAD + SCRAP, carried) == []
    assert checked(tmp_path, HEAD + PERFORMANCE, carried) == [
        "8:43: confirmed.actions: erp carries no performance events; it carries wip_to_fg, scrap"]  # fmt: skip


@pytest.mark.parametrize(("more", "told"), [
    (SCRAP.replace("id: scrap", "id: again"), "the rule scrap posts the same pieces to erp already; a piece is posted once"),
    (SCRAP.replace("id: scrap", f"id: again\n  for_each: {{equipment: {FINAL}}}"), f"the same pieces on {FINAL} to erp already"),
    (LATE_SCRAP, "as scrap already: what was scrapped cannot be taken back as well; a piece is posted once"),
    (CONSUMED.replace('mL, per_piece: "0.000000000001"', 'kg, per_piece: "1"').replace("OIL", "BAR-60"), "a piece is posted once"),
    (CONSUMED.replace('kg, per_piece: "0.9"', 'g, per_piece: "900"'), "BAR-60 is posted in kg by the rule bars: its total has one unit"),
])  # fmt: skip
def test_pieces_that_two_rules_would_post_are_told(tmp_path, more, told):
    assert any(told in problem for problem in checked(tmp_path, HEAD + SCRAP + more))


def test_same_counts_go_to_two_systems(tmp_path):
    more = SCRAP.replace("id: scrap", "id: again").replace("connector: erp", "connector: erp2")
    assert not any("posted once" in problem for problem in checked(tmp_path, HEAD + SCRAP + more))


def test_nothing_is_taken_back_where_nothing_is_posted(tmp_path):
    assert checked(tmp_path, RULES + LATE_SCRAP) == []
    assert checked(tmp_path, HEAD + LATE_SCRAP) == [
        "9:32: rejected-later.actions: no rule posts wip_to_fg to erp: there is nothing that could be taken back"]  # fmt: skip
