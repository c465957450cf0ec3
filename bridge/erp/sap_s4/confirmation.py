"""Confirmations of operations (API_PROD_ORDER_CONFIRMATION_2_SRV): yield and scrap with its reason.

ExternalSystemConfirmation is a GUID and carries the event's id. What takes a confirmation back is in cancellation.py.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from bridge.config.settings.sap_s4 import SapS4Settings
from bridge.erp.connector import Found
from bridge.erp.http import Request
from bridge.erp.odata import literal
from bridge.erp.posting import Document, check_same, check_total, order_unit, posting_day, quantity_of
from bridge.erp.quantity import Units
from bridge.erp.sap_s4.goods import DIGITS, edm_day, released_order
from bridge.erp.sap_s4.odata import Draft, Gateway, Row, fitting
from bridge.model.production import MaterialActual, ProductionPerformance

CONFIRMATIONS: Final = "API_PROD_ORDER_CONFIRMATION_2_SRV/ProdnOrdConf2"
REST: Final = "amor: rest of "
"""How the text of a confirmation begins that stands for what a cancellation did not mean to take."""
Confirmed = MaterialActual | ProductionPerformance


class Confirmations:
    """The confirmations of a plant's orders."""

    def __init__(self, settings: SapS4Settings, gateway: Gateway, units: Units) -> None:
        self._settings = settings
        self._gateway = gateway
        self._units = units

    async def find(self, event: Confirmed) -> Found:
        """The confirmation that carries the event's id. Raises BusinessError where it is of other pieces."""
        row = of(await self.rows(event.order_ref), event.event_id)
        if row is None:
            return Found(is_posted=False)
        # With factors the order says what it makes.
        order = await released_order(self._gateway, event.order_ref, is_open=False) if self._units.has_factors else {}
        self._check_same(event, row, order)
        return Found(is_posted=True, external_id=number(row))

    async def plan(self, event: Confirmed) -> list[Draft]:
        """The confirmation; none where SAP has it. Raises BusinessError where order, unit, code or total do not fit."""
        order = await released_order(self._gateway, event.order_ref, is_open=True)
        rows = await self.rows(event.order_ref)
        if (row := of(rows, event.event_id)) is not None:
            self._check_same(event, row, order)
            return []
        if isinstance(event, MaterialActual):
            item, unit = self._unit(event, order)
            before = self._units.posted(event.cumulative - event.quantity, event.uom, item, DIGITS).quantity
            check_total(event, _scrap_alone(rows), before, unit)
        body = self.body(event, order, event.event_id, *quantities(event), moment_of(event))
        request = Request("POST", CONFIRMATIONS, is_repeatable=False, json=body)
        return [Draft(f"post {event.kind}", event.event_id, request)]

    def body(
        self, event: Confirmed, order: Row, key: uuid.UUID, yielded: Decimal, scrapped: Decimal, at: datetime
    ) -> dict[str, Any]:
        """A confirmation of these quantities, in our unit, under this key, posted on the day of `at`."""
        item, unit = self._unit(event, order)
        reason = self._settings.reasons.get(event.reason, event.reason) if scrapped else ""
        operation = getattr(event, "segment", "") or self._settings.operation
        return {
            "OrderID": event.order_ref,
            "OrderOperation": fitting("operation", operation, 4),
            "ConfirmationUnit": unit,
            "ConfirmationYieldQuantity": f"{self._units.posted(yielded, event.uom, item, DIGITS).quantity:f}",
            "ConfirmationScrapQuantity": f"{self._units.posted(scrapped, event.uom, item, DIGITS).quantity:f}",
            "VarianceReasonCode": fitting(
                "reason (VarianceReasonCode): give the connector's reasons its code", reason, 4
            ),
            "IsFinalConfirmation": getattr(event, "is_final", False),
            "ExternalSystemConfirmation": str(key),
            "PostingDate": edm_day(posting_day(at, self._settings.time_zone)),
            **self._times(event),
        }

    async def rows(self, order_ref: str) -> list[Row]:
        """All confirmations and cancellations of an order."""
        query = {"$filter": f"OrderID eq {literal(order_ref)}"}
        return await self._gateway.rows(CONFIRMATIONS, query, order="ConfirmationGroup,ConfirmationCount")

    def _check_same(self, event: Confirmed, row: Row, order: Row) -> None:
        item = self._units.ours(str(order.get("Material", "")))
        ours = [self._units.posted(each, event.uom, item, DIGITS).quantity for each in quantities(event)]
        there = [quantity_of(row.get(f"Confirmation{what}Quantity")) for what in ("Yield", "Scrap")]
        check_same(event.order_ref, number(row), there, ours)

    def _unit(self, event: Confirmed, order: Row) -> tuple[str, str]:
        """Our item of the order, and the unit of its confirmations."""
        item = self._units.ours(str(order.get("Material", "")))
        posted = self._units.posted(Decimal(0), event.uom, item, DIGITS)
        return item, order_unit(event, posted.uom, str(order.get("ProductionUnit", "")))

    def _times(self, event: Confirmed) -> dict[str, Any]:
        """When it was worked on, in the plant's zone, as SAP keeps it."""
        if isinstance(event, MaterialActual):
            return {}
        zone = ZoneInfo(self._settings.time_zone or "UTC")
        times: dict[str, Any] = {}
        for what, moment in (("Start", event.started_at), ("End", event.ended_at)):
            local = moment.astimezone(zone)
            times[f"ConfirmedExecution{what}Date"] = edm_day(local.date())
            times[f"ConfirmedExecution{what}Time"] = f"PT{local:%H}H{local:%M}M{local:%S}S"
        return times


def quantities(event: Confirmed) -> tuple[Decimal, Decimal]:
    """Yield and scrap."""
    return (Decimal(0), event.quantity) if isinstance(event, MaterialActual) else (event.yielded, event.scrapped)


def moment_of(event: Confirmed) -> datetime:
    """When it was."""
    return event.occurred_at if isinstance(event, MaterialActual) else event.ended_at


def of(rows: list[Row], key: uuid.UUID) -> Row | None:
    """The confirmation or cancellation that carries a key."""
    return next((row for row in rows if str(row.get("ExternalSystemConfirmation", "")).lower() == str(key)), None)


def number(row: Row) -> str:
    """What people call it."""
    return f"{row.get('ConfirmationGroup')}/{row.get('ConfirmationCount')}"


def _scrap_alone(rows: list[Row]) -> list[Document]:
    """The scrap of confirmations that report nothing else; cancellations take nothing from what events counted."""
    return [
        Document(number(row), "", quantity_of(row.get("ConfirmationScrapQuantity")))
        for row in rows
        if not row.get("IsReversal")
        and not str(row.get("ConfirmationText", "")).startswith(REST)
        and quantity_of(row.get("ConfirmationYieldQuantity")) == 0
    ]
