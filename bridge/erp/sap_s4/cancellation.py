"""What takes a confirmation back: SAP cancels it whole, so a part is taken back by cancelling it and confirming the rest.

Both carry a key of ours, so that after a crash between the two each is looked for by itself. The rest of a confirmation is
keyed by the event that it belongs to and by how much of it has been taken back: the next reversal of the same event finds it.
"""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Final

from bridge.config.settings.sap_s4 import SapS4Settings
from bridge.erp.connector import Found
from bridge.erp.http import Request
from bridge.erp.odata import literal
from bridge.erp.posting import key16, posting_day
from bridge.erp.sap_s4.confirmation import CONFIRMATIONS, REST, Confirmations, number, of, quantities
from bridge.erp.sap_s4.goods import edm_day, released_order
from bridge.erp.sap_s4.odata import Draft, Gateway, Row
from bridge.errors import BusinessError
from bridge.model.decimals import plain
from bridge.model.production import Reversal

CANCEL: Final = "API_PROD_ORDER_CONFIRMATION_2_SRV/CancelProdnOrdConf"


class Cancellations:
    """The cancellations of a plant's confirmations."""

    def __init__(self, settings: SapS4Settings, gateway: Gateway, confirmations: Confirmations) -> None:
        self._settings = settings
        self._gateway = gateway
        self._confirmations = confirmations

    async def find(self, event: Reversal) -> Found:
        """The cancellation with the event's id, and the confirmation of the rest where there must be one.

        Where one is missing the event is planned anew (no step counts as done): the plan has what is missing.
        """
        rows = await self._confirmations.rows(event.order_ref)
        cancelled, rest = of(rows, event.event_id), of(rows, _rest_key(event, event.cumulative))
        if cancelled is None or (rest is None and _rest(event)):
            return Found(is_posted=False, steps_done=0)
        return Found(is_posted=True, external_id=number(cancelled))

    async def plan(self, event: Reversal) -> list[Draft]:
        """What of the two is missing. Raises BusinessError where nothing says what is to be taken back, or SAP does not have it."""
        rows = await self._confirmations.rows(event.order_ref)
        rest = await self._confirm_rest(event, rows)
        if of(rows, event.event_id) is not None:
            return rest
        live = _live(event, rows)
        query = {
            "ConfirmationGroup": literal(str(live["ConfirmationGroup"])),
            "ConfirmationCount": literal(str(live["ConfirmationCount"])),
            "ExternalSystemConfirmation": f"guid'{event.event_id}'",
            "PostingDate": f"datetime'{edm_day(posting_day(event.occurred_at, self._settings.time_zone))}'",
        }
        cancel = Request("POST", CANCEL, is_repeatable=False, query=query)
        return [Draft("cancel confirmation", event.event_id, cancel), *rest]

    async def _confirm_rest(self, event: Reversal, rows: list[Row]) -> list[Draft]:
        """The confirmation of what stays; none where nothing does, or where SAP has it."""
        key, rest = _rest_key(event, event.cumulative), _rest(event)
        if not rest or of(rows, key) is not None:
            return []
        # Asked before anything is cancelled: an order that takes no confirmation would keep too little.
        order = await released_order(self._gateway, event.order_ref, is_open=True)
        yielded, scrapped = (rest if part else Decimal(0) for part in quantities(event.reverses))
        body = self._confirmations.body(event.reverses, order, key, yielded, scrapped, event.occurred_at)
        body["ConfirmationText"] = f"{REST}{key16(event.reverses.event_id)}"
        return [Draft("confirm the rest", key, Request("POST", CONFIRMATIONS, is_repeatable=False, json=body))]


def _rest(event: Reversal) -> Decimal:
    """What stays of the reversed event. Raises BusinessError for a part of one that has yield and scrap both."""
    yielded, scrapped = quantities(event.reverses)
    rest = yielded + scrapped - event.cumulative
    if rest and yielded and scrapped:
        raise BusinessError(
            f"order {event.order_ref}: {event.quantity} of {yielded} yield and {scrapped} scrap are to be taken back, and which of "
            "them nothing says: cancel the confirmation in SAP and confirm what remains"
        )
    return rest


def _live(event: Reversal, rows: list[Row]) -> Row:
    """The confirmation that stands for the reversed event now."""
    before = event.cumulative - event.quantity
    row = of(rows, _rest_key(event, before) if before else event.reverses.event_id)
    if row is None and before:
        raise BusinessError(
            f"order {event.order_ref}: {before} of the event {event.reverses.event_id} were to be taken back before this reversal, and SAP "
            "has no confirmation of what stayed then: replay that reversal first, or take both back in SAP"
        )
    if row is None:
        raise BusinessError(f"order {event.order_ref}: SAP has no confirmation of the event {event.reverses.event_id}")
    if row.get("IsReversed"):
        raise BusinessError(
            f"order {event.order_ref}: confirmation {number(row)} was cancelled in SAP already: look whether that was this reversal"
        )
    return row


def _rest_key(event: Reversal, taken: Decimal) -> uuid.UUID:
    """The key of the confirmation of what stays of an event when so much of it has been taken back."""
    return uuid.uuid5(event.reverses.event_id, f"rest after {plain(taken)}")
