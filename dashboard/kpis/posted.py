"""Finished goods posted: what the business system knows of what was made."""

from __future__ import annotations

from typing import Final

from dashboard.kpis.definition import Basis, Direction, Kpi


def _formula(basis: Basis) -> float | None:
    return float(basis.sums.posted)


def _made(basis: Basis) -> float | None:
    return float(basis.sums.made)


DEFINITION: Final = Kpi(
    name="posted",
    title="Posted to ERP",
    unit="pieces",
    direction=Direction.UP,
    formula=_formula,
    target_of=_made,
    allowance=0.02,  # postings go out in small batches: what waits for the next one is no deviation
    meaning="Finished goods of the window that the business system confirmed, against those made. The difference is what it does not know yet.",
)
