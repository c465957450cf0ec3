"""The connector to Odoo 19: each kind of event to the module that knows its documents.

The contract was taken from a running Odoo 19 (mrp, stock, maintenance) and from its source; the tests run against the simulator,
which speaks it with its sharp edges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from bridge.config.settings import OdooSettings
from bridge.erp.connector import (
    Answer,
    Event,
    Found,
    MasterDataProblem,
    OrderTotals,
    Place,
    Refusal,
    Step,
    cannot_carry,
)
from bridge.erp.http import OverHttp
from bridge.erp.odoo19 import (
    completion,
    confirmation,
    consumption,
    drafts,
    imports,
    inbound,
    lots,
    maintenance,
    master_data,
    production,
    scrap,
    totals,
    transfer,
)
from bridge.erp.odoo19.client import OdooClient
from bridge.erp.odoo19.events import Converter
from bridge.erp.odoo19.reversal import Reversals
from bridge.erp.quantity import Units
from bridge.errors import BusinessError, TransientError
from bridge.model.production import (
    EventKind,
    MaterialActual,
    ProductionOrder,
    ProductionPerformance,
    Reversal,
    ShipmentStatus,
    WorkRequest,
    WorkRequestState,
)

_KINDS: Final = frozenset(EventKind) - {EventKind.AVAILABILITY, EventKind.NOTICE, EventKind.TAG_WRITE}
_INSTEAD: Final = "take it out of the rule that posts it, or post it by hand"


class Odoo19(OverHttp):
    """Odoo 19 by its External JSON-2 API (see Connector for what each method promises)."""

    kinds = _KINDS

    def __init__(self, settings: OdooSettings) -> None:
        self._settings = settings
        self._units = Units(settings)
        self._client = OdooClient(settings)
        self.http = self._client.http
        self._events = Converter(self._client, settings, self._units)
        self._drafts = drafts.Drafts(self._client)
        self._reversals = Reversals(self._client, settings, self._events)

    async def lookup(self, event: Event) -> Found:
        """By the order's totals, by the scrap of the event, or by the event's id in the note or request that it made."""
        client = self._client
        match event:
            case WorkRequest():
                return await maintenance.find(client, event)
            case Reversal():
                return await self._reversals.find(event)
            case ProductionPerformance():
                performance, told, _ = await self._events.performance(event)
                return await confirmation.find(client, await self._whole_chain(event.order_ref), performance, told)
            case MaterialActual(kind=EventKind.SCRAP):
                return await scrap.find(client, (await self._events.scrapped(event))[0])
            case MaterialActual(kind=EventKind.CONSUMED):
                actual, product, _ = await self._events.consumed(event)
                return await consumption.find(client, await self._chain(event.order_ref), product, actual)
            case MaterialActual():
                pieces, _ = await self._events.pieces(event)
                return production.find(await self._chain(event.order_ref), pieces)
        raise cannot_carry("Odoo", event.kind, _INSTEAD)

    async def plan(self, event: Event) -> Sequence[Step]:
        """Quantity, components, mark done; a draft of its own for each scrap; a level of consumption; or one request loaded."""
        match event:
            case WorkRequest():
                return await maintenance.plan(self._client, event, self._settings.equipment_ids)
            case Reversal():
                return await self._reversals.plan(event)
            case ProductionPerformance():
                performance, told, uom = await self._events.performance(event)
                chain = await self._whole_chain(event.order_ref)
                return await confirmation.plan(self._client, chain, performance, told, uom, self._settings)
            case MaterialActual(kind=EventKind.SCRAP):
                return await self._plan_scrapped(event)
            case MaterialActual(kind=EventKind.CONSUMED):
                actual, product, uom = await self._events.consumed(event)
                place = self._settings.locations.get(event.location, event.location)
                chain = await self._chain(event.order_ref)
                return await consumption.plan(self._client, chain, product, actual, uom, place)
            case MaterialActual():
                return await self._plan_pieces(event)
        raise cannot_carry("Odoo", event.kind, _INSTEAD)

    async def reverse(self, event: Reversal) -> Sequence[Step]:
        """Pieces go out of stock as scrap, and what they were made of stays consumed; other material goes back."""
        return await self.plan(event)

    async def _plan_pieces(self, event: MaterialActual) -> Sequence[Step]:
        pieces, uom = await self._events.pieces(event)
        chain = await self._chain(event.order_ref)
        if production.find(chain, pieces).is_posted:
            return []
        target = completion.open_production(chain, event.order_ref, pieces.quantity)
        place = self._settings.locations.get(event.location, event.location)
        if place and place != target.receives_at:
            raise BusinessError(
                f"order {event.order_ref}: Odoo receives its pieces at {target.receives_at} and the event says {place}: correct "
                "the order there, or the connector's locations"
            )
        named = lots.names(target, pieces)
        extras = await consumption.extras(self._client, target, await self._events.told_products())
        before = await lots.steps(self._client, target.product_id, named)
        return completion.plan(chain, pieces, uom, replace(extras, lots=named, before=before))

    async def _plan_scrapped(self, event: MaterialActual) -> Sequence[Step]:
        lots.refuse_any(event, "scrap of pieces that were never good")
        scrapped, uom = await self._events.scrapped(event)
        if (await scrap.find(self._client, scrapped)).is_posted:
            return []
        return await scrap.plan(self._client, scrapped, uom, self._settings)

    async def _chain(self, order_ref: str) -> list[production.Production]:
        return await production.read_chain(self._client, order_ref)

    async def _whole_chain(self, order_ref: str) -> list[production.Production]:
        return await production.read_chain(self._client, order_ref, with_cancelled=True)

    async def execute(self, step: Step) -> Answer:
        """Send the step; a 200 that opens a wizard, or that does not name the new record, is no success."""
        if step.call in drafts.CALLS:
            return await self._drafts.execute(step)
        if step.call in transfer.CALLS:
            return await transfer.execute(self._client, step)
        if step.call in (maintenance.LOAD, lots.LOAD):
            return await imports.execute(self._client, step)
        if step.call == completion.MARK_DONE:
            return await completion.execute_done(self._client, step)
        if step.call == completion.WRITE_MOVE:
            return await consumption.execute(self._client, step)
        body = await lots.with_ids(self._client, step.body)
        status, text, value = await self._client.call(step.call, body, is_repeatable=step.is_repeatable)
        if value is False:
            raise TransientError(f"{step.call} was answered with false") from Refusal(status, text)
        return Answer(status, text)

    async def verify(self, event: Event) -> Found:
        """What `lookup` says: both ask for the document, not for the answer."""
        return await self.lookup(event)

    async def read_orders(self, since: datetime | None) -> list[ProductionOrder]:
        """Chains of productions, folded into orders."""
        return await inbound.read_orders(self._client, since)

    async def read_shipments(self, since: datetime | None) -> list[ShipmentStatus]:
        """Outgoing deliveries."""
        return await inbound.read_shipments(self._client, since)

    async def read_totals(self, order_refs: Sequence[str]) -> Mapping[str, OrderTotals]:
        """What the done productions of each order made, less what was taken out of it again."""
        return await totals.read_totals(self._client, self._units, order_refs)

    async def read_stock(self, places: Sequence[Place]) -> Mapping[Place, Decimal]:
        """What is on hand and reserved for nothing."""
        return await totals.read_stock(self._client, self._units, self._settings, places)

    async def read_ticket_states(self, since: datetime | None) -> list[WorkRequestState]:
        """Requests by their stages."""
        return await maintenance.read_states(self._client, since)

    async def check_master_data(self, equipment: Sequence[str]) -> list[MasterDataProblem]:
        """Items, units, locations, reasons, equipment."""
        return await master_data.check(self._client, self._settings, equipment)
