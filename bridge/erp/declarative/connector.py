"""The declarative connector: what the description says, in the order of the contract.

A step is the HTTP request itself, as it goes out, unless it has questions of its own: then it is kept as the description's
template with the event, and filled when it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

import httpx

from bridge.config.settings.declarative import DeclarativeSettings
from bridge.erp import event as events
from bridge.erp.connector import Answer, Event, Found, MasterDataProblem, OrderTotals, Place, Step, cannot_carry
from bridge.erp.declarative import inbound
from bridge.erp.declarative.balances import Balances
from bridge.erp.declarative.description import Ask, Condition, EventLookup, EventTable, LookupTable, StepTable, load
from bridge.erp.declarative.documents import at, is_met
from bridge.erp.declarative.endpoint import Endpoint, lookup_in
from bridge.erp.declarative.template import Lookup, fill
from bridge.erp.declarative.values import FIELDS, ITEM_CODE, values
from bridge.erp.http import AlreadyPosted, ClosedPeriod, OverHttp, Request, from_step, to_step, unreadable
from bridge.erp.posting import Document, check_same, check_total, quantity_of
from bridge.erp.quantity import Units
from bridge.errors import BusinessError
from bridge.model.production import (
    EventKind,
    MaterialActual,
    ProductionOrder,
    ProductionPerformance,
    Reversal,
    ShipmentStatus,
    WorkRequestState,
)

Values = Mapping[str, Any]
_INSTEAD: Final = "describe it in the connector's file, or send it through another connector"


class Declarative(OverHttp):
    """An endpoint that a file describes (see Connector for what each method promises).

    `kinds` of the class are those that a description may have, of an instance those that its description has; `tells_totals` and
    `tells_stock` say whether it has the tables for them.
    """

    kinds = frozenset(EventKind(kind) for kind in FIELDS)

    def __init__(self, settings: DeclarativeSettings) -> None:
        self._settings = settings
        self._description = load(settings.file)
        self._endpoint = Endpoint(settings, self._description)
        self.http = self._endpoint.http
        self._units = Units(settings)
        self._balances = Balances(settings, self._description, self._endpoint, self._units)
        self._has_factors = any(item.numerator != item.denominator for item in settings.items.values())
        self.tells_totals = self._description.totals is not None
        self.tells_stock = self._description.stock is not None
        self.kinds = frozenset(self._description.event)

    async def lookup(self, event: Event) -> Found:
        """What the described question finds."""
        return await self._find(self._table(event).lookup, event)

    async def plan(self, event: Event) -> Sequence[Step]:
        """The described steps, after the questions that come before them; none where the event is there."""
        table = self._table(event)
        if (await self._find(table.lookup, event)).is_posted:
            return []
        asked = await self._ask(table.ask, event)
        self._check_item(event, asked)
        known = {**self._values(event, asked), **asked}
        await self._check_total(event, table, known)
        today = {**known, "occurred_at": datetime.now(UTC)}
        return [self._step(step, event, known, asked, today) for step in table.step]

    async def reverse(self, event: Reversal) -> Sequence[Step]:
        """As any other event is described."""
        return await self.plan(event)

    async def execute(self, step: Step) -> Answer:
        """Send the step; a success that does not say what the description expects is none."""
        expect = [Condition.model_validate(condition) for condition in step.body.get("expect", [])]
        request = await self._late(step) if "late" in step.body else from_step(step)
        try:
            return await self._send(request, expect)
        except AlreadyPosted as error:
            return Answer(getattr(error.__cause__, "status", httpx.codes.CONFLICT), f"there already: {error}")
        except ClosedPeriod:
            if self._settings.closed_period == "park" or "today" not in step.body:
                raise
        return await self._send(from_step(replace(step, body=step.body["today"])), expect)

    async def verify(self, event: Event) -> Found:
        """What `lookup` says: both ask for the document, not for the answer."""
        return await self.lookup(event)

    async def read_orders(self, since: datetime | None) -> list[ProductionOrder]:
        """The described list; none where there is no description of one."""
        return await inbound.orders(self._endpoint, self._description.orders, self._settings.time_zone, since)

    async def read_shipments(self, since: datetime | None) -> list[ShipmentStatus]:
        """The described list; none where there is no description of one."""
        return await inbound.shipments(self._endpoint, self._description.shipments, self._settings.time_zone, since)

    async def read_ticket_states(self, since: datetime | None) -> list[WorkRequestState]:
        """The described list; none where there is no description of one."""
        return await inbound.requests(self._endpoint, self._description.requests, self._settings.time_zone, since)

    async def read_totals(self, order_refs: Sequence[str]) -> Mapping[str, OrderTotals]:
        """What the described question finds. Raises BusinessError where the description has no table `totals`."""
        return await self._balances.totals(order_refs)

    async def read_stock(self, places: Sequence[Place]) -> Mapping[Place, Decimal]:
        """What the described question finds. Raises BusinessError where the description has no table `stock`."""
        return await self._balances.stock(places)

    async def check_master_data(self, equipment: Sequence[str]) -> list[MasterDataProblem]:
        """Items and equipment, where the description says how to ask."""
        items = [(f"items.{ours}.code", "item", item.code) for ours, item in self._settings.items.items()]
        ids = self._settings.equipment_ids
        machines = [(f"equipment_ids.{path}", "equipment_id", ids.get(path, path)) for path in equipment]
        asked = (
            ("check_item", self._description.check_item, items),
            ("check_equipment", self._description.check_equipment, machines),
        )
        problems = []
        for table, question, named in asked:
            for field, placeholder, name in named if question is not None else []:
                assert question is not None
                if said := await self._unknown(table, question, placeholder, name):
                    problems.append(MasterDataProblem(field, said))
        return problems

    @property
    def not_asked(self) -> tuple[str, ...]:
        """What `check_master_data` says nothing of, as the description has no question for it."""
        tables = {"items": "check_item", "machines": "check_equipment"}
        missing = {what: table for what, table in tables.items() if getattr(self._description, table) is None}
        return tuple(f"{what} (its description has no [{table}])" for what, table in missing.items())

    async def _unknown(self, table: str, question: LookupTable, placeholder: str, name: str) -> str:
        """Why the system does not seem to know a name; empty: it does. A wrong path into the answer is told as that."""
        lookup = lookup_in({placeholder: name}, self._settings.time_zone)
        answer = await self._endpoint.ask(question.request, lookup)
        if is_met(at(answer, question.id), None):
            return ""
        if not isinstance(answer, dict) or not answer:
            return f"the system does not know {name}"
        told = ", ".join(sorted(map(str, answer)))[:200]
        return (
            f"the system answers for {name}, and has nothing at {question.id}: either it does not know it, or {table}.id in "
            f"{self._settings.file.name} is another path (the answer has {told})"
        )

    def _table(self, event: Event) -> EventTable:
        table = self._description.event.get(event.kind)
        if table is None:
            raise cannot_carry(f"the endpoint of {self._settings.file.name}", event.kind, _INSTEAD)
        return table

    def _values(self, event: Event, asked: Values = MappingProxyType({})) -> Values:
        """The event's; quantities by the factor of the item that the system has said the order makes."""
        code = asked.get(ITEM_CODE)
        return values(event, self._settings, self._units, "" if code is None else self._units.ours(str(code)))

    def _check_item(self, event: Event, asked: Values) -> None:
        """A factor that nobody can say the item for must not be left out without a word."""
        measured = event.reverses if isinstance(event, Reversal) else event
        is_known = bool(getattr(measured, "item", "")) or asked.get(ITEM_CODE) is not None
        if isinstance(measured, MaterialActual | ProductionPerformance) and not is_known and self._has_factors:
            raise BusinessError(
                f"order {measured.order_ref}: the connector's items have factors, and which item the order makes is not known: "
                f"let an `ask` of event.{event.kind} in {self._settings.file.name} take {ITEM_CODE}"
            )

    async def _find(self, table: EventLookup, event: Event) -> Found:
        known = self._values(event)
        value = await self._endpoint.ask(table.request, lookup_in(known, self._settings.time_zone))
        found = at(value, table.id)
        if not is_met(found, None):
            return Found(is_posted=False)
        is_measured = bool(getattr(event, "item", "")) or not self._has_factors  # with factors the item must be known
        if table.same and is_measured:
            there = [quantity_of(at(value, path)) for path in table.same.values()]
            ours = [Decimal(known[name]) for name in table.same]
            check_same(str(known.get("order_ref", "")), str(found), there, ours)
        return Found(is_posted=True, external_id=str(found))

    async def _ask(
        self, questions: Sequence[Ask], event: Event, before: Values = MappingProxyType({})
    ) -> dict[str, Any]:
        """What the answers give for placeholders. Raises BusinessError where one does not say what it must."""
        asked: dict[str, Any] = {}
        for question in questions:
            lookup = self._lookup(event, {**before, **asked})
            value = await self._endpoint.ask(question.request, lookup)
            asked |= {name: at(value, path) for name, path in question.take.items()}
            self._require(question, value, self._lookup(event, {**before, **asked}))
        return asked

    def _require(self, question: Ask, value: Any, lookup: Lookup) -> None:
        """Whether an answer says what it must, and all that is taken from it."""
        for condition in question.require:
            found = at(value, condition.path)
            wanted = None if condition.is_one_of is None else [fill(one, lookup) for one in condition.is_one_of]
            if not is_met(found, wanted):
                told = self._endpoint.words(condition.otherwise, lookup)
                raise BusinessError(
                    told or f"the system says {found!r} at {condition.path}, not {wanted or 'anything'}"
                )
        for name, path in question.take.items():
            if at(value, path) is None:
                call = self._endpoint.call(question.request)
                raise BusinessError(f"the answer to {call} has nothing at {path}, where {name} is taken from")

    def _lookup(self, event: Event, asked: Values) -> Lookup:
        return lookup_in({**self._values(event, asked), **asked}, self._settings.time_zone)

    async def _check_total(self, event: Event, table: EventTable, known: Values) -> None:
        if table.total is None or not isinstance(event, MaterialActual):
            return
        value = await self._endpoint.ask(table.total.request, lookup_in(known, self._settings.time_zone))
        total = at(value, table.total.path)
        there = [] if total is None else [Document("", "", quantity_of(total))]
        check_total(event, there, Decimal(known["before"]), str(known["uom"]))

    def _step(self, table: StepTable, event: Event, known: Values, asked: Values, today: Values) -> Step:
        expect = [condition.model_dump(mode="json") for condition in table.expect]
        if table.ask:
            late = {
                "request": table.request.model_dump(mode="json", exclude_unset=True),
                "ask": [question.model_dump(mode="json", exclude_unset=True) for question in table.ask],
                "asked": _plain(asked),
            }
            body = {"late": late, "event": {"kind": str(event.kind), "payload": event.payload()}, "expect": expect}
            return Step(table.name, self._endpoint.call(table.request), body, table.repeatable)
        step = self._rendered(table, known)
        body = {**step.body, "expect": expect} if expect else dict(step.body)
        if self._settings.closed_period == "today" and (other := self._rendered(table, today)).body != step.body:
            body["today"] = dict(other.body)
        return replace(step, body=body)

    def _rendered(self, table: StepTable, known: Values) -> Step:
        lookup = lookup_in(known, self._settings.time_zone)
        return to_step(table.name, self._endpoint.request(table.request, lookup, is_repeatable=table.repeatable))

    async def _late(self, step: Step) -> Request:
        """The request of a step with questions: asked now, when the steps before it have been carried out."""
        kept = step.body["event"]
        event = events.read(kept["kind"], kept["payload"])
        late = step.body["late"]
        table = StepTable.model_validate({"name": step.name, "request": late["request"], "ask": late["ask"]})
        asked = {**late["asked"], **await self._ask(table.ask, event, late["asked"])}
        lookup = self._lookup(event, asked)
        return self._endpoint.request(table.request, lookup, is_repeatable=step.is_repeatable)

    async def _send(self, request: Request, expect: Sequence[Condition]) -> Answer:
        reply, value = await self._endpoint.send(request)
        for condition in expect:
            found = at(value, condition.path)
            if not is_met(found, condition.is_one_of):
                raise unreadable(request, reply, f"{found!r} at {condition.path or 'the top'}, which is no success")
        return Answer(reply.status, reply.text)


def _plain(asked: Values) -> dict[str, Any]:
    """Answers as the outbox can keep them: fractions as text, which every form can be made of again."""
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in asked.items()}
