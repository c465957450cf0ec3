"""Lead time: order to ship."""

from __future__ import annotations

from typing import Final

from dashboard.kpis.definition import Basis, Direction, Kpi


def _formula(basis: Basis) -> float | None:
    return basis.lead_p50_h


DEFINITION: Final = Kpi(
    name="lead_time",
    title="Lead time",
    unit="h",
    direction=Direction.DOWN,
    formula=_formula,
    meaning="Order to ship, median of the shipments of the last 30 days, by continuous percentiles; p90 and p95 beside it.",
    target="lead_time_h",
)
