"""Mean time to restore."""

from __future__ import annotations

from typing import Final

from dashboard.kpis.definition import Basis, Direction, Kpi, share


def _formula(basis: Basis) -> float | None:
    return share(basis.sums.unplanned_stop_s / 3600, basis.sums.failures)


DEFINITION: Final = Kpi(
    name="mttr",
    title="Mean time to restore",
    unit="h",
    direction=Direction.DOWN,
    formula=_formula,
    standard="Mean time to restoration",
    meaning="Time of unplanned stops over their number.",
)
