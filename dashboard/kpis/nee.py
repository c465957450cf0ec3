"""NEE index: OEE with setup and delays counted as used time."""

from __future__ import annotations

from typing import Final

from dashboard.kpis.definition import Basis, Direction, Kpi, share


def _formula(basis: Basis) -> float | None:
    sums = basis.sums
    used = share(sums.run_s + sums.setup_s + sums.delay_s, sums.busy_s)
    worth = share(sums.ideal_good_s, sums.rated_run_s)  # effectiveness * quality ratio
    return used * worth if used is not None and worth is not None else None


DEFINITION: Final = Kpi(
    name="nee",
    title="NEE",
    unit="ratio",
    direction=Direction.UP,
    formula=_formula,
    standard="Net equipment effectiveness index",
    meaning="Net equipment effectiveness: (APT + AUST + ADET) / PBT * effectiveness * quality ratio.",
)
