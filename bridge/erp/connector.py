"""What a connector to a business system is: it speaks one system's contract and knows nothing of queues, retries or databases.

The relay (bridge/erp/relay) calls it for one event at a time: `plan` says which requests the event needs, `execute` sends
one of them, `verify` reads back what the system made of it. After a crash or an unclear answer `lookup` comes first. Events
are the neutral ones of ISA-95 part 2 (bridge/model/production.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

from bridge.errors import BusinessError
from bridge.model.notice import Notice, TagWrite
from bridge.model.production import (
    Availability,
    EventKind,
    MaterialActual,
    ProductionOrder,
    ProductionPerformance,
    Reversal,
    ShipmentStatus,
    WorkRequest,
    WorkRequestState,
)

Event = MaterialActual | ProductionPerformance | Reversal | WorkRequest | Availability | Notice | TagWrite


@dataclass(frozen=True, slots=True)
class Step:
    """One request of an event. It is kept in the outbox before it goes out, so `body` is plain JSON without secrets.

    `is_repeatable`: sending it twice has the effect of sending it once. After an unclear answer to a step that is not, the
    relay looks up; a resumed event repeats the repeatable steps, so that they need no lookup of their own.
    """

    name: str
    call: str
    body: Mapping[str, Any]
    is_repeatable: bool

    def to_json(self) -> dict[str, Any]:
        """As it stands in the outbox's checkpoint."""
        return {"name": self.name, "call": self.call, "body": dict(self.body), "is_repeatable": self.is_repeatable}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The step that `to_json` wrote."""
        return cls(stored["name"], stored["call"], stored["body"], stored["is_repeatable"])


@dataclass(frozen=True, slots=True)
class Answer:
    """What the system said to a step: the HTTP status and the text as a person may read it."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the system holds of an event: whether all of it is there, and under which id of the system's own.

    `steps_done` is for a system that shows part of an event: how many steps of its plan are carried out; None where the
    system cannot tell, and then the relay's own checkpoint holds.
    """

    is_posted: bool
    external_id: str | None = None
    steps_done: int | None = None


class Refusal(Exception):
    """The answer behind a ConnectorError (its `__cause__`): what operators read beside a dead letter.

    `is_own_fault`: the system itself, not something before it, says that it failed at this request. It may be passing (a conflict
    of two users) or for good (a fault in its code at this order's data), which only repetition tells.
    """

    def __init__(self, status: int, text: str, *, is_own_fault: bool = False) -> None:
        self.status = status
        self.text = text
        self.is_own_fault = is_own_fault
        super().__init__(f"{status}: {text}")


@dataclass(frozen=True, slots=True)
class MasterDataProblem:
    """Something that the configuration names and the system does not know, or knows otherwise.

    `field` is the dotted place in the connector's table, as `items.HSG-L1.uom`; `message` says what is wrong and what to do.
    """

    field: str
    message: str


def cannot_carry(system: str, kind: EventKind, instead: str) -> BusinessError:
    """The error of a connector that is given a kind that is not in its `kinds`; `instead` is what to do."""
    return BusinessError(f"{system} has no place for a {kind} event: {instead}")


def refuse_lots(system: str, event: MaterialActual) -> None:
    """Raise BusinessError for lots and serials that a connector cannot carry: what it drops is lost without a word."""
    if event.lot or event.serials:
        raise BusinessError(
            f"{system}'s connector carries no lots or serials, and the event has {event.lot or ', '.join(event.serials)}: "
            "post it by hand, or take them out of this event and replay it"
        )


class Connector(Protocol):
    """One business system. Every method raises only TransientError, CredentialsError, BusinessError or UnknownOutcome.

    `async with` opens and closes its connections; the constructor does not connect. One instance serves events of different
    streams at the same time; the relay never gives it two events of one stream at once.
    """

    @property
    def kinds(self) -> frozenset[EventKind]:
        """The kinds of event that it carries; `lookup` and `plan` raise BusinessError for any other."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def lookup(self, event: Event) -> Found:
        """Whether the system has the event already. Raises BusinessError where its numbers allow neither answer."""
        ...

    async def plan(self, event: Event) -> Sequence[Step]:
        """The requests that carry the event, in order; none where the system has it already. Sends nothing that changes.

        They are exactly what `execute` would send now, so that a person can be shown them.
        """
        ...

    async def reverse(self, event: Reversal) -> Sequence[Step]:
        """The requests that take back what the event names; `plan` answers the same for a Reversal."""
        ...

    async def execute(self, step: Step) -> Answer:
        """Send one request. Raises UnknownOutcome where a step that is not repeatable may or may not have been taken."""
        ...

    async def verify(self, event: Event) -> Found:
        """What the system holds after the last step: an answer 200 is not yet a document."""
        ...

    async def read_orders(self, since: datetime | None) -> list[ProductionOrder]:
        """The production orders that changed at or after `since`, each once; all where it is None."""
        ...

    async def read_shipments(self, since: datetime | None) -> list[ShipmentStatus]:
        """The shipments that changed at or after `since`, each once; all where it is None."""
        ...

    async def read_ticket_states(self, since: datetime | None) -> list[WorkRequestState]:
        """The states of work requests that changed at or after `since`; none where the system holds no requests."""
        ...

    async def check_master_data(self, equipment: Sequence[str]) -> list[MasterDataProblem]:
        """What the system does not know of the table's items, units, locations and reasons, and of these equipment paths.

        Empty: all is there that it can be asked for; an attribute `not_asked` names what it cannot. Changes nothing.
        """
        ...


@dataclass(frozen=True, slots=True)
class OrderTotals:
    """What the system holds of an order now, in our unit of what the order makes; what was taken back, by us or by hand, taken off.

    `good` is what it has as made, `scrap` what it has as scrapped; None where its documents do not tell.
    """

    good: Decimal
    scrap: Decimal | None = None


@runtime_checkable
class TellsTotals(Protocol):
    """A connector whose system can say how much of an order it has as made."""

    async def read_totals(self, order_refs: Sequence[str]) -> Mapping[str, OrderTotals]:
        """Per order what the system holds of it; an order that it does not know, or that nothing was posted to, may be left out."""
        ...


class Place(NamedTuple):
    """An item of ours at a location of ours; the location empty: all that the system counts as its stock."""

    item: str
    location: str


@runtime_checkable
class TellsStock(Protocol):
    """A connector whose system can say how much of an item may be promised."""

    async def read_stock(self, places: Sequence[Place]) -> Mapping[Place, Decimal]:
        """What is available at each place, in our unit of the item (the inverse of `items`' factor, exact); 0 where there is none.

        A place whose item or location the system does not know is left out, so that it keeps no other from being told. A quantity
        that has no exact counterpart in our unit is a BusinessError that names the item; an answer that is none is Transient and
        never a 0, which would sell a shop out. Any number of places may be asked for in one call. Raises only ConnectorErrors.
        """
        ...
