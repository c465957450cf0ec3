"""The connector to Tryton 8.2: each kind of event to the module that knows its moves.

What is said here of Tryton was seen on a running 8.2, and the tests run against one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from bridge.config.settings import TrytonSettings
from bridge.erp.connector import (
    Answer,
    Event,
    Found,
    MasterDataProblem,
    OrderTotals,
    Place,
    Step,
    cannot_carry,
)
from bridge.erp.http import OverHttp
from bridge.erp.quantity import Units
from bridge.erp.tryton82 import inbound, levels, master_data, output, totals
from bridge.erp.tryton82.client import TrytonClient, day_of
from bridge.erp.tryton82.consumption import Consumption, read_product
from bridge.erp.tryton82.lots import Lots, refuse_serials
from bridge.erp.tryton82.order import Order, read_order
from bridge.erp.tryton82.performance import Confirmation, confirmed_move
from bridge.erp.tryton82.requests import Requests
from bridge.erp.tryton82.reversal import TakenBack
from bridge.erp.tryton82.start import Dates, Told, begin
from bridge.errors import BusinessError
from bridge.model.production import (
    Disposition,
    EventKind,
    MaterialActual,
    MaterialUse,
    ProductionOrder,
    ProductionPerformance,
    Reversal,
    ShipmentStatus,
    WorkRequestState,
)


class Tryton82(OverHttp):
    """Tryton 8.2 (see Connector for what each method promises)."""

    kinds = frozenset(
        {EventKind.WIP_TO_FG, EventKind.SCRAP, EventKind.CONSUMED, EventKind.PERFORMANCE, EventKind.REVERSAL}
    )

    def __init__(self, settings: TrytonSettings) -> None:
        self._settings = settings
        self._units = Units(settings)
        self._told = Told(settings, self._units)
        self._client = TrytonClient(settings)
        self.http = self._client.http
        self._lots = Lots(self._client)
        self._requests = Requests(self._client, self._lots)

    async def lookup(self, event: Event) -> Found:
        """By the total of the event's kind of moves; a confirmation by the mark that it left."""
        event = _carried(event)
        order = await self._order(event)
        match event:
            case MaterialActual(use=MaterialUse.CONSUMED):
                return (await self._consumption(order, event)).find()
            case MaterialActual():
                return output.find(order, event, self._units)
            case ProductionPerformance():
                return (await self._confirmation(order, event)).find()
            case Reversal():
                return await (await self._taken_back(order, event)).find(self._client)

    async def plan(self, event: Event) -> Sequence[Step]:
        """Bring the order to the state running, make the move, carry it out, and close the order with its last piece."""
        event = _carried(event)
        if isinstance(event, Reversal):
            return await self.reverse(event)
        if (await self.lookup(event)).is_posted:
            return []
        order = await self._order(event)
        dates = await self._dates(
            order, event.ended_at if isinstance(event, ProductionPerformance) else event.occurred_at
        )
        start, effective = begin(order, dates, self._told), dates.effective
        match event:
            case ProductionPerformance():
                waste = self._waste(order, event.reason) if event.scrapped else None
                return (await self._confirmation(order, event)).plan(effective, waste, start)
            case MaterialActual(use=MaterialUse.CONSUMED):
                consumption = await self._consumption(order, event)
                return await consumption.plan(self._client, effective, await self._place(order, event), start)
        return output.plan(order, event, self._units, effective, await self._place(order, event), start)

    async def reverse(self, event: Reversal) -> Sequence[Step]:
        """A move back, from where the event's move went to where it came from."""
        _carried(event)
        order = await self._order(event)
        taken_back = await self._taken_back(order, event)
        if (await taken_back.find(self._client)).is_posted:
            return []
        return await taken_back.plan(self._client, (await self._dates(order, event.occurred_at)).effective)

    async def execute(self, step: Step) -> Answer:
        """Send the step. A transition that is refused because it happened already is a success."""
        return await self._requests.send(step)

    async def verify(self, event: Event) -> Found:
        """What `lookup` says: both ask for the moves, not for the answer."""
        return await self.lookup(event)

    async def read_orders(self, since: datetime | None) -> list[ProductionOrder]:
        """Productions."""
        return await inbound.read_orders(self._client, since)

    async def read_shipments(self, since: datetime | None) -> list[ShipmentStatus]:
        """Customer shipments."""
        return await inbound.read_shipments(self._client, since)

    async def read_ticket_states(self, since: datetime | None) -> list[WorkRequestState]:
        """None: Tryton's standard modules hold no requests for maintenance."""
        return []

    async def read_totals(self, order_refs: Sequence[str]) -> Mapping[str, OrderTotals]:
        """From the done moves of the productions, page by page."""
        return await totals.read_totals(self._client, self._settings, self._units, order_refs)

    async def read_stock(self, places: Sequence[Place]) -> Mapping[Place, Decimal]:
        """By the quantity that Tryton computes of a product for a location: in stock, less reserved."""
        return await levels.read_stock(self._client, self._settings, self._units, places)

    async def check_master_data(self, equipment: Sequence[str]) -> list[MasterDataProblem]:
        """Items, units, locations and waste; equipment is not Tryton's."""
        return await master_data.check(self._client, self._settings)

    async def _order(self, event: MaterialActual | ProductionPerformance | Reversal) -> Order:
        """The event's order, with lots where they matter. Raises BusinessError for a lot in a database that has none."""
        match event:
            case MaterialActual():
                with_lots = await self._lots.check(event.lot)
            case Reversal():
                with_lots = await self._lots.are_there()
            case _:
                with_lots = False
        return await read_order(self._client, event.order_ref, with_lots=with_lots)

    async def _consumption(self, order: Order, event: MaterialActual) -> Consumption:
        product = await read_product(self._client, self._units.code(event.item))
        return Consumption.of(order, event, product, self._units, self._told)

    async def _confirmation(self, order: Order, event: ProductionPerformance) -> Confirmation:
        if self._settings.performance == "closes":
            event = replace(event, yielded=Decimal(0), scrapped=Decimal(0))
        return await Confirmation.read(self._client, self._units, order, event)

    async def _taken_back(self, order: Order, event: Reversal) -> TakenBack:
        match event.reverses:
            case ProductionPerformance() as confirmed:
                original = await confirmed_move(self._client, self._units, order, confirmed, event.cumulative)
            case MaterialActual(use=MaterialUse.CONSUMED) as consumed:
                original = (await self._consumption(order, consumed)).original()
            case produced:
                original = output.original(order, produced, self._units)
        return TakenBack.of(order, event, original, self._units)

    async def _dates(self, order: Order, at: datetime) -> Dates:
        """The posting date, where the company is. Raises BusinessError where its period is closed and it is to be parked."""
        day = at.astimezone(order.zone).date()
        domain = [["state", "=", "closed"], ["company", "=", self._client.company]]
        periods = await self._client.search("stock.period", domain, ["date"], order="date DESC", limit=1)
        closed = day_of(periods[0]["date"]) if periods else None
        if closed is None or day > closed:
            return Dates(day, closed)
        if self._settings.closed_period == "today":
            return Dates(order.today(), closed)
        raise BusinessError(
            f"order {order.name}: the event is of {day}, and Tryton's period up to {closed} is closed: open it, "
            'or set closed_period = "today" for the connector, then replay this event'
        )

    async def _place(self, order: Order, event: MaterialActual) -> int | None:
        if event.disposition is Disposition.SCRAP:
            return self._waste(order, event.reason)
        if not event.location:
            return None
        name = self._settings.locations.get(event.location, event.location)
        return await master_data.location(self._client, name)

    def _waste(self, order: Order, reason: str) -> int:
        name = self._settings.reasons.get(reason) or self._settings.waste_location
        places = [place for place, names in order.waste.items() if not name or name in names]
        if len(places) != 1:
            raise BusinessError(
                f"order {order.name}: the warehouse has {len(places)} waste locations {name!r}: name one of its own in the "
                "connector's waste_location, or for the reason in reasons"
            )
        return places[0]


def _carried(event: Event) -> MaterialActual | ProductionPerformance | Reversal:
    """The event, if Tryton has a place for it. Raises BusinessError."""
    match event:
        case MaterialActual():
            refuse_serials(event)
            return event
        case ProductionPerformance() if not event.segment:
            return event
        case ProductionPerformance():
            raise cannot_carry(
                "Tryton",
                event.kind,
                f"its productions have no operations such as {event.segment}: confirm the order as a whole",
            )
        case Reversal():
            _carried(event.reverses)
            return event
    raise cannot_carry("Tryton", event.kind, "send it to another connector")
