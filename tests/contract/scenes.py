"""The events of the contract suite: one scene a kind, how it is carried and resumed as the relay does it.

A scene gives event after event of its kind for one order, each with the cumulative quantity so far, so that a failure can strike
each in turn. What a system wants otherwise (an item that its orders do not backflush, an operation's number) is in `Quirks`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from bridge.erp.connector import Step
from bridge.erp.relay.attempt import first_to_send
from bridge.model.production import (
    Availability,
    Disposition,
    EventKind,
    MaterialActual,
    MaterialUse,
    ProductionPerformance,
    Reversal,
    WorkRequest,
    event_id,
)

ORDER = "MES-0001"
EQUIPMENT = "acme/dortmund/machining/line1/cnc1"
AT = datetime(2026, 7, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Quirks:
    """What a system of the suite wants otherwise than the others."""

    consumed: tuple[str, str] = ("BAR-60", "1")  # item and unit
    segment: str = "0010"
    is_final: bool = False
    reversed_share: Decimal = Decimal(
        1
    )  # of a posting of 5, by a reversal; 5: systems that reverse a document as a whole


QUIRKS = {
    "odoo19": Quirks(consumed=("INS-12", "1")),
    "sap_s4": Quirks(segment="0020"),  # the last operation: it alone yields what the order makes
    "tryton82": Quirks(consumed=("POW-1", "kg"), segment=""),
}


def quirks(system_type):
    return QUIRKS.get(system_type, Quirks())


def actual(quantity, cumulative, sequence=1, order=ORDER, uom="1", **more):
    fact = event_id(
        "test", f"{order} {more.get('use', '')} {more.get('disposition', '')} {more.get('item', '')}", sequence
    )
    return MaterialActual(fact, order, sequence, AT, Decimal(quantity), Decimal(cumulative), uom, EQUIPMENT, **more)


def pieces(quantity, cumulative, sequence=1, order=ORDER, uom="1"):
    return actual(quantity, cumulative, sequence, order, uom)


def request(sequence=1, equipment=EQUIPMENT):
    return WorkRequest(
        event_id("test", "ticket", sequence), sequence, equipment, "VIB", "high", "Vibration <b>", "4.9 mm/s\n& rising", AT
    )  # fmt: skip


KINDS = frozenset(EventKind) - {EventKind.NOTICE, EventKind.TAG_WRITE}
"""The kinds of this suite: what business systems are told. The others have one connector each, with tests of its own."""


@dataclass
class Scene:
    """Events of one kind, one after the other; `total` is what they come to."""

    kind: EventKind
    quirks: Quirks
    order: str = ORDER
    total: Decimal = Decimal(0)
    count: int = 0
    posted: list[MaterialActual] = field(default_factory=list)

    async def prepare(self, connector):
        """What must be there before: a posting of 5 for each reversal."""
        if self.kind is EventKind.REVERSAL:
            base = 5 * len(self.posted)
            self.posted.append(pieces(5, base + 5, len(self.posted) + 1, self.order))
            await carry(connector, self.posted[-1])

    async def next(self, connector):  # noqa: PLR0911  # one return a kind
        """The next event."""
        await self.prepare(connector)
        self.count += 1
        share = self.quirks.reversed_share if self.kind is EventKind.REVERSAL else Decimal(2)
        self.total += share
        match self.kind:
            case EventKind.WIP_TO_FG:
                return pieces(share, self.total, self.count, self.order)
            case EventKind.SCRAP:
                return actual(share, self.total, self.count, self.order, disposition=Disposition.SCRAP)
            case EventKind.CONSUMED:
                item, uom = self.quirks.consumed
                return actual(share, self.total, self.count, self.order, uom, use=MaterialUse.CONSUMED, item=item)
            case EventKind.PERFORMANCE:
                fact = event_id("test", f"{self.order} operation", self.count)
                return ProductionPerformance(
                    fact, self.order, self.count, self.quirks.segment, AT, AT, share, Decimal(0), "1", EQUIPMENT,
                    is_final=self.quirks.is_final,
                )  # fmt: skip
            case EventKind.REVERSAL:
                fact = event_id("test", f"{self.order} reversal", self.count)
                return Reversal(fact, self.order, self.count, AT, share, share, "crack", self.posted[-1])
            case EventKind.WORK_REQUEST:
                return request(self.count)
            case EventKind.AVAILABILITY:
                fact = event_id("test", "availability", self.count)
                return Availability(fact, "HSG-L1", "FG", self.count, AT, self.total, "1")


async def carry(connector, event):
    for step in await connector.plan(event):
        await connector.execute(step)
    return await connector.verify(event)


async def resume(connector, event, steps, done):
    """As the relay goes on after a failure at the step `done` (from 0): look up, then what the plan has left, or a new plan."""
    found = await connector.lookup(event)
    if not found.is_posted:
        done = found.steps_done if found.steps_done is not None else done
        first = first_to_send(steps, done)
        rest = steps[first:] if first else await connector.plan(event)
        for step in rest:
            await connector.execute(step)
        found = await connector.verify(event)
    return found


async def all_but_last(connector, event):
    steps = list(await connector.plan(event))
    for step in steps[:-1]:
        await connector.execute(step)
    return steps


def redirected(step, address, other):
    """The step as it would go to another address, where it names its own."""
    return Step.from_json(json.loads(json.dumps(step.to_json()).replace(address, other)))


def wire(call):
    """A pattern of a step's call, `[METHOD ]path`, as the proxy names requests."""
    method, blank, path = call.partition(" ")
    if not (blank and method.isupper()):
        method, path = "[A-Z]+", call
    path = re.sub(r"^https?://[^/]+", "", path)
    return rf"^{method} .*{re.escape(path).replace(re.escape('{id}'), '[0-9]+')}$"
