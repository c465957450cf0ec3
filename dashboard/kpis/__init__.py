"""The KPIs of the control tower, one definition a file. A new one is a file and a line in KPIS."""

from __future__ import annotations

from typing import Final

from dashboard.kpis import (
    availability,
    completeness,
    effectiveness,
    lead_time,
    mtbf,
    mttr,
    nee,
    oee,
    output,
    posted,
    quality_ratio,
    rework_ratio,
    scrap_ratio,
    setup_ratio,
    technical_efficiency,
    wip,
)
from dashboard.kpis.definition import Basis, Direction, Kpi, KpiValue, Status, evaluate
from dashboard.kpis.sums import Sums

KPIS: Final[dict[str, Kpi]] = {
    kpi.name: kpi
    for kpi in (
        output.DEFINITION,
        oee.DEFINITION,
        availability.DEFINITION,
        effectiveness.DEFINITION,
        quality_ratio.DEFINITION,
        scrap_ratio.DEFINITION,
        wip.DEFINITION,
        posted.DEFINITION,
        lead_time.DEFINITION,
        completeness.DEFINITION,
        nee.DEFINITION,
        setup_ratio.DEFINITION,
        technical_efficiency.DEFINITION,
        rework_ratio.DEFINITION,
        mtbf.DEFINITION,
        mttr.DEFINITION,
    )
}

__all__ = ["KPIS", "Basis", "Direction", "Kpi", "KpiValue", "Status", "Sums", "evaluate"]
