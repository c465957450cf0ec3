"""Finished goods posted: what the business system knows of what was made."""

from __future__ import annotations

from typing import Final

from dashboard.kpis.definition import Basis, Direction, Kpi


def _formula(basis: Basis) -> float | None:
    return float(basis.sums.posted)


def _due(basis: Basis) -> float | None:
    return float(basis.sums.due)


DEFINITION: Final = Kpi(
    name="posted",
    title="Posted to ERP",
    unit="pieces",
    direction=Direction.UP,
    formula=_formula,
    target_of=_due,
    allowance=0.02,  # one posting that is being tried again is no deviation
    meaning="Finished goods of the window that the business system confirmed, against those made more than a minute ago.",
)
