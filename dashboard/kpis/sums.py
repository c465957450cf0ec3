"""The sums that KPIs divide. Sums of machines add up to those of a line and of the plant; ratios never do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Sums:
    """Seconds and pieces of a span, of one machine or of several together. Names in comments are elements of ISO 22400-2.

    Seconds count known states only, inside planned time. `rated_*` and `ideal_*` are of machines whose ideal run time per item
    is known; the others take no part in effectiveness and OEE.
    """

    planned_s: float = 0.0  # the calendar's time, known or not
    known_s: float = 0.0
    run_s: float = 0.0  # actual production time APT
    setup_s: float = 0.0  # actual unit setup time AUST
    delay_s: float = 0.0  # actual unit delay time ADET: idle, blocked, starved
    planned_stop_s: float = 0.0
    unplanned_stop_s: float = 0.0
    maintenance_s: float = 0.0
    failures: int = 0
    rated_busy_s: float = 0.0
    rated_run_s: float = 0.0
    ideal_produced_s: float = 0.0  # ideal run time per item, times produced
    ideal_good_s: float = 0.0
    good: int = 0  # GQ
    scrap: int = 0  # SQ
    rework: int = 0  # RQ
    made: int = 0  # finished goods
    posted: int = 0  # finished goods that the business system confirmed
    due: int = 0  # finished goods whose posting should be through

    @property
    def busy_s(self) -> float:
        """Planned busy time PBT: what is known of planned time, less planned stops."""
        return self.known_s - self.planned_stop_s

    @property
    def produced(self) -> int:
        """Produced quantity PQ. Rework is no production: its pieces were counted when they were first made."""
        return self.good + self.scrap

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def of_machine(row: Mapping[str, Any]) -> Sums:
    """The sums of one row of bridge.store.kpi.machine_sums."""
    known_s = (
        row["run_s"] + row["setup_s"] + row["delay_s"]
        + row["planned_stop_s"] + row["unplanned_stop_s"] + row["maintenance_s"]
    )  # fmt: skip
    ideal_s = row["ideal_cycle_s"]
    is_rated = ideal_s is not None
    return Sums(
        planned_s=row["planned_s"],
        known_s=known_s,
        run_s=row["run_s"],
        setup_s=row["setup_s"],
        delay_s=row["delay_s"],
        planned_stop_s=row["planned_stop_s"],
        unplanned_stop_s=row["unplanned_stop_s"],
        maintenance_s=row["maintenance_s"],
        failures=row["failures"],
        rated_busy_s=known_s - row["planned_stop_s"] if is_rated else 0.0,
        rated_run_s=row["run_s"] if is_rated else 0.0,
        ideal_produced_s=ideal_s * (row["planned_good"] + row["planned_scrap"]) if is_rated else 0.0,
        ideal_good_s=ideal_s * row["planned_good"] if is_rated else 0.0,
        good=row["good"],
        scrap=row["scrap"],
        rework=row["rework"],
        made=row["good"] if row["is_final"] else 0,
        posted=row["posted"],
        due=row["due"] if row["is_final"] else 0,
    )


def total(sums: Iterable[Sums]) -> Sums:
    """All of them together."""
    return sum(sums, Sums())


def wip_pieces(machines: Iterable[Mapping[str, Any]], counted: Mapping[int, tuple[int, int]]) -> int:
    """Pieces between the operations of one line: good ones of a position less all that the next position took.

    `machines` have equipment_id and position (0: outside the flow); `counted` is (good, scrap) since the beginning. Machines
    that share a position work side by side.
    """
    flow: dict[int, tuple[int, int]] = {}
    for machine in machines:
        if position := machine["position"]:
            good, scrap = counted.get(machine["equipment_id"], (0, 0))
            before = flow.get(position, (0, 0))
            flow[position] = (before[0] + good, before[1] + good + scrap)
    steps = [flow[position] for position in sorted(flow)]
    return sum(upstream[0] - downstream[1] for upstream, downstream in pairwise(steps))
