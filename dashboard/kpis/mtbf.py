"""Mean time between failures."""

from __future__ import annotations

from typing import Final

from dashboard.kpis.definition import Basis, Direction, Kpi, share


def _formula(basis: Basis) -> float | None:
    return share(basis.sums.run_s / 3600, basis.sums.failures)


DEFINITION: Final = Kpi(
    name="mtbf",
    title="Mean time between failures",
    unit="h",
    direction=Direction.UP,
    formula=_formula,
    standard="Mean operating time between failures",
    meaning="Operating time over the number of unplanned stops.",
)
