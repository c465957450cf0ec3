"""The oracles of the KPI definitions through the real path: states and counts in, SQL, KPI out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from bridge.config.settings import Targets
from bridge.store import kpi
from bridge.store.database import connected
from dashboard.api.plant import Counted, read_plant
from dashboard.api.window import WindowName
from dashboard.kpis import KPIS, Basis
from dashboard.kpis.sums import of_machine, total
from tests.plant_seed import Seed

START = datetime(2026, 5, 4, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Plant(Seed):
    """One line, with machines of chosen ideal cycles."""

    def build(self, **ideal_s: float | None) -> None:
        parent = None
        for level, path in (("enterprise", "a"), ("site", "a/b"), ("area", "a/b/c"), ("work_center", "a/b/c/line")):
            parent = self.one(
                "insert into equipment (parent_id, level, path, name) values (%s, %s, %s, %s) returning id",
                parent, level, path, path.rsplit("/", 1)[-1],
            )  # fmt: skip
        for position, (name, cycle) in enumerate(ideal_s.items(), start=1):
            self.one(
                "insert into equipment (parent_id, level, path, name, position, is_final, ideal_cycle_s)"
                " values (%s, 'work_unit', %s, %s, %s, %s, %s) returning id",
                parent, f"a/b/c/line/{name}", name, position, position == len(ideal_s), cycle,
            )  # fmt: skip

    def shift(self, start: datetime, minutes: float, rate: float | None = None) -> None:
        self.connection.execute(
            "insert into calendar_shift (name, during, planned_rate_per_h) values ('s', tstzrange(%s, %s), %s)",
            (start, start + minutes * MINUTE, rate),
        )

    def states(self, machine: str, *minutes: tuple[str, float]) -> datetime:
        at = START
        for state, length in minutes:
            self.state(machine, at, at + length * MINUTE, state)
            at += length * MINUTE
        return at


@pytest.fixture
def plant(database_dsn: str) -> Iterator[Plant]:
    seed = Plant(database_dsn)
    yield seed
    seed.close()


async def figures(dsn: str, start: datetime, end: datetime) -> dict[str, float | None]:
    async with connected(dsn, "test") as connection:
        basis = Basis(total(of_machine(row) for row in await kpi.machine_sums(connection, start, end)))
    return {name: definition.formula(basis) for name, definition in KPIS.items()}


async def test_worked_example_of_iso_22400(database_dsn, plant):
    plant.build(m1=30.0)
    plant.shift(START, 480)
    end = plant.states(
        "m1", ("RUNNING", 165), ("SETUP", 30), ("STARVED", 20), ("IDLE", 10), ("PLANNED_STOP", 60), ("UNPLANNED_STOP", 30), ("RUNNING", 165)
    )  # fmt: skip
    for qty, kind in ((570, "good"), (30, "scrap"), (30, "rework")):
        plant.count("m1", START + MINUTE, qty, kind)
    values = await figures(database_dsn, START, end)
    expected = {
        "availability": 0.7857, "effectiveness": 0.9091, "quality_ratio": 0.95, "oee": 0.6786, "nee": 0.8019,
        "setup_ratio": 0.0833, "technical_efficiency": 0.9167, "scrap_ratio": 0.05, "rework_ratio": 0.05,
    }  # fmt: skip
    assert {name: values[name] for name in expected} == pytest.approx(expected, abs=5e-5)


async def test_published_oee_example(database_dsn, plant):
    plant.build(m1=1.0)
    plant.shift(START, 480)
    end = plant.states("m1", ("RUNNING", 200), ("PLANNED_STOP", 60), ("UNPLANNED_STOP", 47), ("RUNNING", 173))
    plant.count("m1", START + MINUTE, 19_271 - 423)
    plant.count("m1", START + MINUTE, 423, "scrap")
    values = await figures(database_dsn, START, end)
    got = [values[name] for name in ("availability", "effectiveness", "quality_ratio", "oee")]
    assert got == pytest.approx([0.8881, 0.8611, 0.9780, 0.7479], abs=5e-5)


async def test_a_lines_oee_comes_from_sums_not_from_averages(database_dsn, plant):
    plant.build(m1=60.0, m2=120.0)
    plant.shift(START, 480)
    end = plant.states("m1", ("RUNNING", 432), ("UNPLANNED_STOP", 48))
    plant.states("m2", ("RUNNING", 60), ("UNPLANNED_STOP", 60), ("PLANNED_STOP", 360))
    for machine, good, scrap in (("m1", 396, 4), ("m2", 10, 10)):
        plant.count(machine, START + MINUTE, good)
        plant.count(machine, START + MINUTE, scrap, "scrap")
    values = await figures(database_dsn, START, end)
    assert values["oee"] == pytest.approx(0.6933, abs=5e-5)
    product = values["availability"] * values["effectiveness"] * values["quality_ratio"]
    assert product == pytest.approx(values["oee"])


async def test_lead_time_percentiles_are_continuous(database_dsn, plant):
    for number, hours in enumerate((4, 5, 5, 6, 7, 8, 9, 12, 20, 48)):
        plant.shipment(f"S{number}", START - timedelta(hours=hours), START)
    plant.shipment("waiting", START, None)
    async with connected(database_dsn, "test") as connection:
        lead = await kpi.lead_time(connection, START - timedelta(days=30), START + MINUTE)
    assert [lead[name] for name in ("p50", "p90", "p95", "shipments")] == pytest.approx([7.5, 22.8, 35.4, 10])


async def test_unknown_time_is_in_completeness_only(database_dsn, plant):
    plant.build(m1=None)
    plant.shift(START, 100)
    plant.states("m1", ("RUNNING", 40), ("UNKNOWN", 20), ("MAINTENANCE", 10))
    values = await figures(database_dsn, START, START + 100 * MINUTE)
    assert (values["availability"], values["completeness"]) == pytest.approx((0.8, 0.5))


async def test_time_outside_the_shift_is_not_planned(database_dsn, plant):
    plant.build(m1=60.0)
    plant.shift(START, 60)
    plant.states("m1", ("RUNNING", 30), ("IDLE", 30), ("RUNNING", 120))
    plant.count("m1", START + 90 * MINUTE, 50)
    values = await figures(database_dsn, START, START + 180 * MINUTE)
    assert (values["availability"], values["effectiveness"], values["completeness"]) == (0.5, 0.0, 1.0)


async def test_an_open_interval_ends_with_the_window(database_dsn, plant):
    plant.build(m1=None)
    plant.shift(START, 60)
    plant.state("m1", START, START + 10 * MINUTE, "IDLE")
    plant.state("m1", START + 10 * MINUTE, None, "RUNNING")
    assert (await figures(database_dsn, START, START + 20 * MINUTE))["availability"] == pytest.approx(0.5)


async def test_plant_shows_output_against_plan_wip_and_what_the_erp_does_not_know(database_dsn, plant):
    plant.build(saw=1.8, cnc=2.0, insp=1.6)
    plant.shift(START, 480, rate=120)
    now = START + 60 * MINUTE
    plant.count("saw", START + MINUTE, 130)
    plant.count("cnc", START + MINUTE, 115)
    plant.count("cnc", START + MINUTE, 5, "scrap")
    counts = [plant.count("insp", START + n * MINUTE, 50, order="MO1", final=True) for n in (10, 20)]
    plant.post("MO1", 50, counts[:1])
    plant.post("MO1", 50, counts[1:], state="pending")
    async with connected(database_dsn, "test") as connection:
        summary = await read_plant(connection, Targets(), Counted(), WindowName.SHIFT, now)
    output = summary.output
    assert (output.made, output.planned, output.posted, output.waiting) == (100, 120, 50, 50)
    assert (summary.kpis["output"].value, summary.kpis["output"].target) == (100, 120)
    assert (summary.kpis["wip"].value, summary.lines[0].wip) == ((130 - 120) + (115 - 100), 25)


async def test_wip_counts_the_time_before_the_window_and_after_a_later_look(database_dsn, plant):
    plant.build(saw=1.8, cnc=2.0)
    counted = Counted()
    plant.count("saw", START - timedelta(days=3), 40)
    plant.count("cnc", START - timedelta(days=2), 30)
    async with connected(database_dsn, "test") as connection:
        first = await read_plant(connection, Targets(), counted, WindowName.MINUTES_15, START)
        plant.count("saw", START - MINUTE, 3)
        second = await read_plant(connection, Targets(), counted, WindowName.MINUTES_15, START + MINUTE)
    assert (first.kpis["wip"].value, second.kpis["wip"].value) == (10, 13)


@pytest.mark.parametrize(
    ("window", "minutes"), [(WindowName.MINUTES_15, 15), (WindowName.HOUR, 60), (WindowName.DAY, 1440)]
)
async def test_windows_end_now(database_dsn, plant, window, minutes):
    plant.build(m1=None)
    async with connected(database_dsn, "test") as connection:
        summary = await read_plant(connection, Targets(), Counted(), window, START)
    assert (summary.window.starts_at, summary.window.ends_at) == (START - minutes * MINUTE, START)
