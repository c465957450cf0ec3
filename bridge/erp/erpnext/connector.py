"""The connector to ERPNext: each kind of event to the module that knows its documents.

The contract was taken from Frappe's and ERPNext's published sources and runs against simulators/systems/erpnext.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import httpx

from bridge.config.settings.erpnext import ErpNextSettings
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
from bridge.erp.erpnext.balances import Balances
from bridge.erp.erpnext.inbound import Inbound
from bridge.erp.erpnext.issue import ISSUE, Issues
from bridge.erp.erpnext.site import Site, resource
from bridge.erp.erpnext.stock_entry import BATCH, ENTRY, StockEntries
from bridge.erp.http import AlreadyPosted, ClosedPeriod, OverHttp, Request, from_step, to_step, unreadable
from bridge.erp.posting import local_time
from bridge.erp.quantity import Units
from bridge.errors import BusinessError, TransientError
from bridge.model.production import (
    OF_PRODUCTION,
    EventKind,
    MaterialActual,
    ProductionOrder,
    ProductionPerformance,
    Reversal,
    ShipmentStatus,
    WorkRequest,
    WorkRequestState,
)

_LOOK_AGAIN_S: Final = 0.25
_INSTEAD: Final = "send it through a webhook or a declarative connector"


class ErpNext(OverHttp):
    """ERPNext by its REST API (see Connector for what each method promises)."""

    kinds = frozenset({*OF_PRODUCTION, EventKind.WORK_REQUEST})

    def __init__(self, settings: ErpNextSettings) -> None:
        self._settings = settings
        self._site = Site(settings)
        self.http = self._site.http
        self._entries = StockEntries(settings, self._site, Units(settings))
        self._balances = Balances(settings, self._site, Units(settings))
        self._issues = Issues(settings, self._site)
        self._inbound = Inbound(settings, self._site)

    async def lookup(self, event: Event) -> Found:
        """By the event's id in the custom field."""
        match event:
            case WorkRequest():
                return await self._issues.find(event)
            case MaterialActual() | ProductionPerformance() | Reversal():
                return await self._entries.find(event)
            case _:
                raise cannot_carry("ERPNext", event.kind, _INSTEAD)

    async def plan(self, event: Event) -> Sequence[Step]:
        """One document, before it a batch that is new; none where the site has it."""
        match event:
            case Reversal():
                return await self.reverse(event)
            case WorkRequest():
                request = await self._issues.plan(event)
                requests = [] if request is None else [request]
            case MaterialActual() | ProductionPerformance():
                requests = await self._entries.plan(event)
            case _:
                raise cannot_carry("ERPNext", event.kind, _INSTEAD)
        batch = resource(BATCH)
        return [to_step("enter batch" if each.path == batch else f"post {event.kind}", each) for each in requests]

    async def reverse(self, event: Reversal) -> Sequence[Step]:
        """Good pieces are disassembled in the quantity; any other entry is cancelled."""
        request = await self._entries.plan_reversal(event)
        return [] if request is None else [to_step("post reversal", request)]

    async def execute(self, step: Step) -> Answer:
        """Send the step; a success that does not name the document is none, and what is there already needs no second one."""
        request = from_step(step)
        try:
            return await self._send(request)
        except AlreadyPosted as error:
            return await self._there_already(request, error)
        except ClosedPeriod:
            if self._settings.closed_period == "park" or request.path != resource(ENTRY):
                raise
        except BusinessError as error:
            return await self._refused(request, error)
        today = local_time(datetime.now(UTC), self._settings.time_zone)
        dated = {**request.json, "posting_date": f"{today:%Y-%m-%d}", "posting_time": f"{today:%H:%M:%S}"}
        return await self._send(replace(request, json=dated))

    async def verify(self, event: Event) -> Found:
        """What `lookup` says, once the site's queue has submitted the entry. Raises TransientError while it has not."""
        until = asyncio.get_running_loop().time() + self._settings.queue_wait_s
        while not (found := await self.lookup(event)).is_posted and found.external_id is not None:
            if asyncio.get_running_loop().time() >= until:
                # Counted as the site's own fault: an entry that its queue refused stays a draft for ever.
                raise TransientError(
                    f"{found.external_id} is still a draft: the site has not submitted it"
                ) from Refusal(httpx.codes.ACCEPTED, f"{found.external_id}: docstatus 0", is_own_fault=True)
            await asyncio.sleep(_LOOK_AGAIN_S)
        return found

    async def read_orders(self, since: datetime | None) -> list[ProductionOrder]:
        """Work Orders."""
        return await self._inbound.orders(since)

    async def read_shipments(self, since: datetime | None) -> list[ShipmentStatus]:
        """Delivery Notes."""
        return await self._inbound.shipments(since)

    async def read_totals(self, order_refs: Sequence[str]) -> Mapping[str, OrderTotals]:
        """What the submitted Stock Entries of each Work Order come to."""
        return await self._balances.totals(order_refs)

    async def read_stock(self, places: Sequence[Place]) -> Mapping[Place, Decimal]:
        """What the Bins hold and sales orders have not reserved."""
        return await self._balances.stock(places)

    async def read_ticket_states(self, since: datetime | None) -> list[WorkRequestState]:
        """Statuses of Issues."""
        return await self._issues.read_states(since)

    async def check_master_data(self, equipment: Sequence[str]) -> list[MasterDataProblem]:
        """Items, units, warehouses, assets, and the field that keeps our id. Reasons are free text in ERPNext."""
        named = [(f"items.{ours}.code", "Item", item.code) for ours, item in self._settings.items.items()]
        named += [(f"items.{ours}.uom", "UOM", item.uom) for ours, item in self._settings.items.items() if item.uom]
        named += [(f"units.{ours}", "UOM", name) for ours, name in self._settings.units.items()]
        named += [(f"locations.{ours}", "Warehouse", name) for ours, name in self._settings.locations.items()]
        problems = []
        for field, doctype, name in named:
            if await self._site.first(doctype, [], [["name", "=", name]]) is None:
                problems.append(MasterDataProblem(field, f"ERPNext has no {doctype} {name}"))
        problems += await self._site.mistakes_in_field(self._settings.event_id_field, (ENTRY, ISSUE))
        for path in equipment:
            try:
                await self._issues.asset(path)
            except BusinessError as error:
                problems.append(MasterDataProblem(f"equipment_ids.{path}", str(error)))
        return problems

    async def _send(self, request: Request) -> Answer:
        reply, answer = await self._site.http.ask(request)
        document = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(document, dict) or not document.get("name"):
            raise unreadable(request, reply, "a success that names no document")
        return Answer(reply.status, reply.text)

    async def _there_already(self, request: Request, error: AlreadyPosted) -> Answer:
        """A unique field refused the document: ours, or one that the site's people made unique."""
        if request.path == resource(ENTRY) and not await self._entries.has_entry(request.json):
            raise BusinessError(
                f"a field that is unique in this site has this value already: {error}"
            ) from error.__cause__
        return Answer(_status(error), f"the site has this event already: {error.__cause__}")

    async def _refused(self, request: Request, error: BusinessError) -> Answer:
        """Refusals that are none: a batch that is there, an entry that is cancelled. Raises the error for any other."""
        if request.method == "PUT" and await self._entries.is_cancelled(request.path):
            return Answer(_status(error), f"it is cancelled already: {error.__cause__}")
        if _status(error) != httpx.codes.CONFLICT:
            raise error
        if request.path == resource(BATCH):
            return Answer(_status(error), f"the batch is there already: {error.__cause__}")
        # The site's own numbering gave a number that is taken: nothing was entered, and the next number is another one.
        raise TransientError(str(error)) from Refusal(_status(error), str(error.__cause__), is_own_fault=True)


def _status(error: BusinessError) -> int:
    return error.__cause__.status if isinstance(error.__cause__, Refusal) else 0
