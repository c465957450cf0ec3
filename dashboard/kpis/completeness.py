"""Data completeness: how much of the planned time is known at all."""

from __future__ import annotations

from typing import Final

from dashboard.kpis.definition import Basis, Direction, Kpi, share


def _formula(basis: Basis) -> float | None:
    return share(basis.sums.known_s, basis.sums.planned_s)


def _target(_basis: Basis) -> float | None:
    return 0.99


DEFINITION: Final = Kpi(
    name="completeness",
    title="Data completeness",
    unit="ratio",
    direction=Direction.UP,
    formula=_formula,
    target_of=_target,
    meaning="Share of the planned time, over all machines, in which the machine's state was known. Unknown time is in no other figure.",
)
