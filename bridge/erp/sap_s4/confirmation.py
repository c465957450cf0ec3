"""Confirmations of operations (API_PROD_ORDER_CONFIRMATION_2_SRV): yield, scrap with its reason, and their cancellation.

ExternalSystemConfirmation is a GUID and carries the event's id. A confirmation can only be cancelled as a whole.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from bridge.config.settings.sap_s4 import SapS4Settings
from bridge.erp.connector import Found
from bridge.erp.http import Request
from bridge.erp.posting import Document, check_total, order_unit, posting_day, quantity_of
from bridge.erp.quantity import Units
from bridge.erp.sap_s4.goods import DIGITS, edm_day, released_order
from bridge.erp.sap_s4.odata import Gateway, Row, literal
from bridge.errors import BusinessError
from bridge.model.production import MaterialActual, ProductionPerformance, Reversal

CONFIRMATIONS: Final = "API_PROD_ORDER_CONFIRMATION_2_SRV/ProdnOrdConf2"
CANCEL: Final = "API_PROD_ORDER_CONFIRMATION_2_SRV/CancelProdnOrdConf"
Confirmed = MaterialActual | ProductionPerformance


class Confirmations:
    """The confirmations of a plant's orders."""

    def __init__(self, settings: SapS4Settings, gateway: Gateway, units: Units) -> None:
        self._settings = settings
        self._gateway = gateway
        self._units = units

    async def find(self, event: Confirmed | Reversal) -> Found:
        """The confirmation that carries the event's id."""
        row = _of(await self._rows(event.order_ref), str(event.event_id))
        return Found(is_posted=False) if row is None else Found(is_posted=True, external_id=_number(row))

    async def plan(self, event: Confirmed) -> Request | None:
        """The confirmation's request; None where SAP has it. Raises BusinessError where order, unit or total do not fit."""
        order = await released_order(self._gateway, event.order_ref, is_open=True)
        rows = await self._rows(event.order_ref)
        if _of(rows, str(event.event_id)) is not None:
            return None
        yielded, scrapped = _quantities(event)
        item = self._units.ours(str(order.get("Material", "")))
        posted = self._units.posted(Decimal(0), event.uom, item, DIGITS)
        unit = order_unit(event, posted.uom, str(order.get("ProductionUnit", "")))
        if isinstance(event, MaterialActual):
            before = self._units.posted(event.cumulative - event.quantity, event.uom, item, DIGITS).quantity
            check_total(event, _scrap_alone(rows), before, unit)
        body = {
            "OrderID": event.order_ref,
            "OrderOperation": getattr(event, "segment", "") or self._settings.operation,
            "ConfirmationUnit": unit,
            "ConfirmationYieldQuantity": f"{self._units.posted(yielded, event.uom, item, DIGITS).quantity:f}",
            "ConfirmationScrapQuantity": f"{self._units.posted(scrapped, event.uom, item, DIGITS).quantity:f}",
            "VarianceReasonCode": self._settings.reasons.get(event.reason, event.reason) if scrapped else "",
            "IsFinalConfirmation": getattr(event, "is_final", False),
            "ExternalSystemConfirmation": str(event.event_id),
            "PostingDate": edm_day(posting_day(_at(event), self._settings.time_zone)),
            **self._times(event),
        }
        return Request("POST", CONFIRMATIONS, is_repeatable=False, json=body)

    async def plan_reversal(self, event: Reversal) -> Request | None:
        """The cancellation's request; None where SAP has it. Raises BusinessError where only a part is to be taken back."""
        rows = await self._rows(event.order_ref)
        if _of(rows, str(event.event_id)) is not None:
            return None
        original = _of(rows, str(event.reverses.event_id))
        if original is None:
            raise BusinessError(
                f"order {event.order_ref}: SAP has no confirmation of the event {event.reverses.event_id}"
            )
        if event.quantity != sum(_quantities(event.reverses)):
            raise BusinessError(
                f"SAP cancels a confirmation as a whole, and {event.quantity} of {sum(_quantities(event.reverses))} are to be "
                f"taken back: cancel confirmation {_number(original)} there and confirm what remains"
            )
        query = {
            "ConfirmationGroup": literal(str(original["ConfirmationGroup"])),
            "ConfirmationCount": literal(str(original["ConfirmationCount"])),
            "ExternalSystemConfirmation": f"guid'{event.event_id}'",
            "PostingDate": f"datetime'{edm_day(posting_day(event.occurred_at, self._settings.time_zone))}'",
        }
        return Request("POST", CANCEL, is_repeatable=False, query=query)

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

    async def _rows(self, order_ref: str) -> list[Row]:
        query = {"$filter": f"OrderID eq {literal(order_ref)}"}
        return await self._gateway.rows(CONFIRMATIONS, query, order="ConfirmationGroup,ConfirmationCount")


def _quantities(event: Confirmed) -> tuple[Decimal, Decimal]:
    """Yield and scrap."""
    return (Decimal(0), event.quantity) if isinstance(event, MaterialActual) else (event.yielded, event.scrapped)


def _at(event: Confirmed) -> datetime:
    return event.occurred_at if isinstance(event, MaterialActual) else event.ended_at


def _of(rows: list[Row], event_id: str) -> Row | None:
    return next((row for row in rows if str(row.get("ExternalSystemConfirmation", "")).lower() == event_id), None)


def _number(row: Row) -> str:
    return f"{row.get('ConfirmationGroup')}/{row.get('ConfirmationCount')}"


def _scrap_alone(rows: list[Row]) -> list[Document]:
    """The scrap of confirmations that report nothing else; cancellations take nothing from what events counted."""
    return [
        Document(_number(row), "", quantity_of(row.get("ConfirmationScrapQuantity")))
        for row in rows
        if not row.get("IsReversal") and quantity_of(row.get("ConfirmationYieldQuantity")) == 0
    ]
