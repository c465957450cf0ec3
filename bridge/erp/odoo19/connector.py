"""The connector to Odoo 19: each kind of event to the module that knows its documents.

The contract was taken from a running Odoo 19 (mrp, stock, maintenance); the tests run against the simulator, which speaks
it with its sharp edges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Final, Self

from bridge.config.settings import OdooSettings
from bridge.erp.connector import (
    Answer,
    Event,
    Found,
    MasterDataProblem,
    OrderTotals,
    Refusal,
    Step,
    cannot_carry,
    refuse_lots,
)
from bridge.erp.odoo19 import inbound, maintenance, master_data, production, scrap
from bridge.erp.odoo19.client import OdooClient
from bridge.erp.odoo19.numbers import DIGITS
from bridge.erp.quantity import Posted, Units
from bridge.errors import BusinessError, TransientError, UnknownOutcome
from bridge.model.production import (
    EventKind,
    MaterialActual,
    ProductionOrder,
    Reversal,
    ShipmentStatus,
    WorkRequest,
    WorkRequestState,
)

_KINDS: Final = frozenset({EventKind.WIP_TO_FG, EventKind.SCRAP, EventKind.REVERSAL, EventKind.WORK_REQUEST})
_INSTEAD: Final = "take it out of the rule that posts it, or post it by hand"


class Odoo19:
    """Odoo 19 by its External JSON-2 API (see Connector for what each method promises)."""

    kinds = _KINDS

    def __init__(self, settings: OdooSettings) -> None:
        self._settings = settings
        self._units = Units(settings)
        self._client = OdooClient(settings)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def lookup(self, event: Event) -> Found:
        """By the order's done total, by the scrap of the event, or by the event's id in the request's description."""
        match event:
            case MaterialActual() | Reversal() if event.kind in _KINDS:
                return await self._find(*await self._converted(event))
            case WorkRequest():
                return await maintenance.find(self._client, event)
        raise cannot_carry("Odoo", event.kind, _INSTEAD)

    async def plan(self, event: Event) -> Sequence[Step]:
        """Quantity, components, mark done; a scrap of its own draft; or one request loaded."""
        match event:
            case MaterialActual() | Reversal() if event.kind in _KINDS:
                return await self._plan(*await self._converted(event))
            case WorkRequest():
                return await maintenance.plan(self._client, event, self._settings.equipment_ids)
        raise cannot_carry("Odoo", event.kind, _INSTEAD)

    async def reverse(self, event: Reversal) -> Sequence[Step]:
        """The pieces go out of stock as scrap; what they were made of stays consumed."""
        return await self.plan(event)

    async def _find(self, event: MaterialActual | Reversal, uom: str) -> Found:
        if event.kind is EventKind.WIP_TO_FG:
            assert isinstance(event, MaterialActual)
            return production.find(await production.read_chain(self._client, event.order_ref), event)
        return await scrap.find_scrapped(self._client, event)

    async def _plan(self, event: MaterialActual | Reversal, uom: str) -> Sequence[Step]:
        if event.kind is EventKind.WIP_TO_FG:
            assert isinstance(event, MaterialActual)
            return production.plan(await production.read_chain(self._client, event.order_ref), event, uom)
        if (await scrap.find_scrapped(self._client, event)).is_posted:
            return []
        if isinstance(event, Reversal):
            return await scrap.plan_reversed(self._client, event, uom, self._settings)
        return await scrap.plan_scrapped(self._client, event, uom, self._settings)

    async def _converted(self, event: MaterialActual | Reversal) -> tuple[MaterialActual | Reversal, str]:
        """The event in Odoo's unit, which its quantities are then pieces of, and that unit's name. Raises BusinessError."""
        actual = event if isinstance(event, MaterialActual) else _reversible(event)
        refuse_lots("Odoo", actual)
        item = actual.item
        if not item and self._settings.items:
            chain = await production.read_chain(self._client, event.order_ref)
            item = self._units.ours(production.product_code(chain[0]))

        def posted(quantity: Decimal) -> Posted:
            return self._units.posted(quantity, actual.uom, item, DIGITS)

        share, total = posted(actual.quantity), posted(actual.cumulative)
        uom = share.uom or self._settings.product_uom
        actual = replace(actual, quantity=share.quantity, cumulative=total.quantity, uom="")
        if isinstance(event, MaterialActual):
            return actual, uom
        return replace(event, quantity=posted(event.quantity).quantity, reverses=actual), uom

    async def execute(self, step: Step) -> Answer:
        """Send the step; a 200 that opens a wizard, or that does not name the new record, is no success."""
        if step.call in scrap.CALLS:
            try:
                answer = await scrap.execute(self._client, step)
            except BusinessError as error:
                if step.call != scrap.DISCARD:
                    raise
                raise TransientError(
                    f"the draft is gone or done meanwhile, looking again: {error}"
                ) from error.__cause__
            if answer is not None:
                return answer
        status, text, value = await self._client.call(step.call, step.body, is_repeatable=step.is_repeatable)
        refusal = Refusal(status, text)
        if step.call == production.MARK_DONE and value is not True:
            if isinstance(value, dict):
                raise BusinessError(
                    f"Odoo asks instead of marking done: {value.get('res_model', 'a wizard')}"
                ) from refusal
            raise UnknownOutcome(f"{step.call} was answered with neither true nor a wizard") from refusal
        if step.call in (maintenance.LOAD, scrap.LOAD):
            _check_loaded(step.call, value, refusal)
        if value is False:
            raise TransientError(f"{step.call} was answered with false") from refusal
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
        """What the done productions of each order made."""
        totals = await inbound.read_totals(self._client, order_refs)
        return {order: OrderTotals(good) for order, good in totals.items()}

    async def read_ticket_states(self, since: datetime | None) -> list[WorkRequestState]:
        """Requests by their stages."""
        return await maintenance.read_states(self._client, since)

    async def check_master_data(self, equipment: Sequence[str]) -> list[MasterDataProblem]:
        """Items, units, locations, reasons, equipment."""
        return await master_data.check(self._client, self._settings, equipment)


def _check_loaded(call: str, value: object, refusal: Refusal) -> None:
    """`load` answers 200 also where it loaded nothing: then with messages and without ids."""
    ids, messages = (value.get("ids"), value.get("messages")) if isinstance(value, dict) else (None, None)
    if isinstance(ids, list) and len(ids) == 1:
        return
    if messages:
        told = "; ".join(str(part.get("message", part)) if isinstance(part, dict) else str(part) for part in messages)
        raise BusinessError(f"{call} loaded nothing: {told}") from refusal
    raise TransientError(f"{call} was answered with neither an id nor a reason") from refusal


def _reversible(event: Reversal) -> MaterialActual:
    if not isinstance(event.reverses, MaterialActual) or event.reverses.kind is not EventKind.WIP_TO_FG:
        raise cannot_carry("Odoo", event.kind, "only good pieces are taken back there; correct the rest by hand")
    return event.reverses
