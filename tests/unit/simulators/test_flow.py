"""Pieces and orders in virtual time: no clock, no network, no waiting."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
import simpy

from simulators.plant.bearing import ALARM_MM_S, Bearing, WearPlan, wear
from simulators.plant.flow import Line, Machine, Order, Pace, build_line
from simulators.plant.layout import COUNTER_MODULUS, LINES, Value
from simulators.plant.sampling import Sensors, sample


class Recorder:
    """A listener that keeps everything."""

    def __init__(self) -> None:
        self.events: list[tuple[float, str, dict[str, Value]]] = []
        self.pieces: Counter[tuple[str, str, bool]] = Counter()
        self.seconds: Counter[str] = Counter()
        self.faults: list[tuple[str, float, float]] = []

    def changed(self, machine: Machine, readings: dict[str, Value]) -> None:
        self.events.append((machine.line.env.now, machine.spec.name, readings))

    def piece_made(self, machine: Machine, order: str, good: bool) -> None:
        self.pieces[machine.spec.name, order, good] += 1

    def state_left(self, machine: Machine, state: str, seconds: float) -> None:
        self.seconds[machine.spec.name, state] += seconds  # type: ignore[index,assignment]

    def fault_developed(self, machine: Machine, started_s: float, crossed_s: float) -> None:
        self.faults.append((machine.spec.name, started_s, crossed_s))

    def count(self, machine: str, good: bool) -> int:
        return sum(n for (name, _, is_good), n in self.pieces.items() if name == machine and is_good is good)


def produce(seed: int, seconds: float, quantities: tuple[int, ...] = (15,) * 40) -> tuple[Line, Recorder]:
    env, recorder = simpy.Environment(), Recorder()
    line = build_line(env, LINES["line1"], seed, Pace(), recorder)
    for number, quantity in enumerate(quantities, 1):
        line.add_order(Order(f"MES-{number:04d}", quantity))
    env.run(until=seconds)
    return line, recorder


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("seconds", [1.0, 47.3, 600.0])
def test_pieces_are_conserved_at_any_instant(seed: int, seconds: float) -> None:
    line, recorder = produce(seed, seconds)
    in_buffers = sum(len(buffer) for buffer in line.buffers)
    in_hand = sum(machine.in_hand is not None for machine in line.machines)
    scrap = sum(recorder.count(machine.spec.name, False) for machine in line.machines)
    finished = recorder.count("insp1", True)
    assert line.started.total() == scrap + finished + in_buffers + in_hand
    assert (line.scrapped.total(), line.finished.total()) == (scrap, finished)


def test_same_seed_gives_the_same_run() -> None:
    assert produce(3, 300.0)[1].events == produce(3, 300.0)[1].events


def test_another_seed_gives_another_run() -> None:
    assert produce(3, 300.0)[1].events != produce(4, 300.0)[1].events


def test_every_finished_order_has_exactly_its_quantity() -> None:
    line, _ = produce(5, 900.0, (12, 20, 13))
    assert dict(line.finished) == {"MES-0001": 12, "MES-0002": 20, "MES-0003": 13}
    assert line.order is None
    assert {machine.state for machine in line.machines} == {"IDLE"}


def test_scrap_is_made_up_by_further_pieces() -> None:
    line, _ = produce(1, 3000.0, (400,))
    assert line.scrapped["MES-0001"] > 0
    assert line.started["MES-0001"] == 400 + line.scrapped["MES-0001"]


def test_counters_wrap_and_their_steps_sum_to_the_pieces_made() -> None:
    line, recorder = produce(2, 1200.0)
    for machine in line.machines:
        name = machine.spec.name
        for tag, good in (("parts.good", True), ("parts.scrap", False)):
            values = [int(r[tag]) for _, m, r in recorder.events if m == name and tag in r]
            steps = [(b - a) % COUNTER_MODULUS for a, b in pairwise(values)]
            assert sum(steps) + 1 >= recorder.count(name, good)
            assert set(steps) <= {0, 1}
        assert machine.good < 65_000


def test_every_counter_message_carries_order_and_state() -> None:
    for _, _, readings in produce(2, 300.0)[1].events:
        if "parts.good" in readings:
            assert {"state", "order.number", "parts.scrap"} <= readings.keys()


def test_machines_wait_block_set_up_and_stop() -> None:
    states = {readings["state"] for seed in range(4) for _, _, readings in produce(seed, 300.0)[1].events}
    assert states >= {"EXECUTE", "STARVED", "BLOCKED", "SETUP", "ABORTED"}


def with_bearing(plan: WearPlan, seconds: float, ends_at_s: float) -> tuple[Recorder, list[tuple[float, float]]]:
    import random

    env, recorder = simpy.Environment(), Recorder()
    line = build_line(env, LINES["line1"], 7, Pace(), recorder)
    for number in range(60):
        line.add_order(Order(f"MES-{number:04d}", 20))
    machine = line.machines[1]
    bearing = Bearing(random.Random(1), plan.to_alarm_s)
    measured: list[tuple[float, float]] = []
    sensors = Sensors(machine, random.Random(2), bearing)
    env.process(sample(sensors, 0.2, 0.1, lambda _, r: measured.append((env.now, r["spindle.vib_rms"]))))
    env.process(wear(machine, bearing, plan, ends_at_s, recorder))
    env.run(until=seconds)
    return recorder, measured


def test_a_fault_crosses_the_alarm_limit_once_and_stays() -> None:
    recorder, measured = with_bearing(WearPlan(), 60.0, 60.0)
    assert recorder.faults == [("cnc1", 10.0, 28.0)]
    assert all(value < ALARM_MM_S for at, value in measured if at < 28.0)
    assert all(value > ALARM_MM_S for at, value in measured if at > 28.0)
    assert max(value for _, value in measured) > 7.1


def test_no_fault_begins_that_cannot_develop_before_the_end() -> None:
    recorder, measured = with_bearing(WearPlan(), 30.0, 30.0)
    assert recorder.faults == []
    assert max(value for _, value in measured) < 1.5


def test_a_long_run_repairs_the_bearing_and_wears_it_again() -> None:
    plan = WearPlan(repair_after_s=60.0, next_after_s=60.0)
    recorder, measured = with_bearing(plan, 400.0, 400.0)
    assert len(recorder.faults) >= 2
    assert any(r["state"] == "MAINTENANCE" for _, m, r in recorder.events if m == "cnc1")
    assert min(value for at, value in measured if at > 60) < 1.5
