"""The plant's figures in a window: sums from the store, added up by line and plant, then divided by the KPIs' formulas."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from bridge.config.settings import Targets
from bridge.store import kpi
from bridge.store.database import Connection, Row
from dashboard.api.models import KpiAnswer, LeadTime, Output, PlantSummary, UnitKpis, WindowAnswer
from dashboard.api.window import Window, WindowName, read_window
from dashboard.kpis import KPIS, Basis, Sums, evaluate
from dashboard.kpis.sums import of_machine, total, wip_pieces

_LEAD_TIME_SPAN: Final = timedelta(days=30)
_UNIT_KPIS: Final = (
    "oee", "availability", "effectiveness", "quality_ratio", "scrap_ratio", "completeness"
)  # fmt: skip


class Counted:
    """Pieces per machine since the beginning, without scanning the past at every look.

    What is older than an hour is summed once in five minutes, what is newer at every look; late counts of the past show after
    those five minutes at the latest.
    """

    _HORIZON: Final = timedelta(hours=1)
    _KEPT: Final = timedelta(minutes=5)

    def __init__(self) -> None:
        self._before: dict[int, tuple[int, int]] = {}
        self._horizon: datetime | None = None

    async def read(self, connection: Connection, now: datetime) -> dict[int, tuple[int, int]]:
        """(good, scrap) per machine."""
        horizon = self._horizon
        if horizon is None or now - horizon > self._HORIZON + self._KEPT:
            horizon = now - self._HORIZON
            self._before = await kpi.counted_before(connection, horizon)
            self._horizon = horizon
        newer = await kpi.counted_since(connection, horizon)
        nothing = (0, 0)
        return {
            machine: (older[0] + newer.get(machine, nothing)[0], older[1] + newer.get(machine, nothing)[1])
            for machine in self._before.keys() | newer.keys()
            for older in (self._before.get(machine, nothing),)
        }


async def read_plant(
    connection: Connection, targets: Targets, counted: Counted, name: WindowName, now: datetime
) -> PlantSummary:
    """All figures of a window, as of now."""
    window = await read_window(connection, name, now)
    rows = await kpi.machine_sums(connection, window.starts_at, window.ends_at)
    plan = await kpi.plan(connection, window.starts_at, window.ends_at)
    lead = await kpi.lead_time(connection, now - _LEAD_TIME_SPAN, now)
    pieces = await counted.read(connection, now)
    sums = {row["equipment_id"]: of_machine(row) for row in rows}
    lines = [_line(list(machines), sums, pieces, targets) for _, machines in groupby(_in_lines(rows), _line_path)]
    basis = Basis(
        sums=total(sums.values()),
        elapsed_h=plan["hours"] or (window.ends_at - window.starts_at) / timedelta(hours=1),
        planned_pieces=plan["pieces"],
        wip_pieces=sum(line.wip or 0 for line in lines),
        lead_p50_h=lead["p50"],
        lead_p90_h=lead["p90"],
        lead_p95_h=lead["p95"],
        shipments=lead["shipments"],
    )
    return PlantSummary(
        window=WindowAnswer.model_validate(window),
        computed_at=now,
        kpis=_values(KPIS, basis, targets),
        output=_output(basis),
        lead_time=LeadTime(p50_h=lead["p50"], p90_h=lead["p90"], p95_h=lead["p95"], shipments=lead["shipments"]),
        lines=lines,
        machines=[
            _unit(row["equipment_id"], row["name"], row["path"], sums[row["equipment_id"]], targets) for row in rows
        ],
    )


def window_of(summary: PlantSummary) -> Window:
    """The window that a summary is of."""
    window = summary.window
    return Window(window.name, window.starts_at, window.ends_at, window.shift, window.shift_ends_at)


def _line(machines: list[Row], sums: dict[int, Sums], pieces: dict[int, tuple[int, int]], targets: Targets) -> UnitKpis:
    path = _line_path(machines[0])
    together = total(sums[machine["equipment_id"]] for machine in machines)
    unit = _unit(machines[0]["line_id"], path.rsplit("/", 1)[-1], path, together, targets)
    return unit.model_copy(update={"wip": wip_pieces(machines, pieces)})


def _unit(unit_id: int, name: str, path: str, sums: Sums, targets: Targets) -> UnitKpis:
    kpis = _values(_UNIT_KPIS, Basis(sums), targets)
    return UnitKpis(id=unit_id, name=name, path=path, good=sums.good, scrap=sums.scrap, kpis=kpis)


def _values(names: Iterable[str], basis: Basis, targets: Targets) -> dict[str, KpiAnswer]:
    return {name: KpiAnswer.of_value(evaluate(KPIS[name], basis, targets)) for name in names}


def _output(basis: Basis) -> Output:
    sums = basis.sums
    return Output(made=sums.made, planned=basis.planned_pieces, posted=sums.posted, waiting=sums.made - sums.posted)


def _in_lines(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (_line_path(row), row["position"], row["path"]))


def _line_path(row: Row) -> str:
    return str(row["path"]).rsplit("/", 1)[0]
