"""The connector to Business Central: journals for what was made, a page of the tenant's own for requests.

The contract was taken from Microsoft's published API descriptions and runs against simulators/systems/business_central.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import httpx

from bridge.config.settings.business_central import BusinessCentralSettings
from bridge.erp.business_central.company import SAME_KEY, Company
from bridge.erp.business_central.inbound import Inbound
from bridge.erp.business_central.journal import POST, Journal
from bridge.erp.business_central.levels import read_stock, read_totals
from bridge.erp.business_central.master_data import check, named
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
from bridge.erp.http import ClosedPeriod, OverHttp, Reply, Request, from_step, to_step, unreadable
from bridge.erp.odata import literal
from bridge.erp.quantity import Units
from bridge.errors import BusinessError, UnknownOutcome
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

_LONGEST_DESCRIPTION: Final = 100
_INSTEAD: Final = "send it through a webhook or a declarative connector"


class BusinessCentral(OverHttp):
    """Business Central by OData V4 (see Connector for what each method promises)."""

    kinds = frozenset({*OF_PRODUCTION, EventKind.WORK_REQUEST})

    def __init__(self, settings: BusinessCentralSettings) -> None:
        self._settings = settings
        self._company = Company(settings)
        self.http = self._company.http
        self._units = Units(settings)
        self._journal = Journal(settings, self._company, self._units)
        self._inbound = Inbound(self._company, settings.time_zone)

    async def lookup(self, event: Event) -> Found:
        """By the external document number of ledger entry or request."""
        match event:
            case WorkRequest():
                expression = f"externalDocumentNumber eq {literal(event.event_id.hex.upper())}"
                row = await self._company.first(self._requests, expression)
                return (
                    Found(is_posted=False) if row is None else Found(is_posted=True, external_id=str(row.get("number")))
                )
            case MaterialActual() | ProductionPerformance() | Reversal():
                return await self._journal.find(event)
            case _:
                raise cannot_carry("Business Central", event.kind, _INSTEAD)

    async def plan(self, event: Event) -> Sequence[Step]:
        """Enter a journal line and post it, for some events several; or create a request. None where Business Central has it."""
        match event:
            case WorkRequest():
                if (await self.lookup(event)).is_posted:
                    return []
                request = Request("POST", self._requests, is_repeatable=False, json=await self._request(event))
                return [to_step("create request", request)]
            case MaterialActual() | ProductionPerformance() | Reversal():
                return await self._journal.plan(event)
            case _:
                raise cannot_carry("Business Central", event.kind, _INSTEAD)

    async def reverse(self, event: Reversal) -> Sequence[Step]:
        """Lines with negative quantities, applied to the original's entries."""
        return await self._journal.plan(event)

    async def execute(self, step: Step) -> Answer:
        """Send the step; a line that is entered already is entered, a line that is gone may have been posted."""
        request = from_step(step)
        try:
            return await self._send(request)
        except ClosedPeriod:
            if self._settings.closed_period == "park" or not request.path.endswith(POST):
                raise
        today = {"postingDate": self._journal.day(datetime.now(UTC))}
        line = request.path.removesuffix(POST)
        await self._change(line, today)
        return await self._send(request)

    async def verify(self, event: Event) -> Found:
        """What `lookup` says: both ask for the ledger entry, not for the answer."""
        return await self.lookup(event)

    async def read_orders(self, since: datetime | None) -> list[ProductionOrder]:
        """Production orders."""
        return await self._inbound.orders(since)

    async def read_shipments(self, since: datetime | None) -> list[ShipmentStatus]:
        """Sales orders and their shipments."""
        return await self._inbound.shipments(since)

    async def read_ticket_states(self, since: datetime | None) -> list[WorkRequestState]:
        """States of requests."""
        return await self._inbound.states(since)

    async def read_totals(self, order_refs: Sequence[str]) -> Mapping[str, OrderTotals]:
        """Output and scrap of ledger entries."""
        return await read_totals(self._company, self._units, order_refs)

    async def read_stock(self, places: Sequence[Place]) -> Mapping[Place, Decimal]:
        """Inventory of items."""
        return await read_stock(self._company, self._settings, self._units, places)

    async def check_master_data(self, equipment: Sequence[str]) -> list[MasterDataProblem]:
        """Items with their units, locations, scrap codes and machines."""
        return await check(self._settings, self._company, equipment)

    @property
    def _requests(self) -> str:
        return self._company.own("maintenanceRequests")

    async def _request(self, event: WorkRequest) -> dict[str, Any]:
        number = self._settings.equipment_ids.get(event.equipment, event.equipment)
        if await named(self._company, self._company.own("machines"), "number", number) is None:
            raise BusinessError(
                f"Business Central has no machine {number} for {event.equipment}: give the connector's equipment_ids its number, "
                "then replay this event"
            )
        return {
            "externalDocumentNumber": event.event_id.hex.upper(),
            "equipmentNumber": number,
            "description": event.title[:_LONGEST_DESCRIPTION],
            "details": event.description,
            "priority": self._settings.priorities.get(event.priority, event.priority),
            "detectedAt": event.detected_at.isoformat(),
        }

    async def _change(self, line: str, values: dict[str, Any]) -> Reply:
        request = Request("PATCH", line, is_repeatable=True, headers={"If-Match": "*"}, json=values)
        return await self._company.http.send(request)

    async def _correct(self, request: Request, cause: Refusal) -> Answer:
        """A line that an earlier attempt left: it may have been of an event that a person has corrected since."""
        if "id" not in request.json:
            return Answer(cause.status, f"there already: {cause.text}")
        values = {name: value for name, value in request.json.items() if name != "id"}
        reply = await self._change(f"{request.path}({request.json['id']})", values)
        return Answer(reply.status, f"there already, brought up to date: {reply.text}")

    async def _send(self, request: Request) -> Answer:
        is_action = request.path.endswith(POST)
        try:
            reply = await self._company.http.send(request)
        except BusinessError as error:
            cause = error.__cause__
            if isinstance(cause, Refusal) and not is_action and SAME_KEY in cause.text:
                return await self._correct(request, cause)
            if isinstance(cause, Refusal) and is_action and cause.status == httpx.codes.NOT_FOUND:
                raise UnknownOutcome(f"{request.shown}: the line is gone, perhaps because it was posted") from cause
            raise
        if is_action:
            if reply.status != httpx.codes.NO_CONTENT:
                raise unreadable(request, reply, "something else than the 204 of an action")
            return Answer(reply.status, reply.text)
        answer = self._company.http.document(request, reply)
        if not isinstance(answer, dict) or not (answer.get("id") or answer.get("number")):
            raise unreadable(request, reply, "a success that names no record")
        return Answer(reply.status, reply.text)
