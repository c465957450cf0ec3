"""A spindle bearing that wears: vibration velocity grows through the zones of ISO 20816-3.

Wear goes by time, not by pieces, so that a run of a given length develops its faults whatever the orders do.
A fault counts only when it can be told from an unfinished one: beyond 4.5 mm/s for `stays_s` before the end.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Protocol

from simulators.plant.flow import Machine, Steps

HEALTHY_MM_S = 1.2
ALARM_MM_S = 4.5
WORST_MM_S = 8.8
MARGIN_MM_S = 0.02


@dataclass(frozen=True, slots=True)
class WearPlan:
    """When bearings wear and are repaired; seconds of simulated time."""

    first_after_s: float = 10.0
    to_alarm_s: float = 18.0
    stays_s: float = 8.0
    repair_after_s: float = 240.0
    repair_takes_s: float = 20.0
    next_after_s: float = 180.0

    def can_develop(self, now_s: float, ends_at_s: float) -> bool:
        """Whether a fault that starts now counts before the production ends."""
        return now_s + self.to_alarm_s + self.stays_s <= ends_at_s


class FaultListener(Protocol):
    """Hears of faults that count."""

    def fault_developed(self, machine: Machine, started_s: float, crossed_s: float) -> None:
        """Take a fault that has stayed beyond the alarm limit; simulated seconds."""


class Bearing:
    """The condition of one bearing, as vibration velocity in mm/s RMS."""

    def __init__(self, rng: random.Random, to_alarm_s: float) -> None:
        self._rng = rng
        self._growth = math.log(ALARM_MM_S / HEALTHY_MM_S) / to_alarm_s
        self._worn_since_s: float | None = None

    def wear_from(self, now_s: float) -> None:
        """Begin a fault."""
        self._worn_since_s = now_s

    def renew(self) -> None:
        """End the fault; as new."""
        self._worn_since_s = None

    def condition(self, now_s: float) -> float:
        """Vibration without noise."""
        if self._worn_since_s is None:
            return HEALTHY_MM_S
        return min(HEALTHY_MM_S * math.exp(self._growth * (now_s - self._worn_since_s)), WORST_MM_S)

    def measure(self, now_s: float) -> float:
        """Vibration with noise, which never carries it across the alarm limit: one fault, one crossing."""
        condition = self.condition(now_s)
        noisy = condition * self._rng.gauss(1.0, 0.025)
        if condition > ALARM_MM_S:
            return round(max(noisy, ALARM_MM_S + MARGIN_MM_S), 3)
        return round(min(noisy, ALARM_MM_S - MARGIN_MM_S), 3)


def wear(machine: Machine, bearing: Bearing, plan: WearPlan, ends_at_s: float, listener: FaultListener) -> Steps:
    """Let faults come and be repaired for ever, or until none can develop before the end.

    While a fault is there the machine has no other stops, so that what a rule sees is the fault.
    """
    env = machine.line.env
    pause_s = plan.first_after_s
    while True:
        yield env.timeout(pause_s)
        while machine.line.order is None:
            yield env.timeout(0.5)
        if not plan.can_develop(env.now, ends_at_s):
            return
        started_s, machine.may_stop = env.now, False
        bearing.wear_from(started_s)
        yield env.timeout(plan.to_alarm_s + plan.stays_s)
        listener.fault_developed(machine, started_s, started_s + plan.to_alarm_s)
        yield env.timeout(plan.repair_after_s)
        machine.repair_s = plan.repair_takes_s
        machine.line.signal.fire()
        while machine.state != "MAINTENANCE":
            yield env.timeout(0.2)
        bearing.renew()
        machine.may_stop = True
        pause_s = plan.next_after_s
