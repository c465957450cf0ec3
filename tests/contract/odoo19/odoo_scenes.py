"""What the tests of Odoo 19 tell it, and the ids of its products."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from bridge.model.production import MaterialUse, ProductionPerformance, event_id
from tests.contract.scenes import AT, EQUIPMENT, ORDER, actual

GOODS, BARS, INSERTS = 1, 3, 4


def used(quantity, cumulative, sequence=1, item="INS-12", **more):
    return actual(quantity, cumulative, sequence, use=MaterialUse.CONSUMED, item=item, **more)


def confirmed(good, lost=0, sequence=1, *, final=False, segment="", reason="", order=ORDER):
    fact = event_id("t", f"{order} performance", sequence)
    hour = timedelta(hours=1)
    return ProductionPerformance(
        fact, order, sequence, segment, AT, AT + hour, Decimal(good), Decimal(lost), "1", EQUIPMENT, reason, final
    )  # fmt: skip


def states(odoo, order=ORDER):
    rows = odoo.call("mrp.production/search_read", domain=[["origin", "=", order]], fields=["state", "qty_produced"])
    return [(row["state"], row["qty_produced"]) for row in rows]
