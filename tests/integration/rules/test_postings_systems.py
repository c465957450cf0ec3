"""From counted pieces through rules and relay into business systems: what a system holds is what machines counted, to the piece."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

from bridge.erp.connector import OrderTotals
from bridge.erp.connectors import make
from simulators.erp.failures import Failure
from tests.erp_systems.odoo19 import SimulatedOdoo
from tests.erp_systems.sap_s4 import SimulatedSap
from tests.integration.rules.rules_stage import CNC, FINAL, LATE_SCRAP, PERFORMANCE, RULES, SCRAP, open_stage, together
from tests.relay_process import drained, relaying

ORDER, NEXT = "MES-0001", "MES-0002"
FINISHED = RULES[RULES.index("- id: finished-goods") :]
AT_THE_END = "\n  for_each: {equipment_class: inspection}"
BARS = """
- id: bars
  for_each: {equipment_class: inspection}
  inputs: {good: {tag: parts.good, counter: {modulus: 65536, max_delta: 500}}}
  on: "delta(good) > 0"
  actions:
    - erp_posting: {connector: erp, kind: consumed, item: BAR-60, per_piece: "2", batch: {max_qty: 4, max_wait: 10s}}
"""


def count(equipment: str, second: float, **tags: Any) -> list[Any]:
    return together(equipment, second, **{"order__number": ORDER, **tags})


async def counted(dsn: str, folder: Path, rules: str) -> None:
    """Thirteen good pieces and three scrapped, of two reasons, on the last machine; three good ones turn out bad behind it."""
    async with open_stage(dsn, folder, rules="apiVersion: rules/v1\nrules:\n" + rules) as bench:
        await bench.feed.send(count(FINAL, 0, parts__good=0, parts__scrap=0) + count(CNC, 0, parts__scrap=0))
        for second in range(1, 14):
            reason = "crack" if second < 8 else "porosity"
            await bench.feed.send(
                count(FINAL, second, parts__good=second, parts__scrap=second // 4, scrap__reason=reason)
            )
            await bench.step(second + 1.1)
        await bench.feed.send(count(CNC, 30, parts__scrap=3, scrap__reason="crack"))
        await bench.step(60)
        await bench.feed.send(count(FINAL, 61, order__number=NEXT))
        await bench.step(90)


async def totals(settings: Any) -> OrderTotals:
    async with make(settings) as connector:
        return (await connector.read_totals([ORDER]))[ORDER]


async def test_pieces_scrap_material_and_late_scrap_stand_in_odoo_though_it_fails(database_dsn: str, tmp_path: Path):
    scrap = SCRAP.replace("- id: scrap", "- id: scrap" + AT_THE_END)
    await counted(database_dsn, tmp_path, FINISHED + scrap + BARS + LATE_SCRAP)
    async with SimulatedOdoo(tmp_path / "odoo") as odoo:
        settings = odoo.settings(name="erp", consumed_by_events=["BAR-60"], timeout_s=1)
        for mode in ("500", "drop_after_commit", "timeout_before_commit"):
            for call in ("mrp.production/", "stock.scrap/"):
                odoo.failures.order(Failure(mode, 1, call, 1.2))
        async with relaying(database_dsn, settings), asyncio.timeout(90):
            rows = await drained(database_dsn)
        assert {row["kind"] for row in rows} == {"wip_to_fg", "scrap", "consumed", "reversal"}
        assert await totals(settings) == OrderTotals(Decimal(13 - 3), Decimal(3))
        truth = await odoo.truth()
        assert truth["good_posted"] == 13
        assert truth["consumed_by_product"]["BAR-60"] == 26
        assert odoo.failures.applied.total() == 6


async def test_confirmations_stand_in_sap_and_the_last_one_is_final(database_dsn: str, tmp_path: Path):
    rules = PERFORMANCE.replace("- id: confirmed", "- id: confirmed" + AT_THE_END).replace("0010", "0020")
    await counted(database_dsn, tmp_path, rules)
    async with SimulatedSap() as sap:
        settings = sap.settings(name="erp", reasons={"crack": "SURF", "porosity": "OTHR"})
        async with relaying(database_dsn, settings), asyncio.timeout(90):
            rows = await drained(database_dsn)
        assert len(rows) >= 3
        assert await totals(settings) == OrderTotals(Decimal(13), Decimal(3))
        confirmations = sap.system.store.confirmations()
        assert [row.fields["IsFinalConfirmation"] for row in confirmations] == [False] * (len(rows) - 1) + [True]
