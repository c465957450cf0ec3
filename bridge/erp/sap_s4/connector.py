"""The connector to SAP S/4HANA: each kind of event to the module that knows its documents.

Pieces and consumption are goods movements, scrap and performance are confirmations, a maintenance request is a notification.
Every document carries the event's id, and is looked for before it is sent; where the tenant keeps RequestIDs they are a fence
behind that. The contract was taken from SAP's published API descriptions and runs against simulators/systems/sap_s4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from bridge.config.settings.sap_s4 import SapS4Settings
from bridge.erp.connector import Answer, Event, Found, MasterDataProblem, OrderTotals, Place, Step, cannot_carry
from bridge.erp.http import ClosedPeriod, OverHttp, Request, from_step, to_step, unreadable
from bridge.erp.posting import posting_day
from bridge.erp.quantity import Units
from bridge.erp.sap_s4 import inbound
from bridge.erp.sap_s4.cancellation import CANCEL, Cancellations
from bridge.erp.sap_s4.confirmation import CONFIRMATIONS, Confirmations
from bridge.erp.sap_s4.goods import HEADERS, Goods, edm_day
from bridge.erp.sap_s4.master_data import check
from bridge.erp.sap_s4.notification import NOTIFICATIONS, Notifications
from bridge.erp.sap_s4.odata import Draft, Gateway
from bridge.erp.sap_s4.stock import read_stock
from bridge.erp.sap_s4.totals import read_totals
from bridge.model.production import (
    OF_PRODUCTION,
    Disposition,
    EventKind,
    MaterialActual,
    ProductionOrder,
    ProductionPerformance,
    Reversal,
    ShipmentStatus,
    WorkRequest,
    WorkRequestState,
)

_NUMBER_OF: Final = {
    HEADERS: "MaterialDocument",
    CONFIRMATIONS: "ConfirmationGroup",
    CANCEL: "ConfirmationGroup",
    NOTIFICATIONS: "MaintenanceNotification",
}


_CANCELLED: Final = CANCEL.rpartition("/")[2]
_LOOK_AGAIN_S: Final = 0.2
_INSTEAD: Final = "send it through a webhook or a declarative connector"


class SapS4(OverHttp):
    """SAP S/4HANA by OData V2 (see Connector for what each method promises)."""

    kinds = frozenset({*OF_PRODUCTION, EventKind.WORK_REQUEST})

    def __init__(self, settings: SapS4Settings) -> None:
        self._settings = settings
        self._gateway = Gateway(settings)
        self.http = self._gateway.http
        self._units = Units(settings)
        self._goods = Goods(settings, self._gateway, self._units)
        self._confirmations = Confirmations(settings, self._gateway, self._units)
        self._cancellations = Cancellations(settings, self._gateway, self._confirmations)
        self._notifications = Notifications(settings, self._gateway)

    async def lookup(self, event: Event) -> Found:
        """By the event's id in the document."""
        match event:
            case WorkRequest():
                return await self._notifications.find(event)
            case Reversal() if _is_confirmed(event):
                return await self._cancellations.find(event)
            case ProductionPerformance() | MaterialActual(disposition=Disposition.SCRAP):
                return await self._confirmations.find(event)
            case MaterialActual() | Reversal():
                return await self._goods.find(event)
            case _:
                raise cannot_carry("SAP", event.kind, _INSTEAD)

    async def plan(self, event: Event) -> Sequence[Step]:
        """One document, two for a part of a confirmation that is taken back; none where SAP has them."""
        match event:
            case Reversal():
                return await self.reverse(event)
            case WorkRequest():
                drafts = await self._notifications.plan(event)
            case MaterialActual(disposition=Disposition.GOOD):
                drafts = await self._goods.plan(event)
            case MaterialActual() | ProductionPerformance():
                drafts = await self._confirmations.plan(event)
            case _:
                raise cannot_carry("SAP", event.kind, _INSTEAD)
        return self._steps(drafts)

    async def reverse(self, event: Reversal) -> Sequence[Step]:
        """A movement the other way for the quantity; or the confirmation's cancellation, and a confirmation of what stays."""
        return self._steps(await (self._cancellations if _is_confirmed(event) else self._goods).plan(event))

    async def execute(self, step: Step) -> Answer:
        """Send the step; a success that does not name the new document is none."""
        try:
            return await self._send(from_step(step))
        except ClosedPeriod:
            if self._settings.closed_period == "park":
                raise
        # Refused whole, so nothing of it is there. A RequestID would bring the refusal back.
        return await self._send(self._dated(from_step(step), datetime.now(UTC)))

    async def verify(self, event: Event) -> Found:
        """What `lookup` says, for a while: a document that was answered shows when SAP's update task has written it."""
        clock = asyncio.get_running_loop().time
        until = clock() + self._settings.update_wait_s
        while not (found := await self.lookup(event)).is_posted and clock() < until:  # noqa: ASYNC110  # SAP tells nobody
            await asyncio.sleep(_LOOK_AGAIN_S)
        return found

    async def read_orders(self, since: datetime | None) -> list[ProductionOrder]:
        """The plant's production orders."""
        return await inbound.read_orders(self._gateway, self._settings.plant, self._settings.time_zone, since)

    async def read_shipments(self, since: datetime | None) -> list[ShipmentStatus]:
        """Outbound deliveries."""
        return await inbound.read_shipments(self._gateway, self._settings.time_zone, since)

    async def read_ticket_states(self, since: datetime | None) -> list[WorkRequestState]:
        """Phases of notifications."""
        return await self._notifications.read_states(since)

    async def read_totals(self, order_refs: Sequence[str]) -> Mapping[str, OrderTotals]:
        """Received from each order, or confirmed; and its scrap."""
        return await read_totals(self._gateway, self._units, order_refs)

    async def read_stock(self, places: Sequence[Place]) -> Mapping[Place, Decimal]:
        """Unrestricted stock of the plant."""
        return await read_stock(self._gateway, self._settings, self._units, places)

    async def check_master_data(self, equipment: Sequence[str]) -> list[MasterDataProblem]:
        """Items with their units, and equipment."""
        return await check(self._settings, self._gateway, self._notifications, equipment)

    def _steps(self, drafts: list[Draft]) -> list[Step]:
        return [to_step(draft.name, self._repeatable(draft)) for draft in drafts]

    def _repeatable(self, draft: Draft) -> Request:
        if not self._settings.is_repeatable:
            return draft.request
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        marks = {"RequestID": draft.key.hex.upper(), "RepeatabilityCreation": now}
        return replace(draft.request, headers={**draft.request.headers, **marks})

    async def _send(self, request: Request) -> Answer:
        reply, document = await self._gateway.http.ask(request)
        entity = document.get("d") if isinstance(document, dict) else None
        if isinstance(entity, dict) and isinstance(entity.get(_CANCELLED), dict):
            entity = entity[_CANCELLED]  # a function's result may stand under its name
        if not isinstance(entity, dict) or not entity.get(_NUMBER_OF[request.path]):
            raise unreadable(request, reply, "a success that names no document")
        return Answer(reply.status, reply.text)

    def _dated(self, request: Request, now: datetime) -> Request:
        """The request with the posting date of today."""
        today = edm_day(posting_day(now, self._settings.time_zone))
        if request.json is not None:
            return replace(request, headers={}, json={**request.json, "PostingDate": today})
        return replace(request, headers={}, query={**request.query, "PostingDate": f"datetime'{today}'"})


def _is_confirmed(event: MaterialActual | ProductionPerformance | Reversal) -> bool:
    """Whether its document is a confirmation: performance and scrap, and what reverses them."""
    fact = event.reverses if isinstance(event, Reversal) else event
    return isinstance(fact, ProductionPerformance) or fact.disposition is Disposition.SCRAP
