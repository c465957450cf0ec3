"""Technical efficiency: APT / (APT + ADET)."""

from __future__ import annotations

from typing import Final

from dashboard.kpis.definition import Basis, Direction, Kpi, share


def _formula(basis: Basis) -> float | None:
    return share(basis.sums.run_s, basis.sums.run_s + basis.sums.delay_s)


DEFINITION: Final = Kpi(
    name="technical_efficiency",
    title="Technical efficiency",
    unit="ratio",
    direction=Direction.UP,
    formula=_formula,
    standard="Technical efficiency",
    meaning="Production as a share of production and delays: APT / (APT + ADET).",
)
