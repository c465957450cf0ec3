"""Availability: APT / PBT."""

from __future__ import annotations

from typing import Final

from dashboard.kpis.definition import Basis, Direction, Kpi, share


def _formula(basis: Basis) -> float | None:
    return share(basis.sums.run_s, basis.sums.busy_s)


DEFINITION: Final = Kpi(
    name="availability",
    title="Availability",
    unit="ratio",
    direction=Direction.UP,
    formula=_formula,
    standard="Availability",
    meaning="Share of the planned busy time in which machines produced: APT / PBT.",
    target="availability",
)
