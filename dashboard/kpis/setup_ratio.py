"""Setup ratio: AUST / (APT + AUST)."""

from __future__ import annotations

from typing import Final

from dashboard.kpis.definition import Basis, Direction, Kpi, share


def _formula(basis: Basis) -> float | None:
    return share(basis.sums.setup_s, basis.sums.run_s + basis.sums.setup_s)


DEFINITION: Final = Kpi(
    name="setup_ratio",
    title="Setup ratio",
    unit="ratio",
    direction=Direction.DOWN,
    formula=_formula,
    standard="Setup ratio",
    meaning="Setup time as a share of production and setup: AUST / (APT + AUST).",
)
