"""Definitions and formulas; the same oracles go through the database in tests/integration/tower/test_kpis.py."""

from __future__ import annotations

from pathlib import Path

import pytest

import dashboard.kpis
from bridge.config.settings import Targets
from dashboard.kpis import KPIS, Basis, Direction, Status, Sums, evaluate
from dashboard.kpis.definition import status
from dashboard.kpis.sums import wip_pieces

# kpi.md: PBT 420 min, APT 330, AUST 30, ADET 30, PRI 0.5 min; PQ 600, GQ 570, SQ 30, RQ 30.
WORKED = Sums(
    planned_s=420 * 60, known_s=420 * 60, run_s=330 * 60, setup_s=30 * 60, delay_s=30 * 60, unplanned_stop_s=30 * 60,
    rated_busy_s=420 * 60, rated_run_s=330 * 60, ideal_produced_s=600 * 30, ideal_good_s=570 * 30,
    good=570, scrap=30, rework=30,
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("availability", 0.7857), ("effectiveness", 0.9091), ("quality_ratio", 0.9500), ("oee", 0.6786), ("nee", 0.8019),
        ("setup_ratio", 0.0833), ("technical_efficiency", 0.9167), ("scrap_ratio", 0.05), ("rework_ratio", 0.05),
    ],
)  # fmt: skip
def test_worked_example_of_iso_22400(name, expected):
    assert KPIS[name].formula(Basis(WORKED)) == pytest.approx(expected, abs=5e-5)


def test_mtbf_and_mttr_of_three_failures():
    sums = Sums(run_s=300 * 3600, unplanned_stop_s=6 * 3600, failures=3)
    assert (KPIS["mtbf"].formula(Basis(sums)), KPIS["mttr"].formula(Basis(sums))) == (100, 2)


def test_published_oee_example():
    """Shift 480 min, breaks 60, down 47, ideal cycle 1.0 s, 19 271 made, 423 rejected."""
    run = (480 - 60 - 47) * 60
    sums = Sums(
        planned_s=480 * 60, known_s=480 * 60, planned_stop_s=60 * 60, run_s=run, rated_run_s=run, rated_busy_s=420 * 60,
        ideal_produced_s=19271, ideal_good_s=19271 - 423, good=19271 - 423, scrap=423,
    )  # fmt: skip
    values = [KPIS[name].formula(Basis(sums)) for name in ("availability", "effectiveness", "quality_ratio", "oee")]
    assert values == pytest.approx([0.8881, 0.8611, 0.9780, 0.7479], abs=5e-5)


def test_rework_is_no_production():
    assert Sums(good=570, scrap=30, rework=30).produced == 600


def test_nothing_to_divide_by_gives_no_value():
    assert [kpi.name for kpi in KPIS.values() if kpi.unit == "ratio" and kpi.formula(Basis(Sums())) is not None] == []


def test_every_definition_file_is_in_the_table():
    folder = Path(dashboard.kpis.__file__).parent
    files = {file.stem for file in folder.glob("*.py")} - {"__init__", "definition", "sums"}
    assert files == set(KPIS)


@pytest.mark.parametrize("kpi", KPIS.values(), ids=KPIS)
def test_definition_is_complete_and_its_target_exists(kpi):
    assert kpi.title
    assert kpi.unit
    assert kpi.meaning.endswith(".")
    assert kpi.target is None or kpi.target in Targets.model_fields


@pytest.mark.parametrize(
    ("value", "target", "direction", "expected"),
    [
        (0.9, 0.85, Direction.UP, Status.OK), (0.80, 0.85, Direction.UP, Status.WATCH), (0.5, 0.85, Direction.UP, Status.ACT),
        (30, 30, Direction.DOWN, Status.OK), (33, 30, Direction.DOWN, Status.WATCH), (34, 30, Direction.DOWN, Status.ACT),
        (None, 1, Direction.UP, Status.NONE), (1, None, Direction.UP, Status.NONE),
    ],
)  # fmt: skip
def test_status_tells_how_far_off_the_target_a_value_is(value, target, direction, expected):
    assert status(value, target, direction) is expected


def test_unknown_time_shows_in_completeness_only():
    half_known = Sums(planned_s=1000, known_s=500, run_s=400)
    value = evaluate(KPIS["availability"], Basis(half_known), Targets())
    assert (value.value, value.completeness) == (0.8, 0.5)


def test_wip_is_what_a_position_gave_less_what_the_next_took():
    machines = [{"equipment_id": n, "position": n} for n in (1, 2, 3)] + [{"equipment_id": 9, "position": 0}]
    counted = {1: (100, 5), 2: (80, 4), 3: (70, 3), 9: (500, 0)}
    assert wip_pieces(machines, counted) == (100 - 84) + (80 - 73)


def test_wip_adds_up_machines_that_work_side_by_side():
    machines = [
        {"equipment_id": 1, "position": 1},
        {"equipment_id": 2, "position": 1},
        {"equipment_id": 3, "position": 2},
    ]
    assert wip_pieces(machines, {1: (10, 0), 2: (12, 1), 3: (15, 2)}) == 22 - 17
