"""From counted pieces through rules and relay into business systems: what a system holds is what machines counted, to the piece."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

from bridge.erp.connector import OrderTotals
from bridge.erp.connectors import make
from bridge.store import mending, outbox
from bridge.store.database import connected
from simulators.erp.failures import Failure
from tests.erp_systems.business_central import SimulatedBusinessCentral
from tests.erp_systems.odoo19 import SimulatedOdoo
from tests.erp_systems.sap_s4 import SimulatedSap
from tests.integration.rules.rules_stage import (
    CNC,
    FINAL,
    LATE_SCRAP,
    PERFORMANCE,
    RULES,
    SCRAP,
    open_stage,
    together,
    wait_for,
)
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


SERIALS = "serials: {tag: parts.serial}}"


async def marked(dsn: str, folder: Path, rules: str) -> None:
    """Eight good pieces and two scrapped on the last machine, each with its number but the fifth, which the marker missed."""
    rules = rules.replace("max_wait: 10s}}", "max_wait: 10s}, " + SERIALS)
    async with open_stage(dsn, folder, rules="apiVersion: rules/v1\nrules:\n" + rules) as bench:
        await bench.feed.send(count(FINAL, 0, parts__good=0, parts__scrap=0))
        for n in range(1, 11):
            counter = {"parts__good": n} if n < 9 else {"parts__scrap": n - 8, "scrap__reason": "crack"}
            serial = {} if n == 5 else {"parts__serial": f"SN{n:04}"}
            await bench.feed.send(count(FINAL, n, **counter, **serial))
            await bench.step(n + 1.1)
        await bench.step(60)


async def mended(dsn: str, serial: str) -> None:
    """A person reads the number that is missing off the piece, once the relay has parked the event."""
    await wait_for(dsn, "select count(*)::int from outbox where state = 'parked'", expected=1)
    async with connected(dsn, "test") as connection:
        [row] = await (await connection.execute("select id, last_error from outbox where state = 'parked'")).fetchall()
        assert "1 piece without a serial number" in row["last_error"]
        assert await outbox.replay(connection, row["id"])  # it does not go out as it is
    await wait_for(dsn, "select count(*)::int from outbox where state = 'parked'", expected=1)
    async with connected(dsn, "test") as connection:
        assert await mending.edit(connection, row["id"], {"serials": [serial]}, "maria", "read off the piece")
        assert await outbox.replay(connection, row["id"])


GOOD_SERIALS = {f"SN{n:04}" for n in range(1, 9)}


async def test_serial_numbers_that_machines_tell_stand_in_odoo_one_for_each_piece(database_dsn: str, tmp_path: Path):
    await marked(database_dsn, tmp_path, FINISHED)
    async with SimulatedOdoo(tmp_path / "odoo") as odoo:
        await odoo.write("product.product", 1, {"tracking": "serial"})
        for mode in ("drop_after_commit", "timeout_before_commit"):
            odoo.failures.order(Failure(mode, 1, "mrp.production/", 1.2))
        before = odoo.stock(1)
        async with relaying(database_dsn, odoo.settings(name="erp", timeout_s=1)), asyncio.timeout(90):
            await mended(database_dsn, "SN0005")
            await drained(database_dsn)
        domain = [["origin", "=", ORDER], ["state", "=", "done"]]
        made = odoo.call("mrp.production/search_read", domain=domain, fields=["lot_producing_ids", "qty_produced"])
        names = {lot["id"]: lot["name"] for lot in odoo.call("stock.lot/search_read", domain=[], fields=["name"])}
        serials = [names[lot] for order in made for lot in order["lot_producing_ids"]]
        assert sorted(serials) == sorted(GOOD_SERIALS)
        assert sum(order["qty_produced"] for order in made) == odoo.stock(1) - before == len(GOOD_SERIALS)


async def test_serial_numbers_of_good_pieces_and_of_scrap_stand_in_business_central(database_dsn: str, tmp_path: Path):
    await marked(database_dsn, tmp_path, FINISHED + SCRAP)
    async with SimulatedBusinessCentral() as central:
        settings = central.settings(name="erp", reasons={"crack": "SURFACE"})
        async with relaying(database_dsn, settings), asyncio.timeout(90):
            await mended(database_dsn, "SN0005")
            await drained(database_dsn)
        booked = [(each.use, each.quantity, each.fields["serialNumber"]) for each in central.system.business.bookings]
        assert sorted(booked) == [
            *(("good", 1, serial) for serial in sorted(GOOD_SERIALS)), ("scrap", 1, "SN0009"), ("scrap", 1, "SN0010")]  # fmt: skip
        assert await totals(settings) == OrderTotals(Decimal(8), Decimal(2))
