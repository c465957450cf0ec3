"""Events of the simulated SAP's own tests."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bridge.model.production import Disposition, ProductionPerformance, Reversal, event_id
from tests.contract.scenes import AT, EQUIPMENT, ORDER, actual


def scrapped(quantity, cumulative, sequence=1):
    return actual(quantity, cumulative, sequence, disposition=Disposition.SCRAP, reason="SURF")


def taken_back(event, quantity, cumulative, sequence=1):
    fact = event_id("t", f"{event.event_id}", sequence)
    return Reversal(fact, ORDER, 10 + sequence, AT, Decimal(quantity), Decimal(cumulative), "found good", event)


async def scrap_in(sap):
    return (await sap.truth())["scrap_posted_by_origin"][ORDER]


def performed(yielded, scrap, *, sequence=1, is_final=False, reason="SURF"):
    fact = event_id("t", "p", sequence)
    return ProductionPerformance(
        fact, ORDER, sequence, "0020", AT, AT, Decimal(yielded), Decimal(scrap), "1", EQUIPMENT,
        reason=reason if scrap else "", is_final=is_final,
    )  # fmt: skip


def performed_for(order):
    return replace(performed(1, 0), order_ref=order)
