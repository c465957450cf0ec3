"""The connector to Tryton 8.2: each kind of event to the module that knows its moves.

What is said here of Tryton was seen on a running 8.2, and the tests run against one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from types import TracebackType
from typing import Final, Self

from bridge.config.settings import TrytonSettings
from bridge.erp.connector import Answer, Event, Found, MasterDataProblem, Refusal, Step, cannot_carry, refuse_lots
from bridge.erp.quantity import Units
from bridge.erp.tryton82 import inbound, master_data, output, stock
from bridge.erp.tryton82.client import TrytonClient, day_of, to_date
from bridge.erp.tryton82.order import Order, read_order
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

_REACHED: Final = {
    "assign_try": ("assigned", "running", "done"),
    "run": ("running", "done"),
    "do": ("done",),
    "cancel": ("cancelled",),
}


class Tryton82:
    """Tryton 8.2 (see Connector for what each method promises)."""

    kinds = frozenset(
        {EventKind.WIP_TO_FG, EventKind.SCRAP, EventKind.CONSUMED, EventKind.PERFORMANCE, EventKind.REVERSAL}
    )

    def __init__(self, settings: TrytonSettings) -> None:
        self._settings = settings
        self._units = Units(settings)
        self._client = TrytonClient(settings)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def lookup(self, event: Event) -> Found:
        """By the total of the event's kind of moves."""
        event = _carried(event)
        order = await read_order(self._client, event.order_ref)
        match event:
            case MaterialActual(use=MaterialUse.CONSUMED):
                product = await stock.read_product(self._client, self._units.code(event.item))
                return stock.find_consumed(order, event, product, self._units)
            case MaterialActual():
                return output.find(order, event, self._units)
            case Reversal(reverses=MaterialActual() as reversed_event):
                original = stock.original_of(order, reversed_event, self._units)
                return await stock.find_reversed(self._client, order, event, original, self._units)
        return Found(is_posted=order.state == "done", external_id=f"production,{order.id}")

    async def plan(self, event: Event) -> Sequence[Step]:
        """Bring the order to the state running, make the move, carry it out, and close the order with its last piece."""
        event = _carried(event)
        if isinstance(event, Reversal):
            return await self.reverse(event)
        if (await self.lookup(event)).is_posted:
            return []
        order = await read_order(self._client, event.order_ref)
        if isinstance(event, ProductionPerformance):
            effective = await self._effective(order, event.ended_at)
            output.check_open(order, event.yielded + event.scrapped)
            return output.close_early(order, effective)
        effective = await self._effective(order, event.occurred_at)
        place = await self._place(order, event)
        if event.use is MaterialUse.CONSUMED:
            product = await stock.read_product(self._client, self._units.code(event.item))
            return await stock.plan_consumed(self._client, order, event, product, self._units, effective, place)
        return output.plan(order, event, self._units, effective, place)

    async def reverse(self, event: Reversal) -> Sequence[Step]:
        """A move back, from where the event's move went to where it came from."""
        _carried(event)
        assert isinstance(event.reverses, MaterialActual), "others are not carried"
        order = await read_order(self._client, event.order_ref)
        original = stock.original_of(order, event.reverses, self._units)
        found = await stock.find_reversed(self._client, order, event, original, self._units)
        if found.is_posted:
            return []
        effective = await self._effective(order, event.occurred_at)
        return await stock.plan_reversed(self._client, order, event, original, self._units, effective)

    async def execute(self, step: Step) -> Answer:
        """Send the step. A transition that is refused because it happened already is a success."""
        if step.call == stock.TAKE:
            return await self._take(stock.Taking.from_json(step.body))
        if step.name == output.CLOSE:
            await self._refuse_drafts(step)
        return await self._send(step)

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

    async def check_master_data(self, equipment: Sequence[str]) -> list[MasterDataProblem]:
        """Items, units, locations and waste; equipment is not Tryton's."""
        return await master_data.check(self._client, self._settings)

    async def _take(self, taking: stock.Taking) -> Answer:
        pending = taking.pending(await stock.read_kind(self._client, taking))
        answer = Answer(200, "already carried out")
        for move in pending:
            answer = await self._send(Step("carry out", stock.TAKE.format(id=move.id), {}, is_repeatable=True))
        return answer

    async def _send(self, step: Step) -> Answer:
        path, _, action = step.call.rpartition("/")
        states = _REACHED.get(action, ())
        if step.name == output.DATE:
            path, states = step.call, _REACHED["run"]
        try:
            reply, record = await self._client.send(step.call, step.body, is_repeatable=step.is_repeatable)
        except BusinessError:
            if not states or await self._state(path) not in states:
                raise
            return Answer(400, "already carried out")
        if not states or step.name == output.DATE:
            return Answer(reply.status, reply.text)
        state = record["state"] if "state" in record else await self._state(path)
        if state not in states:
            missing = ": its inputs are not all in stock" if action == "assign_try" else ""
            raise BusinessError(
                f"{step.call} was answered with success and left the state {state}{missing}"
            ) from Refusal(reply.status, reply.text)
        return Answer(reply.status, reply.text)

    async def _state(self, path: str) -> str:
        model, _, number = path.partition(" ")[2].partition("/")
        records = await self._client.search(model, [["id", "=", int(number)]], ["state"])
        return str(records[0]["state"]) if records else "missing"

    async def _refuse_drafts(self, step: Step) -> None:
        """Closing an order carries out all its drafts: there must be none that no event knows."""
        number = int(step.call.split("/")[1])
        domain = [["production_output", "=", number], ["state", "in", ["draft", "assigned"]]]
        if drafts := await self._client.search("stock.move", domain, ["quantity"]):
            raise BusinessError(
                f"{step.call} would also post output moves that no event knows "
                f"({', '.join(str(draft['id']) for draft in drafts)}): delete them, then replay this event"
            )

    async def _effective(self, order: Order, at: datetime) -> date:
        """The posting date, where the company is. Raises BusinessError where its period is closed and it is to be parked."""
        day = at.astimezone(order.zone).date()
        domain = [["state", "=", "closed"], ["company", "=", self._client.company], ["date", ">=", to_date(day)]]
        closed = await self._client.search("stock.period", domain, ["date"], order="date DESC", limit=1)
        if not closed:
            return day
        if self._settings.closed_period == "today":
            return order.today()
        raise BusinessError(
            f"order {order.name}: the event is of {day}, and Tryton's period up to {day_of(closed[0]['date'])} is closed: open it, "
            'or set closed_period = "today" for the connector, then replay this event'
        )

    async def _place(self, order: Order, event: MaterialActual) -> int | None:
        if event.disposition is Disposition.SCRAP:
            return _waste(order, self._settings.reasons.get(event.reason) or self._settings.waste_location)
        if not event.location:
            return None
        name = self._settings.locations.get(event.location, event.location)
        return await master_data.location(self._client, name)


def _waste(order: Order, name: str) -> int:
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
            refuse_lots("Tryton", event)
            return event
        case ProductionPerformance() if event.is_final and not event.segment:
            return event
        case ProductionPerformance():
            raise cannot_carry(
                "Tryton", event.kind, "it has no operations; only the final confirmation of a whole order closes it"
            )
        case Reversal(reverses=MaterialActual() as inner):
            refuse_lots("Tryton", inner)
            return event
        case Reversal():
            raise cannot_carry("Tryton", event.kind, "a closed order is opened by a person")
    raise cannot_carry("Tryton", event.kind, "send it to another connector")
