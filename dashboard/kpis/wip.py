"""Work in progress: pieces between operations."""

from __future__ import annotations

from typing import Final

from dashboard.kpis.definition import Basis, Direction, Kpi


def _formula(basis: Basis) -> float | None:
    return float(basis.wip_pieces) if basis.wip_pieces is not None else None


DEFINITION: Final = Kpi(
    name="wip",
    title="Work in progress",
    unit="pieces",
    direction=Direction.DOWN,
    formula=_formula,
    meaning="Pieces between the operations: good ones of each position less all that the next position took, since the beginning.",
    target="wip_pieces",
)
