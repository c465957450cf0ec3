"""Gauges of a machine: what its sensors show, by its state, its load and its bearing."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from simulators.plant.bearing import HEALTHY_MM_S, Bearing
from simulators.plant.flow import Machine, Steps

STILL = frozenset({"ABORTED", "MAINTENANCE"})
AMBIENT_CEL = 21.0


@dataclass(slots=True)
class Sensors:
    """The sensors of one machine; temperatures lag behind the load."""

    machine: Machine
    rng: random.Random
    bearing: Bearing | None
    motor_cel: float = 38.0
    spindle_cel: float = 34.0
    coolant_cel: float = 22.0

    def read(self, now_s: float, since_s: float) -> dict[str, float]:
        """Measure every gauge once; `since_s` is the time since the last measurement."""
        works = self.machine.state == "EXECUTE"
        self.motor_cel += (48.0 * works + 34.0 * (not works) - self.motor_cel) * min(since_s / 60, 1)
        measured = {
            "motor.current": round(max(self.rng.gauss(8.4 if works else 1.3, 0.15), 0.0), 2),
            "motor.temp": round(self.motor_cel + self.rng.gauss(0, 0.08), 2),
        }
        if self.bearing is not None:
            measured |= self._read_spindle(self.bearing, now_s, since_s, works)
        return measured

    def _read_spindle(self, bearing: Bearing, now_s: float, since_s: float, works: bool) -> dict[str, float]:
        turns = self.machine.state not in STILL
        friction_cel = 2.5 * (bearing.condition(now_s) - HEALTHY_MM_S)
        spindle_cel = AMBIENT_CEL + 12.0 * turns + 6.0 * works + friction_cel
        self.spindle_cel += (spindle_cel - self.spindle_cel) * min(since_s / 30, 1)
        self.coolant_cel += (AMBIENT_CEL + 3.0 * works - self.coolant_cel) * min(since_s / 90, 1)
        vibration = bearing.measure(now_s) if turns else round(abs(self.rng.gauss(0.08, 0.01)), 3)
        return {
            "spindle.vib_rms": vibration,
            "spindle.rpm": round(self.rng.gauss(8000, 6), 1) if turns else 0.0,
            "spindle.temp": round(self.spindle_cel + self.rng.gauss(0, 0.1), 2),
            "coolant.temp": round(self.coolant_cel + self.rng.gauss(0, 0.05), 2),
        }


def sample(
    sensors: Sensors, period_s: float, offset_s: float, publish: Callable[[Machine, dict[str, float]], None]
) -> Steps:
    """Measure at a fixed rate for ever; the offset spreads the machines over the period."""
    env = sensors.machine.line.env
    yield env.timeout(offset_s)
    while True:
        publish(sensors.machine, sensors.read(env.now, period_s))
        yield env.timeout(period_s)
