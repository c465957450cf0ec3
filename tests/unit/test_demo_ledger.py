"""The comparison of ledgers at the end of a demonstration."""

from __future__ import annotations

import pytest

from bridge.cli.demo.ledger import balance
from bridge.store.ledger import Ledger

CNC1, CNC2 = "acme/dortmund/machining/line1/cnc1", "acme/dortmund/machining/line1/cnc2"


def faults_line(developed, tickets, requested):
    plant = {
        "readings_sent": 0,
        "bad_sent": 0,
        "good_made": 0,
        "scrap_made": 0,
        "by_order": {},
        "by_machine": {},
        "faults": [{"machine": machine, "mode": mode} for machine, mode in developed],
    }
    erp = {
        "good_posted": 0,
        "good_posted_by_origin": {},
        "scrap_posted_by_product": {},
        "consumed_by_product": {},
        "maintenance_requests": [{"equipment": machine} for machine in requested],
    }
    totals = dict.fromkeys(Ledger.__dataclass_fields__, 0)
    by_fault = {fault: tickets.count(fault) for fault in tickets}
    database = Ledger(
        **{**totals, "tickets": len(tickets), "good_by_order": {}, "tickets_by_fault": by_fault, "material_posted": {}}
    )
    return next(line for line in balance(plant, database, erp) if line.what == "faults")


def test_faults_agree_where_tickets_and_requests_are_of_the_same_machines():
    faults = [(CNC1, "VIB"), (CNC2, "VIB"), (CNC1, "VIB")]
    line = faults_line(faults, faults[::-1], [CNC2, CNC1, CNC1])
    assert line.agrees
    assert line.sides == (("developed", 3), ("tickets", 3), ("in the ERP", 3))


@pytest.mark.parametrize(
    ("tickets", "requested"),
    [
        ([(CNC2, "VIB")], [CNC1]),
        ([(CNC1, "TEMP")], [CNC1]),
        ([(CNC1, "VIB")], [CNC2]),
        ([(CNC1, "VIB")], [None]),
        ([], []),
    ],
)
def test_as_many_faults_of_another_machine_or_mode_differ(tickets, requested):
    assert not faults_line([(CNC1, "VIB")], tickets, requested).agrees
